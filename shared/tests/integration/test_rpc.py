"""Request and reply on a real server: a refusal is an answer, a bug is logged once, and nobody waits for nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from parley_shared import telemetry
from parley_shared.contracts import auth
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.health import Health
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.testing.fixtures import Nats

LONG_S = 60.0
"""No test waits so long; who would have to, hangs."""


class OutageError(Exception):
    """As a database that is away raises."""


Handler = Callable[[Empty], Awaitable[auth.Jwks]]


async def until_served(bus: Bus) -> None:
    """The server has the subscriptions. nats-py's flush alone is no proof: its PING overtakes what still waits to be written."""
    await bus.client._flush_pending(force_flush=True)
    await bus.client.flush()


@asynccontextmanager
async def served(nats: Nats, handler: Handler, **options: Any) -> AsyncIterator[RpcServer]:
    """auth, with one verb."""
    bus = nats.bus("auth")
    await bus.connect()
    server = RpcServer(
        bus, service="auth", version="1.0.0", outage=lambda error: isinstance(error, OutageError), **options
    )
    server.serve(auth.JWKS, handler)
    await server.start()
    await until_served(bus)
    try:
        yield server
    finally:
        await server.stop()
        await bus.close()


@pytest.fixture
async def gateway(nats: Nats) -> AsyncIterator[tuple[Bus, RpcClient]]:
    bus = nats.bus("gateway")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    yield bus, rpc
    await bus.close()


@pytest.fixture
async def rpc(gateway: tuple[Bus, RpcClient]) -> RpcClient:
    return gateway[1]


async def refusal(call: Awaitable[Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        async with asyncio.timeout(5):
            await call
    return caught.value


async def keys(_request: Empty) -> auth.Jwks:
    return auth.Jwks(keys=[{"kid": "one"}])


async def test_an_answer_comes_back(nats: Nats, rpc: RpcClient) -> None:
    async with served(nats, keys):
        assert (await rpc.call(auth.JWKS, Empty())).keys == [{"kid": "one"}]


async def test_many_calls_at_once_get_their_own_answers(nats: Nats) -> None:
    """The later a call, the sooner its answer."""
    bus, caller = nats.bus("auth"), nats.bus("messages")
    await bus.connect()
    server = RpcServer(bus, service="auth", version="1.0.0", outage=lambda _: False)
    waiting: list[tuple[asyncio.Event, auth.UserIds]] = []

    async def echo(request: auth.UserIds) -> auth.UserIds:
        done = asyncio.Event()
        waiting.append((done, request))
        if len(waiting) == 100:
            for event, _ in reversed(waiting):
                event.set()
        await done.wait()
        return request

    server.serve(auth.KNOWN_USERS, echo)
    await server.start()
    await until_served(bus)
    await caller.connect()
    rpc = RpcClient(caller)
    await rpc.start()
    try:
        from parley_shared.ids import new_id

        asked = [auth.UserIds(ids=[new_id()]) for _ in range(100)]
        assert (
            await asyncio.gather(*(rpc.call(auth.KNOWN_USERS, request, timeout=LONG_S) for request in asked)) == asked
        )
    finally:
        await caller.close()
        await server.stop()
        await bus.close()


async def test_a_refusal_is_an_answer_with_all_that_it_says(nats: Nats, rpc: RpcClient) -> None:
    async def refuse(_request: Empty) -> auth.Jwks:
        raise Refused(
            Code.REV_CONFLICT, "It has moved.", retry_after_ms=7, errors={"rev": "3"}, current=auth.UserIds(ids=[])
        )

    async with served(nats, refuse):
        with structlog.testing.capture_logs() as logs:
            refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
    assert (refused.code, refused.detail) == (Code.REV_CONFLICT, "It has moved.")
    assert (refused.retry_after_ms, refused.errors) == (7, {"rev": "3"})
    assert msgspec.json.decode(refused.current, type=auth.UserIds) == auth.UserIds(ids=[])
    assert not logs


async def test_a_bug_is_answered_at_once_and_logged_once(nats: Nats, rpc: RpcClient) -> None:
    async def fail(_request: Empty) -> auth.Jwks:
        raise ZeroDivisionError("a secret detail")

    async with served(nats, fail):
        with structlog.testing.capture_logs() as logs:
            refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
    assert refused.code == Code.INTERNAL
    assert "secret" not in refused.detail
    assert [(entry["event"], entry["log_level"], entry["subject"]) for entry in logs] == [
        ("rpc.bug", "error", auth.JWKS.subject)
    ]


async def test_an_outage_behind_it_is_unavailable(nats: Nats, rpc: RpcClient) -> None:
    async def away(_request: Empty) -> auth.Jwks:
        raise OutageError

    async with served(nats, away):
        refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
    assert refused.code == Code.UNAVAILABLE
    assert refused.retry_after_ms


async def test_a_request_that_does_not_fit_is_invalid(nats: Nats, gateway: tuple[Bus, RpcClient]) -> None:
    bus, _ = gateway
    async with served(nats, keys):
        for junk in (b"", b"[]", b"{", b"\xff"):
            answer = await bus.client.request(auth.JWKS.subject, junk, timeout=5)
            assert answer.headers is not None
            assert answer.headers["Nats-Service-Error"] == Code.INVALID
            assert answer.headers["Nats-Service-Error-Code"] == "422"


async def test_nobody_there_is_known_at_once(rpc: RpcClient) -> None:
    refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
    assert refused.code == Code.UNAVAILABLE
    assert "not running" in refused.detail


async def test_who_does_not_answer_in_time_is_unavailable_and_was_told_the_deadline(nats: Nats, rpc: RpcClient) -> None:
    release = asyncio.Event()

    async def wait(_request: Empty) -> auth.Jwks:
        await release.wait()
        return auth.Jwks(keys=[])

    async with served(nats, wait):
        refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=0.1))
        assert refused.code == Code.UNAVAILABLE
        release.set()
        # The late answer is nobody's, and harms nobody.
        assert await rpc.call(auth.JWKS, Empty(), timeout=LONG_S)


async def test_the_deadline_and_the_trace_travel_with_the_call(
    nats: Nats, gateway: tuple[Bus, RpcClient], spans: InMemorySpanExporter
) -> None:
    _, rpc = gateway
    seen: list[str | None] = []

    async def look(_request: Empty) -> auth.Jwks:
        seen.append(telemetry.current())
        return auth.Jwks(keys=[])

    operator = nats.bus("operator")
    await operator.connect()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    await operator.client.subscribe(auth.JWKS.subject, cb=heard.put)
    await until_served(operator)
    asked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    try:
        async with served(nats, look):
            with telemetry.under(telemetry.start_span("test", asked)):
                await rpc.call(auth.JWKS, Empty(), timeout=7.5)
        async with asyncio.timeout(5):
            headers = (await heard.get()).headers
    finally:
        await operator.close()
    assert headers["Parley-Deadline-Ms"] == "7500"
    chain = {span.name: span for span in spans.get_finished_spans()}
    test, call, served_span = chain["test"], chain["call auth jwks"], chain["auth jwks"]
    assert {span.context.trace_id for span in chain.values()} == {0x4BF92F3577B34DA6A3CE929D0E0E4736}
    assert (test.parent.span_id, call.parent.span_id) == (0xF067AA0BA902B7, test.context.span_id)
    assert served_span.parent.span_id == call.context.span_id
    assert headers["traceparent"].split("-")[2] == f"{call.context.span_id:016x}"
    assert seen == [f"00-4bf92f3577b34da6a3ce929d0e0e4736-{served_span.context.span_id:016x}-01"]


async def test_no_more_is_taken_on_than_can_be_worked_on(nats: Nats, rpc: RpcClient) -> None:
    release, entered = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_request: Empty) -> auth.Jwks:
        entered.release()
        await release.wait()
        return auth.Jwks(keys=[])

    async with served(nats, wait, in_flight=2):
        taken = [asyncio.create_task(rpc.call(auth.JWKS, Empty(), timeout=LONG_S)) for _ in range(2)]
        for _ in taken:
            await entered.acquire()
        refused = await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
        assert (refused.code, refused.retry_after_ms) == (Code.UNAVAILABLE, 250)
        release.set()
        await asyncio.gather(*taken)
        assert await rpc.call(auth.JWKS, Empty(), timeout=LONG_S)


async def test_what_is_at_hand_is_finished_when_it_stops(nats: Nats, rpc: RpcClient) -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    async def wait(_request: Empty) -> auth.Jwks:
        entered.set()
        await release.wait()
        return auth.Jwks(keys=[])

    async with served(nats, wait) as server:
        call = asyncio.create_task(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
        async with asyncio.timeout(5):
            await entered.wait()
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0)
            release.set()
            assert (await call).keys == []
            await stopping
        assert (await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))).code == Code.UNAVAILABLE


async def test_two_replicas_share_the_calls(nats: Nats, rpc: RpcClient) -> None:
    served_by: list[int] = []

    def replica(number: int) -> Handler:
        async def answer(_request: Empty) -> auth.Jwks:
            served_by.append(number)
            return auth.Jwks(keys=[])

        return answer

    async with served(nats, replica(1)), served(nats, replica(2)):
        for _ in range(100):
            await rpc.call(auth.JWKS, Empty())
    assert len(served_by) == 100
    assert set(served_by) == {1, 2}


async def test_each_replica_says_for_itself_how_it_is(nats: Nats, rpc: RpcClient) -> None:
    buses = [nats.bus("auth") for _ in range(2)]
    for number, bus in enumerate(buses):
        await bus.connect()
        health = Health(service="auth", version="1.0.0", instance=f"auth-{number}")
        health.draining = number == 1
        server = RpcServer(bus, service="auth", version="1.0.0", outage=lambda _error: False)
        server.serve(auth.READY, health.readiness, each=True)
        await server.start()
        await until_served(bus)
    said = await rpc.each(auth.READY, Empty(), 0.5)
    assert {(one.instance, one.ready, *one.reasons) for one in said} == {
        ("auth-0", True),
        ("auth-1", False, "draining"),
    }
    assert (await rpc.call(auth.READY, Empty())).service == "auth"
    for bus in buses:
        await bus.close()


async def test_without_the_bus_every_waiting_call_is_told_at_once(nats: Nats, rpc: RpcClient) -> None:
    entered = asyncio.Event()

    async def wait(_request: Empty) -> auth.Jwks:
        entered.set()
        await asyncio.Event().wait()
        raise unavailable("never")

    bus = nats.bus("auth")
    await bus.connect()
    server = RpcServer(bus, service="auth", version="1.0.0", outage=lambda _: False)
    server.serve(auth.JWKS, wait)
    await server.start()
    await until_served(bus)
    call = asyncio.create_task(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))
    await entered.wait()
    nats.stop()
    try:
        assert (await refusal(call)).code == Code.UNAVAILABLE
        assert (await refusal(rpc.call(auth.JWKS, Empty(), timeout=LONG_S))).code == Code.UNAVAILABLE
    finally:
        nats.start()
        await bus.close()
