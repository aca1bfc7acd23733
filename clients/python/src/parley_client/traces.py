"""Traces: how one asks for them, and how the suite writes them into files.

The files hold OTLP as JSON, one batch of spans a line (opentelemetry.io/docs/specs/otel/protocol/file-exporter).
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MESSAGE_ID = "parley.message_id"


@dataclass(slots=True)
class Span:
    """start, end: nanoseconds since 1970. parent: the id of the span that it belongs under, empty for none. failed: it ended in an error."""

    trace: str
    id: str
    parent: str
    name: str
    where: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]
    children: list["Span"] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start) / 1e6


def fresh() -> str:
    """A W3C traceparent that asks for what follows to be recorded. The server does so as far as it has room for traces."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def read(folder: Path) -> Iterator[Span]:
    """All spans in the files of a folder, older files first. A line that is being written at this moment is passed over."""
    for path in sorted([*folder.glob("*.jsonl.old"), *folder.glob("*.jsonl")], key=lambda path: path.suffix != ".old"):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    batch = json.loads(line)
                except ValueError:
                    continue
                yield from _spans(batch)


def of_message(spans: Iterable[Span], message_id: str) -> list[Span]:
    """The spans of the traces in which this message was committed or is named, by their start."""
    found = list(spans)
    traces = {span.trace for span in found if span.attributes.get(MESSAGE_ID) == message_id}
    return sorted((span for span in found if span.trace in traces), key=lambda span: span.start)


def trees(spans: list[Span]) -> list[Span]:
    """The spans that have no parent among these, with the others below them, each by its start."""
    by_id = {(span.trace, span.id): span for span in spans}
    roots: list[Span] = []
    for span in spans:
        parent = by_id.get((span.trace, span.parent))
        (roots if parent is None else parent.children).append(span)
    return roots


def _spans(batch: dict[str, Any]) -> Iterator[Span]:
    for resource in batch.get("resourceSpans", []):
        about = _attributes(resource.get("resource", {}).get("attributes", []))
        service = str(about.get("service.name", "?")).removeprefix("parley-")
        where = str(about.get("service.instance.id") or service)
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                yield Span(
                    trace=span["traceId"],
                    id=span["spanId"],
                    parent=span.get("parentSpanId", ""),
                    name=span["name"],
                    where=where,
                    start=int(span["startTimeUnixNano"]),
                    end=int(span["endTimeUnixNano"]),
                    failed=span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR"),
                    attributes=_attributes(span.get("attributes", [])),
                )


def _attributes(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Values are tagged with their type; integers are written as text."""
    found: dict[str, Any] = {}
    for item in listed:
        ((kind, value),) = item["value"].items() or (("stringValue", ""),)
        found[item["key"]] = int(value) if kind == "intValue" else value
    return found
