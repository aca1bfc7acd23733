import asyncio

import asyncpg
import pytest

from parley_media.app import run
from parley_media.settings import Settings
from parley_shared.contracts.base import Empty
from parley_shared.contracts.media import READY
from parley_shared.errors import Refused
from parley_shared.messaging.rpc import RpcClient
from parley_shared.testing.fixtures import Nats, Postgres


async def test_it_starts_and_says_that_it_is_ready(postgres: Postgres, nats: Nats) -> None:
    settings = Settings(
        postgres_url=await postgres.migrated("media"),
        nats_url=nats.url,
        nats_user="media",
        nats_password=nats.passwords["media"],
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    bus = nats.bus("gateway")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    answer = await rpc.call(READY, Empty())
                    break
                except Refused:
                    await asyncio.sleep(0.05)
        assert answer.ready, answer.reasons
        assert answer.service == "media"
    finally:
        await bus.close()
        stop.set()
        await task


async def test_its_role_can_neither_read_another_schema_nor_change_its_own(postgres: Postgres) -> None:
    connection = await asyncpg.connect(await postgres.migrated("media"))
    try:
        for other in {"auth", "messages", "presence", "media", "search"} - {"media"}:
            assert not await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE')", other)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE media.mine ()")
    finally:
        await connection.close()
