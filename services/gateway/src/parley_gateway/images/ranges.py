"""Which bytes a request wants of a file (RFC 9110, 14)."""

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class Span(NamedTuple):
    """The bytes from start up to, and without, stop."""

    start: int
    stop: int


class Unsatisfiable(Exception):  # noqa: N818 — what was found, not who failed
    """There are no such bytes."""


def wanted(header: str | None, length: int) -> Span | None:
    """None for all of them: there is no Range, or one that is passed over as the RFC allows (several ranges, other units, what
    cannot be read).

    length: of the file, at least 1. Raises Unsatisfiable.
    """
    found = _ONE.fullmatch(header) if header is not None else None
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), length if not last else int(last) + 1
        if stop <= start and last:
            return None
    if start >= length or start == stop:
        raise Unsatisfiable
    return Span(start, min(stop, length))


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this entity tag, given with its quotes: the weak comparison of RFC 9110, 8.8.3.2."""
    if header is None:
        return False
    named = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in named or etag in named
