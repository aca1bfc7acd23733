from collections.abc import AsyncIterator

import asyncpg
import pytest

from parley_shared.testing.fixtures import Nats, Postgres

from .harness import World


@pytest.fixture
async def world(postgres: Postgres, nats: Nats) -> AsyncIterator[World]:
    """Empty tables, stand-ins for auth and messages, and a hand to start replicas with."""
    await postgres.migrated("presence")
    connection = await asyncpg.connect(postgres.owner_url("presence"))
    await connection.execute("TRUNCATE presence.leases, presence.people, presence.connections")
    await connection.close()
    async with World(postgres, nats) as found:
        yield found
