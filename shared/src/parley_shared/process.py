"""The life of a service process: settings, logging, one event loop, a clean stop on SIGTERM and SIGINT."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import TypeVar

import structlog
import uvloop
from pydantic import ValidationError

from parley_shared.db import migrate
from parley_shared.health import LoopWatchdog
from parley_shared.logging import configure_logging
from parley_shared.settings import DatabaseSettings, ServiceSettings

log = structlog.get_logger(__name__)

Settings = TypeVar("Settings", bound=ServiceSettings)

FROZEN_AFTER_S = 30.0


def service_version(service: str) -> str:
    """The installed package's version."""
    return version(f"parley-{service}")


def main(
    service: str, settings_type: type[Settings], run: Callable[[Settings, asyncio.Event], Awaitable[None]]
) -> None:
    """`parley-<service>` runs it until a signal comes; `parley-<service> migrate` brings its schema up to date.

    run: gets the settings and an event that is set when the process is told to stop; it returns when all is closed.
    """
    try:
        settings = settings_type()
    except ValidationError as error:
        for item in error.errors():
            name = f"{settings_type.model_config.get('env_prefix', '')}{'_'.join(map(str, item['loc']))}".upper()
            sys.stderr.write(f"{name}: {item['msg']}\n")
        raise SystemExit(78) from None
    configure_logging(
        service=service, instance=settings.instance, level=settings.log_level, log_format=settings.log_format
    )
    if sys.argv[1:] == ["migrate"]:
        if not isinstance(settings, DatabaseSettings):
            sys.stderr.write(f"{service} owns no schema.\n")
            raise SystemExit(64)
        migrate.run(service, (settings.migrate_url or settings.postgres_url).get_secret_value())
        log.info("migrated", revision=migrate.head_revision(service))
        return
    if sys.argv[1:]:
        sys.stderr.write(f"usage: parley-{service} [migrate]\n")
        raise SystemExit(64)
    uvloop.run(_run(service, settings, run))


async def _run(service: str, settings: Settings, run: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    LoopWatchdog(loop, FROZEN_AFTER_S).start()
    log.info("starting", version=service_version(service))
    await run(settings, stop)
    log.info("stopped")
