"""What every HTTP request passes: a request id, a bound on its body, security headers, a measure of its time, and the beginning of
a trace where one is recorded. Plain ASGI, since it runs for all."""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from opentelemetry.trace import StatusCode
from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from parley_gateway.problems import REQUEST_ID, bug, http_problem, request_id, route
from parley_shared.metrics import LATENCY
from parley_shared.telemetry import HeadSampler, under

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
DEFAULT_CSP = "default-src 'none'; frame-ancestors 'none'"

WORTH_READING = 65_536
"""Bytes of a body that nobody wants, which are read all the same so that the connection can be used again."""
LINGER_S = 5.0
"""Seconds of what is still sent to an answer that is already there."""
CUT_OFF = 0
"""The status of what was never answered."""
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

_requests = Counter("parley_http_requests", "HTTP requests answered, by call of the API and status", ["call", "status"])
_seconds = Histogram(
    "parley_http_seconds",
    "Time from an HTTP request's first byte until its answer is handed over, by call of the API",
    ["call"],
    buckets=LATENCY,
)


class _TooLargeError(HTTPException):
    """The body has passed its bound. Whoever reads bodies takes other exceptions for a body that cannot be read."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"The body is larger than {most:,} bytes.", {"Connection": "close"})


class CutOff(Exception):  # noqa: N818 — what happened
    """An answer that has begun cannot be finished: the connection ends in the middle of it. Whoever raises it has logged why."""


class Door:
    """Bounds bodies, counted while they come, whatever Content-Length says.

    body_bytes: the most that a request's body may hold. wider: other bounds, by method and path. sampler: decides which requests are
    recorded as traces.
    """

    def __init__(
        self, app: ASGIApp, *, body_bytes: int, wider: Mapping[tuple[str, str], int], sampler: HeadSampler
    ) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._wider = wider
        self._sampler = sampler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        began = time.perf_counter()
        status = CUT_OFF

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        span = self._sampler.begin("http", request.headers.get("traceparent"))
        with under(span), bound_contextvars(request_id=request_id(request)):
            try:
                await self._answer(request, receive, noted)
            finally:
                call = _call(request)
                _requests.labels(call, str(status)).inc()
                _seconds.labels(call).observe(time.perf_counter() - began)
                if span is not None:
                    span.update_name(call)
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500 or status == CUT_OFF:
                        span.set_status(StatusCode.ERROR)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        scope = request.scope
        identifier = request_id(request)
        body = _Body(request, receive, self._wider.get((request.method, request.url.path), self._body_bytes))
        started = False
        closing = False

        async def dressed(message: Message) -> None:
            nonlocal started, closing
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = identifier
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", DEFAULT_CSP)
                headers.setdefault("Cache-Control", "no-store")
                closing = body.much_is_coming
                if closing:
                    # What is still on its way would be read for nothing.
                    headers["Connection"] = "close"
            elif closing and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drop()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        try:
            body.demand_declared()
            await self._app(scope, body.receive, dressed)
        except _TooLargeError as error:
            if started:
                raise
            await http_problem(request, error)(scope, receive, dressed)
        except CutOff:
            # Returning without the end of the answer makes uvicorn close the connection.
            return
        except Exception as error:  # noqa: BLE001 — the last resort of every request; higher up it would be logged again
            answer = bug(request, error)
            if not started:
                await answer(scope, receive, dressed)


def _call(request: Request) -> str:
    """As a label, and as the name of a span: no value of an address is in it, and no method that is none of HTTP's."""
    method = request.method if request.method in METHODS else "OTHER"
    return f"{method} {route(request)}"


class _Body:
    """What comes with a request, counted."""

    def __init__(self, request: Request, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        declared = request.headers.get("content-length", "0")
        self._declared = int(declared[:18]) if declared.isdecimal() else 0
        self._counted = 0
        self._ended = self._declared == 0 and "transfer-encoding" not in request.headers

    def demand_declared(self) -> None:
        """Raises HTTPException for a body that says by itself that it is too large."""
        if self._declared > self._most:
            raise _TooLargeError(self._most)

    async def receive(self) -> Message:
        """As ASGI's. Raises HTTPException for a body that has become too large."""
        message = await self._take()
        if self._counted > self._most:
            raise _TooLargeError(self._most)
        return message

    @property
    def much_is_coming(self) -> bool:
        """Whether what is left of it is more than one would read to keep the connection."""
        return not self._ended and (self._declared == 0 or self._declared - self._counted > WORTH_READING)

    async def drop(self) -> None:
        """Read on for a moment. Closed with something unread, a connection is reset, and a client that is still sending would lose
        the answer that waits for it (RFC 9112, 9.6)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not self._ended:
                    await self._take()

    async def _take(self) -> Message:
        message = await self._receive()
        self._counted += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message
