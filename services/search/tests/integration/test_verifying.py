"""Verifying compares the index with what messages says, and names what differs once it had time to follow."""

import asyncio
from uuid import UUID

import pytest

from parley_search.app import Parts
from parley_search.usecases import verifying
from parley_shared.contracts.verifying import Divergence, Verified, Verify
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import World, actor, settle


def asked(cursor: str | None = None, room_id: UUID | None = None) -> Verify:
    return Verify(actor=actor(new_id(), "admin"), token="boss", room_id=room_id, cursor=cursor)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "LOOK_S", 0.01)


async def steps(parts: Parts, *, patience_s: float = 0.05, room_id: UUID | None = None) -> list[Verified]:
    verify = parts.use_cases.verifying
    verify._patience_s = patience_s
    found: list[Verified] = []
    while not found or found[-1].next is not None:
        found.append(await verify.verify(asked(found[-1].next if found else None, room_id)))
    return found


async def verified(parts: Parts, **how: object) -> list[Divergence]:
    return [item for step in await steps(parts, **how) for item in step.divergences]  # type: ignore[arg-type]


async def test_an_index_that_has_followed_is_in_order(world: World) -> None:
    parts = await world.replica()
    room, german = world.chat.room(), world.chat.room(language="german")
    edited, deleted = world.chat.send(room, "first"), world.chat.send(room, "first")
    world.chat.send(german, "Häuser")
    world.chat.room()
    await settle(parts)
    world.chat.edit(room, edited, "second")
    world.chat.delete(room, deleted)
    await parts.indexing.follow([world.chat.advanced(room, 4)])
    [step] = await steps(parts)
    assert (step.divergences, step.streams, step.checked) == ([], 3, {"entries": 3})


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("index.missing", "DELETE FROM search.messages WHERE message_id = $1"),
        ("index.missing", "UPDATE search.messages SET vector = NULL WHERE message_id = $1"),
        ("index.old", "UPDATE search.messages SET rev = 0 WHERE message_id = $1"),
        ("index.text", "UPDATE search.messages SET vector = 'other:1' WHERE message_id = $1"),
    ],
)
async def test_one_corrupted_entry_is_named(world: World, kind: str, statement: str) -> None:
    parts = await world.replica()
    room = world.chat.room()
    messages = [world.chat.send(room, f"word {number}") for number in range(3)]
    await settle(parts)
    await world.database.execute(statement, messages[1].id)
    [found] = await verified(parts)
    assert (found.kind, found.message_id, found.seq) == (kind, messages[1].id, messages[1].seq)
    assert found.stream == f"room:{room.id}"


async def test_what_can_be_found_and_should_not_is_named(world: World) -> None:
    parts = await world.replica()
    room = world.chat.room()
    deleted, kept = world.chat.send(room, "deleted"), world.chat.send(room, "kept")
    await settle(parts)
    world.chat.delete(room, deleted)
    await world.database.execute(
        "INSERT INTO search.messages SELECT room_id, created_at, $1::uuid, 9, rev, generation, vector FROM search.messages"
        " WHERE message_id = $2",
        stray := new_id(),
        kept.id,
    )
    await world.database.execute("UPDATE search.messages SET rev = 2 WHERE message_id = $1", deleted.id)
    found = {item.message_id: item.kind for item in await verified(parts)}
    assert found == {deleted.id: "index.deleted", stray: "index.stray"}


async def test_a_room_that_there_is_not_or_that_is_sealed_is_named(world: World) -> None:
    parts = await world.replica()
    gone, sealed = world.chat.room(), world.chat.room()
    for room in (gone, sealed):
        world.chat.send(room, "word")
    await settle(parts)
    del world.chat.rooms[gone.id]
    sealed.searchable = False
    found = await verified(parts)
    assert {(item.kind, item.stream) for item in found} == {
        ("index.room", f"room:{room.id}") for room in (gone, sealed)
    }


async def test_an_index_that_follows_within_its_time_does_not_diverge(world: World) -> None:
    parts = await world.replica()
    room = world.chat.room()
    world.chat.send(room, "first")
    await settle(parts)
    late = world.chat.send(room, "late")
    looking = asyncio.create_task(verified(parts, patience_s=10.0))
    await asyncio.sleep(0)
    await parts.indexing.follow([world.chat.advanced(room, late.seq)])
    assert await looking == []


async def test_many_rooms_take_several_steps_of_which_none_is_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "ROOMS", 2)
    monkeypatch.setattr(verifying, "STEP_S", 0.0)
    parts = await world.replica()
    rooms = [world.chat.room() for _ in range(7)]
    for number, room in enumerate(rooms):
        for _ in range(1 + number % 3):
            world.chat.send(room, "word")
    await settle(parts)
    found = await steps(parts)
    assert len(found) > 3
    assert sum(step.streams for step in found) == 7
    assert sum(step.checked["entries"] for step in found) == 13
    await world.database.execute("UPDATE search.messages SET vector = 'other:1'")
    assert len(await verified(parts)) == 13


async def test_while_the_index_is_built_anew_nothing_can_be_said(world: World) -> None:
    parts = await world.replica()
    world.chat.send(world.chat.room(), "word")
    await settle(parts)
    await world.database.execute("UPDATE search.meta SET rebuilding = clock_timestamp()")
    with pytest.raises(Refused) as caught:
        await verified(parts)
    assert caught.value.code == Code.UNAVAILABLE


async def test_it_is_for_admins(world: World) -> None:
    parts = await world.replica()
    for who, token in (("user", "boss"), ("admin", "another")):
        request = Verify(actor=actor(new_id(), who), token=token)  # type: ignore[arg-type]
        with pytest.raises(Refused) as caught:
            await parts.use_cases.verifying.verify(request)
        assert caught.value.code in (Code.FORBIDDEN, Code.BAD_TOKEN)
