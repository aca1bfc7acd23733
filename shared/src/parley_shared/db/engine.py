"""SQLAlchemy's engines, for services that describe their statements by its tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from parley_shared.contracts.base import Service
from parley_shared.db.outage import is_outage
from parley_shared.db.revisions import shortcoming
from parley_shared.health import Health
from parley_shared.metrics import watch_engine
from parley_shared.settings import DatabaseSettings
from parley_shared.telemetry import statement_span


@asynccontextmanager
async def database(service: Service, settings: DatabaseSettings, health: Health) -> AsyncIterator[AsyncEngine]:
    """The service's engine, with a readiness check that its schema is the one this code was written for."""
    engine = make_engine(
        settings.postgres_url.get_secret_value(),
        application_name=f"parley-{service} {settings.instance}",
        pool_size=settings.pool_size,
    )
    invalidate_on_outage(engine)
    watch_engine(engine)

    async def migrated() -> str | None:
        async with engine.connect() as connection:
            found = await connection.scalar(text(f"SELECT version_num FROM {service}.alembic_version"))  # noqa: S608 — our own name
        return shortcoming(service, found)

    health.add("database", migrated)
    try:
        yield engine
    finally:
        await engine.dispose()


def make_engine(url: str, *, application_name: str, pool_size: int) -> AsyncEngine:
    """An engine for `postgresql://…`; statements wait at most 30 s, connections 5 s.

    The schema is never on the search path: every table names its own.
    """
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        # After a restart of PostgreSQL no request pays for a connection that died with it.
        pool_pre_ping=True,
        pool_recycle=3600,
        # Values do not belong into the texts of errors, which end in logs.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": 30,
            "server_settings": {"application_name": application_name, "timezone": "UTC", "jit": "off"},
        },
    )
    _trace_statements(engine)
    _hide_rows(engine)
    return engine


def _hide_rows(engine: AsyncEngine) -> None:
    """PostgreSQL's errors end with a DETAIL that holds the row: no text of an error shall."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def _cut(context: object) -> None:
        original = getattr(context, "original_exception", None)
        for error in (original, getattr(context, "sqlalchemy_exception", None)):
            if error is not None and error.args and isinstance(error.args[0], str):
                error.args = (error.args[0].partition("\nDETAIL:")[0], *error.args[1:])
        if original is not None and isinstance(original.__cause__, asyncpg.PostgresError):
            original.__cause__.detail = None


def _trace_statements(engine: AsyncEngine) -> None:
    """A span for each statement of work that is recorded: its text, and never what it was executed with."""
    open_span = "parley span"

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _begin(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        connection.info[open_span] = statement_span(statement)

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def _end(connection: Connection, *_rest: object) -> None:
        if (span := connection.info.pop(open_span, None)) is not None:
            span.end()

    @event.listens_for(engine.sync_engine, "handle_error")
    def _fail(failed: object) -> None:
        connection = getattr(failed, "connection", None)
        if connection is not None and (span := connection.info.pop(open_span, None)) is not None:
            span.set_attribute("error.type", type(getattr(failed, "original_exception", None)).__name__)
            span.end()


def invalidate_on_outage(engine: AsyncEngine) -> None:
    """After a restart of PostgreSQL, drop every pooled connection at the first one found dead, not one by one."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def _mark(context: object) -> None:
        original = getattr(context, "original_exception", None)
        cause = original.__cause__ if original is not None else None
        if cause is not None and is_outage(cause):
            context.is_disconnect = True  # type: ignore[attr-defined]  # SQLAlchemy's ExceptionContext is untyped here
