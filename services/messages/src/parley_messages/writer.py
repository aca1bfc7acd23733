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
from uuid import UUID

import asyncpg
import structlog
from opentelemetry.trace import Span
from prometheus_client import Counter, Gauge, Histogram

from parley_messages.batch import Batch, BatchResult
from parley_messages.domain.rates import FloodLimit
from parley_messages.domain.sending import Checked
from parley_messages.keys import RoomKeys
from parley_messages.publisher import LivePublisher
from parley_messages.store.send import SendStore
from parley_shared.contracts.messages import Accepted, NotAccepted
from parley_shared.db.outage import is_outage
from parley_shared.errors import Code, Refused
from parley_shared.metrics import stage
from parley_shared.telemetry import start_span, under, written

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
_failures = Counter(
    "parley_send_batches_failed",
    "Transactions of sends that came to nothing: locked or deadlock (tried again), bisected, outage, bug",
    ["why"],
)
_outcomes = Counter("parley_sends", "Sends by outcome: accepted, duplicate, or a code", ["outcome"])
_queued = Gauge("parley_send_queue", "Sends that wait for their transaction")
_keyless = Gauge("parley_send_keyless", "Sends that wait for the key of their sealed room")
_untold = Gauge("parley_send_untold", "Committed transactions of which neither senders nor gateways have been told yet")
_queue_seconds = stage("queue")
_commit_seconds = stage("commit")
_tell_seconds = stage("tell")


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

    replica: this one's name, noted with what it commits. limits: accepted messages per rolling 60 s by role; None is off. flood: all people together in one room. on_connect: runs on
    each new connection before the first write (the epoch check). advanced: called after each commit (wakes the outbox relay).
    left_work: called after one that left work to tell people of (wakes the fan-out). keys: of sealed rooms; unwrap: brings today's key
    of a room into them.
    """

    def __init__(
        self,
        *,
        url: str,
        application_name: str,
        replica: str,
        limits: Mapping[str, int | None],
        flood: FloodLimit | None,
        publisher: LivePublisher,
        on_connect: Callable[[asyncpg.Connection], Awaitable[None]],
        advanced: Callable[[], None],
        left_work: Callable[[], None],
        keys: RoomKeys,
        unwrap: Callable[[UUID], Awaitable[None]],
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._replica = replica
        self._limits = limits
        self._flood = flood
        self._publisher = publisher
        self._on_connect = on_connect
        self._advanced = advanced
        self._left_work = left_work
        self._keys = keys
        self._unwrap = unwrap
        # Sends to rooms whose key is being unwrapped, in their order; whoever comes later gets behind them.
        self._keyless: dict[UUID, deque[Pending]] = {}
        self._unwrapping: set[asyncio.Task[None]] = set()
        self._queue: deque[Pending] = deque()
        self._wake = asyncio.Event()
        self._results: asyncio.Queue[BatchResult[Pending]] = asyncio.Queue(maxsize=8)
        self._tasks: list[asyncio.Task[None]] = []
        self._store: SendStore | None = None
        self._stopping = False
        _queued.set_function(lambda: len(self._queue))
        _keyless.set_function(lambda: sum(map(len, self._keyless.values())))
        _untold.set_function(self._results.qsize)

    async def start(self) -> None:
        """Connect and begin; later losses of the connection are mended from within."""
        self._store = await self._connect()
        self._tasks = [
            asyncio.create_task(self._write_forever(), name="writer"),
            asyncio.create_task(self._tell_forever(), name="writer-results"),
        ]

    async def stop(self) -> None:
        """Commit what is queued, then close."""
        if self._unwrapping:
            await asyncio.wait(self._unwrapping)
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
        waiting = self._keyless.get(send.room_id)
        if waiting is not None:
            waiting.append(pending)
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
        batch = alone or self._take()
        if not batch:
            return True
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
        return len(skipped) < len(batch)

    def _take(self) -> list[Pending]:
        """What the next transaction is about, without sends that must stay behind those whose key is being unwrapped."""
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_SENDS))]
        if not self._keyless:
            return taken
        for pending in taken:
            if (waiting := self._keyless.get(pending.send.room_id)) is not None:
                waiting.append(pending)
        return [pending for pending in taken if pending.send.room_id not in self._keyless]

    def _take_stubborn(self) -> list[Pending]:
        """All queued sends of the first room that was passed over too often, in order; usually none."""
        if not self._queue or self._queue[0].misses < MISSES:
            return []
        room_id = self._queue[0].send.room_id
        if room_id in self._keyless:
            return []
        mine = [pending for pending in self._queue if pending.send.room_id == room_id][:MOST_SENDS]
        taken = set(map(id, mine))
        self._queue = deque(pending for pending in self._queue if id(pending) not in taken)
        return mine

    async def _commit(self, store: SendStore, batch: list[Pending], *, wait_ms: int | None) -> list[Pending]:
        """Commit a batch, halving it on an unexpected error until the send at fault stands alone. Returns what was skipped."""
        began = time.perf_counter()
        _queue_seconds.observe(time.monotonic() - batch[0].since)
        work = Batch(store, self._keys, self._limits, self._flood, wait_ms=wait_ms)
        traces = [pending.send.trace for pending in batch if pending.send.trace is not None]
        span = (
            start_span("batch", traces[0], links=traces[1:], attributes={"parley.sends": len(batch)})
            if traces
            else None
        )
        try:
            with under(span):
                await store.begin()
                result = await work.run([(pending, pending.send) for pending in batch])
                await store.commit()
        except asyncpg.LockNotAvailableError:
            _failures.labels("locked").inc()
            await _roll_back(store)
            return batch
        except asyncpg.DeadlockDetectedError:
            _failures.labels("deadlock").inc()
            await _roll_back(store)
            log.warning("send.deadlock", sends=len(batch))
            return batch
        except Exception as error:
            if store.closed or is_outage(error):
                # Whether a COMMIT that was under way took effect is not known: never a refusal, always `unavailable`.
                _failures.labels("outage").inc()
                await store.close()
                log.warning("send.outage", sends=len(batch), error=repr(error))
                for pending in batch:
                    self._refuse_unavailable(
                        pending, "The database went away in the middle; try again with the same client_msg_id."
                    )
                return []
            await _roll_back(store)
            if len(batch) == 1:
                _failures.labels("bug").inc()
                log.exception("send.bug")
                batch[0].ticket.settle(
                    batch[0].index,
                    NotAccepted(
                        code=str(Code.INTERNAL), detail="Something went wrong on our side; it has been logged."
                    ),
                )
                return []
            _failures.labels("bisected").inc()
            log.warning("send.bisected", sends=len(batch), error=repr(error))
            middle = len(batch) // 2
            skipped = await self._commit(store, batch[:middle], wait_ms=wait_ms)
            return skipped + await self._commit(store, batch[middle:], wait_ms=wait_ms)
        for pending in result.keyless:
            self._await_key(pending)
        if span is not None:
            _end_traces(span, result)
        _batch_size.observe(len(batch))
        _commit_seconds.observe(time.perf_counter() - began)
        # Telling the world overlaps with the next transaction; one consumer keeps the order.
        await self._results.put(result)
        return result.skipped

    def _await_key(self, pending: Pending) -> None:
        room_id = pending.send.room_id
        if room_id not in self._keyless:
            self._keyless[room_id] = deque()
            task = asyncio.create_task(self._bring_key(room_id), name="unwrap")
            self._unwrapping.add(task)
            task.add_done_callback(self._unwrapping.discard)
        self._keyless[room_id].append(pending)

    async def _bring_key(self, room_id: UUID) -> None:
        """Then the sends that wait for it go on, before whatever has come to the queue meanwhile, or are refused."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._unwrap(room_id)
        except Exception as error:
            if isinstance(error, Refused) or is_outage(error):
                log.warning("send.keyless", room_id=str(room_id), error=repr(error))
            else:
                log.exception("send.unwrapping")
            for pending in self._keyless.pop(room_id):
                self._refuse_unavailable(pending, "The room's key cannot be had at the moment; try again.")
            return
        self._queue.extendleft(reversed(self._keyless.pop(room_id)))
        self._wake.set()

    async def _tell_forever(self) -> None:
        while True:
            result = await self._results.get()
            try:
                began = time.perf_counter()
                for pending, outcome in result.outcomes:
                    pending.ticket.settle(pending.index, outcome)
                    if isinstance(outcome, NotAccepted):
                        _outcomes.labels(outcome.code).inc()
                    elif outcome.duplicate:
                        _outcomes.labels("duplicate").inc()
                _outcomes.labels("accepted").inc(len(result.committed))
                if result.committed:
                    self._advanced()
                    if result.left_work:
                        self._left_work()
                    await self._publisher.publish(result.committed)
                _tell_seconds.observe(time.perf_counter() - began)
            except Exception:
                log.exception("send.telling")
            finally:
                self._results.task_done()

    # -- the connection

    async def _connect(self) -> SendStore:
        store = await SendStore.connect(self._url, self._application_name, self._replica)
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
            except Exception as error:
                # Without this task nobody could send any more, until somebody restarts the replica.
                if is_outage(error) or isinstance(error, (OSError, asyncpg.PostgresError)):
                    log.warning("send.reconnecting", error=repr(error))
                else:
                    log.exception("send.reconnecting")
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


def _end_traces(batch: Span, result: BatchResult[Pending]) -> None:
    """A span in each recorded trace, from the queue to the commit, beside the batch that it was in."""
    for pending, outcome in result.outcomes:
        queued_ns = int((time.monotonic() - pending.since) * 1e9)
        span = start_span("commit", pending.send.trace, links=[written(batch)], start_ns=time.time_ns() - queued_ns)
        if span is None:
            continue
        if isinstance(outcome, Accepted):
            span.set_attributes({"parley.message_id": str(outcome.message_id), "parley.seq": outcome.seq})
        else:
            span.set_attribute("parley.refused", outcome.code)
        span.end()


async def _roll_back(store: SendStore) -> None:
    try:
        await store.rollback()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # The connection is what failed: closing it undoes the transaction just as well.
        await store.close()
