"""What can go wrong, by the stable `code` that the server gives it."""

from typing import Any

NEEDS_TOKEN = ("token_expired", "bad_token", "unauthenticated")
"""Codes that a new access token may turn into a success; a wrong password is not among them."""


class ParleyError(Exception):
    """Everything that this package raises on purpose."""


class ApiError(ParleyError):
    """The server said no (RFC 9457, or an `error` frame).

    code: stable, for programs. status: of HTTP, 0 for a frame. retry_after_ms: waiting that long makes it succeed.
    errors: field by field. current: the present state, in a `rev_conflict`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 0,
        retry_after_ms: int | None = None,
        errors: dict[str, str] | None = None,
        request_id: str | None = None,
        current: Any = None,  # Any: the JSON of whatever was to be changed
    ) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code = code
        self.detail = detail
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.errors = errors or {}
        self.request_id = request_id
        self.current = current

    @property
    def passes(self) -> bool:
        """Whether trying again later may help: somebody was too busy, or something between here and there answered."""
        return self.status in (0, 429) or self.status >= 500 or self.code == "not_parley"


class IncompleteError(ParleyError):
    """What the server streamed did not reach its end."""


class Disconnected(ParleyError):  # noqa: N818 — a state of affairs
    """The connection went away in the middle; the client is already coming back, and what was asked may be asked again."""


class Stopped(ParleyError):  # noqa: N818 — a state of affairs
    """The server told this client to stop (a close code that does not mean reconnect), or the client was closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed for good with {code}: {reason}")
        self.code = code
        self.reason = reason
