"""After the commit: images that no message carries any more are media's to erase. See store/images.py."""

import asyncio
from typing import Final

import structlog
from prometheus_client import Counter

from parley_messages.clients import MediaClient
from parley_messages.store import Database
from parley_shared.errors import Refused

log = structlog.get_logger(__name__)

IMAGES: Final = 500
"""Told of in one transaction."""
PAUSE_S: Final = 1.0
"""After which such images are looked for without being told of any: another replica may have died on them."""

_released = Counter("parley_images_released", "Images of which media was told that no message carries them any more")


class ReleaseJob:
    """Nobody sees an image from the moment that its message is deleted, whatever media knows: it asks at each view. What this job
    does is that the bytes go, too."""

    def __init__(self, database: Database, media: MediaClient) -> None:
        self._database = database
        self._media = media
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A message that carried an image may have been deleted."""
        self._wake.set()

    async def run(self) -> None:
        """Until there is nothing left; then wait for a wake or a second."""
        try:
            while await self.release_some() == IMAGES:
                pass
        except Refused as refusal:
            # Media is away; the rows wait.
            log.warning("images.waiting", code=str(refusal.code))
            self._wake.clear()
            await asyncio.sleep(PAUSE_S)
            return
        try:
            async with asyncio.timeout(PAUSE_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def release_some(self) -> int:
        """One transaction. Returns how many messages' images it was about. Raises Refused: UNAVAILABLE."""
        async with self._database.begin() as store:
            dead = await store.images.dead(IMAGES)
            if not dead:
                return 0
            images = {item.image_id for item in dead}
            gone = sorted(images - await store.images.living(sorted(images)))
            if gone:
                await self._media.release(gone)
            await store.images.forget(dead)
        _released.inc(len(gone))
        return len(dead)
