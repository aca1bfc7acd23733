"""Sealed rooms: people see what they wrote, the database does not; keys are rotated, wrapped anew, and destroyed."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from parley_messages import keys as room_keys
from parley_shared.contracts import keys as contract
from parley_shared.contracts.export import EXPORT_MESSAGES, ExportPage
from parley_shared.contracts.messages import Accepted, RoomRequest
from parley_shared.contracts.moderation import LIST_ROOM_REPORTS, RESOLVE_REPORT, ListRoomReports, ResolveReport
from parley_shared.contracts.notifications import LIST_NOTIFICATIONS, ListNotifications
from parley_shared.crypto.wrapping import new_line
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

CANARY = "hummingbird"


async def tables(suite) -> bytes:
    """The whole schema, as COPY writes it."""
    found = bytearray()
    rows = await suite.database.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'messages' AND c.relkind = 'r'"
    )

    async def take(data: bytes) -> None:
        found.extend(data)

    async with suite.database.acquire() as connection:
        for row in rows:
            await connection.copy_from_query(f"SELECT * FROM messages.{row[0]}", output=take)
            # What COPY shows of bytea is hexadecimal.
            await connection.copy_from_query(
                f"SELECT encode(t::text::bytea, 'escape') FROM messages.{row[0]} t", output=take
            )
    return bytes(found)


def holds(data: bytes, text: str) -> bool:
    return text.encode() in data or text.encode().hex().encode() in data


@pytest.fixture
async def sealed(suite):
    owner, member = suite.user(), suite.user()
    return owner, member, await suite.room(owner, member, encryption="sealed", visibility="private", history="all")


async def bodies(suite, actor, room_id: UUID) -> list[str | None]:
    return [message.body for message in (await suite.page(actor, room_id)).items]


async def call(suite, verb, request, admin, **fields):
    return await suite.rpc.call(verb, request(actor=admin, token=suite.token, **fields))


async def test_people_see_everything_and_the_database_nothing(suite, sealed) -> None:
    owner, member, room = sealed
    assert room.encryption == "sealed"
    suite.names["member"] = member.user_id
    [root, old, gone] = await suite.send(owner, room.id, f"{CANARY} one", f"{CANARY} two @member", f"{CANARY} three")
    await suite.send(member, room.id, f"{CANARY} four", thread_root_id=root.message_id)
    edited = await suite.edit(owner, room.id, old, 1, f"{CANARY} five")
    await suite.delete_message(owner, room.id, gone, f"{CANARY} six")
    reported = await suite.report(member, room.id, root.message_id, f"{CANARY} seven")
    request = ResolveReport(actor=owner, token=suite.token, report_id=reported.id, resolution=f"{CANARY} eight")
    resolved = await suite.rpc.call(RESOLVE_REPORT, request)
    # The same in a plain room: what the search below finds there it would have found here.
    plain = await suite.room(owner)
    await suite.send(owner, plain.id, "albatross")
    found = await tables(suite)
    assert holds(found, "albatross")
    assert not holds(found, CANARY)

    assert await bodies(suite, member, room.id) == [f"{CANARY} one", f"{CANARY} five", None]
    assert edited.body == f"{CANARY} five"
    thread = await suite.thread(member, room.id, root)
    assert [reply.body for reply in thread.items] == [f"{CANARY} four"]
    created = [
        event.event.message.body for event in await suite.events(member, room.id) if hasattr(event.event, "message")
    ]
    assert created == [f"{CANARY} one", f"{CANARY} five", None, f"{CANARY} four"]
    versions = (await suite.revisions(owner, room.id, old)).items
    assert [version.body for version in versions] == [f"{CANARY} two @member", f"{CANARY} five"]
    assert [version.reason for version in (await suite.revisions(owner, room.id, gone)).items] == [
        None,
        f"{CANARY} six",
    ]
    assert (resolved.reason, resolved.resolution) == (f"{CANARY} seven", f"{CANARY} eight")
    [report] = (await suite.rpc.call(LIST_ROOM_REPORTS, ListRoomReports(actor=owner, room_id=room.id))).items
    assert report.reason == f"{CANARY} seven"
    await suite.pin(owner, room.id, root)
    assert [pin.body for pin in (await suite.pins(member, room.id)).items] == [f"{CANARY} one"]
    told = await suite.rpc.call(LIST_NOTIFICATIONS, ListNotifications(actor=member))
    assert {item.message.body for item in told.items if item.message} <= {f"{CANARY} five"}
    export = await suite.rpc.call(EXPORT_MESSAGES, ExportPage(actor=owner))
    said = {line["body"] for line in export.items if line["type"] == "revision"}
    assert {f"{CANARY} one", f"{CANARY} two @member", f"{CANARY} five", f"{CANARY} three"} <= said
    assert not [line for line in export.items if "sealed" in line]


async def test_what_cannot_be_sealed_is_not_in_the_trail(suite, sealed) -> None:
    owner, member, room = sealed
    [message] = await suite.send(member, room.id, "said")
    await suite.delete_message(owner, room.id, message, f"{CANARY} said it")
    rows = await suite.database.fetch("SELECT body FROM messages.audit WHERE room_id = $1", room.id)
    assert any(b"message.deleted" in row[0] for row in rows)
    assert not any(CANARY.encode() in row[0] for row in rows)


async def test_a_retry_is_known_again_and_its_hash_tells_nothing(suite, sealed) -> None:
    owner, _, room = sealed
    plain = await suite.room(owner)
    sends = [suite.message(owner, where.id, "guess me", client_msg_id="x") for where in (room, plain)]
    first = await suite.try_send(*sends)
    again = await suite.try_send(*sends)
    assert [(one.seq, one.message_id) for one in first] == [(one.seq, one.message_id) for one in again]
    assert all(one.duplicate for one in again)
    [other] = await suite.try_send(suite.message(owner, room.id, "guess him", client_msg_id="x"))
    assert other.code == "idempotency_mismatch"
    hashes = await suite.database.fetch(
        "SELECT DISTINCT payload_hash FROM messages.messages WHERE room_id = ANY($1) AND client_msg_id = 'x'",
        [room.id, plain.id],
    )
    assert len(hashes) == 2


async def test_a_replica_that_has_not_the_key_yet_keeps_everybodys_order(
    suite, sealed, start_replica, monkeypatch
) -> None:
    owner, _, room = sealed
    plain = await suite.room(owner)
    unwrapped: list[UUID] = []
    original = room_keys.RoomKeys.unwrapped

    async def slow(self, room_id, version, wrapped):
        if self.known(room_id, version) is None:
            unwrapped.append(room_id)
            await asyncio.sleep(0.2)
        return await original(self, room_id, version, wrapped)

    monkeypatch.setattr(room_keys.RoomKeys, "unwrapped", slow)
    async with start_replica(), asyncio.timeout(30):
        # Of two replicas each call reaches one: some reach the new one, whose first send waits for the key.
        turns = 0
        while turns < 20 or not unwrapped:
            turns += 1
            mixed = [suite.message(owner, where.id) for _ in range(10) for where in (room, plain)]
            outcomes = await suite.try_send(*mixed)
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)
            for offset in (0, 1):
                seqs = [outcome.seq for outcome in outcomes[offset::2]]
                assert seqs == list(range(seqs[0], seqs[0] + 10))
    assert unwrapped == [room.id]


async def test_a_wrapping_key_out_of_reach_stops_sealed_rooms_and_nothing_else(
    suite, sealed, wrapping_key: Path, start_replica
) -> None:
    owner, _, room = sealed
    await suite.send(owner, room.id, "before")
    plain = await suite.room(owner)
    kept = wrapping_key.read_text()
    wrapping_key.write_text(new_line())
    try:
        async with start_replica():
            seen: set[str] = set()
            async with asyncio.timeout(30):
                while "unavailable" not in seen:
                    outcomes = await suite.try_send(
                        suite.message(owner, plain.id), suite.message(owner, room.id), suite.message(owner, plain.id)
                    )
                    assert isinstance(outcomes[0], Accepted)
                    assert isinstance(outcomes[2], Accepted)
                    seen.add("accepted" if isinstance(outcomes[1], Accepted) else outcomes[1].code)
    finally:
        wrapping_key.write_text(kept)
    assert "before" in await bodies(suite, owner, room.id)


async def test_a_rotated_key_seals_from_then_on_and_the_old_one_still_opens(suite, sealed) -> None:
    owner, member, room = sealed
    admin = suite.user("admin")
    [old] = await suite.send(owner, room.id, "old")
    key = await call(suite, contract.ROTATE_ROOM_KEY, contract.RotateRoomKey, admin, room_id=room.id)
    assert (key.version, key.destroyed_at) == (2, None)
    await suite.send(owner, room.id, "new")
    await suite.edit(owner, room.id, old, 1, "old, edited")
    assert await bodies(suite, member, room.id) == ["old, edited", "new"]
    versions = await suite.database.fetch(
        "SELECT rev, key_version FROM messages.message_revisions WHERE room_id = $1 ORDER BY message_id, rev", room.id
    )
    assert [tuple(row) for row in versions] == [(1, 1), (2, 2), (1, 2)]
    keys = await call(suite, contract.LIST_ROOM_KEYS, contract.ListRoomKeys, admin, room_id=room.id)
    assert [(item.version, item.wrapping_key) for item in keys.items] == [(1, keys.current), (2, keys.current)]


async def test_another_wrapping_key_rewrites_keys_only(suite, sealed, wrapping_key: Path, start_replica) -> None:
    owner, _, room = sealed
    admin = suite.user("admin")
    await suite.send(owner, room.id, "stays")
    before = await suite.database.fetch("SELECT sealed FROM messages.message_revisions WHERE room_id = $1", room.id)
    first = wrapping_key.read_text()
    second = new_line()
    wrapping_key.write_text(first + second)
    try:
        step, done = None, 0
        while True:
            step = await call(suite, contract.REWRAP_ROOM_KEYS, contract.Rewrap, admin, cursor=step and step.next)
            done += step.rewrapped
            if step.next is None:
                break
        assert (step.left, step.wrapping_key) == (0, second.split()[0])
        assert done > 0
        again = await call(suite, contract.REWRAP_ROOM_KEYS, contract.Rewrap, admin)
        assert (again.rewrapped, again.left) == (0, 0)
        wrapping_key.write_text(second)
        # A replica that has nothing in memory opens with the second key alone.
        async with start_replica():
            for _ in range(10):
                assert await bodies(suite, owner, room.id) == ["stays"]
    finally:
        wrapping_key.write_text(first + second)
    after = await suite.database.fetch("SELECT sealed FROM messages.message_revisions WHERE room_id = $1", room.id)
    assert before == after


async def test_destroyed_keys_take_the_history_with_them_on_all_replicas(suite, sealed, start_replica) -> None:
    owner, member, room = sealed
    admin = suite.user("admin")
    async with start_replica():
        [old] = await suite.send(owner, room.id, "forgotten")
        for _ in range(10):
            assert await bodies(suite, member, room.id) == ["forgotten"]
        answer = await call(
            suite,
            contract.DESTROY_ROOM_KEYS,
            contract.DestroyRoomKeys,
            admin,
            room_id=room.id,
            reason="The lease is over",
        )
        assert (answer.destroyed, answer.key.version) == (1, 2)
        assert (answer.backups_forget_at - answer.key.created_at).days == 30
        for _ in range(10):
            [message] = (await suite.page(member, room.id)).items
            assert (message.body, message.unreadable, message.deleted) == (None, True, False)
        await suite.send(owner, room.id, "remembered")
        assert await bodies(suite, member, room.id) == [None, "remembered"]
    events = await suite.events(member, room.id)
    updated = [event for event in events if suite.kinds([event]) == ["room.updated"]]
    assert updated[-1].event.room.unreadable_before == old.seq + 1
    privacy = await suite.rpc.call(contract.ROOM_PRIVACY, RoomRequest(actor=member, room_id=room.id))
    assert (privacy.key_version, privacy.unreadable_before) == (2, old.seq + 1)
    keys = await call(suite, contract.LIST_ROOM_KEYS, contract.ListRoomKeys, admin, room_id=room.id)
    assert [(key.version, key.wrapping_key is None, key.backups_forget_at is None) for key in keys.items] == [
        (1, True, False),
        (2, False, True),
    ]
    # Its author may still delete it, and say something else.
    edited = await suite.edit(owner, room.id, old, 1, "said anew")
    assert (edited.body, edited.unreadable) == ("said anew", False)
    [row] = await suite.database.fetch(
        "SELECT body FROM messages.audit WHERE room_id = $1 AND action = 'room.key_destroyed'", room.id
    )
    assert b"The lease is over" in row[0]


async def test_a_damaged_row_is_unreadable_and_takes_nobody_with_it(suite, sealed) -> None:
    owner, member, room = sealed
    [one, two] = await suite.send(owner, room.id, "one", "two")
    await suite.database.execute(
        "UPDATE messages.message_revisions r SET sealed = o.sealed FROM messages.message_revisions o"
        " WHERE r.room_id = $1 AND r.message_id = $2 AND o.room_id = $1 AND o.message_id = $3",
        room.id,
        one.message_id,
        two.message_id,
    )
    found = (await suite.page(member, room.id)).items
    assert [(message.body, message.unreadable) for message in found] == [(None, True), ("two", False)]


async def test_keys_are_for_admins_and_for_sealed_rooms(suite, sealed) -> None:
    owner, _, room = sealed
    admin = suite.user("admin")
    plain = await suite.room(owner)
    asked = (
        (contract.LIST_ROOM_KEYS, contract.ListRoomKeys, {}),
        (contract.REWRAP_ROOM_KEYS, contract.Rewrap, {}),
        (contract.ROTATE_ROOM_KEY, contract.RotateRoomKey, {"room_id": room.id}),
        (contract.DESTROY_ROOM_KEYS, contract.DestroyRoomKeys, {"room_id": room.id, "reason": "x"}),
    )
    for verb, request, fields in asked:
        for actor in (owner, suite.user("moderator")):
            with suite.refused(Code.FORBIDDEN):
                await call(suite, verb, request, actor, **fields)
        with suite.refused(Code.BAD_TOKEN):
            await suite.rpc.call(verb, request(actor=admin, token="another", **fields))
        if fields:
            with suite.refused(Code.INVALID):
                await call(suite, verb, request, admin, **{**fields, "room_id": plain.id})
            with suite.refused(Code.NOT_FOUND):
                await call(suite, verb, request, admin, **{**fields, "room_id": new_id()})


async def test_who_can_read_what_is_said_in_plain_words(suite, sealed) -> None:
    owner, member, room = sealed
    plain = await suite.room(owner)
    told = await suite.rpc.call(contract.ROOM_PRIVACY, RoomRequest(actor=member, room_id=room.id))
    assert "The server holds the keys, so the server can read them" in told.summary
    assert (told.searchable, told.key_version) == (False, 1)
    assert told.can_read[0].startswith("its members, from the first message on")
    assert any("wrapping key together" in line for line in told.not_protected)
    open_room = await suite.rpc.call(contract.ROOM_PRIVACY, RoomRequest(actor=suite.user(), room_id=plain.id))
    assert (open_room.searchable, open_room.key_version) == (True, None)
    with suite.refused(Code.NOT_FOUND):
        await suite.rpc.call(contract.ROOM_PRIVACY, RoomRequest(actor=suite.user(), room_id=room.id))


async def test_without_a_wrapping_key_there_are_no_sealed_rooms(postgres, nats, suite, start_replica) -> None:
    owner = suite.user()
    codes: set[str | None] = set()
    async with start_replica(wrapping_key=""), asyncio.timeout(20):
        while "invalid" not in codes:
            try:
                await suite.room(owner, encryption="sealed")
            except Refused as refusal:
                codes.add(refusal.code)
                told = refusal.errors
    assert told == {"encryption": "this installation has no wrapping key, so there are no sealed rooms"}
