"""Refusals: answers with a stable code, as opposed to bugs, which are logged and answered `internal`."""

from enum import StrEnum
from http import HTTPStatus
from typing import Any


class Code(StrEnum):
    """Every code that a client can meet; `STATUS` says which HTTP status carries it."""

    INVALID = "invalid"
    BAD_TEXT = "bad_text"
    BAD_REQUEST = "bad_request"
    BAD_CURSOR = "bad_cursor"
    BAD_CREDENTIALS = "bad_credentials"
    BAD_INVITE = "bad_invite"
    BAD_CODE = "bad_code"
    BAD_TOKEN = "bad_token"  # noqa: S105 — a code, not a password
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 — a code, not a password
    UNAUTHENTICATED = "unauthenticated"
    WEAK_PASSWORD = "weak_password"  # noqa: S105 — a code, not a password
    REGISTRATION_CLOSED = "registration_closed"
    BAD_ORIGIN = "bad_origin"
    FORBIDDEN = "forbidden"
    NOT_A_MEMBER = "not_a_member"
    NOT_FOUND = "not_found"
    NOT_REACHABLE = "not_reachable"
    MUTED = "muted"
    BANNED = "banned"
    SLOW_MODE = "slow_mode"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNKNOWN_COMMAND = "unknown_command"
    USERNAME_TAKEN = "username_taken"
    REV_CONFLICT = "rev_conflict"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    DELETED = "deleted"
    LAST_OWNER = "last_owner"
    FIXED_MEMBERS = "fixed_members"
    LAST_ADMIN = "last_admin"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BAD_IMAGE = "bad_image"
    BAD_RANGE = "bad_range"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    RESYNC = "resync"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


STATUS: dict[Code, HTTPStatus] = {
    Code.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BAD_TEXT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.BAD_CURSOR: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BAD_CREDENTIALS: HTTPStatus.UNAUTHORIZED,
    Code.BAD_INVITE: HTTPStatus.FORBIDDEN,
    Code.BAD_CODE: HTTPStatus.FORBIDDEN,
    Code.BAD_TOKEN: HTTPStatus.UNAUTHORIZED,
    Code.TOKEN_EXPIRED: HTTPStatus.UNAUTHORIZED,
    Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.WEAK_PASSWORD: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.REGISTRATION_CLOSED: HTTPStatus.FORBIDDEN,
    Code.BAD_ORIGIN: HTTPStatus.FORBIDDEN,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.NOT_A_MEMBER: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.NOT_REACHABLE: HTTPStatus.FORBIDDEN,
    Code.MUTED: HTTPStatus.FORBIDDEN,
    Code.BANNED: HTTPStatus.FORBIDDEN,
    Code.SLOW_MODE: HTTPStatus.TOO_MANY_REQUESTS,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.UNKNOWN_COMMAND: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.USERNAME_TAKEN: HTTPStatus.CONFLICT,
    Code.REV_CONFLICT: HTTPStatus.CONFLICT,
    Code.IDEMPOTENCY_MISMATCH: HTTPStatus.CONFLICT,
    Code.DELETED: HTTPStatus.CONFLICT,
    Code.LAST_OWNER: HTTPStatus.CONFLICT,
    Code.FIXED_MEMBERS: HTTPStatus.CONFLICT,
    Code.LAST_ADMIN: HTTPStatus.CONFLICT,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.BAD_IMAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BAD_RANGE: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    Code.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.TOO_MANY_CONNECTIONS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.RESYNC: HTTPStatus.GONE,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Refused(Exception):  # noqa: N818 — a refusal is an answer, not an error
    """An answer that says no. It changes nothing, and every layer passes it on as it is.

    code: one of `Code`. detail: a sentence that helps whoever asked.
    retry_after_ms: waiting that long makes the same request succeed.
    errors: field by field, {"field": "what is wrong with it"}.
    current: the present state, in a 409 `rev_conflict` (whatever msgspec can encode).
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        retry_after_ms: int | None = None,
        errors: dict[str, str] | None = None,
        current: Any = None,  # any wire struct; it is encoded, never looked into
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.errors = errors
        self.current = current


def unavailable(detail: str, *, retry_after_ms: int = 1000) -> Refused:
    """Something that Parley stands on is away; the same request may be sent again."""
    return Refused(Code.UNAVAILABLE, detail, retry_after_ms=retry_after_ms)


def not_found(what: str) -> Refused:
    """What the caller may not see answers exactly like what does not exist."""
    return Refused(Code.NOT_FOUND, f"There is no such {what}, or you may not see it.")


def invalid(**errors: str) -> Refused:
    """One or more fields are wrong; the names are those of the request."""
    return Refused(Code.INVALID, "Some fields are not as they must be.", errors=errors)
