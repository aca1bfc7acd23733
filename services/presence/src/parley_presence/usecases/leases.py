"""Gateways: their leases, and what they report under them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from msgspec.structs import replace
from prometheus_client import Counter

from parley_presence.domain import Person, connected, disconnected
from parley_presence.publisher import Publisher
from parley_presence.settings import Settings
from parley_presence.store import Begin, Store
from parley_shared.contracts import presence as contract
from parley_shared.contracts.base import Empty
from parley_shared.errors import invalid

log = structlog.get_logger(__name__)

MOST = 1_000
"""Connections in one report."""


_registered = Counter("parley_leases_registered", "Leases that gateways began")
_lost = Counter(
    "parley_leases_lost", "Leases that ran out with sockets under them: a gateway died, or was cut off for too long"
)


class Leases:
    """The verbs `register`, `renew`, `report`, `release`, and what becomes of a lease that has run out."""

    def __init__(self, begin: Begin, publisher: Publisher, settings: Settings) -> None:
        self._begin = begin
        self._publisher = publisher
        self._lifetime = timedelta(seconds=settings.lease_seconds)
        self._grace = timedelta(seconds=settings.grace_seconds)

    async def register(self, cmd: contract.RegisterLease) -> contract.LeaseRegistered:
        """A new lease. Asked again, it is the same one."""
        async with self._begin() as store:
            await store.register(cmd.lease_id, _stored(cmd.gateway), self._lifetime)
        _registered.inc()
        return contract.LeaseRegistered(seconds=self._lifetime.total_seconds())

    async def renew(self, cmd: contract.LeaseRequest) -> contract.LeaseState:
        """One statement, however many people are connected."""
        async with self._begin() as store:
            return contract.LeaseState(alive=await store.renew(cmd.lease_id, self._lifetime))

    async def release(self, cmd: contract.LeaseRequest) -> Empty:
        """Whoever held it has ended in an orderly way."""
        async with self._begin() as store:
            await store.release(cmd.lease_id)
        return Empty()

    async def report(self, cmd: contract.ReportConnections) -> contract.LeaseState:
        """Log what was opened and closed, and with it who is there. Raises Refused: INVALID above 1,000."""
        if len(cmd.opened) + len(cmd.closed) > MOST:
            raise invalid(opened=f"at most {MOST} with those closed")
        left: dict[UUID, datetime] = {}
        for item in cmd.closed:
            left[item.user_id] = max(item.closed_at, left.get(item.user_id, item.closed_at))
        opened = [_storable(item) for item in cmd.opened]
        closed = [_storable_end(item) for item in cmd.closed]
        arriving = {item.user_id for item in opened}
        async with self._begin() as store:
            gateway = await store.take_batch(cmd.lease_id, cmd.batch)
            if gateway is None:
                return contract.LeaseState(alive=await store.alive(cmd.lease_id))
            before = await store.lock(arriving | left.keys(), create=arriving)
            if opened:
                await store.open(cmd.lease_id, gateway, opened)
            if closed:
                await store.close(closed)
            told = await self._settle(store, before, left.get)
        await self._publisher.tell(told)
        return contract.LeaseState(alive=True)

    async def reap(self) -> bool:
        """End what was open under a lease that has run out, a thousand connections at a time; False if there is none."""
        async with self._begin() as store:
            dead = await store.lock_dead()
            if dead is None:
                return False
            lease_id, gateway, renewed_at = dead
            lost = await store.open_under(lease_id, MOST)
            told: list[Person] = []
            if lost:
                before = await store.lock(set(lost.values()))
                await store.close_lost(lease_id, lost, renewed_at)
                told = await self._settle(store, before, lambda _user: renewed_at)
            if len(lost) < MOST:
                await store.end(lease_id)
        if lost:
            _lost.inc()
            log.warning(
                "lease.lost",
                gateway=gateway,
                lease_id=str(lease_id),
                connections=len(lost),
                people=len(set(lost.values())),
            )
        await self._publisher.tell(told)
        return True

    async def _settle(
        self, store: Store, before: list[Person], left_at: Callable[[UUID], datetime | None]
    ) -> list[Person]:
        """Who of these people is there now; their rows are held. Returns those of whom others see something new."""
        there = await store.connected([person.user_id for person in before])
        now = await store.now()
        after = [
            connected(person)
            if person.user_id in there
            else disconnected(person, left_at(person.user_id), now, self._grace)
            for person in before
        ]
        changed = [new for old, new in zip(before, after, strict=True) if new != old]
        await store.put(changed)
        return [new for old, new in zip(before, after, strict=True) if new.rev != old.rev]


def _stored(text: str) -> str:
    """PostgreSQL refuses U+0000, and what one client says must not hold up the report of all."""
    return text.replace("\0", "")


def _storable(item: contract.ConnectionOpened) -> contract.ConnectionOpened:
    if "\0" not in f"{item.device_id}{item.client}{item.user_agent}{item.last_close_reason}":
        return item
    return replace(
        item,
        device_id=_stored(item.device_id),
        client=_stored(item.client),
        user_agent=_stored(item.user_agent),
        last_close_reason=None if item.last_close_reason is None else _stored(item.last_close_reason),
    )


def _storable_end(item: contract.ConnectionClosed) -> contract.ConnectionClosed:
    return replace(item, reason=_stored(item.reason)) if "\0" in item.reason else item
