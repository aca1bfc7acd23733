"""The composition root: settings → engine, bus → the process."""

import asyncio
from typing import Final

from parley_media.settings import Settings
from parley_shared import process
from parley_shared.contracts.media import READY
from parley_shared.service import database, running

SERVICE: Final = "media"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health):
        await service.serve(READY)
        await stop.wait()


def main() -> None:
    """`parley-media`."""
    process.main(SERVICE, Settings, run)
