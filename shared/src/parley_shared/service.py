"""The pieces that every service process is wired from, opened and closed in the right order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from parley_shared.contracts.base import Empty, Readiness, Rpc, Service
from parley_shared.db.engine import invalidate_on_outage, is_outage, make_engine
from parley_shared.db.migrate import shortcoming
from parley_shared.health import Health, internal_port
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.metrics import job_runs, watch_engine
from parley_shared.process import service_version
from parley_shared.settings import DatabaseSettings, ServiceSettings

log = structlog.get_logger(__name__)

AFTER_FAILURE_S = 1.0
"""How long a job waits at least before it tries again."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a service's app.py works with."""

    bus: Bus
    rpc: RpcClient
    server: RpcServer
    health: Health

    async def serve(self, ready: Rpc[Empty, Readiness]) -> None:
        """Start answering: all verbs registered before, and readiness."""
        self.server.serve(ready, self.health.readiness, each=True)
        await self.server.start()
        log.info("process.ready")


@asynccontextmanager
async def running(service: Service, settings: ServiceSettings) -> AsyncIterator[Running]:
    """Bus, RPC and the internal port. On the way out no more requests are taken, those at hand are finished."""
    version = service_version(service)
    health = Health(service=service, version=version, instance=settings.instance)
    bus = Bus(
        settings.nats_url,
        name=f"parley-{service} {settings.instance}",
        user=settings.nats_user,
        password=settings.nats_secret,
        ca=settings.nats_ca,
    )

    async def connected() -> str | None:
        return None if bus.connected else "not connected"

    health.add("nats", connected)
    async with internal_port(health, host=settings.internal_host, port=settings.internal_port):
        await bus.connect()
        rpc = RpcClient(bus)
        await rpc.start()
        server = RpcServer(bus, service=service, version=version, outage=is_outage, instance=settings.instance)
        try:
            yield Running(bus, rpc, server, health)
        finally:
            health.draining = True
            await server.stop()
            await bus.close()


@asynccontextmanager
async def database(service: Service, settings: DatabaseSettings, health: Health) -> AsyncIterator[AsyncEngine]:
    """The service's engine, with a readiness check that its schema is the one this code was written for."""
    engine = make_engine(
        settings.postgres_url.get_secret_value(),
        application_name=f"parley-{service} {settings.instance}",
        pool_size=settings.pool_size,
    )
    invalidate_on_outage(engine)
    watch_engine(engine)

    async def migrated() -> str | None:
        async with engine.connect() as connection:
            found = await connection.scalar(text(f"SELECT version_num FROM {service}.alembic_version"))  # noqa: S608 — our own name
        return shortcoming(service, found)

    health.add("database", migrated)
    try:
        yield engine
    finally:
        await engine.dispose()


async def repeat(name: str, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
    """Run a job for ever, `seconds` after the end of its last run. What it raises is logged, and it goes on, not at once: what
    failed would most likely fail again."""
    while True:
        pause = seconds
        try:
            await work()
        except Exception as error:
            pause = max(seconds, AFTER_FAILURE_S)
            if is_outage(error):
                job_runs.labels(name, "outage").inc()
                log.warning("job.outage", job=name, error=repr(error))
            else:
                job_runs.labels(name, "failed").inc()
                log.exception("job.failed", job=name)
        else:
            job_runs.labels(name, "ok").inc()
        await asyncio.sleep(pause)
