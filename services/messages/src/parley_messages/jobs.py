"""Periodic work, each with a lease, so that of several replicas one does it."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig
from nats.js.errors import APIError, NotFoundError
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from parley_messages.epoch import Epoch
from parley_messages.store import Database
from parley_messages.store.audit import AuditQueries
from parley_messages.store.images import ImageQueries
from parley_shared.contracts.live import Advanced, Heads, LiveKind, heads_subject
from parley_shared.ids import event_bucket, live_bucket
from parley_shared.limits import ROOM_UNDO_DAYS
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.permissions import EVENT_STREAM
from parley_shared.telemetry import start_span, written

log = structlog.get_logger(__name__)

RECENT_S = 30
HEADS_IN_MESSAGE = 4_000
RELAY_ROWS = 5_000
RELAY_AT_ONCE = 32
"""Streams told of at once: a thousand, after a message to everybody, would hold up the sends of this replica."""
RELAY_PAUSE_S = 0.25
"""Between two turns of the relay: what a stream has grown by meanwhile is told in one row. Search has two seconds."""
TRACES = 8
"""Recorded traces named for one stream in one turn."""
WEEKS_AHEAD = 4
PURGE_ROWS = 5_000
PURGED_TABLES = (
    "message_revisions", "messages", "reactions", "thread_followers", "fanout", "notifications", "reports", "access_grants",
    "sanctions", "positions", "members", "room_keys",
)  # fmt: skip

_relayed = Counter("parley_outbox_relayed", "Outbox rows acknowledged by JetStream")


class Lease:
    """A row of messages.leases, held by one replica for `seconds` at a time, by the database's clock.

    renewable: the holder may prolong it. Otherwise it is a turn: nobody gets the next one before it has run out.
    """

    def __init__(self, name: str, holder: str, seconds: float, *, renewable: bool = True) -> None:
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._renewable = renewable

    async def take(self, connection: asyncpg.Connection) -> bool:
        """Take or renew it; False if somebody else holds it."""
        row = await connection.fetchval(
            """
            INSERT INTO messages.leases AS l (name, holder, until)
            VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
            WHERE ($4 AND l.holder = excluded.holder) OR l.until <= clock_timestamp() RETURNING 1
            """,
            self._name, self._holder, self._seconds, self._renewable,
        )  # fmt: skip
        return row is not None


class HeadsJob:
    """Publishes the heads of streams changed in the last 30 s, read from PostgreSQL: a replica that died between COMMIT and
    publish must not hide its last message.

    Every replica asks ten times an interval whether it is time again, and the first gets the turn: when one dies, the next
    heads come at the next turn all the same, not after a lease of the dead has run out.
    """

    def __init__(self, database: Database, bus: Bus, epoch: Epoch, holder: str, every: float) -> None:
        self._database = database
        self._bus = bus
        self._epoch = epoch
        self._lease = Lease("heads", holder, every, renewable=False)

    async def run(self) -> None:
        async with self._database.connection() as connection:
            if not await self._lease.take(connection):
                return
            rooms = await connection.fetch(
                "SELECT id, head FROM messages.rooms WHERE last_at > clock_timestamp() - make_interval(secs => $1)",
                RECENT_S,
            )
            users = await connection.fetch(
                "SELECT user_id, head FROM messages.user_streams"
                " WHERE last_at > clock_timestamp() - make_interval(secs => $1)",
                RECENT_S,
            )
        if self._bus.connected:
            await self._publish("room", [(row[0], row[1]) for row in rooms])
            await self._publish("user", [(row[0], row[1]) for row in users])

    async def _publish(self, kind: LiveKind, heads: list[tuple[UUID, int]]) -> None:
        by_bucket: dict[int, dict[UUID, int]] = {}
        for identifier, head in heads:
            by_bucket.setdefault(live_bucket(identifier), {})[identifier] = head
        for bucket, found in by_bucket.items():
            items = list(found.items())
            for start in range(0, len(items), HEADS_IN_MESSAGE):
                chunk = Heads(epoch=self._epoch.value, heads=dict(items[start : start + HEADS_IN_MESSAGE]))
                await self._bus.client.publish(heads_subject(kind, bucket), msgspec.json.encode(chunk))


class RelayJob:
    """Moves outbox rows to JetStream: read and deleted in one transaction, the PubAck awaited before it commits.

    A crash in between publishes again under the same Nats-Msg-Id; consumers pull ranges by cursor, so that neither a
    doubled nor a lost row matters. replicas: servers of NATS that keep the stream.
    """

    def __init__(self, database: Database, bus: Bus, epoch: Epoch, holder: str, replicas: int = 1) -> None:
        self._database = database
        self._bus = bus
        self._epoch = epoch
        self._lease = Lease("relay", holder, 5.0)
        self._replicas = replicas
        self._wake = asyncio.Event()
        self._jetstream: JetStreamContext = bus.client.jetstream()
        self._stream_known = False
        bus.restored.append(self._forget_stream)

    def wake(self) -> None:
        """Something was committed."""
        self._wake.set()

    def _forget_stream(self) -> None:
        # A server that came back may have lost everything; the stream is made again before the next row.
        self._stream_known = False

    async def run(self) -> None:
        """Until the outbox is empty; then wait for a wake or a second."""
        if self._bus.connected:
            try:
                if not self._stream_known:
                    await self._ensure_stream()
                while await self._turn() == RELAY_ROWS:
                    pass
            except (_KeepRowsError, NatsError) as error:
                # JetStream is away; what is committed meanwhile does not bring it back sooner.
                log.warning("relay.waiting", error=repr(error))
                self._wake.clear()
                await asyncio.sleep(1)
                return
        try:
            async with asyncio.timeout(1):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _ensure_stream(self) -> None:
        config = StreamConfig(
            name=EVENT_STREAM,
            subjects=["parley.evt.messages.v1.>"],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=24 * 3600,
            max_bytes=1024**3,
            duplicate_window=120,
            num_replicas=self._replicas,
        )
        try:
            await self._jetstream.stream_info(EVENT_STREAM)
        except NotFoundError:
            await self._jetstream.add_stream(config)
            log.info("jetstream.made", stream=EVENT_STREAM)
        else:
            # Settings of an existing stream change only when one says so.
            await self._jetstream.update_stream(config)
        self._stream_known = True

    async def _turn(self) -> int:
        async with self._database.connection() as connection:
            if not await self._lease.take(connection):
                return 0
            async with connection.transaction():
                rows = await connection.fetch(
                    "DELETE FROM messages.outbox WHERE id IN ("
                    " SELECT id FROM messages.outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)"
                    " RETURNING id, stream, from_seq, to_seq, kinds, trace",
                    RELAY_ROWS,
                )
                grown = _merged(rows)
                try:
                    for start in range(0, len(grown), RELAY_AT_ONCE):
                        await asyncio.gather(*map(self._publish, grown[start : start + RELAY_AT_ONCE]))
                except (NatsError, APIError, OSError) as error:
                    self._stream_known = False
                    log.warning("relay.unpublished", rows=len(rows), error=repr(error))
                    raise _KeepRowsError from None
        _relayed.inc(len(rows))
        return len(rows)

    async def _publish(self, event: "_Grown") -> None:
        spans = [span for trace in event.traces if (span := start_span("relay", trace, SpanKind.PRODUCER)) is not None]
        bucket = event_bucket(UUID(event.stream.partition(":")[2]))
        await self._jetstream.publish(
            f"parley.evt.messages.v1.advanced.{bucket}",
            msgspec.json.encode(
                Advanced(
                    epoch=self._epoch.value,
                    stream=event.stream,
                    from_seq=event.from_seq,
                    to_seq=event.to_seq,
                    kinds=sorted(event.kinds),
                    traces=[written(span) for span in spans],
                )
            ),
            timeout=5,
            stream=EVENT_STREAM,
            headers={"Nats-Msg-Id": f"{self._epoch.value}:{event.stream}:{event.to_seq}"},
        )
        for span in spans:
            span.end()


@dataclass(slots=True)
class _Grown:
    """By how much a stream has grown since the relay's last turn."""

    stream: str
    from_seq: int
    to_seq: int
    kinds: set[str]
    traces: list[str]


def _merged(rows: list[asyncpg.Record]) -> list[_Grown]:
    """One for each stream; consumers pull ranges by cursor, so that how the range is cut means nothing."""
    grown: dict[str, _Grown] = {}
    for row in rows:
        event = grown.get(row["stream"])
        if event is None:
            event = _Grown(row["stream"], row["from_seq"], row["to_seq"], set(row["kinds"]), [])
            grown[row["stream"]] = event
        else:
            event.from_seq = min(event.from_seq, row["from_seq"])
            event.to_seq = max(event.to_seq, row["to_seq"])
            event.kinds.update(row["kinds"])
        if row["trace"] is not None and len(event.traces) < TRACES:
            event.traces.append(row["trace"])
    return list(grown.values())


class _KeepRowsError(ConnectionError):
    """Undo the transaction, so that the rows are there for the next turn; JetStream is away, not the database."""


class HousekeepingJob:
    """Log partitions, rooms whose undo has run out, old idempotency keys, mutes and bans that have run out."""

    def __init__(self, database: Database, holder: str, log_days: int) -> None:
        self._database = database
        self._log_days = log_days
        self._lease = Lease("housekeeping", holder, 300.0)

    async def run(self) -> None:
        async with self._database.connection() as connection:
            if not await self._lease.take(connection):
                return
            await connection.fetchval("SELECT messages.make_log_partitions($1)", WEEKS_AHEAD)
            await self._drop(connection)
            await connection.execute(
                "DELETE FROM messages.idempotency_keys WHERE created_at < clock_timestamp() - interval '24 hours'"
            )
            await connection.execute("DELETE FROM messages.sanctions WHERE until <= clock_timestamp()")
            rooms = await connection.fetch(
                "SELECT id FROM messages.rooms WHERE deleted_at < clock_timestamp() - make_interval(days => $1)",
                ROOM_UNDO_DAYS,
            )
            for row in rooms:
                await self._purge(connection, row[0])

    async def _drop(self, connection: asyncpg.Connection) -> None:
        """Partitions past their time. A long read of the log puts it off to the next run: everybody who sends would have to
        wait behind it."""
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                dropped = await connection.fetchval("SELECT messages.drop_log_partitions($1)", self._log_days)
        except asyncpg.LockNotAvailableError:
            log.warning("log.busy")
            return
        if dropped:
            log.info("log.dropped", partitions=dropped)

    async def _purge(self, connection: asyncpg.Connection, room_id: UUID) -> None:
        """In batches, each its own transaction; the room's row goes last, so that a crash resumes here."""
        for table in PURGED_TABLES:
            while True:
                status = await connection.execute(
                    f"DELETE FROM messages.{table} WHERE room_id = $1 AND ctid = ANY(ARRAY("  # noqa: S608
                    f" SELECT ctid FROM messages.{table} WHERE room_id = $1 LIMIT {PURGE_ROWS}))",
                    room_id,
                )
                if int(status.split()[-1]) < PURGE_ROWS:
                    break
        while True:
            status = await connection.execute(
                "DELETE FROM messages.events WHERE stream = $1 AND seq IN ("
                " SELECT seq FROM messages.events WHERE stream = $1 ORDER BY seq LIMIT $2)",
                f"room:{room_id}",
                PURGE_ROWS,
            )
            if int(status.split()[-1]) < PURGE_ROWS:
                break
        # Media is yet to be told of the images; their rows go when it has been.
        await ImageQueries(connection).bury_room(room_id)
        async with connection.transaction():
            # The audit trail stays, and says so: whoever asks later what became of the room finds an answer.
            if await connection.fetchval("SELECT true FROM messages.rooms WHERE id = $1 FOR UPDATE", room_id):
                await AuditQueries(connection).append(
                    room_id, "room.purged", actor_id=None, target_id=None, reason=None, details={}
                )
                await connection.execute("DELETE FROM messages.rooms WHERE id = $1", room_id)
        log.info("room.purged", room_id=str(room_id))
