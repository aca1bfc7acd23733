"""Alembic, one chain a service, under an advisory lock, so that replicas may start together.

The chain lives in `parley_<service>/migrations`, inside the package, so that wheel and image carry it.
"""

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING
from zlib import crc32

import asyncpg
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from parley_shared.db.revisions import shortcoming

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)


async def migrate(service: str, url: str) -> None:
    """Bring the service's schema to this code's newest revision. `url` names a role that owns the schema."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT pg_advisory_lock(:key)"), {"key": crc32(f"parley-{service}".encode())}
            )
            await connection.execute(text("SET lock_timeout = '5s'"))
            await connection.commit()
            await connection.run_sync(_upgrade, service)
            await connection.commit()
    finally:
        await engine.dispose()


async def wait(service: str, url: str) -> None:
    """Until the schema is one that this code can work with; what is missing is logged whenever it is another thing."""
    said = None
    while (missing := await _missing(service, url)) is not None:
        if missing != said:
            log.info("schema.waiting", missing=missing)
            said = missing
        await asyncio.sleep(1)


async def _missing(service: str, url: str) -> str | None:
    try:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            found = await connection.fetchval(f"SELECT version_num FROM {service}.alembic_version")  # noqa: S608 — our own name
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return str(error) or type(error).__name__
    return shortcoming(service, found)


def _config(service: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(f"parley_{service}") / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, service: str) -> None:
    from alembic import command

    config = _config(service)
    config.attributes["connection"] = connection
    config.attributes["schema"] = service
    command.upgrade(config, "head")


def run(service: str, url: str) -> None:
    """`parley-<service> migrate`."""
    asyncio.run(migrate(service, url))


def run_wait(service: str, url: str) -> None:
    """`parley-<service> wait`."""
    asyncio.run(wait(service, url))
