"""What every service promises, written once and run by each against itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import pytest

from parley_shared.contracts.base import Empty, Readiness, Rpc
from parley_shared.db.bootstrap import OWNERS
from parley_shared.errors import Refused
from parley_shared.messaging.rpc import RpcClient
from parley_shared.settings import DatabaseSettings
from parley_shared.testing.fixtures import Nats, Postgres

Settings = TypeVar("Settings", bound=DatabaseSettings)


async def starts_and_says_that_it_is_ready(
    service: str,
    run: Callable[[Settings, asyncio.Event], Awaitable[None]],
    settings_type: type[Settings],
    ready: Rpc[Empty, Readiness],
    postgres: Postgres,
    nats: Nats,
) -> None:
    """The process's own `run`, on real servers, asked over NATS as the gateway asks."""
    settings = settings_type.model_validate(
        {
            "postgres_url": await postgres.migrated(service),
            "nats_url": nats.url,
            "nats_user": service,
            "nats_password": nats.passwords[service],
        }
    )
    stop = asyncio.Event()
    task = asyncio.ensure_future(run(settings, stop))
    bus = nats.bus("gateway")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    try:
        async with asyncio.timeout(10):
            answer = await _first_answer(rpc, ready)
        assert answer.ready, answer.reasons
        assert answer.service == service
    finally:
        await bus.close()
        stop.set()
        await task


async def _first_answer(rpc: RpcClient, ready: Rpc[Empty, Readiness]) -> Readiness:
    while True:
        try:
            return await rpc.call(ready, Empty())
        except Refused:
            await asyncio.sleep(0.05)


async def its_role_is_confined_to_its_schema(service: str, postgres: Postgres) -> None:
    """It can neither read another schema nor change its own."""
    connection = await asyncpg.connect(await postgres.migrated(service))
    try:
        for other in set(OWNERS) - {service}:
            assert not await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE')", other)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"CREATE TABLE {service}.mine ()")
    finally:
        await connection.close()
