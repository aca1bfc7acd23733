"""Trace files are read as OTLP writes them, and one message's spans become a tree."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from parley_client.commands.trace import waterfall
from parley_client.traces import of_message, read, trees

MESSAGE = "01a21e79-014d-75cb-91f5-4edac0ded91f"


def _batch(service: str, *spans: dict[str, Any]) -> str:
    resource = [
        {"key": "service.name", "value": {"stringValue": f"parley-{service}"}},
        {"key": "service.instance.id", "value": {"stringValue": f"{service}-1"}},
    ]
    found = {"resource": {"attributes": resource}, "scopeSpans": [{"spans": list(spans)}]}
    return json.dumps({"resourceSpans": [found]})


def _span(trace: str, span: str, parent: str, name: str, start: int, end: int, **attributes: Any) -> dict[str, Any]:
    listed = [
        {
            "key": key.replace("__", "."),
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in attributes.items()
    ]
    return {
        "traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end), "attributes": listed, "status": {},
    }  # fmt: skip


def test_the_spans_of_a_message_become_one_tree_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "gateway-1.jsonl").write_text(
        _batch("gateway", _span("t1", "a", "", "send", 0, 4_000_000, parley__message_id=MESSAGE))
        + "\n"
        + _batch("gateway", _span("t2", "x", "", "send", 0, 1, parley__message_id="another"))
        + "\n"
        + '{"half a li'
    )
    (tmp_path / "messages-1.jsonl.old").write_text(
        _batch("messages", _span("t1", "b", "a", "commit", 1_000_000, 3_000_000, parley__sends=2)) + "\n\n"
    )
    (tmp_path / "search-1.jsonl").write_text(_batch("search", _span("t1", "c", "gone", "index", 5_000_000, 6_000_000)))
    spans = of_message(read(tmp_path), MESSAGE)
    assert [(span.name, span.where) for span in spans] == [
        ("send", "gateway-1"),
        ("commit", "messages-1"),
        ("index", "search-1"),
    ]
    [send, index] = trees(spans)
    assert [child.name for child in send.children] == ["commit"]
    assert send.children[0].attributes == {"parley.sends": 2}
    assert (send.milliseconds, index.children) == (4.0, [])


def test_a_waterfall_shows_when_each_was_and_how_long(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        _batch(
            "gateway",
            _span("t1", "a", "", "send", 0, 4_000_000, parley__message_id=MESSAGE),
            _span("t1", "b", "a", "commit [x]", 2_000_000, 3_000_000, parley__refused="muted"),
        )
    )
    console = Console(width=160, force_terminal=False)
    with console.capture() as shown:
        console.print(waterfall(of_message(read(tmp_path), MESSAGE)))
    title, _, first, second = (line.rstrip() for line in shown.get().splitlines())
    assert title == "trace t1, 4.0 ms"
    assert first.split()[:4] == ["send", "gateway-1", "0.0", "4.0"]
    assert second.split() == [
        "commit",
        "[x]",
        "refused=muted",
        "gateway-1",
        "2.0",
        "1.0",
        "·" * 20 + "█" * 10 + "·" * 10,
    ]
    assert first.endswith("█" * 40)
