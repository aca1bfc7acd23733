"""Presence through the SDK, and as it is typed: `parley status`, `parley connections`."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from parley_client import Client, Event
from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_moderation_command import signed_in
from tests.integration.test_presence import connection_id, friends, until_logged
from tests.protocol_client import PASSWORD, Person

Frame = dict[str, Any]


async def until(frames: list[Frame], **wanted: Any) -> Frame:
    """A frame that says so, received already or yet to come."""
    async with asyncio.timeout(20):
        while True:
            for frame in frames:
                if wanted.items() <= frame.items():
                    return frame
            await asyncio.sleep(0.02)


async def test_the_sdk_watches_people_also_after_a_lost_connection(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await friends(alice, bob)
    frames: list[Frame] = []
    async with (
        Client(suite.urls[0], username=alice.username, password=PASSWORD) as one,
        Client(suite.urls[1], username=bob.username, password=PASSWORD) as other,
    ):
        one.on_frame(frames.append)
        await one.watch_presence([UUID(bob.id)])
        await until(frames, type="presence", user_id=bob.id, status="offline")
        await other.connect()
        await until(frames, type="presence", user_id=bob.id, status="online")
        assert one._connection._socket is not None
        one._connection._socket.transport.abort()
        assert (await other.set_presence("busy", "in a meeting")).text == "in a meeting"
        await until(frames, type="presence", user_id=bob.id, status="busy", text="in a meeting")
        assert (await one.presence([UUID(bob.id)]))[UUID(bob.id)].status == "busy"
        # Who has seen what is said in a room is attached to it, and hears who types.
        said = await other.send(UUID(room), "hello")
        async with asyncio.timeout(20):
            async for event in one.events():
                if isinstance(event, Event) and (event.room_id, event.seq) == (UUID(room), said.seq):
                    break
        await other.typing(UUID(room))
        await until(frames, type="typing", room_id=room, user_id=bob.id, for_ms=6_000)


async def test_a_status_is_set_from_a_terminal(suite: Suite, person: NewPerson, tmp_path: Path) -> None:
    alice = await person()
    shell = await signed_in(suite, tmp_path / "alice", alice)
    assert "✓ busy: in a meeting" in await shell.run("status", "busy", "in", "a", "meeting")
    assert "✓ invisible" in await shell.run("status", "invisible")
    assert "status" in await shell.run("status", "asleep", code=1)


async def test_an_admin_asks_why_somebody_was_disconnected(
    suite: Suite, person: NewPerson, admin: Person, tmp_path: Path
) -> None:
    alice = await person(1)
    first = await alice.open(client="phone/2.1")
    first.cut()
    await until_logged(admin, connection_id(first))
    second = await alice.open(client="phone/2.1", last_close={"code": 1006, "reason": "the tunnel"})
    await until_logged(admin, connection_id(second), closed=False)
    shell = await signed_in(suite, tmp_path / "admin", admin)
    shown = (await shell.run("connections", alice.username)).splitlines()
    assert [line.split()[-1] for line in shown[1:]] == [connection_id(first), connection_id(second)], "the newest last"
    gateway = shown[1].partition("1006 by the network  ")[2].split()[0]
    assert f"1006 by the network  {suite.instance(1, gateway)}  phone/2.1" in shown[1]
    assert "open" in shown[2]
    assert "client saw 1006" in shown[2]
    whole = await shell.run("connections", "--id", connection_id(second))
    assert "the client saw 1006 the tunnel" in whole
    assert "still open" in whole
    assert "No connections." in await shell.run("connections", alice.username, "--until", "2020-01-01")
    assert "There is no account" in await shell.run("connections", "nobody-of-this-name", code=1)
    other = await signed_in(suite, tmp_path / "alice", alice)
    assert "Only an admin may do this." in await other.run("connections", code=1)
