"""The composition root: settings → database, bus, use cases, jobs → the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from parley_search import handlers
from parley_search.analysis import Analysers
from parley_search.clients import AuthClient, MessagesClient
from parley_search.consumer import Consumer
from parley_search.handlers import UseCases
from parley_search.jobs import MEASURE_EVERY_S, Follow, Keep, Wishes
from parley_search.settings import Settings
from parley_search.store import Database
from parley_search.store.finding import Finder
from parley_search.usecases.comparing import Comparing
from parley_search.usecases.erasure import Erasure
from parley_search.usecases.indexing import Indexing, Wake
from parley_search.usecases.rebuilding import Rebuilding
from parley_search.usecases.searching import Searching
from parley_search.usecases.verifying import Verifying
from parley_shared import process
from parley_shared.contracts.search import READY
from parley_shared.db.pool import make_pool, migrated
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.service import repeat, running

SERVICE: Final = "search"
INDEXING_CONNECTIONS: Final = 3
FINDING: Final = {
    # Prepared statements would drift to a plan for any word, which is good for none.
    "plan_cache_mode": "force_custom_plan",
    # There is an index for every way to search, and no estimate is to lead through the whole table.
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "16MB",
}


@dataclass(frozen=True, slots=True)
class Pools:
    """Searching and indexing do not wait for each other's connections."""

    indexing: asyncpg.Pool
    finding: asyncpg.Pool


@dataclass(frozen=True, slots=True)
class Parts:
    """What one replica consists of."""

    use_cases: UseCases
    indexing: Indexing
    comparing: Comparing
    rebuilding: Rebuilding
    follow: Follow
    keep: Keep


@asynccontextmanager
async def pools(settings: Settings) -> AsyncIterator[Pools]:
    url, name = settings.postgres_url.get_secret_value(), f"parley-{SERVICE} {settings.instance}"
    indexing = await make_pool(url, "indexing", application_name=f"{name} indexing", size=INDEXING_CONNECTIONS)
    try:
        finding = await make_pool(
            url,
            "finding",
            application_name=name,
            size=settings.pool_size,
            # Should the process be gone before it can say so itself.
            statement_timeout=str(int(settings.query_seconds * 1000)),
            **FINDING,
        )
        try:
            yield Pools(indexing, finding)
        finally:
            finding.terminate()
    finally:
        indexing.terminate()


def wire(settings: Settings, connections: Pools, bus: Bus, rpc: RpcClient) -> Parts:
    """Put a replica together; opens nothing and starts nothing."""
    database = Database(connections.indexing)
    auth, messages, analysers = AuthClient(rpc), MessagesClient(rpc), Analysers()
    wishes = Wishes(compare=asyncio.Event(), page=asyncio.Event())
    wishes.compare.set()
    wake = Wake(compare=wishes.compare.set, page=wishes.page.set)
    indexing = Indexing(database, messages, analysers, wake)
    comparing = Comparing(database, messages, indexing, wake)
    rebuilding = Rebuilding(database, auth, wake)
    finder = Finder(connections.finding, settings.query_seconds)
    consumer = Consumer(bus, SERVICE)
    return Parts(
        use_cases=UseCases(
            searching=Searching(finder, auth, messages, analysers),
            rebuilding=rebuilding,
            erasure=Erasure(database),
            verifying=Verifying(database, auth, messages, analysers),
        ),
        indexing=indexing,
        comparing=comparing,
        rebuilding=rebuilding,
        follow=Follow(consumer, indexing, wishes),
        keep=Keep(indexing, comparing, rebuilding, consumer, bus, wishes, settings.sweep_seconds),
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with pools(settings) as connections, running(SERVICE, settings) as service:
        parts = wire(settings, connections, service.bus, service.rpc)
        handlers.serve(service.server, parts.use_cases)
        service.health.add("database", migrated(SERVICE, connections.finding))
        jobs = [
            asyncio.create_task(repeat(name, seconds, work), name=name)
            for name, seconds, work in (
                ("follow", 0.0, parts.follow.run),
                ("compare", 0.0, parts.keep.compare),
                ("page", 0.0, parts.keep.page),
                ("measure", MEASURE_EVERY_S, parts.keep.measure),
            )
        ]
        try:
            await service.serve(READY)
            await stop.wait()
        finally:
            service.health.draining = True
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            # Requests at hand need the database, which is closed after the bus.
            await service.server.stop()


def main() -> None:
    """`parley-search [migrate]`."""
    process.main(SERVICE, Settings, run)
