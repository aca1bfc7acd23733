"""Request and reply over NATS. A refusal is an answer; a bug is logged once and answered `internal`; nobody waits for nothing.

The server side is built on `nats.micro`, so that operators' `nats` command finds the services and understands their errors.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, EndpointStats, Service, ServiceConfig
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge, Histogram

from parley_shared import correlation
from parley_shared.contracts.base import NOTHING, Problem, Rpc, Wire
from parley_shared.contracts.cluster import Replica
from parley_shared.errors import STATUS, Code, Refused, unavailable
from parley_shared.messaging.connection import Bus
from parley_shared.telemetry import current, inner, start_span, under

log = structlog.get_logger(__name__)

HEADER_DEADLINE = "Parley-Deadline-Ms"
HEADER_TRACE = "traceparent"
HEADER_ERROR_CODE = "Nats-Service-Error-Code"
HEADER_ERROR = "Nats-Service-Error"

Req = TypeVar("Req", bound=Wire)
Rep = TypeVar("Rep", bound=Wire)

_encode = msgspec.json.Encoder().encode
_calls = Counter("parley_rpc_calls", "RPC calls made, by outcome", ["subject", "outcome"])
_served = Histogram("parley_rpc_served_seconds", "Time from a request's arrival to its reply", ["subject", "outcome"])
_busy = Counter("parley_rpc_busy", "Requests that were refused, since too many were in work")
_in_work = Gauge("parley_rpc_in_work", "Requests of others that are worked on")
_awaited = Gauge("parley_rpc_awaited", "Calls to others that are not answered yet")


PING_SUBJECT = "$SRV.PING"
NAME_PREFIX = "parley-"


class _Pong(msgspec.Struct):
    """As nats.micro answers a ping."""

    name: str
    id: str
    version: str
    metadata: dict[str, str] = {}


_decode_pong = msgspec.json.Decoder(_Pong).decode


class RpcClient:
    """Calls verbs of other services.

    One inbox subscription serves all replies. When the link to NATS is lost every waiting call is answered
    `unavailable` at once: its reply can no longer arrive.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._decoders: dict[type[Wire], Callable[[bytes], Any]] = {}
        self._count = 0
        self._inbox = ""
        self._gathered: dict[str, list[Msg]] = {}
        bus.lost.append(self._fail_all)
        _awaited.set_function(lambda: len(self._waiting))

    async def start(self) -> None:
        """Subscribe to the inbox; once, after the bus is connected. nats-py subscribes again after a reconnect."""
        self._inbox = f"{self._bus.inbox_prefix}.{self._bus.client._nuid.next().decode()}"  # noqa: SLF001 — nats-py's id generator has no public name
        await self._bus.client.subscribe(
            f"{self._inbox}.*", cb=self._on_reply, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def everybody(self, seconds: float) -> list[Replica]:
        """All processes that answer within so many seconds, by service and instance. Raises Refused: UNAVAILABLE."""
        found = [_decode_pong(message.data) for message in await self._gather(PING_SUBJECT, b"", seconds)]
        return sorted(
            (
                Replica(
                    service=pong.name.removeprefix(NAME_PREFIX),
                    instance=pong.metadata.get("instance", pong.id),
                    version=pong.version,
                )
                for pong in found
                if pong.name.startswith(NAME_PREFIX)
            ),
            key=lambda replica: (replica.service, replica.instance),
        )

    async def each(self, rpc: Rpc[Req, Rep], request: Req, seconds: float) -> list[Rep]:
        """What all replicas say within so many seconds, to a verb that each of them serves. Raises Refused: UNAVAILABLE."""
        answers = await self._gather(rpc.subject, _encode(request), seconds)
        decode = self._decoder(rpc.reply)
        return [decode(message.data) for message in answers if message.headers is None]

    async def _gather(self, subject: str, data: bytes, seconds: float) -> list[Msg]:
        if not self._bus.connected:
            raise unavailable("The message bus is away for the moment; try again.")
        self._count += 1
        token = f"all{self._count}"
        answers = self._gathered[token] = []
        try:
            await self._bus.client.publish(subject, data, reply=f"{self._inbox}.{token}")
            await asyncio.sleep(seconds)
        finally:
            del self._gathered[token]
        return answers

    async def call(self, rpc: Rpc[Req, Rep], request: Req, *, timeout: float | None = None) -> Rep:  # noqa: ASYNC109 — it is sent to the other side as a deadline
        """The reply, or the refusal that the owner answered.

        Raises Refused: UNAVAILABLE if nobody serves the verb, nobody answers in time, or NATS is away.
        """
        if not self._bus.connected:
            raise unavailable("The message bus is away for the moment; try again.")
        with inner(f"call {rpc.owner} {rpc.verb}", SpanKind.CLIENT):
            return await self._ask(rpc, request, timeout or rpc.timeout)

    async def _ask(self, rpc: Rpc[Req, Rep], request: Req, seconds: float) -> Rep:
        loop = asyncio.get_running_loop()
        self._count += 1
        token = str(self._count)
        future: asyncio.Future[Msg] = loop.create_future()
        self._waiting[token] = future
        headers = {HEADER_DEADLINE: str(int(seconds * 1000))}
        trace = current()
        if trace is not None:
            headers[HEADER_TRACE] = trace
        if (whose := correlation.carried()) is not None:
            headers[correlation.HEADER] = whose
        timer = loop.call_later(seconds, self._time_out, token)
        try:
            await self._bus.client.publish(rpc.subject, _encode(request), f"{self._inbox}.{token}", headers)
            message = await future
        except TimeoutError:
            _calls.labels(rpc.subject, "timeout").inc()
            raise unavailable(f"{rpc.owner} did not answer in time; try again.") from None
        except ConnectionError:
            _calls.labels(rpc.subject, "lost").inc()
            raise unavailable("The message bus went away in the middle of the call; try again.") from None
        finally:
            timer.cancel()
            self._waiting.pop(token, None)
        if message.headers is not None:
            if message.headers.get("Status") == "503":
                _calls.labels(rpc.subject, "nobody").inc()
                raise unavailable(f"{rpc.owner} is not running at the moment; try again.")
            if HEADER_ERROR_CODE in message.headers:
                _calls.labels(rpc.subject, "refused").inc()
                raise _refusal(message.data)
        _calls.labels(rpc.subject, "ok").inc()
        return self._decoder(rpc.reply)(message.data)  # type: ignore[no-any-return]  # the decoder was made for this type

    def _decoder(self, reply: type[Wire]) -> Callable[[bytes], Any]:
        decoder = self._decoders.get(reply)
        if decoder is None:
            decoder = self._decoders[reply] = msgspec.json.Decoder(reply).decode
        return decoder

    async def _on_reply(self, message: Msg) -> None:
        token = message.subject.rpartition(".")[2]
        if token in self._gathered:
            self._gathered[token].append(message)
            return
        future = self._waiting.get(token)
        if future is not None and not future.done():
            future.set_result(message)

    def _time_out(self, token: str) -> None:
        future = self._waiting.get(token)
        if future is not None and not future.done():
            future.set_exception(TimeoutError())

    def _fail_all(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError())


def _refusal(data: bytes) -> Refused:
    problem = msgspec.json.decode(data, type=Problem)
    try:
        code = Code(problem.code)
    except ValueError:  # an owner of a later version: its sentence is still worth more than nothing
        code = Code.INTERNAL
    return Refused(
        code,
        problem.detail,
        retry_after_ms=problem.retry_after_ms,
        errors=problem.errors,
        current=None if bytes(problem.current) == bytes(NOTHING) else problem.current.copy(),
    )


Handler = Callable[[Req], Awaitable[Rep]]


class RpcServer:
    """Serves this service's verbs to all its replicas' callers, in a queue group of the service's name: one replica answers.

    instance: this replica's name, which it tells whoever asks who is there.
    outage: whether an error means that something the service stands on is away (its database); answered `unavailable`.
    in_flight: requests worked on at once; more are refused as `unavailable`, which callers may repeat.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        service: str,
        version: str,
        outage: Callable[[Exception], bool],
        in_flight: int = 256,
        instance: str = "",
    ) -> None:
        self._bus = bus
        self._service_name = service
        self._version = version
        self._instance = instance
        self._outage = outage
        self._most = in_flight
        self._handlers: list[
            tuple[Rpc[Any, Any], Handler[Any, Any], bool]
        ] = []  # Any: verbs of all types share the list
        self._tasks: set[asyncio.Task[None]] = set()
        self._service: Service | None = None
        _in_work.set_function(lambda: len(self._tasks))

    def serve(self, rpc: Rpc[Req, Rep], handler: Handler[Req, Rep], *, each: bool = False) -> None:
        """Register a verb; before `start`. each: every replica answers for itself, and whoever calls one takes the first answer."""
        self._handlers.append((rpc, handler, each))

    async def start(self) -> None:
        self._service = await add_service(
            self._bus.client,
            ServiceConfig(
                name=f"{NAME_PREFIX}{self._service_name}",
                metadata={"instance": self._instance} if self._instance else {},
                version=self._version,
                queue_group=self._service_name,
                stats_handler=self._stats,
            ),
        )
        for rpc, handler, each in self._handlers:
            await self._service.add_endpoint(
                EndpointConfig(
                    name=f"{rpc.side}-{rpc.verb}".replace(".", "-"),
                    subject=rpc.subject,
                    handler=self._entry(rpc, handler),
                    # A group of its own is NATS's way to leave nobody out.
                    queue_group=f"{self._service_name}-{self._service.id}" if each else None,
                )
            )

    async def stop(self) -> None:
        """Take no more requests, and finish those at hand."""
        if self._service is not None and self._bus.connected:
            await self._service.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _stats(self, stats: EndpointStats) -> dict[str, int]:
        return {"in_flight": len(self._tasks), "limit": self._most}

    def _entry(self, rpc: Rpc[Req, Rep], handler: Handler[Req, Rep]) -> Callable[[Request], Awaitable[None]]:
        decode = msgspec.json.Decoder(rpc.request).decode

        async def entry(request: Request) -> None:
            # nats-py awaits a subscription's callbacks one after the other: the work goes into a task of its own.
            if len(self._tasks) >= self._most:
                _busy.inc()
                await _answer_refusal(
                    request, unavailable(f"{self._service_name} is busy; try again.", retry_after_ms=250)
                )
                return
            task = asyncio.create_task(self._work(rpc, decode, handler, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return entry

    async def _work(
        self, rpc: Rpc[Req, Rep], decode: Callable[[bytes], Req], handler: Handler[Req, Rep], request: Request
    ) -> None:
        began = time.perf_counter()
        outcome = "ok"
        headers = request.headers or {}
        trace, whose = headers.get(HEADER_TRACE), headers.get(correlation.HEADER)
        if whose is not None:
            correlation.adopt(whose)
        span = None if trace is None else start_span(f"{rpc.owner} {rpc.verb}", trace, SpanKind.SERVER)
        try:
            with under(span):
                reply = _encode(await handler(decode(request.data)))
            await request.respond(reply)
        except Refused as refusal:
            outcome = str(refusal.code)
            await _answer_refusal(request, refusal)
        except msgspec.DecodeError as error:
            outcome = "undecodable"
            log.error("rpc.undecodable", subject=rpc.subject, error=str(error))
            await _answer_refusal(request, Refused(Code.INVALID, f"The request does not fit its contract: {error}"))
        except Exception as error:
            if self._outage(error):
                outcome = "unavailable"
                log.warning("rpc.outage", subject=rpc.subject, error=repr(error))
                await _answer_refusal(
                    request, unavailable(f"{self._service_name} cannot reach its database; try again.")
                )
                return
            outcome = "internal"
            log.exception("rpc.bug", subject=rpc.subject)
            await _answer_refusal(
                request, Refused(Code.INTERNAL, "Something went wrong on our side; it has been logged.")
            )
        finally:
            _served.labels(rpc.subject, outcome).observe(time.perf_counter() - began)


async def _answer_refusal(request: Request, refusal: Refused) -> None:
    problem = Problem(
        code=str(refusal.code),
        detail=refusal.detail,
        retry_after_ms=refusal.retry_after_ms,
        errors=refusal.errors,
        current=NOTHING if refusal.current is None else msgspec.Raw(_encode(refusal.current)),
    )
    headers = {HEADER_ERROR_CODE: str(STATUS[refusal.code].value), HEADER_ERROR: str(refusal.code)}
    await request.respond(_encode(problem), headers=headers)
