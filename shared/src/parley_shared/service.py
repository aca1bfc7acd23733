"""The pieces that every service process is wired from, opened and closed in the right order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from parley_shared.contracts.base import Empty, Readiness, Rpc, Service
from parley_shared.db.outage import is_outage
from parley_shared.health import Health, internal_port
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.metrics import job_runs
from parley_shared.process import service_version
from parley_shared.settings import ServiceSettings

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
