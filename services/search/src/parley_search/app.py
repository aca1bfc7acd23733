"""The composition root: settings → engine, bus → the process."""

import asyncio
from typing import Final

from parley_search.settings import Settings
from parley_shared import process
from parley_shared.contracts.erasure import ERASE_SEARCH, Erase, Erased
from parley_shared.contracts.search import READY
from parley_shared.service import database, running

SERVICE: Final = "search"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health):
        service.server.serve(ERASE_SEARCH, _erase)
        await service.serve(READY)
        await stop.wait()


async def _erase(_asked: Erase) -> Erased:
    """Nothing of people is kept here yet."""
    return Erased(done=True, counts={})


def main() -> None:
    """`parley-search`."""
    process.main(SERVICE, Settings, run)
