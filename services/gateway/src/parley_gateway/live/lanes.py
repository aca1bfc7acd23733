"""Lanes: how sends travel from a gateway to messages.

A send waits in the lane of its room. A lane has one SEND_MANY in flight; what arrives meanwhile goes out together in the
next. That keeps the order of one connection's sends to one room, makes batches when there is load, and costs nothing when
there is none.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge, Histogram

from parley_shared.contracts.messages import SEND_MANY, Accepted, NotAccepted, Send, SendMany
from parley_shared.errors import Code, Refused
from parley_shared.limits import SEND_BATCH, SEND_BATCH_BYTES
from parley_shared.messaging.rpc import RpcClient

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
_batches = Histogram("parley_lane_batch_size", "Sends in one SEND_MANY", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))


@dataclass(slots=True)
class _Lane:
    waiting: deque[tuple[Send, Deliver]]
    task: asyncio.Task[None] | None = None


class Lanes:
    """A fixed number of lanes, chosen by a hash of the room."""

    def __init__(self, rpc: RpcClient, *, count: int) -> None:
        self._rpc = rpc
        self._lanes = [_Lane(deque()) for _ in range(count)]

    def put(self, send: Send, deliver: Deliver) -> None:
        """Queue a send; `deliver` is called once, with its outcome."""
        lane = self._lanes[hash(send.room_id) % len(self._lanes)]
        if len(lane.waiting) >= MOST_WAITING:
            deliver(_unavailable("Too many messages are waiting to be sent; try again."))
            return
        lane.waiting.append((send, deliver))
        _waiting.inc()
        if lane.task is None:
            lane.task = asyncio.create_task(self._run(lane))

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
                _waiting.dec(len(batch))
                _batches.observe(len(batch))
                try:
                    sent = await self._rpc.call(SEND_MANY, SendMany(sends=[send for send, _ in batch]))
                    outcomes: list[Outcome] = sent.outcomes
                    if len(outcomes) != len(batch):
                        log.error("lane.short_answer", sends=len(batch), outcomes=len(outcomes))
                        outcomes = [_unavailable("The answer was incomplete; try again.")] * len(batch)
                except Refused as refusal:
                    log.warning("lane.refused", code=str(refusal.code), sends=len(batch))
                    outcomes = [_unavailable(refusal.detail)] * len(batch)
                except Exception:
                    log.exception("lane.bug", sends=len(batch))
                    outcomes = [_INTERNAL] * len(batch)
                for (_, deliver), outcome in zip(batch, outcomes, strict=True):
                    try:
                        deliver(outcome)
                    except Exception:
                        # The others of the batch wait for their outcomes too.
                        log.exception("lane.deliver")
        finally:
            lane.task = None

    def _take(self, lane: _Lane) -> list[tuple[Send, Deliver]]:
        batch: list[tuple[Send, Deliver]] = []
        size = 0
        while lane.waiting and len(batch) < SEND_BATCH:
            size += _size(lane.waiting[0][0])
            if batch and size > SEND_BATCH_BYTES:
                break
            batch.append(lane.waiting.popleft())
        return batch


def _size(send: Send) -> int:
    """Bytes on the wire, at most. Nothing has checked yet how long the client made any of it."""
    characters = len(send.body) + len(send.client_msg_id) + len(send.format)
    return _LONGEST_CHARACTER * characters + _ID_BYTES * len(send.media_ids) + _ENVELOPE


_INTERNAL = NotAccepted(code=str(Code.INTERNAL), detail="Something went wrong on our side; it has been logged.")


def _unavailable(detail: str) -> NotAccepted:
    return NotAccepted(code=str(Code.UNAVAILABLE), detail=detail, retry_after_ms=1000)
