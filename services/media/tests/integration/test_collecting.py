"""What nobody uses goes, what somebody uses stays, and no image goes while a message with it may be on its way."""

from datetime import timedelta

import pytest

from parley_media.domain import CLAIM_TIME, RECHECK_TIME, UNUSED_TIME, UPLOAD_TIME
from parley_shared.contracts.media import ClaimImages, Claims
from parley_shared.errors import Code
from parley_shared.ids import new_id

from .harness import Carried, Replica, World, picture, put, refused, user

SECOND = timedelta(seconds=1)


async def test_an_upload_that_nobody_finishes_is_given_up(media: Replica) -> None:
    owner, data = user(), picture()
    for arrived in (True, False):
        begun = await media.begin(owner, len(data))
        if arrived:
            assert await put(begun, data, len(data)) == 200
    await media.jobs.collect()
    assert len(await media.world.rows()) == 2
    await media.world.pass_time(UPLOAD_TIME + SECOND)
    await media.jobs.collect()
    assert await media.world.nothing_is_left()


async def test_an_image_that_is_never_sent_goes_after_two_days(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.world.pass_time(UNUSED_TIME - SECOND * 60)
    await media.jobs.collect()
    assert await media.download(owner, image.id)
    await media.world.pass_time(SECOND * 61)
    await media.jobs.collect()
    assert await media.world.nothing_is_left()
    assert media.world.asked == [], "nobody has to be asked about what was never about to be sent"


async def test_an_image_that_is_used_stays_and_is_not_asked_about_all_the_time(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id, owner)
    await media.world.pass_time(UNUSED_TIME + SECOND)
    for _ in range(3):
        await media.jobs.collect()
        await media.world.pass_time(timedelta(days=5))
    assert [[use.image_id for use in asked.images] for asked in media.world.asked] == [[image.id]]
    # A word of messages that got lost is made up for, in the end.
    media.world.carried[image.id].used = False
    await media.world.pass_time(RECHECK_TIME)
    await media.jobs.collect()
    assert await media.world.nothing_is_left()


async def test_a_claim_keeps_an_image_for_another_while(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.world.pass_time(UNUSED_TIME - SECOND * 60)
    await media.claim(owner, new_id(), image.id)
    await media.world.pass_time(UNUSED_TIME - SECOND * 60)
    await media.jobs.collect()
    assert await media.world.state(image.id) == "ready"
    await media.world.pass_time(SECOND * 61)
    await media.jobs.collect()
    assert await media.world.nothing_is_left()


async def test_a_claim_after_the_question_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    media, owner = await world.replica(), user()
    image = await media.upload(owner, picture())
    await media.claim(owner, new_id(), image.id)
    await world.pass_time(UNUSED_TIME + SECOND)
    original = media.jobs._messages.in_use

    async def and_then_claimed(rooms: object) -> object:
        answer = await original(rooms)  # type: ignore[arg-type]  # as it came
        await media.claim(owner, new_id(), image.id)
        return answer

    monkeypatch.setattr(media.jobs._messages, "in_use", and_then_claimed)
    await media.jobs.collect()
    assert await world.state(image.id) == "ready"
    assert await media.download(owner, image.id)


async def test_what_no_message_carries_any_more_is_unreadable_at_once(media: Replica) -> None:
    owner = user()
    image = await media.upload(owner, picture())
    await media.send(owner, image.id, owner)
    await media.world.pass_time(CLAIM_TIME + SECOND)
    media.world.carried[image.id] = Carried(set(), used=False)
    await media.release(image.id, new_id())
    keys = "SELECT count(*) FROM media.objects WHERE wrapped_key IS NOT NULL"
    assert await media.world.database.fetchval(keys) == 0
    with refused(Code.NOT_FOUND):
        await media.open(owner, image.id)
    await media.jobs.collect()
    assert await media.world.nothing_is_left()
    await media.release(image.id)


async def test_what_was_claimed_a_moment_ago_is_asked_about_before_it_goes(media: Replica) -> None:
    owner = user()
    sent, unsent = await media.upload(owner, picture()), await media.upload(owner, picture())
    for image in (sent, unsent):
        await media.send(owner, image.id, owner)
    # The first message with it is gone; another one is on its way.
    await media.release(sent.id, unsent.id)
    media.world.carried[unsent.id].used = False
    await media.jobs.collect()
    assert (await media.world.state(sent.id), await media.world.state(unsent.id)) == ("ready", "ready")
    await media.world.pass_time(CLAIM_TIME + SECOND)
    await media.jobs.collect()
    assert (await media.world.state(sent.id), await media.world.state(unsent.id)) == ("ready", None)


async def test_claims_find_what_is_ready_and_the_owners_in_the_order_asked_for(media: Replica) -> None:
    owner, other, data = user(), user(), picture()
    first, second = await media.upload(owner, data), await media.upload(owner, data)
    foreign = await media.upload(other, data)
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    asked = [second.id, begun.upload_id, foreign.id, new_id(), first.id]
    claims = Claims(
        claims=[
            ClaimImages(owner_id=owner.user_id, room_id=new_id(), image_ids=asked),
            ClaimImages(owner_id=other.user_id, room_id=new_id(), image_ids=asked),
            ClaimImages(owner_id=other.user_id, room_id=new_id(), image_ids=[]),
        ]
    )
    found = (await media.do.claims.claim(claims)).found
    assert found == [[second, first], [foreign], []]
    assert (await media.do.claims.claim(Claims(claims=[]))).found == []


async def test_nothing_is_collected_as_unused_while_messages_is_away(media: Replica) -> None:
    owner, data = user(), picture()
    image = await media.upload(owner, data)
    await media.claim(owner, new_id(), image.id)
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    await media.world.pass_time(UNUSED_TIME + SECOND)
    media.world.messages_away = True
    await media.jobs.collect()
    assert await media.world.state(image.id) == "ready"
    assert await media.world.state(begun.upload_id) is None, "uploads need nobody's word"
    media.world.messages_away = False
    await media.jobs.collect()
    assert await media.world.nothing_is_left()


async def test_of_several_replicas_one_collects_and_another_takes_over(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    await one.jobs.collect()
    begun = await one.begin(user(), 100)
    await world.database.execute("UPDATE media.images SET due_at = due_at - $1::interval", UPLOAD_TIME + SECOND)
    await other.jobs.collect()
    assert await world.state(begun.upload_id) == "begun", "the first one holds the lease"
    await one.jobs.collect()
    assert await world.nothing_is_left()
    begun = await one.begin(user(), 100)
    await world.pass_time(UPLOAD_TIME + SECOND)
    await other.jobs.collect()
    assert await world.nothing_is_left()


async def test_more_than_one_batch_is_collected_in_one_turn(world: World) -> None:
    media, owner = await world.replica(), user()
    await world.database.execute(
        "INSERT INTO media.images (id, owner_id, state, created_at, attempt, due_at)"
        " SELECT gen_random_uuid(), $1, 'begun', now(), 0, now() - interval '1 s' FROM generate_series(1, 1200)",
        owner.user_id,
    )
    await world.database.execute(
        "INSERT INTO media.objects SELECT 'quarantine/' || id, id, 'quarantine', 0, '', 1, '', 'k', 'x' FROM media.images"
    )
    await media.jobs.collect()
    assert await world.nothing_is_left()
