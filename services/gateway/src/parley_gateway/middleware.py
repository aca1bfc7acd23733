"""What every HTTP request passes: a request id, a bound on its body, security headers. Plain ASGI, since it runs for all."""

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley_gateway.problems import REQUEST_ID, bug, http_problem, request_id

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
DEFAULT_CSP = "default-src 'none'; frame-ancestors 'none'"


class _TooLargeError(HTTPException):
    """The body has passed its bound. Whoever reads bodies takes other exceptions for a body that cannot be read."""

    def __init__(self, most: int) -> None:
        # What is still on its way would be read for nothing.
        super().__init__(413, f"The body is larger than {most} bytes.", {"Connection": "close"})


class Door:
    """body_bytes: the most that a request's body may hold, counted while it comes, whatever Content-Length says."""

    def __init__(self, app: ASGIApp, *, body_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        identifier = request_id(request)
        counted = 0
        started = False

        async def bounded() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self._body_bytes:
                raise _TooLargeError(self._body_bytes)
            return message

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = identifier
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", DEFAULT_CSP)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            declared = request.headers.get("content-length", "0")
            if declared.isdecimal() and int(declared) > self._body_bytes:
                raise _TooLargeError(self._body_bytes)
            await self._app(scope, bounded, dressed)
        except _TooLargeError as error:
            if started:
                raise
            await http_problem(request, error)(scope, receive, dressed)
        except Exception as error:  # noqa: BLE001 — the last resort of every request; higher up it would be logged again
            answer = bug(request, error)
            if not started:
                await answer(scope, receive, dressed)
