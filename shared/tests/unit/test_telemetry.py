"""Where traces begin, and that nothing else begins one."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from parley_shared import telemetry
from parley_shared.errors import Code, Refused
from parley_shared.telemetry import HeadSampler, current, inner, start_span, under

ASKED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("kind", list(SpanKind))
def test_a_library_that_instruments_itself_begins_no_trace(spans: Any, kind: SpanKind) -> None:
    with trace.get_tracer("a library").start_as_current_span("request", kind=kind) as span:
        assert not span.is_recording()
        assert current() is None
        with inner("ours") as ours:
            assert ours is None
    assert spans.get_finished_spans() == ()


def test_one_in_so_many_is_recorded_whoever_asks_or_not(spans: Any) -> None:
    always, never = HeadSampler(1, 0), HeadSampler(0, 0)
    with under(always.begin("send", None)):
        assert current() is not None
    assert never.begin("send", None) is None
    assert never.begin("send", ASKED) is None
    [span] = spans.get_finished_spans()
    assert (span.name, span.parent, span.attributes["parley.door"]) == ("send", None, "chosen")


def test_a_trace_that_was_asked_for_is_the_askers(spans: Any) -> None:
    with under(HeadSampler(0, 1).begin("send", ASKED)):
        assert str(current()).startswith(ASKED[:35])
    [span] = spans.get_finished_spans()
    assert (span.parent.span_id, span.attributes["parley.door"]) == (0x00F067AA0BA902B7, "asked")


@pytest.mark.parametrize("asked", [ASKED[:-1] + "0", "rubbish", "", "ff" + ASKED[2:], ASKED.replace("4bf9", "zzzz")])
def test_what_is_no_traceparent_or_asks_for_nothing_begins_nothing(spans: Any, asked: str) -> None:
    assert HeadSampler(0, 100).begin("send", asked) is None
    assert spans.get_finished_spans() == ()


def test_of_an_error_the_kind_is_told_and_not_the_text(spans: Any) -> None:
    with pytest.raises(ValueError, match="secret"), under(start_span("work", ASKED)):
        raise ValueError("secret words")
    with pytest.raises(Refused), under(start_span("work", ASKED)):
        raise Refused(Code.INVALID, "secret words")
    bug, refusal = spans.get_finished_spans()
    assert bug.attributes["error.type"] == "ValueError"
    assert refusal.attributes["parley.refused"] == "invalid"
    assert refusal.status.is_ok or refusal.status.is_unset
    assert "secret" not in bug.to_json() + refusal.to_json()


def test_a_batch_links_to_no_more_than_it_says(spans: Any) -> None:
    links = [f"00-{number:032x}-00f067aa0ba902b7-01" for number in range(1, 100)]
    with under(start_span("batch", ASKED, links=links)):
        pass
    [span] = spans.get_finished_spans()
    assert len(span.links) == telemetry.LINKS
