"""For which request or socket something is done, so that each line of a log says so, whichever service writes it.

The ids lie in the context of the task (structlog.contextvars) and travel in a header of RPCs. What serves everybody (a lane, a hub, keys
that all wait for) runs in a task without a context: it would tell of whoever happened to be there first.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

from structlog.contextvars import bind_contextvars, get_contextvars

HEADER: Final = "Parley-For"
KEYS: Final = ("request_id", "connection_id")

T = TypeVar("T")


def bound(**ids: str) -> Context:
    """A context that has these ids and nothing else; for tasks, each of which needs a copy of its own."""
    context = Context()
    context.run(bind_contextvars, **ids)
    return context


def carried() -> str | None:
    """What is at work here, as the header has it."""
    found = get_contextvars()
    return ",".join([f"{key}={found[key]}" for key in KEYS if key in found]) or None


def adopt(header: str) -> None:
    """Go on for whom the caller works, until the end of this task."""
    pairs = (part.partition("=") for part in header.split(","))
    bind_contextvars(**{key: value[:64] for key, _, value in pairs if key in KEYS})


def detached(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """A task that serves everybody, and so belongs to nobody's request, socket or trace."""
    return asyncio.get_running_loop().create_task(work, context=Context())
