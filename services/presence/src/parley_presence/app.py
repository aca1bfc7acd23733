"""The composition root: settings → engine, bus, use cases → the process."""

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from parley_presence import handlers
from parley_presence.clients import AuthClient, MessagesClient
from parley_presence.handlers import UseCases
from parley_presence.jobs import CLEAN_EVERY_S, Jobs
from parley_presence.publisher import Publisher
from parley_presence.settings import Settings
from parley_presence.store import Transactions
from parley_presence.usecases.connections import Connections
from parley_presence.usecases.erasure import Erasure
from parley_presence.usecases.leases import Leases
from parley_presence.usecases.people import People
from parley_shared import process
from parley_shared.contracts.presence import READY
from parley_shared.db.engine import database
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.service import repeat, running

SERVICE: Final = "presence"


@dataclass(frozen=True, slots=True)
class Parts:
    """What one replica consists of."""

    use_cases: UseCases
    jobs: Jobs


def wire(settings: Settings, engine: AsyncEngine, bus: Bus, rpc: RpcClient) -> Parts:
    """Put a replica together; opens nothing and starts nothing."""
    begin = Transactions(engine).begin
    publisher = Publisher(bus)
    leases = Leases(begin, publisher, settings)
    people = People(begin, MessagesClient(rpc), publisher)
    return Parts(
        UseCases(leases=leases, people=people, connections=Connections(begin, AuthClient(rpc)), erasure=Erasure(begin)),
        Jobs(begin, leases, people, bus, settings),
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health) as engine:
        parts = wire(settings, engine, service.bus, service.rpc)
        handlers.serve(service.server, parts.use_cases)
        jobs = [
            asyncio.create_task(repeat("watch", parts.jobs.watch_every_s, parts.jobs.watch)),
            asyncio.create_task(repeat("clean", CLEAN_EVERY_S, parts.jobs.clean)),
        ]
        try:
            await service.serve(READY)
            await stop.wait()
        finally:
            service.health.draining = True
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            # Requests at hand need the engine, which is closed before the bus is.
            await service.server.stop()


def main() -> None:
    """`parley-presence [migrate]`."""
    process.main(SERVICE, Settings, run)
