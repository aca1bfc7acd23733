"""This gateway's lease with presence, and what is reported under it: which sockets have opened and closed.

A lease that has run out never comes back. A gateway that finds itself without one (it was paused, or cut off for too long)
begins a new one, and reports again those sockets that it hears from after that: whoever is silent may be long gone.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

import structlog
from prometheus_client import Gauge

from parley_shared.contracts.presence import (
    REGISTER,
    RELEASE,
    RENEW,
    REPORT,
    ConnectionClosed,
    ConnectionOpened,
    LeaseRequest,
    RegisterLease,
    ReportConnections,
)
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

TURN_S = 1.0
MOST_IN_REPORT = 1_000
MOST_KEPT = 100_000
"""Ends of connections that wait for presence to come back."""
REPORT_BYTES = 524_288
RENEWALS = 3
"""In a lease's life: two may be lost."""
STOP_S = 2.0
_ENVELOPE = 700
_LONGEST_CHARACTER = 6
"""Bytes that JSON may spend on a character."""


_unreported = Gauge(
    "parley_connections_unreported", "Openings and ends of sockets that presence has not been told of yet"
)


class Attended(Protocol):
    """A connection, as this module sees it. silent: it has given no sign of life since the last probe."""

    silent: bool

    def probe(self) -> None:
        """Ask for a sign of life, and be silent until it comes."""
        ...


class Lease:
    """gateway: this instance's name."""

    def __init__(self, rpc: RpcClient, *, gateway: str) -> None:
        self._rpc = rpc
        self._gateway = gateway
        self._living: dict[UUID, tuple[Attended, ConnectionOpened]] = {}
        self._opened: dict[UUID, ConnectionOpened] = {}
        self._closed: deque[ConnectionClosed] = deque()
        self._forgotten = 0
        self._doubtful: set[UUID] = set()
        self._lease_id: UUID | None = None
        self._report: ReportConnections | None = None
        self._batch = 0
        self._renew_every = 10.0
        self._renewed_at = 0.0
        self._away = False
        self._task: asyncio.Task[None] | None = None
        _unreported.set_function(lambda: len(self._opened) + len(self._closed))

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="lease")

    async def stop(self) -> None:
        """Report what is left, and give the lease back: nobody has to wait until it runs out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._lease_id is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await self._flush()
                await self._rpc.call(RELEASE, LeaseRequest(lease_id=self._lease_id))
        except (Refused, TimeoutError) as error:
            log.warning("lease.not_released", error=repr(error))

    def opened(self, connection: Attended, what: ConnectionOpened) -> None:
        """Somebody is there."""
        self._living[what.connection_id] = (connection, what)
        self._opened[what.connection_id] = what

    def closed(self, what: ConnectionClosed) -> None:
        """A socket is gone. One that never got as far as `opened` is nobody's."""
        if self._living.pop(what.connection_id, None) is not None:
            self._doubtful.discard(what.connection_id)
            self._closed.append(what)
            if len(self._closed) > MOST_KEPT:
                # presence has been away for long. Who is there it will still be told, how the oldest went it will not.
                self._opened.pop(self._closed.popleft().connection_id, None)
                self._forgotten += 1

    async def _run(self) -> None:
        while True:
            await self._guarded(self.turn())
            await asyncio.sleep(min(TURN_S, self._renew_every / 4))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Refused as refusal:
            # Everything waits for the next turn; one line says so, not one a second.
            if not self._away:
                log.warning("presence.away", code=str(refusal.code), detail=refusal.detail)
            self._away = True
            if refusal.code != Code.UNAVAILABLE and self._report is not None:
                # It would be refused for ever, and all that comes after it would wait.
                log.error("report.refused", opened=len(self._report.opened), closed=len(self._report.closed))
                self._report = None
        except Exception:
            # Without this task everybody here would soon be shown as gone.
            log.exception("lease.bug")
        else:
            if self._away:
                log.info("presence.back", ends_not_logged=self._forgotten)
            self._forgotten = 0
            self._away = False

    async def turn(self) -> None:
        """Register or renew if it is time, then report. Raises Refused."""
        now = asyncio.get_running_loop().time()
        if self._lease_id is not None and now - self._renewed_at >= self._renew_every:
            if (await self._rpc.call(RENEW, LeaseRequest(lease_id=self._lease_id))).alive:
                self._renewed_at = now
            else:
                self._lose()
        if self._lease_id is None:
            await self._register()
        self._believe()
        await self._flush()

    async def _register(self) -> None:
        lease_id, now = new_id(), asyncio.get_running_loop().time()
        answer = await self._rpc.call(REGISTER, RegisterLease(lease_id=lease_id, gateway=self._gateway))
        self._lease_id, self._batch, self._renewed_at = lease_id, 0, now
        self._renew_every = answer.seconds / RENEWALS
        log.info("lease.registered", lease_id=str(lease_id), seconds=answer.seconds)

    def _lose(self) -> None:
        """All that was reported is over. Who is still there says so himself."""
        log.warning("lease.lost", lease_id=str(self._lease_id), connections=len(self._living))
        self._lease_id = None
        if self._report is not None:
            self._opened = {item.connection_id: item for item in self._report.opened} | self._opened
            self._closed.extendleft(reversed(self._report.closed))
            self._report = None
        # What has ended meanwhile is still logged as it was.
        self._opened = {key: item for key, item in self._opened.items() if key not in self._living}
        self._doubtful = set(self._living)
        for connection, _ in list(self._living.values()):
            connection.probe()

    def _believe(self) -> None:
        for identifier in list(self._doubtful):
            connection, what = self._living[identifier]
            if not connection.silent:
                self._doubtful.discard(identifier)
                self._opened[identifier] = what

    async def _flush(self) -> None:
        while self._report is not None or self._opened or self._closed:
            if self._lease_id is None:
                return
            if self._report is None:
                self._report = self._take(self._lease_id)
            # Until it is answered the same report is sent again: presence knows by its number whether it has it already.
            if not (await self._rpc.call(REPORT, self._report)).alive:
                self._lose()
                return
            self._report = None

    def _take(self, lease_id: UUID) -> ReportConnections:
        """What was opened first: the end of a connection never overtakes its beginning."""
        self._batch += 1
        opened: list[ConnectionOpened] = []
        closed: list[ConnectionClosed] = []
        room = REPORT_BYTES
        while self._opened and room > 0 and len(opened) < MOST_IN_REPORT:
            item = self._opened.pop(next(iter(self._opened)))
            texts = (item.device_id, item.client, item.user_agent, item.last_close_reason or "")
            room -= _ENVELOPE + _LONGEST_CHARACTER * sum(map(len, texts))
            opened.append(item)
        while not self._opened and self._closed and room > 0 and len(opened) + len(closed) < MOST_IN_REPORT:
            ended = self._closed.popleft()
            room -= _ENVELOPE + _LONGEST_CHARACTER * len(ended.reason)
            closed.append(ended)
        return ReportConnections(lease_id=lease_id, batch=self._batch, opened=opened, closed=closed)
