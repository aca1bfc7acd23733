from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from parley_shared.testing.fixtures import S3, Nats, Postgres

from .harness import Replica, World


@pytest.fixture
async def world(postgres: Postgres, nats: Nats, s3: S3, tmp_path: Path) -> AsyncIterator[World]:
    """Empty tables, an empty bucket, stand-ins for auth and messages, and a hand to start replicas with."""
    await postgres.migrated("media")
    connection = await asyncpg.connect(postgres.owner_url("media"))
    await connection.execute(
        "TRUNCATE media.images, media.objects, media.claims, media.buckets, media.erasures, media.leases"
    )
    await connection.close()
    async with World(postgres, nats, s3, tmp_path) as found:
        yield found


@pytest.fixture
async def media(world: World) -> Replica:
    """One replica, without a limit of uploads."""
    return await world.replica()
