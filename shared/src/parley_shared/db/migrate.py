"""Alembic, one chain a service, under an advisory lock, so that replicas may start together.

The chain lives in `parley_<service>/migrations`, inside the package, so that wheel and image carry it.
"""

import asyncio
from importlib.resources import files
from zlib import crc32

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(f"parley_{service}") / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def head_revision(service: str) -> str:
    """The newest revision that this code knows."""
    head = ScriptDirectory.from_config(_config(service)).get_current_head()
    if head is None:
        raise RuntimeError(f"parley_{service} has no migrations")
    return head


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


def _upgrade(connection: Connection, service: str) -> None:
    config = _config(service)
    config.attributes["connection"] = connection
    config.attributes["schema"] = service
    command.upgrade(config, "head")


def run(service: str, url: str) -> None:
    """`parley-<service> migrate`."""
    asyncio.run(migrate(service, url))
