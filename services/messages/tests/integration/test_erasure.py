"""An erased account: its words are nowhere, everybody's copies follow, and it takes any number of attempts to get there."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from parley_messages.usecases import erasure
from parley_shared.audit import ZERO, Entry, broken
from parley_shared.contracts import frames
from parley_shared.contracts import messages as contract
from parley_shared.contracts.erasure import ERASE_MESSAGES, Erase
from parley_shared.errors import Code, Refused

from .test_law import fetch

CANARY = "canary-4711"


async def where(suite: Any, text: str) -> list[str]:
    """The tables of messages in which this text stands in any column."""
    tables = await suite.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'messages'")
    found = []
    for (table,) in tables:
        query = f"SELECT EXISTS (SELECT FROM messages.{table} t WHERE t::text LIKE '%' || $1 || '%')"
        if await suite.database.fetchval(query, text):
            found.append(table)
    return found


async def chain_is_whole(suite: Any, room_id: UUID) -> bool:
    rows = await suite.database.fetch("SELECT * FROM messages.audit WHERE room_id = $1 ORDER BY n", room_id)
    entries, prev = [], ZERO
    for row in rows:
        entries.append(Entry(row["n"], row["body"], row["entry_key"], row["mac"], prev, row["hash"]))
        prev = row["hash"]
    return broken("rooms", str(room_id), entries) is None


async def test_everybodys_copies_follow_by_events(suite) -> None:
    owner, gone = suite.user(), suite.user()
    room = await suite.room(owner, gone)
    [first, second] = await suite.send(gone, room.id, CANARY, CANARY)
    [other] = await suite.send(owner, room.id, "I stay")
    await suite.send(gone, room.id, CANARY, thread_root_id=other.message_id)
    await suite.edit(gone, room.id, first, 1, f"{CANARY} again")
    for message in (first, other):
        await suite.react(gone, room.id, message, "like")
        await suite.react(owner, room.id, message, "like")
    await suite.pin(owner, room.id, second)
    old = await fetch(suite, owner, room.id)
    counts = await suite.erase(gone)
    for event in await suite.events(owner, room.id, after=old.head):
        old.apply(event)
    fresh = await fetch(suite, owner, room.id)
    assert old == fresh
    for message in fresh.messages.values():
        if message.sender_id == gone.user_id:
            assert (message.body, message.deleted, message.deleted_by, message.pinned) == (
                None, True, gone.user_id, False,
            )  # fmt: skip
    assert [(one.reaction, one.count) for one in fresh.messages[other.message_id].reactions] == [("like", 1)]
    assert fresh.members == {owner.user_id: ("owner", None)}
    assert (counts["messages"], counts["reactions"], counts["memberships"], counts["revisions"]) == (3, 1, 1, 4)


async def test_nothing_of_what_was_said_is_in_any_table(suite) -> None:
    owner, gone, canary = suite.user(), suite.user(), f"{CANARY}-everywhere"
    room = await suite.room(owner, gone)
    direct = (await suite.direct(gone, owner)).room
    assert direct is not None
    for room_id in (room.id, direct.id):
        [sent] = await suite.send(gone, room_id, canary, client_msg_id=canary)
        await suite.edit(gone, room_id, sent, 1, f"{canary} again")
    [mine] = await suite.send(owner, room.id, "mine")
    await suite.report(gone, room.id, mine.message_id, canary)
    await suite.mute(owner, room.id, gone, reason=canary)
    await suite.remove(owner, room.id, gone, canary)
    await suite.add(owner, room.id, gone)
    assert {"message_revisions", "messages", "events", "sanctions", "reports"} <= {
        table.rstrip("0123456789").rstrip("_") for table in await where(suite, canary)
    }
    await suite.erase(gone)
    assert await where(suite, canary) == []
    bodies = await suite.database.fetch("SELECT convert_from(body, 'utf8') FROM messages.audit WHERE body IS NOT NULL")
    assert not [row for row in bodies if canary in row[0]]
    assert await chain_is_whole(suite, room.id)


async def test_what_was_his_alone_is_gone(suite) -> None:
    owner, gone = suite.user(), suite.user()
    suite.names["gone.one"] = gone.user_id
    room = await suite.room(owner, gone)
    await suite.send(owner, room.id, "@gone.one look")
    await suite.send(gone, room.id)
    await suite.erase(gone)
    left = await where(suite, str(gone.user_id))
    # His id stays where it keeps others' history in order, and in what says that he was erased.
    allowed = {"events", "messages", "message_revisions", "erasures", "audit", "rooms", "notifications", "outbox"}
    assert {table.rstrip("0123456789").rstrip("_") for table in left} <= allowed
    assert not await suite.database.fetchval(
        "SELECT count(*) FROM messages.notifications WHERE user_id = $1", gone.user_id
    )


async def test_the_last_owners_office_goes_to_who_was_there_for_longest(suite) -> None:
    gone, eldest, younger = suite.user(), suite.user(), suite.user()
    room = await suite.room(gone, eldest, younger)
    await suite.erase(gone)
    assert (await suite.mine(eldest, room.id)).role == "owner"
    assert (await suite.mine(younger, room.id)).role == "member"
    updated = (await suite.events(younger, room.id))[-2].event
    assert isinstance(updated, frames.MemberUpdated)
    assert (updated.user_id, updated.role) == (eldest.user_id, "owner")
    await suite.delete(eldest, room.id)


async def test_a_room_that_nobody_is_left_in_is_deleted(suite) -> None:
    gone = suite.user()
    room = await suite.room(gone)
    await suite.send(gone, room.id, CANARY)
    await suite.erase(gone)
    row = await suite.database.fetchrow("SELECT deleted_at, member_count FROM messages.rooms WHERE id = $1", room.id)
    assert row["deleted_at"] is not None
    assert row["member_count"] == 0
    assert not await suite.database.fetchval(
        "SELECT count(*) FROM messages.message_revisions WHERE room_id = $1 AND body IS NOT NULL", room.id
    )


async def test_the_others_keep_a_direct_room(suite) -> None:
    gone, other = suite.user(), suite.user()
    room = (await suite.direct(gone, other)).room
    assert room is not None
    await suite.send(gone, room.id, CANARY)
    await suite.send(other, room.id, "and mine")
    await suite.erase(gone)
    assert [message.body for message in (await suite.page(other, room.id)).items] == [None, "and mine"]
    with suite.refused(Code.NOT_FOUND):
        await suite.direct(other, gone)


async def test_in_a_deleted_room_nothing_is_logged_and_nobody_erased_comes_back(
    suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "WIPED", 4)
    owner, gone = suite.user(), suite.user()
    room = await suite.room(owner, gone)
    [sent, *_] = await suite.send(gone, room.id, *[CANARY] * 10)
    await suite.delete(owner, room.id)
    await suite.erase(gone)
    row = await suite.database.fetchrow("SELECT head, member_count FROM messages.rooms WHERE id = $1", room.id)
    last = await suite.database.fetchrow(
        "SELECT seq, kind FROM messages.events WHERE stream = $1 ORDER BY seq DESC LIMIT 1", f"room:{room.id}"
    )
    assert (last["seq"], last["kind"]) == (row["head"], "room.deleted")
    await suite.restore(owner, room.id)
    assert [member.user_id for member in (await suite.members(owner, room.id)).items] == [owner.user_id]
    assert (await suite.mine(owner, room.id)).member_count == 1
    assert (await suite.message_of(owner, room.id, sent.message_id)).deleted
    assert all(message.body is None for message in (await suite.page(owner, room.id)).items)
    assert not await suite.database.fetchval(
        "SELECT EXISTS (SELECT FROM messages.message_revisions WHERE room_id = $1 AND body IS NOT NULL)", room.id
    )


async def test_who_was_erased_joins_nothing_any_more(suite) -> None:
    owner, gone = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.erase(gone)
    for attempt in (suite.join(gone, room.id), suite.room(gone), suite.add(owner, room.id, gone)):
        with suite.refused(Code.NOT_FOUND):
            await attempt
    [refused] = await suite.try_send(suite.message(gone, room.id))
    assert refused.code == Code.NOT_A_MEMBER


async def test_joins_at_the_same_moment_are_seen_or_refused(suite) -> None:
    owner, gone = suite.user(), suite.user()
    rooms = [await suite.room(owner) for _ in range(12)]

    async def join(room_id: UUID) -> None:
        try:
            await suite.join(gone, room_id)
            await suite.send(gone, room_id, CANARY)
        except (Refused, AssertionError):
            return

    await asyncio.gather(*(join(room.id) for room in rooms), suite.erase(gone))
    assert not await suite.database.fetchval("SELECT count(*) FROM messages.members WHERE user_id = $1", gone.user_id)
    assert not await suite.database.fetchval(
        "SELECT count(*) FROM messages.messages WHERE sender_id = $1 AND deleted_at IS NULL", gone.user_id
    )
    assert await where(suite, CANARY) == []


async def test_it_goes_on_where_it_was_and_counts_once(suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 3)
    monkeypatch.setattr(erasure, "WIPED", 4)
    monkeypatch.setattr(erasure, "SLICE_S", 0.02)
    owner, gone = suite.user(), suite.user()
    rooms = [await suite.room(owner, gone) for _ in range(3)]
    for room in rooms:
        sent = await suite.send(gone, room.id, *[CANARY] * 10)
        [mine] = await suite.send(owner, room.id)
        await suite.react(gone, room.id, mine, "like")
        await suite.edit(gone, room.id, sent[0], 1, "edited")
    calls = 0
    request = Erase(user_id=gone.user_id, saga_id=gone.session_id)
    while True:
        calls += 1
        # Two at once, as when a saga's lease has run out while its first worker still works.
        answers = await asyncio.gather(*(suite.auth.call(ERASE_MESSAGES, request) for _ in range(2)))
        if all(answer.done for answer in answers):
            break
    assert calls > 1
    counts = answers[0].counts
    assert counts == answers[1].counts == (await suite.auth.call(ERASE_MESSAGES, request)).counts
    assert (counts["messages"], counts["reactions"], counts["memberships"], counts["rooms"]) == (30, 3, 3, 3)
    for room in rooms:
        kinds = suite.kinds(await suite.events(owner, room.id))
        assert kinds.count("message.deleted") == 10
        assert kinds.count("reaction.removed") == 1


async def test_what_he_did_in_office_stays_and_what_was_done_to_him_does_not(suite) -> None:
    owner, mod, member = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, mod, member)
    await suite.set_role(owner, room.id, mod, "moderator")
    await suite.remove(mod, room.id, member, "spam")
    counts = await suite.erase(mod)
    rows = await suite.database.fetch(
        "SELECT action, actor_id, target_id, body IS NULL AS erased FROM messages.audit WHERE room_id = $1 ORDER BY n",
        room.id,
    )
    assert [tuple(row) for row in rows] == [
        ("member.joined", owner.user_id, None, True),
        ("member.joined", owner.user_id, member.user_id, False),
        ("member.updated", owner.user_id, None, True),
        ("member.removed", mod.user_id, member.user_id, False),
    ]
    assert counts["audit_entries"] == 2
    assert await chain_is_whole(suite, room.id)


async def test_an_unknown_user_is_erased_at_once(suite) -> None:
    assert (await suite.erase(suite.user())).get("messages", 0) == 0


async def test_only_auth_may_ask(suite) -> None:
    somebody = suite.user()
    with pytest.raises(Refused):
        await suite.rpc.call(ERASE_MESSAGES, Erase(user_id=somebody.user_id, saga_id=somebody.session_id), timeout=0.5)
    room = await suite.room(somebody)
    assert isinstance(await suite.mine(somebody, room.id), contract.MyRoom)
