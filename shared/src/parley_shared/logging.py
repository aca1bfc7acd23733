"""One JSON line per event on standard error; never bodies, tokens or names of people."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import asyncpg
import structlog

from parley_shared.telemetry import trace_id


def configure_logging(*, service: str, instance: str, level: str, log_format: str) -> None:
    """Route structlog and the standard library's loggers (uvicorn, asyncio) into one stream of one schema."""
    shared: list[Any] = [  # Any: structlog's processors have no common public type
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _without_values,
    ]

    def who(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["instance"] = instance
        if (trace := trace_id()) is not None:
            event["trace_id"] = trace
        return event

    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if log_format == "console"
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    tail: list[Any] = [structlog.processors.format_exc_info, renderer] if log_format == "json" else [renderer]
    structlog.configure(
        processors=[*shared, who, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, who],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "alembic.runtime.migration", "sqlalchemy.engine"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # They write down addresses of requests, and a signed one is a key to an object.
    for telltale in ("httpx2", "httpcore2"):
        logging.getLogger(telltale).setLevel(logging.WARNING)
    # What somebody has sent that cannot be read is answered, and no fault of ours.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # uvicorn repeats on INFO what we log ourselves, with a client's address in clear.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _without_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """PostgreSQL says which row it would not have, and a row is what people wrote. SQLAlchemy's errors: see db.engine."""
    found = event.get("exc_info")
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    while isinstance(error, BaseException):
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error = error.__cause__ or error.__context__
    return event
