"""Who types, through the gateways: told to the others of the room, and to nobody who must not know."""

import asyncio

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_presence import friends, until, watch
from tests.protocol_client import Frame, Person, Socket

NOWHERE = "01890000-0000-7000-8000-000000000000"


def hints(socket: Socket, person: Person | None = None) -> list[Frame]:
    """What a socket has heard of typing."""
    return [
        frame
        for frame in socket.frames
        if frame["type"] == "typing" and (person is None or frame["user_id"] == person.id)
    ]


async def listening(room: str, *sockets: Socket) -> None:
    """They are attached to the room: a hint that came earlier would be lost, an event would not."""
    said = await sockets[0].say(room, "Is everybody there?")
    for socket in sockets:
        await socket.until_seq(f"room:{room}", said["seq"])


async def hears(socket: Socket, person: Person, for_ms: int = 6_000, since: int = 0) -> Frame:
    return await socket.wait_for(
        lambda frame: frame["type"] == "typing" and frame["user_id"] == person.id and frame["for_ms"] == for_ms,
        since=since,
    )


async def test_the_others_of_the_room_are_told_and_no_device_of_ones_own(suite: Suite, person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    other_device = await alice.at(suite.urls[1]).open()
    await listening(room, a, b, c, other_device)
    assert (await a.command("typing", room_id=room, on=True))["type"] == "ack"
    for socket in (b, c):
        assert await hears(socket, alice) == {"type": "typing", "room_id": room, "user_id": alice.id, "for_ms": 6_000}
    await b.send(type="typing", room_id=room)
    for socket in (a, c, other_device):
        await hears(socket, bob)
    assert hints(a, alice) == hints(other_device, alice) == []


async def test_it_ends_when_that_is_said(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await friends(alice, bob)
    a, b = await alice.open(), await bob.open()
    await listening(room, a, b)
    await a.send(type="typing", room_id=room, on=True)
    await hears(b, alice)
    await a.send(type="typing", room_id=room, on=False)
    await hears(b, alice, for_ms=0)


async def test_of_what_is_said_too_often_the_newest_is_told(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await friends(alice, bob)
    a, b = await alice.open(), await bob.open()
    await listening(room, a, b)
    await a.send(type="typing", room_id=room, on=True)
    first = await hears(b, alice)
    for on in (True, False, True, False, True, True):
        await a.send(type="typing", room_id=room, on=on)
    await hears(b, alice, since=b.frames.index(first) + 1)
    await a.send(type="typing", room_id=room, on=False)
    await hears(b, alice, for_ms=0)
    assert [frame["for_ms"] for frame in hints(b)] == [6_000, 6_000, 0]


async def test_in_a_room_that_one_is_no_member_of_it_is_like_a_room_that_is_not(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    room = await friends(alice)
    a, e = await alice.open(), await eve.open()
    for room_id in (room, NOWHERE):
        assert (await e.command("typing", room_id=room_id, on=True))["code"] == "not_found"
    assert (await e.command("typing", room_id="a room"))["code"] == "invalid"
    assert hints(a) == []


async def test_who_has_left_neither_types_nor_hears(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    await listening(room, a, b, c)
    left = await b.command("leave", room_id=room)
    assert left["type"] == "ack"
    await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.left")
    assert (await b.command("typing", room_id=room, on=True))["code"] == "not_found"
    await a.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "member.left")
    await a.send(type="typing", room_id=room, on=True)
    await hears(c, alice)
    assert hints(b) == hints(a) == []


async def test_who_is_invisible_types_unseen(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    await listening(room, a, b, c)
    await alice.call("PUT", "/presence/me", json={"status": "invisible"})
    await a.command("typing", room_id=room, on=True)
    # Hers would have come before his, which is said later and has the same way.
    await asyncio.gather(c.command("typing", room_id=room, on=True), hears(b, carol))
    assert hints(b, alice) == []


async def test_becoming_invisible_counts_at_once_on_every_gateway(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room, other_room = await friends(alice, bob, carol), await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    await listening(room, a, b, c)
    await listening(other_room, a, b, c)
    await a.send(type="typing", room_id=room, on=True)
    await hears(b, alice)
    await watch(a, alice)
    await alice.at(bob.url).call("PUT", "/presence/me", json={"status": "invisible"})
    await until(a, alice, "invisible")
    await a.command("typing", room_id=other_room, on=True)
    await asyncio.gather(c.command("typing", room_id=other_room, on=True), hears(b, carol))
    assert [frame["room_id"] for frame in hints(b, alice)] == [room]


async def test_a_block_hides_it_both_ways(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(1)
    room = await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    await listening(room, a, b, c)
    await alice.http.put(f"/users/me/blocks/{bob.id}")
    await a.send(type="typing", room_id=room, on=True)
    await b.send(type="typing", room_id=room, on=True)
    for somebody in (alice, bob):
        await hears(c, somebody)
    assert hints(a) == hints(b) == []


async def test_who_is_muted_types_unseen(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await friends(alice, bob, carol)
    a, b, c = await alice.open(), await bob.open(), await carol.open()
    await listening(room, a, b, c)
    await alice.call("POST", f"/rooms/{room}/mutes", 201, json={"user_id": bob.id, "minutes": 5})
    await b.command("typing", room_id=room, on=True)
    await a.send(type="typing", room_id=room, on=True)
    await hears(c, alice)
    assert hints(c, bob) == []
