"""What a send may be besides accepted: muted, slowed down, too much for a room, blocked; and whom it names."""

import asyncio
from datetime import timedelta

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code
from parley_shared.limits import FOREVER


async def named(suite, *names: str) -> list:
    users = [suite.user() for _ in names]
    suite.names.update({name: user.user_id for name, user in zip(names, users, strict=True)})
    return users


async def test_members_who_are_named_are_mentioned_and_nobody_else(suite) -> None:
    owner = suite.user()
    ann, ben, eve = await named(suite, "mention.ann", "mention-ben", "mention_eve")
    room = await suite.room(owner, ann, ben)
    [sent] = await suite.send(
        owner, room.id, "@mention.ann. and @mention-ben: ask @mention_eve or @nobody-at-all `@mention.ann`"
    )
    message = await suite.message_of(owner, room.id, sent.message_id)
    assert message.mentions == [ann.user_id, ben.user_id]
    assert not message.mention_all
    [event] = [event for event in await suite.events(ben, room.id) if event.seq == sent.seq]
    assert event.event.message == message
    assert eve.user_id not in message.mentions
    work = await suite.database.fetch("SELECT message_id FROM messages.fanout WHERE room_id = $1", room.id)
    assert len(work) <= 1  # already done, or waiting


async def test_everybody_is_mentioned_by_those_with_an_office(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [by_owner] = await suite.send(owner, room.id, "@all: lunch")
    [by_member] = await suite.send(member, room.id, "@all: lunch?")
    assert (await suite.message_of(owner, room.id, by_owner.message_id)).mention_all
    assert not (await suite.message_of(owner, room.id, by_member.message_id)).mention_all


async def test_a_muted_member_is_told_how_long(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)

    async def mute(until: object) -> None:
        await suite.database.execute(
            "UPDATE messages.members SET muted_until = $3 WHERE room_id = $1 AND user_id = $2",
            room.id,
            member.user_id,
            until,
        )

    await mute(FOREVER)
    [outcome] = await suite.try_send(suite.message(member, room.id))
    assert (outcome.code, outcome.retry_after_ms) == (Code.MUTED, None)
    await mute((await suite.database.fetchval("SELECT clock_timestamp()")) + timedelta(milliseconds=400))
    [outcome] = await suite.try_send(suite.message(member, room.id))
    assert outcome.code == Code.MUTED
    assert 0 < outcome.retry_after_ms <= 401
    await asyncio.sleep(outcome.retry_after_ms / 1000)
    await suite.send(member, room.id)


async def test_slow_mode_lets_each_member_write_once_in_a_while(suite) -> None:
    owner, member, other = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, member, other)
    await suite.update(owner, room.id, room.rev, slow_mode_s=1)
    one, again = await suite.try_send(suite.message(member, room.id), suite.message(member, room.id))
    assert isinstance(one, contract.Accepted)
    assert again.code == Code.SLOW_MODE
    assert 0 < again.retry_after_ms <= 1000
    await suite.send(other, room.id)
    await suite.send(owner, room.id, "one", "two", "three")
    duplicate = suite.message(member, room.id, "Hello", client_msg_id="same")
    await asyncio.sleep(again.retry_after_ms / 1000)
    first, second = await suite.try_send(duplicate, duplicate)
    assert (first.duplicate, second.duplicate) == (False, True)
    [third] = await suite.try_send(suite.message(member, room.id))
    assert third.code == Code.SLOW_MODE


async def test_office_counts_as_a_moderators_role_where_it_reaches(suite) -> None:
    owner, boss, warden = suite.user(), suite.user("admin"), suite.user("moderator")
    for visibility, slowed in (("public", False), ("private", True)):
        room = await suite.room(owner, boss, warden, visibility=visibility)
        await suite.update(owner, room.id, room.rev, slow_mode_s=60)
        for actor, slow in ((boss, False), (warden, slowed)):
            first, second = await suite.try_send(
                suite.message(actor, room.id, "@all: soup is ready"), suite.message(actor, room.id)
            )
            assert (await suite.message_of(actor, room.id, first.message_id)).mention_all is not slow
            assert isinstance(second, contract.NotAccepted) is slow


async def test_a_flooded_room_says_when_it_takes_more(suite, start_replica) -> None:
    people = [suite.user() for _ in range(5)]
    room = await suite.room(people[0], *people[1:])
    # Whichever replica takes a batch; the other one has no limit.
    async with start_replica(room_flood_per_second=20):
        outcomes: list = []
        for _ in range(100):
            outcomes += await suite.try_send(*(suite.message(person, room.id) for person in people))
            refused = [outcome for outcome in outcomes if isinstance(outcome, contract.NotAccepted)]
            flooded = [outcome for outcome in refused if "room" in outcome.detail]
            if flooded:
                break
        assert flooded
        assert flooded[-1].code == Code.RATE_LIMITED
        assert flooded[-1].retry_after_ms > 0


async def test_between_two_people_a_block_ends_it_both_ways(suite) -> None:
    one, other, third = suite.user(), suite.user(), suite.user()
    two = (await suite.direct(one, other)).room
    three = (await suite.direct(one, other, third)).room
    await suite.database.execute(
        "INSERT INTO messages.blocks (user_id, blocked_id, at) VALUES ($1, $2, now())", one.user_id, other.user_id
    )
    for sender in (one, other):
        [outcome] = await suite.try_send(suite.message(sender, two.id))
        assert outcome.code == Code.NOT_REACHABLE
    await suite.send(other, three.id)


async def test_who_writes_in_a_thread_follows_it_and_so_does_its_author(suite) -> None:
    owner, member, silent = suite.user(), suite.user(), suite.user()
    [ann] = await named(suite, "thread.ann")
    room = await suite.room(owner, member, silent, ann)
    [root] = await suite.send(owner, room.id, "root")
    await suite.send(member, room.id, "a reply to @thread.ann", thread_root_id=root.message_id)

    async def followers() -> dict:
        rows = await suite.database.fetch(
            "SELECT user_id, following, since_seq FROM messages.thread_followers WHERE root_id = $1", root.message_id
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    found = await followers()
    assert found.keys() == {owner.user_id, member.user_id, ann.user_id}
    assert found[owner.user_id] == (True, root.seq)
    assert all(following for following, _ in found.values())
    await suite.database.execute(
        "UPDATE messages.thread_followers SET following = false WHERE root_id = $1", root.message_id
    )
    await suite.send(member, room.id, "@thread.ann again", thread_root_id=root.message_id)
    found = await followers()
    assert found[member.user_id][0]
    assert not found[owner.user_id][0]
    assert not found[ann.user_id][0]
