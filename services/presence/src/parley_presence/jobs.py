"""Periodic work: gateways that are gone, people whose grace is over, a log that is forgotten in time."""

from datetime import timedelta

import structlog

from parley_presence.settings import Settings
from parley_presence.store import Begin
from parley_presence.usecases.leases import Leases
from parley_presence.usecases.people import People
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)

CLEAN_EVERY_S = 600.0
LEASES_KEPT = timedelta(days=1)
"""A dead lease is remembered for so long: no request under it can still be under way."""
ROWS = 5_000


class Jobs:
    """Rows are locked by who works on them and skipped by everybody else, so that replicas share the work."""

    def __init__(self, begin: Begin, leases: Leases, people: People, bus: Bus, settings: Settings) -> None:
        self._begin = begin
        self._leases = leases
        self._people = people
        self._bus = bus
        self._log_days = timedelta(days=settings.log_days)
        # Four turns in a lease's shortest part, and no more than one a second.
        self.watch_every_s = min(1.0, settings.lease_seconds / 12)

    async def watch(self) -> None:
        """End leases that have run out, then show as offline who has been gone for long enough."""
        if not self._bus.connected:
            # Who hears nobody cannot tell who is silent. Gateways have the whole grace to come back afterwards.
            return
        while await self._leases.reap():
            pass
        while await self._people.settle():
            pass

    async def clean(self) -> None:
        """Forget connections after their time."""
        forgotten = 0
        while True:
            async with self._begin() as store:
                if not await store.try_job():
                    return
                now = await store.now()
                count = await store.forget_connections(now - self._log_days, ROWS)
                await store.forget_leases(now - LEASES_KEPT)
            forgotten += count
            if count < ROWS:
                break
        if forgotten:
            log.info("connections.forgotten", count=forgotten)
