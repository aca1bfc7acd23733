"""Engines, and what counts as the database being away."""

import asyncio

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def make_engine(url: str, *, application_name: str, pool_size: int) -> AsyncEngine:
    """An engine for `postgresql://…`; statements wait at most 30 s, connections 5 s.

    The schema is never on the search path: every table names its own.
    """
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        # After a restart of PostgreSQL no request pays for a connection that died with it.
        pool_pre_ping=True,
        pool_recycle=3600,
        connect_args={
            "timeout": 5,
            "command_timeout": 30,
            "server_settings": {"application_name": application_name, "timezone": "UTC", "jit": "off"},
        },
    )


def is_outage(error: BaseException) -> bool:
    """Whether the error says that PostgreSQL is away, restarting or full of connections, so that trying again may help."""
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated) or (
            error.orig is not None and error.orig.__cause__ is not None and is_outage(error.orig.__cause__)
        )
    return isinstance(
        error,
        (
            PoolTimeoutError,
            ConnectionError,
            asyncio.TimeoutError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.TooManyConnectionsError,
            asyncpg.exceptions.InternalClientError,
        ),
    ) or (isinstance(error, asyncpg.InterfaceError) and "closed" in str(error))


def invalidate_on_outage(engine: AsyncEngine) -> None:
    """After a restart of PostgreSQL, drop every pooled connection at the first one found dead, not one by one."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def _mark(context: object) -> None:
        original = getattr(context, "original_exception", None)
        cause = original.__cause__ if original is not None else None
        if cause is not None and is_outage(cause):
            context.is_disconnect = True  # type: ignore[attr-defined]  # SQLAlchemy's ExceptionContext is untyped here
