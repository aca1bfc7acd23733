"""Work that nobody asks for: following what happens, comparing everything now and then, reading state, forgetting rooms."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from opentelemetry.trace import SpanKind
from prometheus_client import Gauge

from parley_search.consumer import Consumer, LostError
from parley_search.usecases.comparing import Comparing
from parley_search.usecases.indexing import Indexing
from parley_search.usecases.rebuilding import Rebuilding
from parley_shared.contracts.live import Advanced
from parley_shared.db.outage import is_outage
from parley_shared.errors import Code, Refused
from parley_shared.messaging.connection import Bus
from parley_shared.telemetry import LINKS, start_span, under, written

log = structlog.get_logger(__name__)

RETRY_S = 0.5
"""While messages, the database or NATS is away."""
RESTS = 5.0
REST_MOST_S = 1.0
"""Following rests so many times as long as it was kept waiting for a processor, and for so long at most. On a machine that is fully
busy it would otherwise take from those who send, also through PostgreSQL and messages, which give way to nobody; and what it reads
after a rest costs them less, being more at once."""
PAGE_EVERY_S = 2.0
MEASURE_EVERY_S = 15.0

_waiting = Gauge("parley_search_events_waiting", "Events of messages that no replica has worked on yet")
_decode = msgspec.json.Decoder(Advanced).decode


def is_passing(error: BaseException) -> bool:
    """Whether it will most likely go away by itself."""
    return is_outage(error) or (isinstance(error, Refused) and error.code == Code.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """For work before its time."""

    compare: asyncio.Event
    page: asyncio.Event


class _Trouble:
    """Told once when it begins, and once when it is over."""

    def __init__(self, work: str) -> None:
        self._work = work
        self.there = False

    def because(self, why: str) -> None:
        if not self.there:
            log.warning("work.interrupted", job=self._work, error=why)
        self.there = True

    def over(self) -> None:
        if self.there:
            log.info("work.resumed", job=self._work)
        self.there = False


class Follow:
    """Takes events off JetStream. They are acknowledged once they are in the index; what is lost all the same, comparing finds."""

    def __init__(self, consumer: Consumer, indexing: Indexing, wishes: Wishes) -> None:
        self._consumer = consumer
        self._indexing = indexing
        self._wishes = wishes
        self._trouble = _Trouble("follow")

    async def run(self) -> None:
        """Until the consumer is lost; called again, it begins anew."""
        try:
            if await self._consumer.open() or self._trouble.there:
                # Nobody knows what was missed.
                self._wishes.compare.set()
            self._trouble.over()
            while True:
                messages = await self._consumer.take()
                waited = _kept_waiting()
                await self._index(messages)
                await asyncio.sleep(min(REST_MOST_S, RESTS * (_kept_waiting() - waited)))
        except NotFoundError:
            # messages makes the stream when it starts.
            self._trouble.because("there is no stream")
        except (NatsError, LostError) as error:
            self._trouble.because(repr(error))
        await asyncio.sleep(RETRY_S)

    async def _index(self, messages: list[Msg]) -> None:
        events = []
        for message in messages:
            try:
                events.append(_decode(message.data))
            except msgspec.MsgspecError as error:
                log.error("event.undecodable", subject=message.subject, error=str(error))
        while True:
            if await self._followed(events):
                break
            await asyncio.sleep(RETRY_S)
        for message in messages:
            await message.ack()

    async def _followed(self, events: list[Advanced]) -> bool:
        """Whether nothing more is to be done about them."""
        try:
            with _traced(events):
                await self._indexing.follow(events)
        except Exception as error:
            if is_passing(error):
                self._trouble.because(repr(error))
                return False
            # Whatever it is, the logs of the rooms have it still, and are read when all rooms are compared.
            log.exception("events.passed_over", count=len(events))
        self._trouble.over()
        return True


@contextmanager
def _traced(events: Sequence[Advanced]) -> Iterator[None]:
    """A span around a batch of events, in the first trace that is recorded among them, with what it asks and writes below it; and in
    each such trace a span that is linked to it."""
    traces = [trace for event in events for trace in event.traces][:LINKS]
    if not traces:
        yield
        return
    began = time.time_ns()
    batch = start_span("index batch", traces[0], SpanKind.CONSUMER, {"parley.events": len(events)}, links=traces[1:])
    with under(batch):
        yield
    links = [] if batch is None else [written(batch)]
    for trace in traces:
        span = start_span("index", trace, SpanKind.CONSUMER, links=links, start_ns=began)
        if span is not None:
            span.end()


def _kept_waiting() -> float:
    """Seconds for which this process was ready to run and others ran, as Linux counts them; 0 where nobody does."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Keep:
    """The rest. Of several replicas each does what no other one does just now."""

    def __init__(
        self,
        indexing: Indexing,
        comparing: Comparing,
        rebuilding: Rebuilding,
        consumer: Consumer,
        bus: Bus,
        wishes: Wishes,
        every: float,
    ) -> None:
        self._indexing = indexing
        self._comparing = comparing
        self._rebuilding = rebuilding
        self._consumer = consumer
        self._bus = bus
        self._wishes = wishes
        self._every = every
        self._trouble = _Trouble("compare")
        self._renewed = False
        bus.restored.append(wishes.compare.set)

    async def compare(self) -> None:
        """All rooms, when somebody wishes for it, or when it is due and no other replica's turn."""
        wished = await _woken(self._wishes.compare, self._every / 10)
        if not wished and not await self._comparing.is_due(self._every):
            return
        try:
            await self._comparing.compare()
        except Refused as refused:
            if not is_passing(refused):
                raise
            self._trouble.because(refused.detail)
            self._wishes.compare.set()
            await asyncio.sleep(RETRY_S)
        else:
            self._trouble.over()

    async def page(self) -> None:
        """The state of rooms that is to be read, and the entries of rooms that are gone."""
        if not self._renewed:
            self._renewed = True
            await self._rebuilding.renew_analysis()
        await _woken(self._wishes.page, PAGE_EVERY_S)
        while await self._indexing.forget():
            pass
        try:
            while await self._indexing.page():
                pass
        except Refused as refused:
            if not is_passing(refused):
                raise
            # Compared rooms will wake it. A lease that was taken runs out.
            return
        await self._rebuilding.finish()

    async def measure(self) -> None:
        """How much waits at JetStream."""
        if self._bus.connected:
            try:
                _waiting.set(await self._consumer.waiting())
            except NatsError as error:
                log.debug("measure.failed", error=repr(error))


async def _woken(event: asyncio.Event, seconds: float) -> bool:
    """Whether somebody wished for it before so much time has passed."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
