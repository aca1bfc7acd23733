"""The trail of rooms: what office does is noted under the room's lock, and only admins read it."""

import asyncio
from typing import Any
from uuid import UUID

from parley_messages.jobs import HousekeepingJob
from parley_messages.keys import RoomKeys
from parley_messages.store import Database
from parley_shared.audit import ZERO, Entry, Signer, broken, is_signed
from parley_shared.contracts import audit as contract
from parley_shared.contracts import conversation as said
from parley_shared.cursors import write_cursor
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def trail(suite: Any, **which: Any) -> list[contract.AuditEntry]:
    """Oldest first."""
    asked = contract.ListAudit(actor=suite.user("admin"), token=suite.token, limit=200, **which)
    return list(reversed((await suite.rpc.call(contract.ROOMS_AUDIT, asked)).items))


async def lines(suite: Any, limit: int = 200, **which: Any) -> list[dict[str, Any]]:
    boss, found, cursor = suite.user("admin"), [], None
    while True:
        asked = contract.AuditRequest(actor=boss, token=suite.token, limit=limit, cursor=cursor, **which)
        page = await suite.rpc.call(contract.ROOMS_ENTRIES, asked)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


async def heads(suite: Any, limit: int = 200, **which: Any) -> list[dict[str, Any]]:
    boss, export, found, cursor = suite.user("admin"), new_id(), [], None
    while True:
        asked = contract.AuditHeads(
            actor=boss, token=suite.token, export=export, areas=["rooms"], limit=limit, cursor=cursor, **which
        )
        page = await suite.rpc.call(contract.ROOMS_HEADS, asked)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def chain(room_id: UUID, found: list[dict[str, Any]]) -> str | None:
    """What is wrong with this room's lines."""
    entries, prev = [], ZERO
    for line in found:
        if line["chain"] == str(room_id):
            body, key = line["body"], line["key"]
            body = None if body is None else body.encode()
            key = None if key is None else bytes.fromhex(key)
            digest = bytes.fromhex(line["hash"])
            entries.append(Entry(line["n"], body, key, bytes.fromhex(line["mac"]), prev, digest))
            prev = digest
    assert entries
    return broken("rooms", str(room_id), entries)


async def test_what_office_does_in_a_room_is_noted_in_order(suite) -> None:
    owner, mod, member = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, mod, member)
    await suite.set_role(owner, room.id, mod, "moderator")
    await suite.update(owner, room.id, room.rev, name="Another", history="since_join")
    [sent] = await suite.send(member, room.id, "a text that nobody may find in the trail")
    edit = said.EditMessage(actor=member, room_id=room.id, message_id=sent.message_id, rev=1, body="another such text")
    await suite.rpc.call(said.EDIT_MESSAGE, edit)
    await suite.rpc.call(
        said.DELETE_MESSAGE,
        said.DeleteMessage(actor=mod, room_id=room.id, message_id=sent.message_id, reason="off topic"),
    )
    await suite.remove(mod, room.id, member, "enough")
    await suite.delete(owner, room.id)
    await suite.restore(owner, room.id)
    found = await trail(suite, room_id=room.id)
    assert [(entry.action, entry.actor_id, entry.target_id, entry.reason) for entry in found] == [
        ("member.joined", owner.user_id, mod.user_id, None),
        ("member.joined", owner.user_id, member.user_id, None),
        ("member.updated", owner.user_id, mod.user_id, None),
        ("room.updated", owner.user_id, None, None),
        ("message.edited", member.user_id, sent.message_id, None),
        ("message.deleted", mod.user_id, sent.message_id, "off topic"),
        ("member.removed", mod.user_id, member.user_id, "enough"),
        ("room.deleted", owner.user_id, None, None),
        ("room.restored", owner.user_id, None, None),
    ]
    assert [entry.n for entry in found] == list(range(1, 10))
    assert found[2].details == {"old": "member", "new": "moderator"}
    assert found[3].details == {"changed": {"name": None, "history": ["all", "since_join"]}}
    assert chain(room.id, await lines(suite, room_id=room.id)) is None
    bodies = await suite.database.fetch(
        "SELECT convert_from(body, 'utf8') FROM messages.audit WHERE room_id = $1", room.id
    )
    assert not [row[0] for row in bodies if "text" in row[0] or "Another" in row[0]]


async def test_what_people_do_for_themselves_and_what_changes_nothing_is_not_noted(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.join(member, room.id)
    await suite.send(member, room.id)
    await suite.leave(member, room.id)
    await suite.update(owner, room.id, room.rev, name=room.name)
    await suite.delete(owner, room.id)
    await suite.delete(owner, room.id)
    assert [entry.action for entry in await trail(suite, room_id=room.id)] == ["room.deleted"]


async def test_a_chain_is_dense_however_many_write_it_at_once(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    people = [suite.user() for _ in range(20)]
    await asyncio.gather(*(suite.add(owner, room.id, person) for person in people))
    await asyncio.gather(*(suite.remove(owner, room.id, person) for person in people))
    found = await lines(suite, limit=7, room_id=room.id)
    assert [line["n"] for line in found] == list(range(1, 41))
    assert chain(room.id, found) is None


async def test_only_an_admin_with_a_good_token_reads_it(suite) -> None:
    for actor, token, code in (
        (suite.user(), suite.token, Code.FORBIDDEN),
        (suite.user("moderator"), suite.token, Code.FORBIDDEN),
        (suite.user("admin"), "another", Code.BAD_TOKEN),
    ):
        for verb, asked in (
            (contract.ROOMS_AUDIT, contract.ListAudit(actor=actor, token=token)),
            (contract.ROOMS_ENTRIES, contract.AuditRequest(actor=actor, token=token)),
            (contract.ROOMS_HEADS, contract.AuditHeads(actor=actor, token=token, export=new_id(), areas=["rooms"])),
        ):
            with suite.refused(code):
                await suite.rpc.call(verb, asked)


async def test_who_is_no_admin_any_more_is_refused_whatever_the_gateway_says(suite) -> None:
    former = suite.user("admin")
    suite.roles[former.user_id] = "user"
    with suite.refused(Code.FORBIDDEN):
        await suite.rpc.call(contract.ROOMS_AUDIT, contract.ListAudit(actor=former, token=suite.token))


async def test_it_can_be_narrowed_and_read_page_by_page(suite) -> None:
    owner, other = suite.user(), suite.user()
    rooms = [await suite.room(owner, other) for _ in range(3)]
    for room in rooms:
        await suite.set_role(owner, room.id, other, "moderator")
    found = await trail(suite, user_id=other.user_id)
    assert [entry.room_id for entry in found] == [*(room.id for room in rooms), *(room.id for room in rooms)]
    assert {entry.action for entry in await trail(suite, user_id=other.user_id, action="member.updated")} == {
        "member.updated"
    }
    assert await trail(suite, user_id=owner.user_id) == found
    middle = found[2].at
    earlier = await trail(suite, user_id=other.user_id, until=middle)
    assert earlier + await trail(suite, user_id=other.user_id, since=middle) == found
    boss, seen, cursor = suite.user("admin"), [], None
    while True:
        asked = contract.ListAudit(actor=boss, token=suite.token, user_id=other.user_id, limit=2, cursor=cursor)
        page = await suite.rpc.call(contract.ROOMS_AUDIT, asked)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert list(reversed(seen)) == found
    question = "audit:None:None:None"
    for cursor in ("nonsense", write_cursor(question, "2026-11-24T12:00:00", other.user_id, 1), write_cursor(question)):
        with suite.refused(Code.BAD_CURSOR):
            asked = contract.ListAudit(actor=boss, token=suite.token, cursor=cursor)
            await suite.rpc.call(contract.ROOMS_AUDIT, asked)


async def test_an_export_states_every_chain_up_to_a_signed_head(suite, audit_key) -> None:
    owner, other = suite.user(), suite.user()
    rooms = {str((await suite.room(owner, other)).id) for _ in range(5)}
    statements = await heads(suite, limit=2)
    public = Signer.load(audit_key).public_key
    assert all(is_signed(statement, public) for statement in statements)
    # They tile the whole range of chains, and name each once.
    assert [statement["after"] for statement in statements[1:]] == [statement["upto"] for statement in statements[:-1]]
    assert (statements[0]["after"], statements[-1]["upto"]) == (None, None)
    named = [head["chain"] for statement in statements for head in statement["heads"]]
    assert named == sorted(set(named))
    assert rooms <= set(named)
    found = await lines(suite, limit=11)
    for statement in statements:
        for head in statement["heads"]:
            own = [line for line in found if line["chain"] == head["chain"] and line["n"] <= head["n"]]
            assert (len(own), own[-1]["hash"]) == (head["n"], head["hash"])
            assert chain(head["chain"], own) is None


async def test_the_trail_outlives_its_room(suite, quiet) -> None:
    database = await Database.connect(
        quiet.worker_url("messages"),
        application_name="test",
        size=2,
        on_connect=lambda _connection: asyncio.sleep(0),
        keys=RoomKeys(None),
    )
    room_id = new_id()
    try:
        async with database.connection() as connection:
            await connection.execute(
                "INSERT INTO messages.rooms (id, kind, name, topic, visibility, encryption, history, language, slow_mode_s, rev,"
                " created_by, created_at, deleted_at, head, floor, n, member_count, last_at) VALUES ($1, 'room', 'x', '',"
                " 'public', 'plain', 'all', 'simple', 0, 1, $1, now(), now() - interval '8 days', 0, 0, 0, 0, now())",
                room_id,
            )
        await HousekeepingJob(database, "test", 30).run()
        async with database.begin() as store:
            assert await store.rooms.get(room_id) is None
            rows = await store.audit.run(room_id, None, None, (UUID(int=0), 0), 10)
            assert [row["action"] for row in rows] == ["room.purged"]
    finally:
        await database.close()
