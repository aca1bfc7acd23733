"""The composition root: settings → engine, bus → the process."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from parley_media.settings import Settings
from parley_shared import process
from parley_shared.contracts.erasure import ERASE_MEDIA, Erase, Erased
from parley_shared.contracts.media import READY
from parley_shared.service import database, running

SERVICE: Final = "media"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    async with running(SERVICE, settings) as service, database(SERVICE, settings, service.health):
        if settings.s3_url:
            service.health.add("s3", lambda: _s3_listens(settings.s3_url))
        service.server.serve(ERASE_MEDIA, _erase)
        await service.serve(READY)
        await stop.wait()


async def _s3_listens(url: str) -> str | None:
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        )
    except OSError as error:
        return f"{parts.hostname}:{parts.port} does not answer ({error.strerror or error})"
    writer.close()
    await writer.wait_closed()
    return None


async def _erase(_asked: Erase) -> Erased:
    """Nothing of people is kept here yet."""
    return Erased(done=True, counts={})


def main() -> None:
    """`parley-media`."""
    process.main(SERVICE, Settings, run)
