"""Cursors: where a list goes on, opaque to clients, bound to the question that it answers."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec

from parley_shared.errors import Code, Refused, invalid
from parley_shared.limits import PAGE_MAX


def write_cursor(question: str, *values: object) -> str:
    """question: what list it belongs to; values: the last item's sort key, whatever JSON can hold."""
    return base64.urlsafe_b64encode(msgspec.json.encode([question, *values])).rstrip(b"=").decode()


def checked_limit(number: int) -> int:
    """How many items a page may hold. Raises Refused: INVALID outside of 1 to 200."""
    if not 1 <= number <= PAGE_MAX:
        raise invalid(limit=f"from 1 to {PAGE_MAX}")
    return number


def read_cursor(cursor: str, question: str, shape: type[Any]) -> Any:  # Any: the caller names a tuple type
    """The values, as `shape` (a tuple type). Raises Refused: BAD_CURSOR."""
    try:
        raw = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[Any])
        if not raw or raw[0] != question:
            raise ValueError("another list's")
        if any(isinstance(value, str) and "\0" in value for value in raw):
            raise ValueError("PostgreSQL would refuse it")
        values = msgspec.convert(raw[1:], shape)
        for value in values:
            if isinstance(value, datetime):
                if value.tzinfo is None:
                    raise ValueError("no instant")
                value.astimezone(UTC)
        return values
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise Refused(Code.BAD_CURSOR, "The cursor does not belong to this list; start again without one.") from None
