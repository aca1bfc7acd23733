"""An HTTP request is measured, traced where that was decided, and known by its id to whoever works for it."""

from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import REGISTRY

from parley_shared.contracts import messages
from parley_shared.errors import not_found
from parley_shared.ids import new_id
from parley_shared.telemetry import HeadSampler, current

from .harness import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ASKED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_requests_are_counted_by_call_and_status_and_never_by_address(world: World) -> None:
    call = "GET /rooms/{room_id}/messages/{message_id}"
    before = count("parley_http_requests_total", call=call, status="404")
    timed = count("parley_http_seconds_count", call=call)
    world.rpc.on(messages.GET_MESSAGE, not_found("message"))
    for _ in range(2):
        assert (await world.http.get(f"/api/v1/rooms/{new_id()}/messages/{new_id()}")).status_code == 404
    assert count("parley_http_requests_total", call=call, status="404") == before + 2
    assert count("parley_http_seconds_count", call=call) == timed + 2


async def test_addresses_and_methods_that_we_do_not_know_are_one_series(world: World) -> None:
    before = count("parley_http_requests_total", call="OTHER -", status="404")
    for number in range(3):
        await world.guest.request(f"BREW{number}", f"/pot-{number}")
    assert count("parley_http_requests_total", call="OTHER -", status="404") == before + 3


async def test_whoever_works_for_a_request_knows_its_id(world: World) -> None:
    found: dict[str, Any] = {}

    def answer(_request: Any) -> Any:
        found.update(structlog.contextvars.get_contextvars())
        return not_found("room")

    def raising(request: Any) -> Any:
        raise answer(request)

    world.rpc.on(messages.GET_ROOM, raising)
    got = await world.http.get(f"/api/v1/rooms/{new_id()}")
    assert found["request_id"] == got.json()["request_id"]
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_a_request_that_asks_for_it_is_recorded_and_others_are_not(world: World, spans: Any) -> None:
    seen: list[str | None] = []

    def raising(_request: Any) -> Any:
        seen.append(current())
        raise not_found("room")

    world.rpc.on(messages.GET_ROOM, raising)
    room = new_id()
    await world.http.get(f"/api/v1/rooms/{room}")
    await world.http.get(f"/api/v1/rooms/{room}", headers={"traceparent": ASKED})
    assert seen[0] is None
    assert str(seen[1]).startswith(ASKED[:35])
    [span] = spans.get_finished_spans()
    assert span.name == "GET /rooms/{room_id}"
    assert span.attributes["http.response.status_code"] == 404
    assert str(room) not in span.to_json()


async def test_a_send_over_http_hands_its_trace_to_the_lane(world: World, spans: Any) -> None:
    message_id = new_id()
    world.lanes.outcomes.append(messages.Accepted(message_id=message_id, seq=3, n=1, created_at=AT, duplicate=False))
    world.rpc.on(messages.GET_MESSAGE, not_found("message"))
    body = {"client_msg_id": "1", "body": "secret words"}
    await world.http.post(f"/api/v1/rooms/{new_id()}/messages", json=body, headers={"traceparent": ASKED})
    by_name = {span.name: span for span in spans.get_finished_spans()}
    send, request = by_name["send"], by_name["POST /rooms/{room_id}/messages"]
    assert send.parent.span_id == request.context.span_id
    assert world.lanes.sent[0].trace == f"{ASKED[:36]}{send.context.span_id:016x}-01"
    assert send.attributes["parley.message_id"] == str(message_id)
    assert "secret words" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_clients_get_as_many_traces_as_there_is_room_for() -> None:
    sampler = HeadSampler(0, 1)
    begun = [sampler.begin("send", ASKED) is not None for _ in range(10)]
    assert begun == [True] * 3 + [False] * 7
