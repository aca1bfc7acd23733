"""What every service promises, written once and run by each against itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from parley_shared.contracts.base import Empty, Readiness, Rep, Req, Rpc, Service
from parley_shared.contracts.erasure import Erase, Erased
from parley_shared.db.bootstrap import OWNERS
from parley_shared.db.migrate import _config
from parley_shared.db.revisions import _revisions
from parley_shared.errors import Refused
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient
from parley_shared.settings import DatabaseSettings
from parley_shared.testing.fixtures import Nats, Postgres

Settings = TypeVar("Settings", bound=DatabaseSettings)


@asynccontextmanager
async def _asked_by(
    caller: Service,
    service: str,
    run: Callable[[Settings, asyncio.Event], Awaitable[None]],
    settings_type: type[Settings],
    postgres: Postgres,
    nats: Nats,
) -> AsyncIterator[RpcClient]:
    """The process's own `run`, on real servers, and the client of a peer."""
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
    bus = nats.bus(caller)
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    try:
        yield rpc
    finally:
        await bus.close()
        stop.set()
        await task


async def starts_and_says_that_it_is_ready(
    service: str,
    run: Callable[[Settings, asyncio.Event], Awaitable[None]],
    settings_type: type[Settings],
    ready: Rpc[Empty, Readiness],
    postgres: Postgres,
    nats: Nats,
) -> None:
    """Asked over NATS as the gateway asks."""
    async with _asked_by("gateway", service, run, settings_type, postgres, nats) as rpc:
        answer = await _first_answer(rpc, ready, Empty())
    assert answer.ready, answer.reasons
    assert answer.service == service


async def erases_whom_it_is_told_to(
    service: str,
    run: Callable[[Settings, asyncio.Event], Awaitable[None]],
    settings_type: type[Settings],
    erase: Rpc[Erase, Erased],
    postgres: Postgres,
    nats: Nats,
) -> None:
    """Asked over NATS as auth asks, for somebody of whom there is nothing: done, again and again."""
    nobody = Erase(user_id=new_id(), saga_id=new_id())
    async with _asked_by("auth", service, run, settings_type, postgres, nats) as rpc:
        for _ in range(2):
            answer = await _first_answer(rpc, erase, nobody)
            assert answer.done
            assert not any(answer.counts.values())


async def _first_answer(rpc: RpcClient, verb: Rpc[Req, Rep], request: Req) -> Rep:
    async with asyncio.timeout(10):
        while True:
            try:
                return await rpc.call(verb, request)
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


async def its_migrations_make_what_its_tables_say(service: str, metadata: MetaData, postgres: Postgres) -> None:
    """Both describe the same schema, indexes included; and the files are named by their revisions."""
    chain = [found.revision for found in ScriptDirectory.from_config(_config(service)).walk_revisions()]
    newest, older = _revisions(service)
    assert [newest, *sorted(older, reverse=True)] == chain
    await postgres.migrated(service)
    engine = create_async_engine(postgres.admin_url.replace("postgresql://", "postgresql+asyncpg://"))

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == metadata.schema,
                "version_table": "alembic_version",
                "version_table_schema": metadata.schema,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
