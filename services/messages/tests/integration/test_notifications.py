"""Notifications: whom they reach, how often, what reading does to them, and what a block takes away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parley_shared.contracts import notifications as told
from parley_shared.contracts.base import Actor
from parley_shared.contracts.frames import NotificationCreated
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def listed(suite: Any, actor: Actor, **page: Any) -> told.Notifications:
    return await suite.rpc.call(told.LIST_NOTIFICATIONS, told.ListNotifications(actor=actor, **page))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.02)


async def settled(suite: Any) -> None:
    """No send has left work any more."""

    async def done() -> bool:
        return not await suite.database.fetchval("SELECT count(*) FROM messages.fanout")

    await until(done)


async def kinds(suite: Any, actor: Actor) -> list[str]:
    await settled(suite)
    return [item.kind for item in (await listed(suite, actor)).items]


async def test_a_mention_a_direct_message_a_reply_and_an_invitation_are_told(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    room = await suite.room(one, other)
    [root] = await suite.send(other, room.id, "root")
    [mention] = await suite.send(one, room.id, f"Hello @{name}")
    [reply] = await suite.send(one, room.id, "a reply", thread_root_id=root.message_id)
    direct = (await suite.direct(one, other)).room
    [private] = await suite.send(one, direct.id, "psst")
    await settled(suite)
    found = await listed(suite, other)
    assert [(item.kind, item.message_id, item.actor_id) for item in found.items] == [
        ("direct", private.message_id, one.user_id),
        ("reply", reply.message_id, one.user_id),
        ("mention", mention.message_id, one.user_id),
        ("invitation", None, one.user_id),
    ]
    assert [item.message.body if item.message else None for item in found.items] == [
        "psst",
        "a reply",
        f"Hello @{name}",
        None,
    ]
    events = [event.event for event in await suite.own_events(other) if isinstance(event.event, NotificationCreated)]
    assert [event.notification.id for event in events] == [item.id for item in reversed(found.items)]
    assert await kinds(suite, one) == []


async def test_one_message_is_one_notification_of_the_strongest_kind(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    direct = (await suite.direct(one, other)).room
    [root] = await suite.send(other, direct.id, "root")
    await suite.send(one, direct.id, f"@{name} @all", thread_root_id=root.message_id)
    assert await kinds(suite, other) == ["mention"]


async def test_a_thousand_people_are_told_once_each_in_slices(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    people = [new_id() for _ in range(999)]
    await suite.database.execute(
        "INSERT INTO messages.members (room_id, user_id, from_seq, role, joined_at)"
        " SELECT $1, u, 1, 'member', now() FROM unnest($2::uuid[]) AS u",
        room.id,
        people,
    )
    await suite.database.execute("UPDATE messages.rooms SET member_count = 1000 WHERE id = $1", room.id)
    [first, second] = await suite.send(owner, room.id, "@all one", "@all two")
    await settled(suite)
    rows = await suite.database.fetch(
        "SELECT message_id, count(*), count(DISTINCT user_id) FROM messages.notifications WHERE room_id = $1 GROUP BY 1",
        room.id,
    )
    assert {row[0]: (row[1], row[2]) for row in rows} == {first.message_id: (999, 999), second.message_id: (999, 999)}
    # In everybody's own stream they are dense, and in the order of the messages.
    member = Actor(user_id=people[500], session_id=new_id(), role="user")
    events = await suite.own_events(member)
    assert [(event.seq, event.event.notification.message_id) for event in events] == [
        (1, first.message_id),
        (2, second.message_id),
    ]


async def test_reading_the_room_reads_its_notifications_and_mentions_count_the_unread(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    room = await suite.room(one, other)
    assert (await suite.mine(other, room.id)).mentions == 1
    sent = await suite.send(one, room.id, f"@{name} 1", f"@{name} 2", f"@{name} 3")
    await settled(suite)
    mine = await suite.mine(other, room.id)
    assert (mine.mentions, mine.unread) == (4, 3)
    state = await suite.read(other, room.id, sent[1].seq)
    assert (state.mentions, state.unread) == (1, 1)
    assert [item.read for item in (await listed(suite, other)).items] == [False, True, True, True]
    assert [item.message_id for item in (await listed(suite, other, unread=True)).items] == [sent[2].message_id]
    assert (await listed(suite, other)).unread == 1


async def test_notifications_are_read_up_to_one_of_them_on_all_devices(suite) -> None:
    one, other = suite.user(), suite.user()
    direct = (await suite.direct(one, other)).room
    await suite.send(one, direct.id, "1", "2", "3")
    await settled(suite)
    items = (await listed(suite, other)).items
    head = len(await suite.own_events(other))
    for _ in range(2):
        await suite.rpc.call(told.READ_NOTIFICATIONS, told.ReadNotifications(actor=other, up_to=items[1].id))
    assert [item.read for item in (await listed(suite, other)).items] == [False, True, True]
    [event] = await suite.own_events(other, after=head)
    assert event.event.up_to == items[1].id
    with suite.refused(Code.NOT_FOUND):
        await suite.rpc.call(told.READ_NOTIFICATIONS, told.ReadNotifications(actor=one, up_to=items[1].id))


async def test_a_level_decides_what_a_room_tells(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    direct = (await suite.direct(one, other)).room
    for level, told_kinds in (("mentions", ["mention"]), ("none", []), ("all", ["direct", "mention"])):
        before = len((await listed(suite, other)).items)
        answer = await suite.rpc.call(told.SET_NOTIFY, told.SetNotify(actor=other, room_id=direct.id, level=level))
        assert answer.notify == level
        await suite.send(one, direct.id, f"@{name}", "plain")
        found = await kinds(suite, other)
        assert found[: len(found) - before] == told_kinds
    with suite.refused(Code.NOT_FOUND):
        await suite.rpc.call(told.SET_NOTIFY, told.SetNotify(actor=suite.user(), room_id=direct.id, level="all"))


async def test_a_block_takes_rooms_invitations_and_notifications_away_both_ways(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    shared = await suite.room(one, other)
    await suite.read(other, shared.id, 100)
    head = len(await suite.own_events(other))
    for _ in range(2):
        await suite.rpc.call(told.BLOCK_USER, told.BlockUser(actor=other, user_id=one.user_id))
    assert [event.event.__struct_config__.tag for event in await suite.own_events(other, after=head)] == [
        "account.updated"
    ]
    blocks = await suite.rpc.call(told.LIST_BLOCKS, told.ListBlocks(actor=other))
    assert [block.user_id for block in blocks.items] == [one.user_id]
    assert (await suite.rpc.call(told.LIST_BLOCKS, told.ListBlocks(actor=one))).items == []
    another = await suite.room(one)
    stranger = suite.user()
    suite.unknown.add(stranger.user_id)
    for actor, target in ((one, other), (other, one)):
        with suite.refused(Code.NOT_FOUND) as blocked:
            await suite.direct(actor, target)
        with suite.refused(Code.NOT_FOUND) as unknown:
            await suite.direct(actor, stranger)
        assert str(blocked.value) == str(unknown.value)
    with suite.refused(Code.NOT_FOUND):
        await suite.add(one, another.id, other)
    # In a shared room the message arrives, and nobody is told of it.
    [sent] = await suite.send(one, shared.id, f"@{name}")
    assert (await suite.message_of(other, shared.id, sent.message_id)).body == f"@{name}"
    assert await kinds(suite, other) == ["invitation"]
    await suite.rpc.call(told.UNBLOCK_USER, told.BlockUser(actor=other, user_id=one.user_id))
    await suite.send(one, shared.id, f"@{name}")
    assert (await kinds(suite, other))[0] == "mention"


@pytest.mark.parametrize("who", ["oneself", "nobody"])
async def test_one_blocks_somebody_else_who_exists(suite, who) -> None:
    actor, stranger = suite.user(), suite.user()
    suite.unknown.add(stranger.user_id)
    with suite.refused(Code.INVALID if who == "oneself" else Code.NOT_FOUND):
        target = actor if who == "oneself" else stranger
        await suite.rpc.call(told.BLOCK_USER, told.BlockUser(actor=actor, user_id=target.user_id))


async def test_who_left_sees_no_text_in_his_notifications(suite) -> None:
    one, other = suite.user(), suite.user()
    name = f"n{other.user_id.hex[-12:]}"
    suite.names[name] = other.user_id
    room = await suite.room(one, other, visibility="private")
    await suite.send(one, room.id, f"@{name} secret")
    await settled(suite)
    await suite.leave(other, room.id)
    assert all(item.message is None for item in (await listed(suite, other)).items)


async def test_replies_count_as_unread_for_followers_only(suite) -> None:
    author, follower, reader = suite.user(), suite.user(), suite.user()
    room = await suite.room(author, follower, reader)
    [root] = await suite.send(author, room.id, "root")
    for person in (follower, reader):
        await suite.read(person, room.id, root.seq)
    await suite.send(follower, room.id, "mine", thread_root_id=root.message_id)
    await suite.send(author, room.id, "1", "2", thread_root_id=root.message_id)
    assert (await suite.mine(follower, room.id)).unread == 2
    assert (await suite.mine(reader, room.id)).unread == 0
    assert (await suite.mine(author, room.id)).unread == 0
    head = (await suite.mine(follower, room.id)).head
    assert (await suite.read(follower, room.id, head)).unread == 0


async def test_notifications_come_in_pages(suite) -> None:
    one, other = suite.user(), suite.user()
    direct = (await suite.direct(one, other)).room
    sent = await suite.send(one, direct.id, *"12345")
    await settled(suite)
    found, cursor = [], None
    while True:
        page = await listed(suite, other, limit=2, cursor=cursor)
        found += [item.message_id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == [one.message_id for one in reversed(sent)]


async def test_work_left_by_a_dead_replica_is_done_by_another(suite) -> None:
    one, other = suite.user(), suite.user()
    direct = (await suite.direct(one, other)).room
    [sent] = await suite.send(one, direct.id)
    await settled(suite)
    await suite.database.execute("DELETE FROM messages.notifications WHERE message_id = $1", sent.message_id)
    await suite.database.execute(
        "INSERT INTO messages.fanout (room_id, message_id) VALUES ($1, $2)", direct.id, sent.message_id
    )
    assert await kinds(suite, other) == ["direct"]
    # And once more of the same: nobody is told twice.
    await suite.database.execute(
        "INSERT INTO messages.fanout (room_id, message_id) VALUES ($1, $2)", direct.id, sent.message_id
    )
    assert await kinds(suite, other) == ["direct"]


async def test_a_message_that_is_in_hand_twice_is_told_once(suite) -> None:
    one, other = suite.user(), suite.user()
    direct = (await suite.direct(one, other)).room
    [sent] = await suite.send(one, direct.id)
    await settled(suite)
    await suite.database.execute("DELETE FROM messages.notifications WHERE message_id = $1", sent.message_id)
    await suite.database.execute(
        "INSERT INTO messages.fanout (room_id, message_id) SELECT $1, $2 FROM generate_series(1, 5)",
        direct.id,
        sent.message_id,
    )
    assert await kinds(suite, other) == ["direct"]
