"""One trace through all services (OpenTelemetry, W3C trace context), at a price that the hot path can pay.

A recorded span costs 20 µs, one that is not recorded still 10. So a trace begins only where it was decided that it is recorded
(`HeadSampler.begin`, in the gateway), and everywhere else a span is made only under a context that is: `current()` is None for all others,
and with it nothing is made, carried or written. What is carried is a `traceparent`: in headers of RPCs and of live messages, with
each send, and in the outbox. Spans hold ids and numbers, never text.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from prometheus_client import Counter

from parley_shared.errors import Refused
from parley_shared.settings import ServiceSettings

LINKS = 32
"""Links from a batch to what is in it; the others are known by their own spans."""
FILE_BYTES = 50 * 1024 * 1024
"""Of one file of traces; the one before it is kept beside it."""
_BURST_S = 3.0
_VERSION = "00"
_NOTHING: AbstractContextManager[None] = nullcontext()
_DOOR = "parley.door"
"""The attribute of a span with which a trace begins here; its value is the reason, as `parley_traces_total` counts it."""

Attributes = dict[str, str | int | float | bool]

_tracer = trace.get_tracer("parley")
_traces = Counter(
    "parley_traces",
    "Traces that were to begin here, by why: chosen (one in so many), asked (by a client), refused (asked for, but there were too many)",
    ["why"],
)
_chosen, _asked, _refused = (_traces.labels(why) for why in ("chosen", "asked", "refused"))


class _OnlyAtTheDoor(Sampler):
    """A trace begins where `HeadSampler` has decided so: a library that instruments itself would begin one with each request, and with
    each call of a job."""

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        chosen = ALWAYS_ON if attributes and _DOOR in attributes else ALWAYS_OFF
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return "OnlyAtTheDoor"


class BoundedFile:
    """What a file exporter writes to: when it has grown past a size it becomes `<name>.old`, and begins anew."""

    closed = False

    def __init__(self, path: Path, most_bytes: int = FILE_BYTES) -> None:
        self._path = path
        self._most = most_bytes
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def write(self, line: str) -> int:
        if self._file.tell() > self._most:
            self._file.close()
            self._path.replace(self._path.with_suffix(f"{self._path.suffix}.old"))
            self._file = self._path.open("a", encoding="utf-8")
        return self._file.write(line)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self.closed = True


def start(service: str, version: str, settings: ServiceSettings) -> Callable[[], None]:
    """Export spans as the settings say. Returns what ends it: what is waiting is sent first. Once a process."""
    if not settings.trace_file and not settings.otlp_url:
        return lambda: None
    provider = make_provider(service, version, settings.instance)
    # To import one takes a tenth of a second: the one that is used, and no other.
    if settings.otlp_url:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_url.rstrip('/')}/v1/traces", timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=2000))
    if settings.trace_file:
        from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter

        stream: Any = BoundedFile(Path(settings.trace_file))
        provider.add_span_processor(BatchSpanProcessor(FileSpanExporter(stream=stream), schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def make_provider(service: str, version: str, instance: str) -> TracerProvider:
    """Without an exporter as yet."""
    return TracerProvider(
        sampler=ParentBased(_OnlyAtTheDoor()),
        resource=Resource.create(
            {"service.name": f"parley-{service}", "service.version": version, "service.instance.id": instance}
        ),
        shutdown_on_exit=False,
    )


class HeadSampler:
    """Where traces begin: one in so many is recorded, and those that a client asks for, as far as they are few.

    ratio: 0 to 1. asked_per_second: traces that clients may ask for, with three seconds' worth at once.
    """

    def __init__(self, ratio: float, asked_per_second: float) -> None:
        self._ratio = ratio
        self._rate = asked_per_second
        self._allowance = asked_per_second * _BURST_S
        self._at = time.monotonic()

    def begin(self, name: str, asked: str | None, attributes: Attributes | None = None) -> Span | None:
        """The first span here of a trace that is recorded; None for one that is not. asked: a client's traceparent."""
        parent = None if asked is None else parse(asked)
        if parent is not None and parent.trace_flags.sampled:
            if self._allowed():
                _asked.inc()
                return start_span(name, parent, SpanKind.SERVER, {**(attributes or {}), _DOOR: "asked"})
            _refused.inc()
        if random.random() >= self._ratio:  # noqa: S311 — not a secret
            return None
        _chosen.inc()
        return _tracer.start_span(
            name, context=Context(), kind=SpanKind.SERVER, attributes={**(attributes or {}), _DOOR: "chosen"}
        )

    def _allowed(self) -> bool:
        now = time.monotonic()
        self._allowance = min(self._rate * _BURST_S, self._allowance + (now - self._at) * self._rate)
        self._at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


def parse(traceparent: str) -> SpanContext | None:
    """A W3C traceparent; None for what is none."""
    parts = traceparent.split("-")
    if len(parts) != 4 or (len(parts[0]), len(parts[1]), len(parts[2]), len(parts[3])) != (2, 32, 16, 2):
        return None
    try:
        found = SpanContext(
            int(parts[1], 16), int(parts[2], 16), is_remote=True, trace_flags=TraceFlags(int(parts[3], 16))
        )
    except ValueError:
        return None
    return found if found.is_valid and parts[0] != "ff" else None


def written(span: Span) -> str:
    """As a traceparent."""
    found = span.get_span_context()
    return f"{_VERSION}-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def current() -> str | None:
    """The traceparent of the work at hand, if it is recorded."""
    span = trace.get_current_span()
    return written(span) if span.is_recording() else None


def trace_id() -> str | None:
    """For logs."""
    found = trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else None


def start_span(
    name: str,
    parent: SpanContext | str | None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    links: list[str] | None = None,
    start_ns: int | None = None,
) -> Span | None:
    """A span under a remote parent, not yet the current one; None if the parent is not recorded, or there is none.

    links: traceparents of what belongs to it without being its parent, of which the first 32 count. start_ns: time.time_ns.
    """
    known = parse(parent) if isinstance(parent, str) else parent
    if known is None or not known.trace_flags.sampled:
        return None
    return _tracer.start_span(
        name,
        context=trace.set_span_in_context(NonRecordingSpan(known), Context()),
        kind=kind,
        attributes=attributes,
        links=[Link(found) for link in (links or ())[:LINKS] if (found := parse(link)) is not None],
        start_time=start_ns,
    )


def under(span: Span | None) -> AbstractContextManager[None]:
    """The span is the current one in the block, and ends with it. Nothing for None, at a sixth of the price.

    Of an exception it says the kind alone: its text may hold what people wrote. A refusal is an answer, and no error.
    """
    return _NOTHING if span is None else _under(span)


@contextmanager
def _under(span: Span) -> Iterator[None]:
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Refused as refusal:
            span.set_attribute("parley.refused", str(refusal.code))
            raise
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


def inner(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> AbstractContextManager[Span | None]:
    """A span of its own for the block, if the work at hand is recorded; else nothing."""
    if not trace.get_current_span().is_recording():
        return _NOTHING
    return _inner(name, kind, attributes)


@contextmanager
def _inner(name: str, kind: SpanKind, attributes: Attributes | None) -> Iterator[Span]:
    span = _tracer.start_span(name, kind=kind, attributes=attributes)
    with _under(span):
        yield span


def statement_span(text: str) -> Span | None:
    """For one SQL statement of work that is recorded; whoever asks ends it. The text has placeholders, and no values."""
    if not trace.get_current_span().is_recording():
        return None
    words = text.split(None, 1)
    attributes = {"db.system.name": "postgresql", "db.query.text": " ".join(text.split())}
    return _tracer.start_span(f"sql {words[0] if words else ''}", kind=SpanKind.CLIENT, attributes=attributes)


def statement(text: str) -> AbstractContextManager[None]:
    """Around one SQL statement."""
    return under(statement_span(text))
