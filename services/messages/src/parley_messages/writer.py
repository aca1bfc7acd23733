"""Group commit: one transaction at a time, and whatever arrives meanwhile goes into the next one.

The order of one sender's messages to one room is the order in which they were queued; seqs and ordinals are given only to
what is accepted, so a refusal leaves no hole. An outcome is settled after COMMIT has returned, and never before.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import asyncpg
import structlog
from prometheus_client import Counter, Histogram

from parley_messages.batch import Batch, BatchResult
from parley_messages.domain.rates import FloodLimit
from parley_messages.domain.sending import Checked
from parley_messages.publisher import LivePublisher
from parley_messages.store.send import SendStore
from parley_shared.contracts.messages import Accepted, NotAccepted
from parley_shared.db.engine import is_outage
from parley_shared.errors import Code

log = structlog.get_logger(__name__)

Outcome = Accepted | NotAccepted

MOST_SENDS = 512
"""In one transaction."""
MISSES = 3
"""Times that a room is passed over because somebody else holds it, before it is waited for alone."""
LOCK_WAIT_MS = 100
"""How long a room is waited for alone; everybody else's sends wait as long."""
PATIENCE_S = 3.0
"""After which a send to a room that stays locked is answered `unavailable`."""

_batch_size = Histogram(
    "parley_send_batch_size", "Sends in one transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
_batch_seconds = Histogram("parley_send_batch_seconds", "Time of one send transaction")
_outcomes = Counter("parley_sends", "Sends by outcome", ["outcome"])


class Ticket:
    """Where the outcomes of one SEND_MANY gather."""

    __slots__ = ("_future", "_left", "_outcomes")

    def __init__(self, count: int) -> None:
        self._outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if count == 0:
            self._future.set_result(None)

    def settle(self, index: int, outcome: Outcome) -> None:
        """Once for each index."""
        self._outcomes[index] = outcome
        self._left -= 1
        if self._left == 0 and not self._future.done():
            self._future.set_result(None)

    async def outcomes(self) -> list[Outcome]:
        """When all are settled."""
        await self._future
        return [outcome for outcome in self._outcomes if outcome is not None]


@dataclass(slots=True)
class Pending:
    """A send that waits for its transaction."""

    send: Checked
    ticket: Ticket
    index: int
    since: float
    misses: int = 0


class Writer:
    """One dedicated connection, one transaction at a time.

    limits: accepted messages per rolling 60 s by role; None is off. flood: all people together in one room. on_connect: runs on each new connection before the
    first write (the epoch check). advanced: called after each commit (wakes the outbox relay).
    """

    def __init__(
        self,
        *,
        url: str,
        application_name: str,
        limits: Mapping[str, int | None],
        flood: FloodLimit | None,
        publisher: LivePublisher,
        on_connect: Callable[[asyncpg.Connection], Awaitable[None]],
        advanced: Callable[[], None],
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._limits = limits
        self._flood = flood
        self._publisher = publisher
        self._on_connect = on_connect
        self._advanced = advanced
        self._queue: deque[Pending] = deque()
        self._wake = asyncio.Event()
        self._results: asyncio.Queue[BatchResult[Pending]] = asyncio.Queue(maxsize=8)
        self._tasks: list[asyncio.Task[None]] = []
        self._store: SendStore | None = None
        self._stopping = False

    async def start(self) -> None:
        """Connect and begin; later losses of the connection are mended from within."""
        self._store = await self._connect()
        self._tasks = [
            asyncio.create_task(self._write_forever(), name="writer"),
            asyncio.create_task(self._tell_forever(), name="writer-results"),
        ]

    async def stop(self) -> None:
        """Commit what is queued, then close."""
        self._stopping = True
        self._wake.set()
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._tasks[0]
                    await self._results.join()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    def ready(self) -> bool:
        """Whether a send would reach the database now."""
        return self._store is not None and not self._store.closed

    def enqueue(self, send: Checked, ticket: Ticket, index: int) -> None:
        """Queue a send; its outcome arrives at the ticket."""
        pending = Pending(send, ticket, index, time.monotonic())
        if not self.ready() or self._stopping:
            self._refuse_unavailable(pending, "The database is away for the moment; try again.")
            return
        self._queue.append(pending)
        self._wake.set()

    # -- the loop

    async def _write_forever(self) -> None:
        while not (self._stopping and not self._queue):
            await self._wake.wait()
            self._wake.clear()
            while self._queue or not self.ready():
                if self._store is None or self._store.closed:
                    self._refuse_all("The database is away for the moment; try again.")
                    self._store = await self._reconnect()
                elif not await self._turn(self._store):
                    # Only rooms that others hold are left: give them a moment instead of asking again at once.
                    await asyncio.sleep(0.002)

    async def _turn(self, store: SendStore) -> bool:
        """One transaction over what is queued; False if nothing of it could be settled."""
        alone = self._take_stubborn()
        batch = alone or [self._queue.popleft() for _ in range(min(len(self._queue), MOST_SENDS))]
        before = len(batch)
        skipped = await self._commit(store, batch, wait_ms=LOCK_WAIT_MS if alone else None)
        kept: list[Pending] = []
        now = time.monotonic()
        for pending in skipped:
            pending.misses = 0 if alone else pending.misses + 1
            if now - pending.since > PATIENCE_S:
                self._refuse_unavailable(pending, "The room is busy with a long change; try again.")
            else:
                kept.append(pending)
        # In front of what arrived meanwhile: it is what keeps a sender's order.
        self._queue.extendleft(reversed(kept))
        return len(skipped) < before

    def _take_stubborn(self) -> list[Pending]:
        """All queued sends of the first room that was passed over too often, in order; usually none."""
        if not self._queue or self._queue[0].misses < MISSES:
            return []
        room_id = self._queue[0].send.room_id
        mine = [pending for pending in self._queue if pending.send.room_id == room_id][:MOST_SENDS]
        taken = set(map(id, mine))
        self._queue = deque(pending for pending in self._queue if id(pending) not in taken)
        return mine

    async def _commit(self, store: SendStore, batch: list[Pending], *, wait_ms: int | None) -> list[Pending]:
        """Commit a batch, halving it on an unexpected error until the send at fault stands alone. Returns what was skipped."""
        began = time.perf_counter()
        work = Batch(store, self._limits, self._flood, wait_ms=wait_ms)
        try:
            await store.begin()
            result = await work.run([(pending, pending.send) for pending in batch])
            await store.commit()
        except asyncpg.LockNotAvailableError:
            await _roll_back(store)
            return batch
        except asyncpg.DeadlockDetectedError:
            await _roll_back(store)
            log.warning("send.deadlock", sends=len(batch))
            return batch
        except Exception as error:
            if store.closed or is_outage(error):
                # Whether a COMMIT that was under way took effect is not known: never a refusal, always `unavailable`.
                await store.close()
                log.warning("send.outage", sends=len(batch), error=repr(error))
                for pending in batch:
                    self._refuse_unavailable(
                        pending, "The database went away in the middle; try again with the same client_msg_id."
                    )
                return []
            await _roll_back(store)
            if len(batch) == 1:
                log.exception("send.bug")
                batch[0].ticket.settle(
                    batch[0].index,
                    NotAccepted(
                        code=str(Code.INTERNAL), detail="Something went wrong on our side; it has been logged."
                    ),
                )
                return []
            log.warning("send.bisected", sends=len(batch), error=repr(error))
            middle = len(batch) // 2
            skipped = await self._commit(store, batch[:middle], wait_ms=wait_ms)
            return skipped + await self._commit(store, batch[middle:], wait_ms=wait_ms)
        _batch_size.observe(len(batch))
        _batch_seconds.observe(time.perf_counter() - began)
        # Telling the world overlaps with the next transaction; one consumer keeps the order.
        await self._results.put(result)
        return result.skipped

    async def _tell_forever(self) -> None:
        while True:
            result = await self._results.get()
            try:
                for pending, outcome in result.outcomes:
                    pending.ticket.settle(pending.index, outcome)
                    if isinstance(outcome, NotAccepted):
                        _outcomes.labels(outcome.code).inc()
                _outcomes.labels("accepted").inc(len(result.committed))
                if result.committed:
                    self._advanced()
                    await self._publisher.publish(result.committed)
            except Exception:
                log.exception("send.telling")
            finally:
                self._results.task_done()

    # -- the connection

    async def _connect(self) -> SendStore:
        store = await SendStore.connect(self._url, self._application_name)
        try:
            await self._on_connect(store.connection)
            # An idle connection that is lost is mended at once, not at the next send.
            store.connection.add_termination_listener(lambda _connection: self._wake.set())
        except BaseException:
            await store.close()
            raise
        return store

    async def _reconnect(self) -> SendStore:
        pause = 0.05
        while True:
            try:
                store = await self._connect()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("send.reconnecting", error=repr(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                log.info("send.reconnected")
                return store

    def _refuse_all(self, why: str) -> None:
        while self._queue:
            self._refuse_unavailable(self._queue.popleft(), why)

    def _refuse_unavailable(self, pending: Pending, why: str) -> None:
        _outcomes.labels(str(Code.UNAVAILABLE)).inc()
        pending.ticket.settle(pending.index, NotAccepted(code=str(Code.UNAVAILABLE), detail=why, retry_after_ms=500))


async def _roll_back(store: SendStore) -> None:
    try:
        await store.rollback()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # The connection is what failed: closing it undoes the transaction just as well.
        await store.close()
