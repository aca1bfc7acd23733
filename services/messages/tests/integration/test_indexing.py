"""What search is told: the log, the state and the scope agree with what people see, and sealed rooms are in none of them."""

from uuid import UUID

import pytest_asyncio

from parley_messages.usecases.indexing import ROWS, ROWS_OF_ROOM
from parley_shared.contracts import indexing as contract
from parley_shared.contracts.messages import RENDER_MESSAGES, MessageRef, RenderMessages
from parley_shared.errors import Code
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient


@pytest_asyncio.fixture(scope="session")
async def search(nats):
    """A client with the rights of search."""
    bus = nats.bus("search")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    yield rpc
    await bus.close()


async def read(search, *wants: contract.IndexWant) -> list[contract.IndexPart]:
    return (await search.call(contract.INDEX_RANGES, contract.IndexRanges(wants=list(wants)))).parts


async def everything(search, room_id: UUID, kind) -> dict[UUID, contract.IndexEntry]:
    """Asked for until it is complete."""
    found: dict[UUID, contract.IndexEntry] = {}
    after = 0
    while True:
        [part] = await read(search, contract.IndexWant(room_id=room_id, after=after, kind=kind))
        found |= {entry.message_id: entry for entry in part.entries}
        after = part.upto
        if part.complete:
            return found


async def test_the_log_and_the_state_tell_the_same_as_a_page(suite, search) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member, language="german")
    image = suite.gallery.add(owner.user_id)
    [root, edited, deleted, shown] = [
        *(await suite.send(owner, room.id, "root", "old text", "to be deleted")),
        *(await suite.send(owner, room.id, "with an image", media_ids=[image.id])),
    ]
    await suite.send(member, room.id, "a reply", thread_root_id=root.message_id)
    await suite.edit(owner, room.id, edited, 1, "new text")
    await suite.delete_message(owner, room.id, deleted)
    await suite.react(member, room.id, root, "like")
    by_log = await everything(search, room.id, "log")
    by_state = await everything(search, room.id, "state")
    assert by_log == by_state
    assert [
        (entry.body, entry.rev, entry.has_image) for entry in sorted(by_log.values(), key=lambda item: item.seq)
    ] == [
        ("root", 1, False),
        ("new text", 2, False),
        (None, 2, False),
        ("with an image", 1, True),
        ("a reply", 1, False),
    ]
    [part] = await read(search, contract.IndexWant(room_id=room.id, after=0))
    assert (part.language, part.complete, part.upto, part.head) == ("german", True, part.head, 10)
    [rest] = await read(search, contract.IndexWant(room_id=room.id, after=part.head))
    assert (rest.entries, rest.upto, rest.complete) == ([], part.head, True)
    assert shown.message_id in by_log


async def test_an_answer_that_is_full_ends_and_goes_on(suite, search) -> None:
    owner = suite.user()
    room, other = await suite.room(owner), await suite.room(owner)
    await suite.send(owner, room.id, *("€" * 8000 for _ in range(40)))
    await suite.send(owner, other.id, "last")
    wants = [contract.IndexWant(room_id=room.id, after=0), contract.IndexWant(room_id=other.id, after=0)]
    [part] = await read(search, *wants)
    assert not part.complete
    assert 0 < len(part.entries) < 40
    assert len(await everything(search, room.id, "log")) == len(await everything(search, room.id, "state")) == 40


async def test_one_long_log_does_not_hold_up_the_rooms_behind_it(suite, search) -> None:
    """Of each room so many rows, and of all together so many; the rest is asked for again."""
    owner = suite.user()
    rooms = [await suite.room(owner) for _ in range(6)]
    for room in rooms[:5]:
        await suite.send(owner, room.id, *(f"word {number}" for number in range(ROWS_OF_ROOM + 10)))
    await suite.send(owner, rooms[5].id, "last")
    for kind in ("log", "state"):
        parts = await read(search, *(contract.IndexWant(room_id=room.id, after=0, kind=kind) for room in rooms))
        assert [part.room_id for part in parts] == [room.id for room in rooms[:4]]
        assert [part.complete for part in parts] == [False] * 4
        assert sum(len(part.entries) for part in parts) <= ROWS
        for room in rooms[:2]:
            assert len(await everything(search, room.id, kind)) == ROWS_OF_ROOM + 10
        # Both kinds at once, in the order of the wants.
        mixed = await read(
            search,
            contract.IndexWant(room_id=rooms[5].id, after=0, kind="state"),
            contract.IndexWant(room_id=new_id(), after=0),
            contract.IndexWant(room_id=rooms[5].id, after=0, kind="log"),
        )
        assert [(len(part.entries), part.gone) for part in mixed] == [(1, False), (0, True), (1, False)]


async def test_a_position_that_the_log_does_not_know_is_lost(suite, search) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [beyond] = await read(search, contract.IndexWant(room_id=room.id, after=99))
    await suite.database.execute("UPDATE messages.rooms SET floor = 1 WHERE id = $1", room.id)
    [below] = await read(search, contract.IndexWant(room_id=room.id, after=0))
    assert beyond.lost
    assert below.lost


async def test_sealed_and_absent_rooms_are_gone(suite, search) -> None:
    owner = suite.user()
    sealed, plain = await suite.room(owner, encryption="sealed"), await suite.room(owner)
    await suite.send(owner, sealed.id, "secret")
    for kind in ("log", "state"):
        parts = await read(
            search, *(contract.IndexWant(room_id=room_id, after=0, kind=kind) for room_id in (sealed.id, new_id()))
        )
        assert [(part.gone, part.entries) for part in parts] == [(True, []), (True, [])]
    absent = new_id()
    asked = contract.IndexRooms(room_ids=[sealed.id, plain.id, absent])
    answer = await search.call(contract.INDEX_ROOMS, asked)
    assert {room.room_id: room.searchable for room in answer.rooms} == {sealed.id: False, plain.id: True}
    assert answer.missing == [absent]
    assert answer.epoch
    scope = await search.call(contract.SEARCH_SCOPE, contract.SearchScope(viewer_id=owner.user_id, viewer_role="user"))
    assert [room.room_id for room in scope.rooms] == [plain.id]


async def test_all_rooms_come_by_pages(suite, search) -> None:
    owner = suite.user()
    made = {(await suite.room(owner)).id for _ in range(3)}
    found: list[UUID] = []
    after = None
    while True:
        page = await search.call(contract.INDEX_ROOMS, contract.IndexRooms(after=after, limit=7))
        found += [room.room_id for room in page.rooms]
        after = page.next
        if after is None:
            break
    assert found == sorted(found)
    assert made <= set(found)
    for wrong in (0, 1001):
        with suite.refused(Code.INVALID):
            await search.call(contract.INDEX_ROOMS, contract.IndexRooms(limit=wrong))


async def test_the_scope_is_what_the_viewer_may_read_now(suite, search) -> None:
    owner, viewer, admin = suite.user(), suite.user(), suite.user("admin")
    whole = await suite.room(owner, viewer, name="Whole")
    since = await suite.room(owner, visibility="private", history="since_join")
    await suite.send(owner, since.id)
    first = await suite.add(owner, since.id, viewer)
    await suite.leave(viewer, since.id)
    again = await suite.add(owner, since.id, viewer)
    left, deleted, foreign = await suite.room(owner, viewer), await suite.room(owner, viewer), await suite.room(owner)
    await suite.leave(viewer, left.id)
    await suite.delete(owner, deleted.id)
    direct = (await suite.direct(viewer, owner)).room

    async def scope(actor, room_id=None) -> dict[UUID, contract.ScopeRoom]:
        request = contract.SearchScope(viewer_id=actor.user_id, viewer_role=actor.role, room_id=room_id)
        answer = await search.call(contract.SEARCH_SCOPE, request)
        return {room.room_id: room for room in answer.rooms}

    found = await scope(viewer)
    assert found.keys() == {whole.id, since.id, direct.id}
    assert (found[whole.id].name, found[whole.id].intervals, found[direct.id].name) == ("Whole", None, None)
    assert found[since.id].intervals == [(first.from_seq, again.from_seq - 1), (again.from_seq, None)]
    assert (await scope(viewer, since.id)).keys() == {since.id}
    assert await scope(viewer, foreign.id) == {}
    assert await scope(admin) == {}
    await suite.grant(admin, since.id)
    assert (await scope(admin))[since.id].intervals is None


async def test_what_was_found_is_rendered_for_the_callers_eyes(suite) -> None:
    owner, viewer, stranger = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, viewer, visibility="private", history="all")
    [kept, deleted] = await suite.send(owner, room.id, "kept", "deleted")
    await suite.delete_message(owner, room.id, deleted)
    wanted = [MessageRef(room_id=room.id, message_id=message.message_id) for message in (deleted, kept)]
    wanted.append(MessageRef(room_id=room.id, message_id=new_id()))

    async def shown(actor) -> list[str | None]:
        answer = await suite.rpc.call(RENDER_MESSAGES, RenderMessages(actor=actor, wanted=wanted))
        return [None if item is None else item.body for item in answer.items]

    assert await shown(viewer) == [None, "kept", None]
    assert await shown(stranger) == [None, None, None]
    await suite.remove(owner, room.id, viewer)
    assert await shown(viewer) == [None, None, None]
    with suite.refused(Code.INVALID):
        await suite.rpc.call(RENDER_MESSAGES, RenderMessages(actor=viewer, wanted=wanted * 70))
