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

from parley_shared import metrics, telemetry
from parley_shared.db.revisions import head_revision
from parley_shared.health import LoopWatchdog
from parley_shared.logging import configure_logging
from parley_shared.settings import DatabaseSettings, ServiceSettings

log = structlog.get_logger(__name__)

Settings = TypeVar("Settings", bound=ServiceSettings)

FROZEN_AFTER_S = 30.0
CRASHED = 70
"""The exit code after a bug (EX_SOFTWARE of sysexits.h)."""


def service_version(service: str) -> str:
    """The installed package's version."""
    return version(f"parley-{service}")


def main(
    service: str, settings_type: type[Settings], run: Callable[[Settings, asyncio.Event], Awaitable[None]]
) -> None:
    """`parley-<service>` runs it until a signal comes; `parley-<service> migrate` brings its schema up to date, and
    `parley-<service> wait` returns once somebody has.

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
    if sys.argv[1:] in (["migrate"], ["wait"]):
        from parley_shared.db import migrate  # it brings SQLAlchemy along, which not every service needs

        if not isinstance(settings, DatabaseSettings):
            sys.stderr.write(f"{service} owns no schema.\n")
            raise SystemExit(64)
        if sys.argv[1] == "wait":
            migrate.run_wait(service, settings.postgres_url.get_secret_value())
            return
        migrate.run(service, (settings.migrate_url or settings.postgres_url).get_secret_value())
        log.info("schema.migrated", revision=head_revision(service))
        return
    if sys.argv[1:]:
        sys.stderr.write(f"usage: parley-{service} [migrate | wait]\n")
        raise SystemExit(64)
    end_tracing = telemetry.start(service, service_version(service), settings)
    try:
        uvloop.run(_run(service, settings, run))
    except Exception:
        # Python's own traceback would be a hundred lines in a log of one line an event.
        log.exception("process.crashed")
        raise SystemExit(CRASHED) from None
    finally:
        end_tracing()


async def _run(service: str, settings: Settings, run: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    LoopWatchdog(loop, FROZEN_AFTER_S).start()
    version = service_version(service)
    metrics.build.labels(version).set(1)
    log.info("process.starting", version=version)
    sampling = asyncio.create_task(metrics.sample_lag(), name="loop-lag")
    await run(settings, stop)
    sampling.cancel()
    log.info("process.stopped")
