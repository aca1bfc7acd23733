"""Lanes: how sends travel from a gateway to messages.

A send waits in the lane of its room. A lane has one SEND_MANY in flight; what arrives meanwhile goes out together in the
next. That keeps the order of one connection's sends to one room, makes batches when there is load, and costs nothing when
there is none.
"""

import asyncio
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from opentelemetry.trace import Span
from prometheus_client import Counter, Gauge, Histogram

from parley_shared.contracts.messages import SEND_MANY, Accepted, NotAccepted, Send, SendMany
from parley_shared.correlation import detached
from parley_shared.errors import Code, Refused
from parley_shared.limits import SEND_BATCH, SEND_BATCH_BYTES
from parley_shared.messaging.rpc import RpcClient
from parley_shared.metrics import stage

log = structlog.get_logger(__name__)

Outcome = Accepted | NotAccepted
Deliver = Callable[[Outcome], None]

MOST_WAITING = 20_000
"""Sends that may wait in one lane; more are answered `unavailable`."""
_ENVELOPE = 512
"""Bytes of a send besides what its client wrote, at most."""
_LONGEST_CHARACTER = 6
"""Bytes that JSON may spend on a character (\\u0001 as an escape); none takes more."""
_ID_BYTES = 40

_waiting = Gauge("parley_lane_waiting", "Sends waiting in lanes")
_lanes_busy = Gauge("parley_lanes_busy", "Lanes with a SEND_MANY under way")
_lanes_all = Gauge("parley_lanes", "Lanes of this gateway")
_batches = Histogram("parley_lane_batch_size", "Sends in one SEND_MANY", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))
_answered = Counter(
    "parley_sends_answered", "Sends that clients were answered, by outcome: accepted, or a code", ["outcome"]
)
_lane_seconds = stage("lane")
_answer_seconds = stage("answer")


class _Waiting(NamedTuple):
    """since: by time.perf_counter."""

    send: Send
    deliver: Deliver
    since: float


@dataclass(slots=True)
class _Lane:
    waiting: deque[_Waiting]
    task: asyncio.Task[None] | None = None


class Lanes:
    """A fixed number of lanes, chosen by a hash of the room."""

    def __init__(self, rpc: RpcClient, *, count: int) -> None:
        self._rpc = rpc
        self._lanes = [_Lane(deque()) for _ in range(count)]
        _waiting.set_function(lambda: sum(len(lane.waiting) for lane in self._lanes))
        _lanes_busy.set_function(lambda: sum(lane.task is not None for lane in self._lanes))
        _lanes_all.set(count)

    def put(self, send: Send, deliver: Deliver) -> None:
        """Queue a send; `deliver` is called once, with its outcome."""
        lane = self._lanes[hash(send.room_id) % len(self._lanes)]
        if len(lane.waiting) >= MOST_WAITING:
            _answered.labels(str(Code.UNAVAILABLE)).inc()
            deliver(_unavailable("Too many messages are waiting to be sent; try again."))
            return
        lane.waiting.append(_Waiting(send, deliver, time.perf_counter()))
        if lane.task is None:
            lane.task = detached(self._run(lane))

    async def send(self, send: Send) -> Accepted:
        """For HTTP: wait for the outcome.

        Raises Refused: whatever messages refused, or UNAVAILABLE.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.put(send, deliver)
        outcome = await future
        if isinstance(outcome, NotAccepted):
            raise Refused(
                Code(outcome.code), outcome.detail, retry_after_ms=outcome.retry_after_ms, errors=outcome.errors
            )
        return outcome

    async def stop(self) -> None:
        """Wait for what is under way."""
        tasks = [lane.task for lane in self._lanes if lane.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    async def _run(self, lane: _Lane) -> None:
        try:
            while lane.waiting:
                batch = self._take(lane)
                _batches.observe(len(batch))
                _lane_seconds.observe(time.perf_counter() - batch[0].since)
                try:
                    sent = await self._rpc.call(SEND_MANY, SendMany(sends=[waiting.send for waiting in batch]))
                    outcomes: list[Outcome] = sent.outcomes
                    if len(outcomes) != len(batch):
                        log.error("lane.short_answer", sends=len(batch), outcomes=len(outcomes))
                        outcomes = [_unavailable("The answer was incomplete; try again.")] * len(batch)
                except Refused as refusal:
                    log.warning("lane.refused", code=str(refusal.code), sends=len(batch))
                    outcomes = [_unavailable(refusal.detail)] * len(batch)
                except Exception:
                    # Without this task the lane would stand still, and everybody in it wait for ever.
                    log.exception("lane.bug", sends=len(batch))
                    outcomes = [_INTERNAL] * len(batch)
                now = time.perf_counter()
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    _answer_seconds.observe(now - waiting.since)
                    try:
                        waiting.deliver(outcome)
                    except Exception:
                        # The others of the batch wait for their outcomes too.
                        log.exception("lane.deliver")
                for word, count in Tally(map(_word, outcomes)).items():
                    _answered.labels(word).inc(count)
        finally:
            lane.task = None

    def _take(self, lane: _Lane) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while lane.waiting and len(batch) < SEND_BATCH:
            size += _size(lane.waiting[0].send)
            if batch and size > SEND_BATCH_BYTES:
                break
            batch.append(lane.waiting.popleft())
        return batch


def _size(send: Send) -> int:
    """Bytes on the wire, at most. Nothing has checked yet how long the client made any of it."""
    characters = len(send.body) + len(send.client_msg_id) + len(send.format)
    return _LONGEST_CHARACTER * characters + _ID_BYTES * len(send.media_ids) + _ENVELOPE


def note_outcome(span: Span, outcome: Outcome) -> None:
    """In the span of a send: what one looks for it by, or why there is nothing to find."""
    if isinstance(outcome, Accepted):
        span.set_attributes({"parley.message_id": str(outcome.message_id), "parley.seq": outcome.seq})
    else:
        span.set_attribute("parley.refused", outcome.code)


def _word(outcome: Outcome) -> str:
    return "accepted" if isinstance(outcome, Accepted) else outcome.code


_INTERNAL = NotAccepted(code=str(Code.INTERNAL), detail="Something went wrong on our side; it has been logged.")


def _unavailable(detail: str) -> NotAccepted:
    return NotAccepted(code=str(Code.UNAVAILABLE), detail=detail, retry_after_ms=1000)
