"""What counts as PostgreSQL being away."""

import asyncio

import asyncpg


def is_outage(error: BaseException) -> bool:
    """Whether the error says that PostgreSQL is away, restarting or full of connections, so that trying again may help.

    SQLAlchemy's errors are known by their names: half of the services do without it, and to import it is a third of a start.
    """
    if _is_sqlalchemys(error, "DBAPIError"):
        driver = getattr(error, "orig", None)
        return getattr(error, "connection_invalidated", False) or (
            driver is not None and driver.__cause__ is not None and is_outage(driver.__cause__)
        )
    return (
        isinstance(
            error,
            (
                ConnectionError,
                asyncio.TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.CannotConnectNowError,
                asyncpg.AdminShutdownError,
                asyncpg.CrashShutdownError,
                asyncpg.TooManyConnectionsError,
                asyncpg.exceptions.InternalClientError,
            ),
        )
        or (isinstance(error, asyncpg.InterfaceError) and "closed" in str(error))
        or _is_sqlalchemys(error, "TimeoutError")
    )


def _is_sqlalchemys(error: BaseException, name: str) -> bool:
    return any((kind.__module__, kind.__name__) == ("sqlalchemy.exc", name) for kind in type(error).__mro__)
