from collections.abc import AsyncIterator

import pytest

from parley_shared.testing.fixtures import Nats, Postgres

from .harness import World


@pytest.fixture
async def world(postgres: Postgres, nats: Nats) -> AsyncIterator[World]:
    """An empty index, stand-ins for messages and auth, and a hand to start replicas with."""
    await postgres.migrated("search")
    async with World(postgres, nats) as found:
        yield found
