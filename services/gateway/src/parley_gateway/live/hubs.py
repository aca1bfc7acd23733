"""All hubs of a gateway: bucket subscriptions, heads, fetching what is missing.

A gap is waited for 100 ms, since two replicas of messages publish out of order as a matter of course; then one fetch a
stream brings it. Whatever else may go wrong (a lost hint, a slow subscriber, NATS away) is noticed by heads.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from uuid import UUID

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from parley_gateway.live import figures
from parley_gateway.live.framing import frame, frame_text
from parley_gateway.live.hub import Hub, Item, Reader
from parley_shared.contracts.frames import TypingFrame
from parley_shared.contracts.live import (
    HEADER_EXCEPT,
    HEADER_MEMBERS,
    HEADER_SEQS,
    HEADER_TRACES,
    HEADS,
    Heads,
    LiveKind,
    TypingHint,
    bucket_subject,
)
from parley_shared.contracts.messages import HUB_RANGE, STREAM_HEADS, HubRange, StreamHeads
from parley_shared.correlation import detached
from parley_shared.errors import Refused
from parley_shared.ids import live_bucket
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import start_span

log = structlog.get_logger(__name__)

GAP_WAIT_S = 0.1
LINGER_S = 60.0
SWEEP_S = 15.0
HEADS_CHUNK = 500
RETRY_S = (0.1, 0.25, 0.5, 1.0, 2.0)
PENDING_MESSAGES = 262_144
PENDING_BYTES = 256 * 1024 * 1024
LOOK_AT_ONE_IN = 16
"""Live messages, of which one is looked at for how old it is: parsing costs more than handing it over."""

_hubs = Gauge("parley_hubs", "Streams that this gateway follows")
_behind = Gauge(
    "parley_hubs_behind", "Streams of which this gateway knows that it has missed something, not yet fetched"
)
_fetches = Counter("parley_hub_fetches", "Times that a hub asked for what it had missed", ["outcome"])
_fetched = Counter("parley_hub_fetched_events", "Events that hubs had missed and fetched")
_reordered = Counter("parley_hub_reordered", "Gaps that closed by themselves within the wait")
_heard = Counter("parley_live_events", "Events that came over the live subjects, for rooms and people of this gateway")
_decode_heads = msgspec.json.Decoder(Heads).decode
_decode_typing = msgspec.json.Decoder(TypingHint).decode


def parse_stream(stream: str) -> tuple[LiveKind, UUID]:
    """`room:<uuid>` or `user:<uuid>`."""
    kind, _, identifier = stream.partition(":")
    return ("room" if kind == "room" else "user"), UUID(identifier)


class Hubs:
    """reset: called with a sentence when every reader must start again (another epoch); restart: the same for some readers. handed: called with
    a stream, and from which seq to which its events went to readers."""

    def __init__(
        self,
        bus: Bus,
        rpc: RpcClient,
        *,
        reset: Callable[[str], None],
        restart: Callable[[list[Reader], str], None],
        handed: Callable[[str, int, int], None],
    ) -> None:
        self.handed = handed
        self._bus = bus
        self._rpc = rpc
        self._reset = reset
        self._restart = restart
        self._hubs: dict[str, Hub] = {}
        self._idle_since: dict[str, float] = {}
        self._subscriptions: dict[tuple[LiveKind, int], Subscription] = {}
        self._in_bucket: dict[tuple[LiveKind, int], set[str]] = {}
        self._subscribing: dict[tuple[LiveKind, int], asyncio.Task[None]] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._look = 0
        self.epoch: str | None = None
        _hubs.set_function(lambda: len(self._hubs))
        _behind.set_function(lambda: len(self._fetching))
        bus.restored.append(lambda: self._spawn(self._check_all()))
        bus.dropped.append(self._on_dropped)

    async def start(self) -> None:
        self._spawn(self._sweep_forever())

    async def stop(self) -> None:
        self._hubs.clear()
        tasks = [*self._tasks, *self._fetching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def note_epoch(self, epoch: str) -> None:
        """Every answer of messages names its epoch; another one than before means that the history is another one."""
        if self.epoch is None:
            self.epoch = epoch
        elif self.epoch != epoch:
            log.warning("epoch.changed", before=self.epoch, now=epoch)
            self.epoch = epoch
            for stream in list(self._hubs):
                self._forget(stream)
            self._reset("The server was restored from another point in time; read everything again.")

    # -- readers

    async def attach(self, reader: Reader, positions: list[tuple[str, int]]) -> list[str]:
        """Attach a reader to many streams. Returns those for which it must first catch up from the log (see Hub.attach)."""
        cold = [stream for stream, _ in positions if stream not in self._hubs or not self._subscribed(stream)]
        if cold:
            await self._warm(dict(positions), cold)
        late: list[str] = []
        for stream, position in positions:
            hub = self._hubs.get(stream)
            if hub is None:
                # Forgotten while the others were being warmed: its last reader went at that very moment.
                hub = self._make(stream, position)
            if hub.attach(reader, position):
                self._idle_since.pop(stream, None)
                if position < hub.last:
                    # What came while it was attaching it has from the hub's memory.
                    self.handed(stream, position, hub.last)
            else:
                late.append(stream)
        return late

    def detach(self, reader: Reader, streams: list[str]) -> None:
        for stream in streams:
            hub = self._hubs.get(stream)
            if hub is not None:
                hub.detach(reader)

    def readers(self, stream: str) -> list[Reader]:
        """Who follows it on this gateway."""
        hub = self._hubs.get(stream)
        return [] if hub is None else hub.everyone()

    def leave(self, reader: Reader, stream: str, to_seq: int) -> None:
        """See Hub.leave."""
        hub = self._hubs.get(stream)
        if hub is not None:
            hub.leave(reader, to_seq)

    async def _warm(self, positions: dict[str, int], cold: list[str]) -> None:
        """Subscribe first, then ask for heads: what is committed in between arrives either way.

        Both go over one connection, so the server has the subscription before the question. Nothing waits for it: nats-py's
        `flush`, when it times out, leaves behind what ends its reading once the server answers after all. In a cluster
        other nodes may still not know of the interest; the heads that come every few seconds are what that is left to.
        """
        # The hubs come before the subscriptions, so that the sweep does not leave a bucket that is about to be used.
        for stream in cold:
            if stream not in self._hubs:
                self._make(stream, positions[stream])
        buckets = {(kind, live_bucket(identifier)) for kind, identifier in map(parse_stream, cold)}
        await asyncio.gather(*(self._subscribe(bucket) for bucket in buckets if bucket not in self._subscriptions))
        await self._check([stream for stream in cold if stream in self._hubs])

    def _make(self, stream: str, position: int) -> Hub:
        hub = self._hubs[stream] = Hub(stream, position, self._on_behind)
        kind, identifier = parse_stream(stream)
        self._in_bucket.setdefault((kind, live_bucket(identifier)), set()).add(stream)
        return hub

    def _subscribed(self, stream: str) -> bool:
        kind, identifier = parse_stream(stream)
        return (kind, live_bucket(identifier)) in self._subscriptions

    async def _subscribe(self, bucket: tuple[LiveKind, int]) -> None:
        task = self._subscribing.get(bucket)
        if task is None:
            task = self._subscribing[bucket] = detached(self._subscribe_now(bucket))
            task.add_done_callback(lambda _task: self._subscribing.pop(bucket, None))
        await asyncio.shield(task)

    async def _subscribe_now(self, bucket: tuple[LiveKind, int]) -> None:
        if bucket[0] == "room" and ("typing", bucket[1]) not in self._subscriptions:
            # Who types comes from other gateways, and may be lost.
            self._subscriptions["typing", bucket[1]] = await self._bus.client.subscribe(
                bucket_subject("typing", bucket[1]), cb=self._on_typing
            )
        self._subscriptions[bucket] = await self._bus.client.subscribe(
            bucket_subject(*bucket),
            cb=self._on_message,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )

    # -- what comes from the bus

    async def _on_message(self, message: Msg) -> None:
        _, _, kind, bucket, identifier = message.subject.split(".")
        if identifier == HEADS:
            self._on_heads("room" if kind == "room" else "user", int(bucket), message.data)
            return
        stream = f"{kind}:{identifier}"
        hub = self._hubs.get(stream)
        if hub is None or message.headers is None:
            return
        seqs = message.headers.get(HEADER_SEQS)
        if seqs is None:
            framed = b"".join([frame_text(hint) for hint in message.data.split(b"\n")])
            hidden = message.headers.get(HEADER_EXCEPT, "")
            for reader in hub.everyone():
                if not hidden or str(reader.user_id) not in hidden:
                    reader.write_hint(framed)
            return
        traces = message.headers.get(HEADER_TRACES)
        if traces is not None:
            self._deliver_traced(hub, message, seqs, traces.split(","))
            return
        self._deliver(hub, message, seqs)

    def _deliver_traced(self, hub: Hub, message: Msg, seqs: str, traces: list[str]) -> None:
        """The last span of each trace: this gateway has handed the event to its readers, or holds it behind a gap."""
        spans = [span for trace in traces if (span := start_span("deliver", trace, SpanKind.CONSUMER)) is not None]
        self._deliver(hub, message, seqs)
        for span in spans:
            span.set_attributes({"parley.readers": hub.readers, "parley.held": not hub.complete, "parley.seqs": seqs})
            span.end()

    def _deliver(self, hub: Hub, message: Msg, seqs: str) -> None:
        first, _, last = seqs.partition("-")
        joined, left = _parse_members((message.headers or {}).get(HEADER_MEMBERS))
        if first == last:
            items = [Item(int(first), frame_text(message.data), joined, left)]
        else:
            items = [
                Item(seq, frame_text(payload))
                for seq, payload in enumerate(message.data.split(b"\n"), start=int(first))
            ]
        _heard.inc(len(items))
        self._offer(hub, items)
        self._look += 1
        if self._look >= LOOK_AT_ONE_IN:
            self._look = 0
            figures.observe_delivery(items[0].framed)

    def _offer(self, hub: Hub, items: list[Item]) -> None:
        before = hub.last
        hub.offer(items)
        if hub.last > before and hub.readers:
            self.handed(hub.stream, before, hub.last)

    async def _on_typing(self, message: Msg) -> None:
        room_id = message.subject.rpartition(".")[2]
        hub = self._hubs.get(f"room:{room_id}")
        if hub is None:
            return
        hint = _decode_typing(message.data)
        framed = frame(TypingFrame(room_id=UUID(room_id), user_id=hint.user_id, for_ms=hint.for_ms))
        unseen = {hint.user_id, *hint.hidden_from}
        for reader in hub.everyone():
            if reader.user_id not in unseen:
                reader.write_hint(framed)

    def _on_heads(self, kind: LiveKind, bucket: int, data: bytes) -> None:
        heads = _decode_heads(data)
        self.note_epoch(heads.epoch)
        if not self._in_bucket.get((kind, bucket)):
            return
        for identifier, head in heads.heads.items():
            hub = self._hubs.get(f"{kind}:{identifier}")
            if hub is not None:
                hub.head(head)

    def _on_dropped(self, subject: str) -> None:
        """nats-py has thrown messages of this subscription away: every hub of its bucket may have a gap."""
        parts = subject.split(".")
        if len(parts) == 5 and parts[1] == "live" and parts[2] in ("room", "user"):
            kind: LiveKind = "room" if parts[2] == "room" else "user"
            self._spawn(self._check(sorted(self._in_bucket.get((kind, int(parts[3])), ()))))

    # -- what is missing

    def _on_behind(self, hub: Hub, urgent: bool) -> None:
        if hub.stream not in self._fetching:
            task = detached(self._fetch(hub, 0.0 if urgent else GAP_WAIT_S))
            self._fetching[hub.stream] = task

    async def _fetch(self, hub: Hub, wait: float) -> None:
        """Bring a hub up to the head; one at a time for each stream, with patience while messages is away."""
        failures = 0
        try:
            if wait:
                await asyncio.sleep(wait)
                if hub.complete:
                    _reordered.inc()
                    return
            while self._hubs.get(hub.stream) is hub and not hub.complete:
                try:
                    answer = await self._rpc.call(HUB_RANGE, HubRange(stream=hub.stream, after=hub.last))
                except Exception as error:
                    if isinstance(error, Refused):
                        _fetches.labels(str(error.code)).inc()
                    else:
                        _fetches.labels("bug").inc()
                        log.exception("hub.bug", stream=hub.stream)
                    if hub.readers == 0:
                        return
                    pause = RETRY_S[min(failures, len(RETRY_S) - 1)]
                    failures += 1
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 — jitter, not a secret
                    continue
                failures = 0
                self.note_epoch(answer.epoch)
                if self._hubs.get(hub.stream) is not hub:
                    return
                if answer.lost:
                    _fetches.labels("lost").inc()
                    readers = hub.everyone()
                    hub.skip_to(answer.head)
                    self._restart(readers, "The log no longer reaches back to where you were.")
                    continue
                _fetches.labels("ok").inc()
                _fetched.inc(len(answer.events))
                self._offer(
                    hub,
                    [
                        Item(event.seq, frame_text(bytes(event.frame)), tuple(event.joined), tuple(event.left))
                        for event in answer.events
                    ],
                )
                if not answer.events and answer.head <= hub.last and not hub.complete:
                    # Somebody knew of a head that PostgreSQL does not have: only a rolled-back history explains that.
                    log.error("hub.phantom_head", stream=hub.stream, last=hub.last, head=answer.head)
                    hub.forget_held()
                    return
                if not answer.events:
                    # The log does not show what the head promises. It cannot be, so it must not be asked in a hot loop.
                    log.error("hub.empty_answer", stream=hub.stream, last=hub.last, head=answer.head)
                    await asyncio.sleep(RETRY_S[-1])
        finally:
            if self._fetching.get(hub.stream) is asyncio.current_task():
                del self._fetching[hub.stream]
            if not hub.complete and self._hubs.get(hub.stream) is hub and hub.readers:
                asyncio.get_running_loop().call_soon(self._on_behind, hub, False)

    async def _check(self, streams: list[str]) -> None:
        """Compare with PostgreSQL's heads and fetch where the hub is behind."""
        for start in range(0, len(streams), HEADS_CHUNK):
            chunk = streams[start : start + HEADS_CHUNK]
            for pause in (*RETRY_S, None):
                try:
                    answer = await self._rpc.call(STREAM_HEADS, StreamHeads(streams=chunk))
                except Refused:
                    if pause is None:
                        log.warning("hubs.unchecked", streams=len(chunk))
                        break
                    await asyncio.sleep(pause)
                    continue
                self.note_epoch(answer.epoch)
                for stream, head in answer.heads.items():
                    hub = self._hubs.get(stream)
                    if hub is not None:
                        hub.head(head)
                break

    async def _check_all(self) -> None:
        # NATS was away: whatever was published meanwhile is lost. Spread the question over a moment, since all gateways ask.
        await asyncio.sleep(random.uniform(0, 0.5))  # noqa: S311 — jitter, not a secret
        await self._check(list(self._hubs))

    # -- idle hubs

    async def _sweep_forever(self) -> None:
        """Forget hubs that nobody has listened to for a minute, and leave buckets that have none left."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.sweep(asyncio.get_running_loop().time())
            except Exception:
                # Without this task hubs would only ever become more.
                log.exception("hubs.sweep")

    async def sweep(self, now: float) -> None:
        """One round. now: seconds of the loop's clock."""
        for stream, hub in list(self._hubs.items()):
            # Readers come and go in several ways (closed, left, removed by an event), and only the hub knows of all.
            if hub.readers:
                self._idle_since.pop(stream, None)
            elif now - self._idle_since.setdefault(stream, now) > LINGER_S:
                self._forget(stream)
        for bucket, streams in list(self._in_bucket.items()):
            if not streams and bucket in self._subscriptions:
                del self._in_bucket[bucket]
                await self._subscriptions.pop(bucket).unsubscribe()
                if bucket[0] == "room":
                    await self._subscriptions.pop(("typing", bucket[1])).unsubscribe()

    def _forget(self, stream: str) -> None:
        self._idle_since.pop(stream, None)
        if self._hubs.pop(stream, None) is not None:
            kind, identifier = parse_stream(stream)
            self._in_bucket[(kind, live_bucket(identifier))].discard(stream)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hubs.bug", exc_info=error)


def _parse_members(header: str | None) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    if not header:
        return (), ()
    changes = header.split(",")
    return (
        tuple(UUID(change[1:]) for change in changes if change[0] == "+"),
        tuple(UUID(change[1:]) for change in changes if change[0] == "-"),
    )
