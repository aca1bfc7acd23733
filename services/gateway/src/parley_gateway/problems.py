"""Errors as RFC 9457 problem documents, everywhere: refusals, validation, what does not exist, and our own bugs."""

from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from parley_shared.errors import STATUS, Code, Refused
from parley_shared.ids import new_id

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "X-Request-Id"

_TITLES = {
    Code.INVALID: "Something in the request is not as it must be",
    Code.NOT_FOUND: "Not found",
    Code.RATE_LIMITED: "Too many at once",
    Code.UNAVAILABLE: "Not available at the moment",
    Code.INTERNAL: "Something went wrong on our side",
}

_BY_STATUS = {
    400: Code.BAD_REQUEST,
    401: Code.BAD_TOKEN,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
    416: Code.BAD_RANGE,
}


def title(code: Code) -> str:
    """For people, the same for every problem of this code."""
    return _TITLES.get(code, STATUS[code].phrase)


def request_id(request: Request) -> str:
    """One for each request, in its answer, its problem document and its log lines."""
    found = getattr(request.state, "request_id", None)
    if found is None:
        found = request.state.request_id = str(new_id())
    return str(found)


def route(request: Request) -> str:
    """Which call of ours it is, without the values in its address; `-` for none."""
    return str(getattr(request.scope.get("route"), "path", "-"))


def problem(request: Request, refusal: Refused, *, status: int | None = None) -> Response:
    """The document, with Retry-After and WWW-Authenticate where they apply."""
    code = STATUS[refusal.code].value if status is None else status
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title(refusal.code),
        "status": code,
        "detail": refusal.detail,
        "code": str(refusal.code),
        "request_id": request_id(request),
    }
    headers = {REQUEST_ID: request_id(request)}
    if refusal.errors is not None:
        body["errors"] = refusal.errors
    if refusal.retry_after_ms is not None:
        body["retry_after_ms"] = refusal.retry_after_ms
        headers["Retry-After"] = str(-(-refusal.retry_after_ms // 1000))
    if refusal.current is not None:
        body["current"] = refusal.current
    if code == 401:
        # RFC 6750, 3.1: a request without any token is not told of an error.
        said = refusal.code in (Code.BAD_TOKEN, Code.TOKEN_EXPIRED)
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if said else "Bearer"
    return Response(msgspec.json.encode(body), status_code=code, media_type=MEDIA_TYPE, headers=headers)


def bug(request: Request, error: Exception) -> Response:
    """What nobody foresaw: logged once, with its trace, and answered without it."""
    log.error("http.bug", request_id=request_id(request), route=route(request), exc_info=error)
    return problem(request, Refused(Code.INTERNAL, "Something went wrong on our side; it has been logged."))


def http_problem(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself: addresses, methods, bodies that cannot be read."""
    code = _BY_STATUS.get(error.status_code, Code.BAD_REQUEST)
    detail = {
        404: "There is nothing at this address.",
        405: "This address does not know that method.",
    }.get(error.status_code, str(error.detail))
    answer = problem(request, Refused(code, detail), status=error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 — registered for this type alone
        log.info("http.refused", request_id=request_id(request), route=route(request), code=str(error.code))
        return problem(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for this type alone
        errors: dict[str, str] = {}
        for item in error.errors():
            location = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header", "form")]
            if item["loc"][:1] == ("path",):
                # An identifier that cannot be one names nothing.
                return problem(request, Refused(Code.NOT_FOUND, "There is nothing of that name."))
            if item["type"] == "json_invalid":
                # Its location is how many characters were read, not a field.
                location = []
            # Never the input itself: it may be a password.
            errors[".".join(location) or "body"] = str(item["msg"])
        log.info("http.refused", request_id=request_id(request), route=route(request), code="invalid")
        return problem(
            request, Refused(Code.INVALID, "Some fields are not as they must be; see errors.", errors=errors)
        )

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 — registered for this type alone
        return http_problem(request, error)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)
