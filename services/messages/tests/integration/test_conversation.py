"""Edits, deletion, pins, revisions."""

import asyncio
import base64
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
import pytest

from parley_shared.contracts import messages as contract
from parley_shared.contracts.live import HEADER_SEQS, live_subject
from parley_shared.errors import Code, Refused
from parley_shared.limits import FOREVER

SECRET = "the combination is 38-24-36"


async def head(suite: Any, actor: Any, room_id: UUID) -> int:
    return int((await suite.mine(actor, room_id)).head)


# -- edits


async def test_an_author_edits_and_everybody_is_told_once(suite) -> None:
    owner, author = suite.user(), suite.user()
    room = await suite.room(owner, author)
    [sent] = await suite.send(author, room.id, "Helo")
    edited = await suite.edit(author, room.id, sent, 1, "He\u0301llo")
    assert (edited.body, edited.rev, edited.seq, edited.n) == ("Héllo", 2, sent.seq, sent.n)
    assert edited.edited_at > edited.created_at
    assert edited == await suite.message_of(owner, room.id, sent.message_id)
    [event] = await suite.events(owner, room.id, after=sent.seq)
    assert suite.kinds([event]) == ["message.edited"]
    assert (event.event.message_id, event.event.rev, event.event.body) == (sent.message_id, 2, "Héllo")
    assert (event.event.actor_id, event.event.at) == (author.user_id, edited.edited_at)
    again = await suite.edit(author, room.id, sent, 2, "Héllo")
    assert again == edited
    assert await head(suite, owner, room.id) == event.seq, "the same body is no event"


async def test_an_edit_of_an_old_state_is_told_the_present_one(suite) -> None:
    author = suite.user()
    room = await suite.room(author)
    [sent] = await suite.send(author, room.id, "1")
    await suite.edit(author, room.id, sent, 1, "2")
    await suite.react(author, room.id, sent, "👍")
    for rev in (1, 0, 3, 2**31 - 1):
        with suite.refused(Code.REV_CONFLICT) as caught:
            await suite.edit(author, room.id, sent, rev, "3")
        current = msgspec.json.decode(bytes(caught.value.current), type=contract.Message)
        assert current == await suite.message_of(author, room.id, sent.message_id)
        assert (current.rev, current.body, current.reactions[0].mine) == (2, "2", True)


async def test_of_two_edits_of_one_state_one_wins(suite) -> None:
    author = suite.user()
    room = await suite.room(author)
    [sent] = await suite.send(author, room.id, "first")
    found = await asyncio.gather(
        *(suite.edit(author, room.id, sent, 1, f"edit {number}") for number in range(6)), return_exceptions=True
    )
    assert Counter(type(outcome).__name__ for outcome in found) == {"Message": 1, "Refused": 5}
    assert {outcome.code for outcome in found if isinstance(outcome, Refused)} == {Code.REV_CONFLICT}


async def test_nobody_edits_what_another_has_written_whatever_his_role(suite) -> None:
    owner, author, stranger = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, author)
    admin = suite.user("admin")
    await suite.join(admin, room.id)
    [sent] = await suite.send(author, room.id, "mine")
    for somebody in (owner, admin):
        with suite.refused(Code.FORBIDDEN):
            await suite.edit(somebody, room.id, sent, 1, "not yours")
    with suite.refused(Code.NOT_A_MEMBER):
        await suite.edit(stranger, room.id, sent, 1, "not yours")
    await suite.leave(author, room.id)
    with suite.refused(Code.NOT_A_MEMBER):
        await suite.edit(author, room.id, sent, 1, "I have left")


@pytest.mark.parametrize("body", ["", "   ", "x" * 8001, "nul \0"])
async def test_an_edit_is_held_to_what_a_send_is(suite, body) -> None:
    author = suite.user()
    room = await suite.room(author)
    [sent] = await suite.send(author, room.id, "fine")
    with pytest.raises(Refused) as caught:
        await suite.edit(author, room.id, sent, 1, body)
    assert caught.value.code in (Code.INVALID, Code.BAD_TEXT)
    assert (await suite.message_of(author, room.id, sent.message_id)).rev == 1


async def test_after_its_hours_a_message_stays_as_it_is_and_can_still_be_deleted(suite) -> None:
    author = suite.user()
    room = await suite.room(author)
    [old, fresh] = await suite.send(author, room.id, "yesterday", "just now")
    await suite.database.execute(
        "UPDATE messages.messages SET created_at = created_at - interval '24 hours 1 second' WHERE id = $1",
        old.message_id,
    )
    with suite.refused(Code.FORBIDDEN) as caught:
        await suite.edit(author, room.id, old, 1, "too late")
    assert "24 hours" in caught.value.detail
    await suite.edit(author, room.id, fresh, 1, "in time")
    await suite.delete_message(author, room.id, old)


async def test_who_is_muted_edits_nothing_and_may_take_back(suite) -> None:
    owner, author = suite.user(), suite.user()
    room = await suite.room(owner, author)
    [one, two] = await suite.send(author, room.id, "one", "two")
    await suite.react(author, room.id, one, "👍")
    await suite.database.execute(
        "UPDATE messages.members SET muted_until = $3 WHERE room_id = $1 AND user_id = $2",
        room.id,
        author.user_id,
        FOREVER,
    )
    with suite.refused(Code.MUTED) as caught:
        await suite.edit(author, room.id, one, 1, "louder")
    assert caught.value.retry_after_ms is None
    with suite.refused(Code.MUTED):
        await suite.react(author, room.id, two, "👎")
    await suite.react(author, room.id, one, "👍")
    await suite.unreact(author, room.id, one, "👍")
    await suite.delete_message(author, room.id, two)


async def test_between_two_people_a_block_ends_edits_and_reactions_too(suite) -> None:
    one, other = suite.user(), suite.user()
    room = (await suite.direct(one, other)).room
    [sent] = await suite.send(one, room.id, "hello")
    await suite.database.execute(
        "INSERT INTO messages.blocks (user_id, blocked_id, at) VALUES ($1, $2, now())", other.user_id, one.user_id
    )
    with suite.refused(Code.NOT_REACHABLE):
        await suite.edit(one, room.id, sent, 1, "answer me")
    for actor in (one, other):
        with suite.refused(Code.NOT_REACHABLE):
            await suite.react(actor, room.id, sent, "❤️")
    await suite.delete_message(one, room.id, sent)


async def test_an_edit_mentions_whom_it_names_now(suite) -> None:
    owner, ann, ben, eve = (suite.user() for _ in range(4))
    suite.names.update({"edit.ann": ann.user_id, "edit.ben": ben.user_id, "edit.eve": eve.user_id})
    room = await suite.room(owner, ann, ben)
    [sent] = await suite.send(owner, room.id, "@edit.ann")
    edited = await suite.edit(owner, room.id, sent, 1, "@edit.ben and @edit.eve, `@edit.ann`, @all")
    assert (edited.mentions, edited.mention_all) == ([ben.user_id], True)
    [event] = await suite.events(ann, room.id, after=sent.seq)
    assert (event.event.mentions, event.event.mention_all) == ([ben.user_id], True)
    edited = await suite.edit(owner, room.id, sent, 2, "nobody")
    assert (edited.mentions, edited.mention_all) == ([], False)


async def test_who_cannot_see_a_message_is_not_mentioned_by_its_edit(suite) -> None:
    owner, late = suite.user(), suite.user()
    suite.names["edit.late"] = late.user_id
    room = await suite.room(owner, history="since_join")
    [sent] = await suite.send(owner, room.id, "before")
    await suite.add(owner, room.id, late)
    assert (await suite.edit(owner, room.id, sent, 1, "@edit.late")).mentions == []


async def test_who_is_named_by_an_edit_is_notified_and_nobody_twice(suite) -> None:
    owner, ann, ben = suite.user(), suite.user(), suite.user()
    suite.names.update({"told.ann": ann.user_id, "told.ben": ben.user_id})
    room = await suite.room(owner, ann, ben)
    [sent] = await suite.send(owner, room.id, "@told.ann")
    await suite.edit(owner, room.id, sent, 1, "@told.ann @told.ben")
    await suite.edit(owner, room.id, sent, 2, "@told.ben @told.ann")

    async def told(user: Any) -> list[UUID]:
        rows = await suite.database.fetch(
            "SELECT message_id FROM messages.notifications WHERE user_id = $1 AND kind = 'mention'", user.user_id
        )
        return [row[0] for row in rows]

    async with asyncio.timeout(10):
        while await suite.database.fetchval("SELECT count(*) FROM messages.fanout WHERE room_id = $1", room.id):
            await asyncio.sleep(0.02)
    assert await told(ann) == await told(ben) == [sent.message_id]


async def test_however_fast_one_edits_the_work_of_telling_goes_on(suite) -> None:
    owner, ann, ben = suite.user(), suite.user(), suite.user()
    suite.names.update({"fast.ann": ann.user_id, "fast.ben": ben.user_id})
    room = await suite.room(owner, ann, ben)
    for _ in range(6):
        [sent] = await suite.send(owner, room.id, "@fast.ann")
        for rev, body in enumerate(("@fast.ben", "@fast.ann", "@fast.ben @fast.ann"), start=1):
            await suite.edit(owner, room.id, sent, rev, body)
    async with asyncio.timeout(10):
        while await suite.database.fetchval("SELECT count(*) FROM messages.fanout WHERE room_id = $1", room.id):
            await asyncio.sleep(0.02)
    rows = await suite.database.fetch(
        "SELECT user_id, count(*), count(DISTINCT message_id) FROM messages.notifications WHERE room_id = $1"
        " AND kind = 'mention' GROUP BY user_id",
        room.id,
    )
    assert {row[0]: (row[1], row[2]) for row in rows} == {ann.user_id: (6, 6), ben.user_id: (6, 6)}


async def test_who_is_named_by_the_edit_of_a_reply_follows_its_thread(suite) -> None:
    owner, ann = suite.user(), suite.user()
    suite.names["thread.named"] = ann.user_id
    room = await suite.room(owner, ann)
    [root] = await suite.send(owner, room.id, "root")
    [reply] = await suite.send(owner, room.id, "reply", thread_root_id=root.message_id)
    assert not (await suite.thread(ann, room.id, root)).following
    await suite.edit(owner, room.id, reply, 1, "@thread.named")
    thread = await suite.thread(ann, room.id, root)
    assert (thread.following, thread.unread) == (True, 1)


# -- deletion


async def test_after_a_deletion_nothing_shows_the_text(suite, start_replica) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    async with start_replica():
        [root] = await suite.send(member, room.id, "root")
        [sent] = await suite.send(member, room.id, SECRET)
        [reply] = await suite.send(member, room.id, SECRET, thread_root_id=root.message_id)
        await suite.edit(member, room.id, sent, 1, SECRET + "!")
        await suite.react(owner, room.id, sent, "like")
        await suite.pin(owner, room.id, sent)
        # Whatever a replica's cache holds of the room, it holds the text.
        for _ in range(8):
            assert SECRET.encode() in msgspec.json.encode(await suite.hub_range(f"room:{room.id}"))
        await suite.delete_message(member, room.id, sent)
        await suite.delete_message(owner, room.id, reply, "hush")
        resume = contract.ResumeFrom(epoch=(await suite.open(owner)).epoch, at={f"room:{room.id}": 1})
        want = contract.ReplayWant(stream=f"room:{room.id}", after=1, upto=2**60)
        for _ in range(12):
            answers = [
                await suite.hub_range(f"room:{room.id}"),
                await suite.rpc.call(contract.REPLAY, contract.Replay(actor=owner, wants=[want])),
                await suite.open(owner, resume),
                await suite.page(owner, room.id),
                await suite.message_of(owner, room.id, sent.message_id),
                await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=owner)),
                await suite.thread(owner, room.id, root),
                await suite.pins(owner, room.id),
                await suite.events(owner, room.id),
            ]
            for answer in answers:
                assert SECRET.encode() not in msgspec.json.encode(answer)
    gone = await suite.message_of(owner, room.id, sent.message_id)
    assert (gone.deleted, gone.deleted_by, gone.body, gone.rev) == (True, member.user_id, None, 3)
    assert (gone.reactions, gone.pinned, gone.mentions, gone.n) == ([], False, [], sent.n)
    assert (
        await suite.database.fetchval("SELECT count(*) FROM messages.reactions WHERE message_id = $1", sent.message_id)
        == 0
    )


async def test_the_live_event_of_a_deletion_is_what_the_log_shows(suite) -> None:
    author = suite.user()
    room = await suite.room(author)
    [sent] = await suite.send(author, room.id, "gone")
    await suite.delete_message(author, room.id, sent)
    [event] = await suite.events(author, room.id, after=sent.seq)
    assert suite.kinds([event]) == ["message.deleted"]
    assert (event.event.message_id, event.event.deleted_by, event.event.rev) == (sent.message_id, author.user_id, 2)


async def test_what_goes_out_live_is_what_the_log_shows_at_that_moment(suite, nats) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [sent] = await suite.send(member, room.id, "x")
    bus = nats.bus("operator")
    await bus.connect()
    live: dict[int, Any] = {}

    async def note(message: Any) -> None:
        if HEADER_SEQS in (message.headers or {}):
            for line in message.data.split(b"\n"):
                event = suite.decode(line)
                live[event.seq] = event

    await bus.client.subscribe(live_subject("room", room.id), cb=note)
    await bus.client.flush()
    seen = sent.seq
    for work in (
        lambda: suite.edit(member, room.id, sent, 1, "y"),
        lambda: suite.react(owner, room.id, sent, "like"),
        lambda: suite.react(owner, room.id, sent, "dislike"),
        lambda: suite.unreact(owner, room.id, sent, "dislike"),
        lambda: suite.pin(owner, room.id, sent),
        lambda: suite.unpin(owner, room.id, sent),
        lambda: suite.delete_message(owner, room.id, sent, "spam"),
    ):
        await work()
        for event in await suite.events(owner, room.id, after=seen):
            async with asyncio.timeout(5):
                while event.seq not in live:
                    await asyncio.sleep(0.01)
            assert live[event.seq] == event
            seen = event.seq
    await bus.close()
    assert seen == sent.seq + 8


async def test_deleting_again_succeeds_without_an_event(suite) -> None:
    owner, author = suite.user(), suite.user()
    room = await suite.room(owner, author)
    [sent] = await suite.send(author, room.id, "gone")
    await suite.delete_message(author, room.id, sent)
    before = await head(suite, owner, room.id)
    await suite.delete_message(author, room.id, sent)
    await suite.delete_message(owner, room.id, sent, "still")
    assert await head(suite, owner, room.id) == before
    assert (await suite.message_of(owner, room.id, sent.message_id)).deleted_by == author.user_id


async def test_what_is_deleted_takes_no_more_work(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "gone")
    await suite.delete_message(owner, room.id, sent)
    before = await head(suite, owner, room.id)
    for work in (
        suite.edit(owner, room.id, sent, 2, "back"),
        suite.react(owner, room.id, sent, "like"),
        suite.pin(owner, room.id, sent),
        suite.follow(owner, room.id, sent),
    ):
        with suite.refused(Code.DELETED):
            await work
    [outcome] = await suite.try_send(suite.message(owner, room.id, "re", thread_root_id=sent.message_id))
    assert outcome.code == Code.DELETED
    # What it has not got any more can be taken away once more.
    await suite.unreact(owner, room.id, sent, "like")
    await suite.unpin(owner, room.id, sent)
    assert await head(suite, owner, room.id) == before


async def test_a_retry_of_a_send_after_its_deletion_is_the_same_message(suite) -> None:
    author = suite.user()
    room = await suite.room(author)
    send = suite.message(author, room.id, "once")
    [sent] = await suite.try_send(send)
    await suite.delete_message(author, room.id, sent)
    [again] = await suite.try_send(send)
    assert (again.message_id, again.seq, again.duplicate) == (sent.message_id, sent.seq, True)


async def test_moderators_delete_with_a_reason_and_nobody_acts_on_his_equal(suite) -> None:
    owner, moderator, other, member = (suite.user() for _ in range(4))
    room = await suite.room(owner, moderator, other, member)
    for somebody in (moderator, other):
        await suite.set_role(owner, room.id, somebody, "moderator")
    [of_owner] = await suite.send(owner, room.id, "owner's")
    [of_other] = await suite.send(other, room.id, "moderator's")
    [of_member] = await suite.send(member, room.id, "member's")
    for message in (of_owner, of_other):
        for somebody in (moderator, member):
            with suite.refused(Code.FORBIDDEN):
                await suite.delete_message(somebody, room.id, message)
    await suite.delete_message(moderator, room.id, of_member, "  rude  ")
    await suite.delete_message(owner, room.id, of_other)
    [first, last] = (await suite.revisions(owner, room.id, of_member)).items
    assert (first.body, first.reason) == ("member's", None)
    assert (last.rev, last.body, last.actor_id, last.reason) == (2, None, moderator.user_id, "  rude  ")
    # Who has left has no role any more.
    [fare] = await suite.send(other, room.id, "farewell")
    await suite.leave(other, room.id)
    await suite.delete_message(moderator, room.id, fare)


async def test_by_office_one_deletes_what_one_cannot_read(suite) -> None:
    owner, member = suite.user(), suite.user()
    admin, moderator = suite.user("admin"), suite.user("moderator")
    public, private = await suite.room(owner, member), await suite.room(owner, member, visibility="private")
    [here] = await suite.send(member, public.id, "here")
    [there] = await suite.send(member, private.id, "there")
    with suite.refused(Code.NOT_FOUND):
        await suite.delete_message(moderator, private.id, there)
    for room, message in ((public, here), (private, there)):
        with pytest.raises(Refused):
            await suite.message_of(admin, room.id, message.message_id)
    await suite.delete_message(moderator, public.id, here)
    await suite.delete_message(admin, private.id, there, "reported")
    for room, message in ((public, here), (private, there)):
        assert (await suite.message_of(owner, room.id, message.message_id)).deleted


async def test_a_stranger_learns_nothing_by_trying_to_change_a_message(suite, same_but_for) -> None:
    owner, stranger = suite.user(), suite.user()
    room = await suite.room(owner, visibility="private")
    [sent] = await suite.send(owner, room.id, "hidden")
    absent = (await suite.room(owner, visibility="private")).id
    await suite.delete(owner, absent)

    def work(room_id: UUID) -> list[Any]:
        return [
            suite.edit(stranger, room_id, sent, 1, "x"),
            suite.delete_message(stranger, room_id, sent),
            suite.react(stranger, room_id, sent, "like"),
            suite.unreact(stranger, room_id, sent, "like"),
            suite.pin(stranger, room_id, sent),
            suite.unpin(stranger, room_id, sent),
            suite.pins(stranger, room_id),
            suite.revisions(stranger, room_id, sent),
            suite.thread(stranger, room_id, sent),
            suite.follow(stranger, room_id, sent),
            suite.unfollow(stranger, room_id, sent),
            suite.status(stranger, room_id, sent),
        ]

    for real, none in zip(work(room.id), work(absent), strict=True):
        with suite.refused(Code.NOT_FOUND) as one:
            await real
        with suite.refused(Code.NOT_FOUND) as other:
            await none
        assert same_but_for(one.value, other.value, room.id, absent)


async def test_what_lies_before_ones_membership_is_as_if_it_were_not_there(suite) -> None:
    owner, late = suite.user(), suite.user()
    room = await suite.room(owner, history="since_join")
    [hidden] = await suite.send(owner, room.id, "before")
    await suite.add(owner, room.id, late)
    await suite.set_role(owner, room.id, late, "moderator")
    for work in (
        suite.edit(late, room.id, hidden, 1, "x"),
        suite.delete_message(late, room.id, hidden),
        suite.react(late, room.id, hidden, "like"),
        suite.pin(late, room.id, hidden),
        suite.revisions(late, room.id, hidden),
        suite.thread(late, room.id, hidden),
        suite.follow(late, room.id, hidden),
        suite.status(late, room.id, hidden),
    ):
        with suite.refused(Code.NOT_FOUND):
            await work
    await suite.pin(owner, room.id, hidden)
    assert (await suite.pins(late, room.id)).items == []


async def test_in_a_deleted_room_nothing_changes(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "kept")
    await suite.delete(owner, room.id)
    for work in (
        suite.edit(owner, room.id, sent, 1, "x"),
        suite.delete_message(owner, room.id, sent),
        suite.react(owner, room.id, sent, "like"),
        suite.pin(owner, room.id, sent),
    ):
        with suite.refused(Code.DELETED):
            await work


# -- pins


async def test_moderators_pin_and_the_newest_pin_comes_first(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    sent = await suite.send(owner, room.id, "a", "b", "c")
    with suite.refused(Code.FORBIDDEN):
        await suite.pin(member, room.id, sent[0])
    for message in (sent[1], sent[0], sent[2], sent[1]):
        await suite.pin(owner, room.id, message)
    assert [item.body for item in (await suite.pins(member, room.id)).items] == ["c", "a", "b"]
    assert all(item.pinned for item in (await suite.page(member, room.id)).items)
    first = await suite.pins(member, room.id, limit=2)
    rest = await suite.pins(member, room.id, limit=2, cursor=first.next)
    assert ([item.body for item in first.items + rest.items], rest.next) == (["c", "a", "b"], None)
    with suite.refused(Code.FORBIDDEN):
        await suite.unpin(member, room.id, sent[0])
    await suite.unpin(owner, room.id, sent[0])
    await suite.unpin(owner, room.id, sent[0])
    await suite.delete_message(owner, room.id, sent[2])
    assert [item.body for item in (await suite.pins(member, room.id)).items] == ["b"]
    kinds = suite.kinds(await suite.events(member, room.id, after=sent[2].seq))
    assert kinds == ["message.pinned"] * 3 + ["message.unpinned", "message.deleted"]


async def test_a_forged_cursor_of_pins_is_refused(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    for values in (["2026-11-24T12:00:00", str(room.id)], ["x", "y"], [1, 2], []):
        raw = msgspec.json.encode([f"pins:{room.id}", *values])
        with suite.refused(Code.BAD_CURSOR):
            await suite.pins(owner, room.id, cursor=base64.urlsafe_b64encode(raw).decode())


async def test_in_a_direct_room_everybody_pins(suite) -> None:
    one, other = suite.user(), suite.user()
    room = (await suite.direct(one, other)).room
    [sent] = await suite.send(one, room.id, "remember")
    await suite.pin(other, room.id, sent)
    assert (await suite.message_of(one, room.id, sent.message_id)).pinned


# -- revisions


async def test_revisions_are_for_the_author_and_moderators(suite) -> None:
    owner, author, member, joined = suite.user(), suite.user(), suite.user(), suite.user("moderator")
    room = await suite.room(owner, author, member, joined)
    [sent] = await suite.send(author, room.id, "one")
    for rev in (1, 2, 3):
        await suite.edit(author, room.id, sent, rev, f"edit {rev}")
    for somebody in (author, owner, joined):
        found = (await suite.revisions(somebody, room.id, sent)).items
        assert [item.body for item in found] == ["one", "edit 1", "edit 2", "edit 3"]
        assert [item.rev for item in found] == [1, 2, 3, 4]
        assert {item.actor_id for item in found} == {author.user_id}
        assert [item.at for item in found] == sorted(item.at for item in found)
    with suite.refused(Code.FORBIDDEN):
        await suite.revisions(member, room.id, sent)
    for office in (suite.user("moderator"), suite.user("admin")):
        with suite.refused(Code.NOT_A_MEMBER):
            await suite.revisions(office, room.id, sent)
    first = await suite.revisions(author, room.id, sent, limit=3)
    rest = await suite.revisions(author, room.id, sent, limit=3, cursor=first.next)
    assert ([item.rev for item in first.items + rest.items], rest.next) == ([1, 2, 3, 4], None)
    with suite.refused(Code.BAD_CURSOR):
        await suite.revisions(author, room.id, sent, cursor="rubbish")
