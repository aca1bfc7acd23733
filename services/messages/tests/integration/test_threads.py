"""Threads: what is in them, and who follows."""

from parley_shared.errors import Code


async def test_a_thread_is_its_root_and_its_replies_in_their_order(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [root, other] = await suite.send(owner, room.id, "root", "other")
    replies = []
    for index in range(5):
        replies += await suite.send(member, room.id, f"reply {index}", thread_root_id=root.message_id)
    await suite.send(member, room.id, "elsewhere", thread_root_id=other.message_id)
    thread = await suite.thread(owner, room.id, root, limit=2)
    assert (thread.root.body, thread.root.reply_count) == ("root", 5)
    found = list(thread.items)
    while thread.next is not None:
        thread = await suite.thread(owner, room.id, root, limit=2, cursor=thread.next)
        found += thread.items
    assert [item.body for item in found] == [f"reply {index}" for index in range(5)]
    of_reply = await suite.thread(owner, room.id, replies[3])
    assert (of_reply.root.id, [item.id for item in of_reply.items]) == (root.message_id, [item.id for item in found])
    assert (await suite.thread(owner, room.id, replies[3], limit=2)).next is not None
    with suite.refused(Code.BAD_CURSOR):
        await suite.thread(owner, room.id, other, cursor=(await suite.thread(owner, room.id, root, limit=2)).next)


async def test_tombstones_keep_their_place_in_a_thread(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [root] = await suite.send(owner, room.id, "root")
    [first] = await suite.send(owner, room.id, "first", thread_root_id=root.message_id)
    await suite.send(owner, room.id, "second", thread_root_id=root.message_id)
    await suite.delete_message(owner, room.id, first)
    await suite.delete_message(owner, room.id, root)
    thread = await suite.thread(owner, room.id, root)
    assert (thread.root.deleted, thread.root.reply_count) == (True, 2)
    assert [(item.deleted, item.body) for item in thread.items] == [(True, None), (False, "second")]


async def test_who_wrote_the_root_or_in_the_thread_follows_and_others_may(suite) -> None:
    owner, writer, reader = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, writer, reader)
    [root] = await suite.send(owner, room.id, "root")
    assert (await suite.thread(owner, room.id, root)).following
    assert not (await suite.thread(writer, room.id, root)).following
    await suite.send(writer, room.id, "one", thread_root_id=root.message_id)
    assert (await suite.thread(writer, room.id, root)).following
    await suite.follow(reader, room.id, root)
    await suite.follow(reader, room.id, root)
    thread = await suite.thread(reader, room.id, root)
    assert (thread.following, thread.unread) == (True, 0), "from then on"
    [reply] = await suite.send(writer, room.id, "two", thread_root_id=root.message_id)
    await suite.follow(reader, room.id, reply)
    assert [(await suite.thread(actor, room.id, root)).unread for actor in (owner, writer, reader)] == [2, 0, 1]
    assert (await suite.mine(reader, room.id)).unread == 1 + 1, "the root, and the reply"
    await suite.read(reader, room.id, reply.seq)
    assert (await suite.thread(reader, room.id, root)).unread == 0


async def test_who_follows_no_more_is_not_told_until_he_writes_again(suite) -> None:
    owner, writer = suite.user(), suite.user()
    room = await suite.room(owner, writer)
    [root] = await suite.send(owner, room.id, "root")
    await suite.unfollow(owner, room.id, root)
    assert not (await suite.thread(owner, room.id, root)).following
    await suite.send(writer, room.id, "one", thread_root_id=root.message_id)
    thread = await suite.thread(owner, room.id, root)
    assert (thread.following, thread.unread) == (False, 0)
    await suite.send(owner, room.id, "me again", thread_root_id=root.message_id)
    assert (await suite.thread(owner, room.id, root)).following
    # Who does not follow has nothing to end.
    stranger = suite.user()
    await suite.add(owner, room.id, stranger)
    await suite.unfollow(stranger, room.id, root)
    assert (
        await suite.database.fetchval(
            "SELECT count(*) FROM messages.thread_followers WHERE user_id = $1", stranger.user_id
        )
        == 0
    )


async def test_following_is_no_event(suite) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    [root] = await suite.send(owner, room.id, "root")
    before = (await suite.mine(owner, room.id)).head
    await suite.follow(reader, room.id, root)
    await suite.unfollow(reader, room.id, root)
    assert (await suite.mine(owner, room.id)).head == before


async def test_of_a_thread_a_newcomer_sees_what_came_after_him_if_he_sees_its_root(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner, history="since_join")
    [root] = await suite.send(owner, room.id, "hidden root")
    await suite.add(owner, room.id, newcomer)
    [reply] = await suite.send(owner, room.id, "seen", thread_root_id=root.message_id)
    assert (await suite.message_of(newcomer, room.id, reply.message_id)).body == "seen"
    for message in (root, reply):
        with suite.refused(Code.NOT_FOUND):
            await suite.thread(newcomer, room.id, message)
    [own] = await suite.send(newcomer, room.id, "root of his")
    await suite.leave(newcomer, room.id)
    await suite.send(owner, room.id, "while he was away", thread_root_id=own.message_id)
    await suite.add(owner, room.id, newcomer)
    await suite.send(owner, room.id, "he is back", thread_root_id=own.message_id)
    assert [item.body for item in (await suite.thread(newcomer, room.id, own)).items] == ["he is back"]
