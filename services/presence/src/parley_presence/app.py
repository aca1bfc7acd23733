"""The composition root: settings → engine, bus → the process."""

import asyncio
from typing import Final

from parley_presence.settings import Settings
from parley_shared import process
from parley_shared.contracts.presence import READY
from parley_shared.service import database, running

SERVICE: Final = "presence"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health):
        await service.serve(READY)
        await stop.wait()


def main() -> None:
    """`parley-presence`."""
    process.main(SERVICE, Settings, run)
