"""`parley verify`, `doctor` and `bench`, as whoever runs the suite types them."""

import re
import secrets
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from parley_shared.contracts.base import SERVICES
from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_command import Terminal
from tests.integration.test_images import send, upload
from tests.integration.test_moderation_command import signed_in
from tests.pictures import png
from tests.protocol_client import Person


@pytest.fixture
async def office(suite: Suite, admin: Person, tmp_path: Path) -> Terminal:
    """An admin's shell."""
    return await signed_in(suite, tmp_path / "office", admin)


async def test_a_room_is_verified_and_a_wrong_count_is_named(suite: Suite, person: NewPerson, office: Terminal) -> None:
    alice, bob = await person(), await person(1)
    room = await alice.room(f"Kitchen {secrets.token_hex(4)}")
    await bob.call("POST", f"/rooms/{room}/join")
    await send(alice, room, await upload(alice, png()))
    socket = await alice.open()
    await socket.say(room, "Hello")
    said = await office.run("verify", "--room", room)
    assert "1 rooms" in said
    assert "2 messages, 1 images" in said
    assert "2 entries" in said
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        move = "UPDATE messages.positions SET read_n = read_n + $3 WHERE room_id = $1 AND user_id = $2"
        await connection.execute(move, UUID(room), UUID(bob.id), 1)
        said = await office.run("verify", "--room", room, code=1)
        assert "unread.position" in said
        assert f"user {bob.id}" in said
        await connection.execute(move, UUID(room), UUID(bob.id), -1)
    finally:
        await connection.close()
    await office.run("verify", "--room", room)


async def test_everything_is_verified(office: Terminal) -> None:
    said = await office.run("verify", "--all")
    for what in ("rooms", "people", "index", "objects"):
        assert re.search(rf"✓ .*[0-9] {what}", said), said


async def test_who_is_no_admin_verifies_nothing(suite: Suite, person: NewPerson, tmp_path: Path) -> None:
    terminal = await signed_in(suite, tmp_path / "alice", await person())
    assert "✗" in await terminal.run("verify", code=1)


async def test_an_admin_is_told_which_replicas_there_are_and_what_is_alone(suite: Suite, office: Terminal) -> None:
    running = {service: len(suite.pids(service)) for service in SERVICES}
    assert set(running.values()) == {1, 2}
    said = await office.run("doctor", code=1)
    for service, replicas in running.items():
        # One of each is a fault only where others are two.
        assert f"{'✗' if replicas == 1 else '✓'} {service}: {replicas} running" in said
    assert "minReplicas: 2" in said
    assert re.search(r"epoch [0-9a-f]{16}", said)
    assert re.search(r"search index: [0-9,]+ messages", said)
    assert re.search(r"bucket: the first [0-9,]+ of [0-9,]+ objects are there", said)
    assert "wrapping key" in said
    assert "2 things are wrong." in said


async def test_a_bench_says_where_it_may_measure(office: Terminal) -> None:
    assert "--here" in await office.run("bench", code=64)
    said = await office.run("bench", "--here", "--home", "/nowhere", code=1)
    assert "has no suite that runs on this machine" in said
