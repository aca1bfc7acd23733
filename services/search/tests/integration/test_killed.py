"""The process itself, killed with SIGKILL in the middle of its work: another one goes on where it was."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.search import REBUILD_INDEX
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient

from .harness import World, actor, found, until_found


class Process:
    """`parley-search`."""

    def __init__(self, world: World, log: Path) -> None:
        self._world = world
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        settings = self._world.settings()
        environment = {
            "PARLEY_SEARCH_POSTGRES_URL": settings.postgres_url.get_secret_value(),
            "PARLEY_SEARCH_NATS_URL": settings.nats_url,
            "PARLEY_SEARCH_NATS_USER": settings.nats_user,
            "PARLEY_SEARCH_NATS_PASSWORD": settings.nats_password.get_secret_value(),
        }
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).parent / "parley-search"),
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await self._process.wait()
            self._process = None


@pytest.fixture
async def process(world: World, tmp_path: Path) -> AsyncIterator[Process]:
    await world.make_stream()
    made = Process(world, tmp_path / "log")
    try:
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            await made.kill()


async def test_killed_while_it_follows(world: World, process: Process) -> None:
    me = new_id()
    looking = await world.replica()
    rooms = [world.chat.room(me) for _ in range(5)]
    chance = random.Random(3)
    await process.start()
    for _ in range(3):
        for _ in range(60):
            room = chance.choice(rooms)
            living = [message for message in room.messages.values() if message.body is not None]
            if living and chance.random() < 0.3:
                world.chat.delete(room, chance.choice(living))
            elif living and chance.random() < 0.3:
                world.chat.edit(room, chance.choice(living), "other word")
            else:
                world.chat.send(room, "word")
            await world.publish(world.chat.advanced(room, room.head))
        # Somewhere in the middle of what has just been told.
        await process.kill()
        await process.start()
    messages = [message for room in rooms for message in room.messages.values()]
    newest = sorted(messages, key=lambda message: message.created_at, reverse=True)
    await until_found(looking, me, "word", *(message.id for message in newest if message.body is not None))
    await until_found(looking, me, "other", *(message.id for message in newest if message.body == "other word"))
    assert await world.database.fetchval("SELECT count(*) FROM search.messages") == len(messages)
    await process.kill(signal.SIGTERM)


async def test_killed_while_it_rebuilds(world: World, process: Process) -> None:
    me = new_id()
    looking = await world.replica()
    rooms = [world.chat.room(me) for _ in range(6)]
    sent = [world.chat.send(room, "word") for _ in range(30) for room in rooms]
    expected = [message.id for message in reversed(sent)]
    await process.start()
    await until_found(looking, me, "word", *expected)
    await _until(world, "SELECT rebuilding IS NULL FROM search.meta")

    # These answers about state are the last that a process hears, or nearly so.
    world.chat.page = 7
    ranges = world.chat.index_ranges
    cut = asyncio.Event()
    answers = 0

    async def counted(request: Any) -> Any:
        nonlocal answers
        if request.wants[0].kind == "state":
            answers += 1
            if answers in (4, 11, 17):
                cut.set()
        return await ranges(request)

    world.chat.answer_ranges = counted
    rpc = RpcClient(await world._connected("gateway"))
    await rpc.start()
    begun = await rpc.call(REBUILD_INDEX, AdminRequest(actor=actor(new_id(), "admin"), token="boss"))
    assert (begun.messages, begun.total) == (len(sent), len(rooms))
    restarts = 0
    while not await world.database.fetchval("SELECT rebuilding IS NULL FROM search.meta"):
        try:
            async with asyncio.timeout(1):
                await cut.wait()
        except TimeoutError:
            continue
        cut.clear()
        await process.kill()
        restarts += 1
        assert await found(looking, me, "word") == expected, "it is searched all the while"
        await world.database.execute("UPDATE search.rooms SET lease_until = NULL")
        await process.start()
    assert restarts == 3
    # 30 messages by sevens in six rooms are some 30 answers. What was answered and not written is asked for again, and no more.
    assert answers < 45
    assert await found(looking, me, "word") == expected
    generations = await world.database.fetch("SELECT DISTINCT generation FROM search.messages")
    assert [row[0] for row in generations] == [2]
    await process.kill(signal.SIGTERM)


async def _until(world: World, statement: str) -> None:
    async with asyncio.timeout(60):
        while not await world.database.fetchval(statement):
            await asyncio.sleep(0.02)
