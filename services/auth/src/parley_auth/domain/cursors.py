"""Cursors of lists: where to go on, and in which list."""

import base64
import binascii
import hashlib

import msgspec

from parley_shared.errors import Code, Refused, invalid
from parley_shared.limits import PAGE_MAX


def write(scope: str, position: str) -> str:
    """scope: which list it is, with its filters; a cursor is only good there."""
    return base64.urlsafe_b64encode(msgspec.json.encode([_mark(scope), position])).rstrip(b"=").decode()


def read(scope: str, cursor: str | None) -> str:
    """The position, empty at the beginning. Raises Refused: BAD_CURSOR."""
    if cursor is None:
        return ""
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mark, position = msgspec.json.decode(decoded, type=tuple[str, str])
    except (binascii.Error, ValueError):
        raise _bad() from None
    if mark != _mark(scope) or "\0" in position:
        raise _bad()
    return position


def limit(number: int) -> int:
    """Raises Refused: INVALID outside of 1 to 200."""
    if not 1 <= number <= PAGE_MAX:
        raise invalid(limit=f"from 1 to {PAGE_MAX}")
    return number


def _mark(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:12]


def _bad() -> Refused:
    return Refused(Code.BAD_CURSOR, "This cursor does not belong to this list; begin again without one.")
