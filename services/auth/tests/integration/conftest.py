from collections.abc import AsyncIterator

import asyncpg
import pytest

from parley_shared.testing.fixtures import Nats, Postgres

from .harness import Auth


@pytest.fixture
async def auth(postgres: Postgres, nats: Nats) -> AsyncIterator[Auth]:
    """Empty tables, and a hand to start replicas with."""
    await postgres.migrated("auth")
    connection = await asyncpg.connect(postgres.owner_url("auth"))
    names = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'auth' AND tablename NOT IN ('alembic_version', 'revocation_head')"
    )
    await connection.execute("TRUNCATE " + ", ".join(f"auth.{row['tablename']}" for row in names))
    await connection.close()
    async with Auth(postgres, nats) as world:
        yield world
