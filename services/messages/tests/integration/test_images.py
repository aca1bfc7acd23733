"""Images in messages: whose they must be, who sees them, and when media is told that they are gone."""

import pytest

from parley_shared.contracts.images import (
    IMAGES_IN_USE,
    MAY_SEE_IMAGE,
    ImagesInUse,
    ImageUse,
    MaySeeImage,
    MaySeeImageAnswer,
)
from parley_shared.contracts.messages import Accepted, NotAccepted
from parley_shared.errors import Code
from parley_shared.ids import new_id
from parley_shared.limits import MESSAGE_IMAGES


async def seen(suite, viewer, image, *rooms) -> MaySeeImageAnswer:
    request = MaySeeImage(
        viewer_id=viewer.user_id, viewer_role=viewer.role, image_id=image.id, room_ids=[room.id for room in rooms]
    )
    return await suite.media.call(MAY_SEE_IMAGE, request)


async def in_use(suite, image, *rooms) -> bool:
    asked = ImagesInUse(images=[ImageUse(image_id=image.id, room_ids=[room.id for room in rooms])])
    return image.id in (await suite.media.call(IMAGES_IN_USE, asked)).image_ids


async def test_a_message_carries_its_images_wherever_it_is_shown(suite) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    first, second = suite.gallery.add(owner.user_id), suite.gallery.add(owner.user_id)
    [accepted] = await suite.send(owner, room.id, "Look", media_ids=[second.id, first.id])
    message = await suite.message_of(reader, room.id, accepted.message_id)
    assert message.media == [second, first]
    assert (second.id, room.id) in suite.gallery.claimed
    [page] = (await suite.page(reader, room.id)).items
    [event] = [event for event in await suite.events(reader, room.id) if event.seq == accepted.seq]
    [hub] = [item for item in (await suite.hub_range(f"room:{room.id}")).events if item.seq == accepted.seq]
    assert page.media == event.event.message.media == suite.decode(hub.frame).event.message.media == [second, first]
    edited = await suite.edit(owner, room.id, message, 1, "Look there")
    assert edited.media == [second, first]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda suite, owner: [suite.gallery.add(suite.user().user_id).id],
        lambda suite, owner: [new_id()],
        lambda suite, owner: [suite.gallery.add(owner.user_id).id] * 2,
        lambda suite, owner: [suite.gallery.add(owner.user_id).id for _ in range(MESSAGE_IMAGES + 1)],
        lambda suite, owner: [suite.gallery.add(owner.user_id).id, new_id()],
    ],
)
async def test_images_that_are_not_ones_own_ready_or_too_many_are_refused(suite, wrong) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    send = suite.message(owner, room.id, media_ids=wrong(suite, owner))
    [outcome, other] = await suite.try_send(send, suite.message(owner, room.id))
    assert isinstance(outcome, NotAccepted)
    assert (outcome.code, list(outcome.errors or ())) == ("invalid", ["media_ids"])
    assert isinstance(other, Accepted)
    assert other.seq == 2


async def test_a_retry_is_answered_whatever_became_of_the_image_meanwhile(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    image = suite.gallery.add(owner.user_id)
    send = suite.message(owner, room.id, media_ids=[image.id])
    [first] = await suite.try_send(send)
    await suite.delete_message(owner, room.id, first)
    del suite.gallery.images[image.id]
    [again] = await suite.try_send(send)
    assert isinstance(again, Accepted)
    assert (again.message_id, again.duplicate) == (first.message_id, True)
    suite.gallery.away = True
    try:
        [away, fresh] = await suite.try_send(send, suite.message(owner, room.id, media_ids=[image.id]))
    finally:
        suite.gallery.away = False
    assert isinstance(away, Accepted)
    assert (fresh.code, fresh.retry_after_ms) == ("unavailable", 1000)
    [other] = await suite.try_send(suite.message(owner, room.id, client_msg_id=send.client_msg_id, media_ids=[]))
    assert other.code == "idempotency_mismatch"


async def test_media_away_holds_up_no_text(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    suite.gallery.away = True
    try:
        [_, text] = await suite.try_send(
            suite.message(owner, room.id, media_ids=[new_id()]), suite.message(owner, room.id, "text")
        )
    finally:
        suite.gallery.away = False
    assert isinstance(text, Accepted)


async def test_whoever_sees_a_message_that_carries_an_image_sees_it(suite) -> None:
    owner, member, late, stranger, admin = *(suite.user() for _ in range(4)), suite.user("admin")
    open_room = await suite.room(owner, member)
    closed = await suite.room(owner, member, visibility="private", history="since_join")
    image = suite.gallery.add(owner.user_id)
    assert await seen(suite, owner, image, open_room) == MaySeeImageAnswer(sent=False, visible=False)
    await suite.send(owner, closed.id, media_ids=[image.id])
    await suite.add(owner, closed.id, late)
    for viewer, visible in ((owner, True), (member, True), (late, False), (stranger, False), (admin, False)):
        assert await seen(suite, viewer, image, closed) == MaySeeImageAnswer(sent=True, visible=visible)
    # Where media was never told that it was sent to, it is not looked for.
    assert await seen(suite, member, image, open_room) == MaySeeImageAnswer(sent=False, visible=False)
    await suite.send(owner, open_room.id, media_ids=[image.id])
    assert (await seen(suite, member, image, closed, open_room)).visible
    await suite.remove(owner, closed.id, member)
    assert not (await seen(suite, member, image, closed)).visible
    assert (await seen(suite, member, image, closed, open_room)).visible
    await suite.grant(admin, closed.id)
    assert (await seen(suite, admin, image, closed)).visible


async def test_an_image_that_was_sent_is_never_its_owners_alone_again(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    image = suite.gallery.add(owner.user_id)
    [sent] = await suite.send(owner, room.id, media_ids=[image.id])
    # Until media has heard of the deletion, which here it does not, the message counts as one that carried it.
    suite.gallery.away = True
    try:
        await suite.delete_message(owner, room.id, sent)
        assert await seen(suite, owner, image, room) == MaySeeImageAnswer(sent=True, visible=False)
    finally:
        suite.gallery.away = False


async def test_media_is_told_when_the_last_message_that_carried_an_image_is_gone(suite) -> None:
    owner = suite.user()
    room, other = await suite.room(owner), await suite.room(owner)
    twice, once = suite.gallery.add(owner.user_id), suite.gallery.add(owner.user_id)
    [first] = await suite.send(owner, room.id, media_ids=[twice.id, once.id])
    [second] = await suite.send(owner, other.id, media_ids=[twice.id])
    assert await in_use(suite, twice, room, other)
    await suite.delete_message(owner, room.id, first)
    assert (await suite.message_of(owner, room.id, first.message_id)).media == []
    await suite.gallery.until_released(once.id)
    assert twice.id not in suite.gallery.released
    assert not await in_use(suite, once, room, other)
    assert await in_use(suite, twice, room, other)
    await suite.delete_message(owner, other.id, second)
    await suite.gallery.until_released(twice.id)
    assert not await in_use(suite, twice, room, other)


async def test_what_media_was_not_there_to_hear_it_hears_later(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    image = suite.gallery.add(owner.user_id)
    [sent] = await suite.send(owner, room.id, media_ids=[image.id])
    suite.gallery.away = True
    try:
        await suite.delete_message(owner, room.id, sent)
        assert not (await seen(suite, owner, image, room)).visible
    finally:
        suite.gallery.away = False
    await suite.gallery.until_released(image.id)
    rows = "SELECT count(*) FROM messages.message_images WHERE image_id = $1"
    async with suite.database.acquire() as connection:
        while await connection.fetchval(rows, image.id):
            pass


@pytest.mark.parametrize("how", ["retention", "erasure", "erasure in a deleted room"])
async def test_images_go_with_what_a_room_forgets(suite, how) -> None:
    owner, author = suite.user(), suite.user()
    room = await suite.room(owner, author)
    image = suite.gallery.add(author.user_id)
    [sent] = await suite.send(author, room.id, media_ids=[image.id])
    if how == "retention":
        await suite.expire(room.id)
    else:
        if how != "erasure":
            await suite.delete(owner, room.id)
        await suite.erase(author)
    await suite.gallery.until_released(image.id)
    if how != "erasure in a deleted room":
        message = await suite.message_of(owner, room.id, sent.message_id)
        assert (message.deleted, message.media) == (True, [])


async def test_too_many_questions_at_once_are_refused(suite) -> None:
    with suite.refused(Code.INVALID):
        await suite.media.call(IMAGES_IN_USE, ImagesInUse(images=[ImageUse(image_id=new_id(), room_ids=[])] * 1001))
