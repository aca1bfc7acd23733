"""After a commit: tell gateways, as a hint on core NATS. Losing one is harmless, since heads repair it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec
import structlog
from nats.errors import Error as NatsError
from prometheus_client import Counter

from parley_messages.tail import TailCache
from parley_shared.contracts.frames import AnyEventBody, Event
from parley_shared.contracts.live import HEADER_MEMBERS, HEADER_SEQS, HEADER_TRACES, live_subject
from parley_shared.messaging.connection import Bus
from parley_shared.telemetry import LINKS

log = structlog.get_logger(__name__)

MOST_BYTES = 786_432
"""Of frames in one live message; NATS carries 1 MiB."""

_told = Counter("parley_live_published", "Events that gateways were told of over the live subjects")
_untold = Counter("parley_live_unpublished", "Events that could not be; heads repair that")

_encode = msgspec.json.Encoder().encode


def render(stream: str, seq: int, body: AnyEventBody) -> bytes:
    """One event as clients read it: a single line of JSON."""
    return _encode(Event(stream=stream, seq=seq, event=body))


@dataclass(frozen=True, slots=True)
class Committed:
    """One committed event. joined, left: users whose membership changes at exactly this seq.

    replayable: its rendering stays true as long as nothing else is said of it (not so for `room.updated`,
    which shows today's settings); only those are kept in the tail cache. trace: the traceparent of what is recorded.
    """

    kind: Literal["room", "user"]
    identifier: UUID
    seq: int
    frame: bytes
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()
    replayable: bool = True
    trace: str | None = None


class LivePublisher:
    """Publishes committed events, one message per run of one stream, a change of membership alone."""

    def __init__(self, bus: Bus, tail: TailCache) -> None:
        self._bus = bus
        self._tail = tail

    async def publish(self, events: list[Committed]) -> None:
        """Events of one stream must be in seq order. Never fails: what cannot be sent is repaired by heads."""
        for event in events:
            if event.kind == "room":
                self._tail.append(event.identifier, event.seq, event.frame, event.joined, event.left, event.replayable)
        run: list[Committed] = []
        size = 0
        for event in events:
            alone = bool(event.joined or event.left)
            if run and (
                alone
                or run[-1].joined
                or run[-1].left
                or run[-1].identifier != event.identifier
                or run[-1].seq + 1 != event.seq
                or size + len(event.frame) > MOST_BYTES
            ):
                await self._send(run)
                run, size = [], 0
            run.append(event)
            size += len(event.frame)
        if run:
            await self._send(run)

    async def _send(self, run: list[Committed]) -> None:
        first = run[0]
        headers = {HEADER_SEQS: f"{first.seq}-{run[-1].seq}"}
        if first.joined or first.left:
            headers[HEADER_MEMBERS] = ",".join(
                [f"+{user}" for user in first.joined] + [f"-{user}" for user in first.left]
            )
        traces = [event.trace for event in run if event.trace is not None]
        if traces:
            headers[HEADER_TRACES] = ",".join(traces[:LINKS])
        try:
            await self._bus.client.publish(
                live_subject(first.kind, first.identifier), b"\n".join([event.frame for event in run]), headers=headers
            )
            _told.inc(len(run))
        except (NatsError, OSError) as error:
            _untold.inc(len(run))
            log.warning("live.unpublished", stream=f"{first.kind}:{first.identifier}", error=repr(error))
