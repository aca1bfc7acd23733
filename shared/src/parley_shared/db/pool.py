"""Pools of plain asyncpg connections, for services that send the same statements so often that SQLAlchemy would show."""

from collections.abc import Awaitable, Callable

import asyncpg

from parley_shared.db.revisions import shortcoming
from parley_shared.db.traced import TracedConnection
from parley_shared.metrics import watch_pool


async def make_pool(url: str, name: str, *, application_name: str, size: int, **server_settings: str) -> asyncpg.Pool:
    """Statements wait at most 30 s, connections 5 s. The schema is never on the search path: every table names its own.

    name: of the pool, among those of its process.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=5,
        command_timeout=30,
        reset=_nothing,
        connection_class=TracedConnection,
        server_settings={"application_name": application_name, "timezone": "UTC", "jit": "off", **server_settings},
    )
    watch_pool(pool, name)
    return pool


async def _nothing(_connection: asyncpg.Connection) -> None:
    """What asyncpg sends when a connection goes back takes as long as a statement. Nobody sets anything for a session here, and a
    transaction that was left open is rolled back all the same."""


def migrated(service: str, pool: asyncpg.Pool) -> Callable[[], Awaitable[str | None]]:
    """A readiness check that the service's schema is the one this code was written for."""

    async def check() -> str | None:
        async with pool.acquire(timeout=5) as connection:
            found = await connection.fetchval(f"SELECT version_num FROM {service}.alembic_version")  # noqa: S608 — our own name
        return shortcoming(service, found)

    return check
