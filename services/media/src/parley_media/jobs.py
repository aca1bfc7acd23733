"""Periodic work: what nobody finished or uses is erased, and once a day database and bucket are compared."""

from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from parley_media.clients import MessagesClient
from parley_media.domain import CLAIM_TIME, RECHECK_TIME, Kept, unused
from parley_media.objects import Objects
from parley_media.settings import Settings
from parley_media.store import Begin
from parley_media.usecases.bucket import Bucket
from parley_media.usecases.eraser import AT_ONCE, Eraser, doom
from parley_shared.errors import Refused

log = structlog.get_logger(__name__)

SWEEP_LOOK_S: Final = 600.0
"""How often a replica asks whether it is time for the next sweep."""
NAMED: Final = 20
"""Names in one line of the log."""

_strays = Counter("parley_objects_stray", "Objects in the bucket that no row knew, deleted")
_missing = Gauge("parley_objects_missing", "Objects that the last sweep did not find in the bucket")


class Jobs:
    """Of several replicas one does the work. Done twice it does no harm."""

    def __init__(
        self,
        begin: Begin,
        objects: Objects,
        messages: MessagesClient,
        eraser: Eraser,
        bucket: Bucket,
        settings: Settings,
        holder: str,
    ) -> None:
        self._begin = begin
        self._objects = objects
        self._messages = messages
        self._eraser = eraser
        self._bucket = bucket
        self._holder = holder
        self._turn = timedelta(seconds=max(60.0, 3 * settings.collect_seconds))
        self._day = timedelta(hours=settings.sweep_hours)

    async def collect(self) -> None:
        """Uploads that ran out, images that no message carries, objects whose keys are gone."""
        async with self._begin() as store:
            if not self._objects.configured or not await store.take_lease(
                "collect", self._holder, self._turn, renewable=True
            ):
                return
        while await self._give_up_uploads() == AT_ONCE:
            continue
        for work in (self._ask_about_unused, self._eraser.finish):
            try:
                while await work() == AT_ONCE:
                    continue
            except Refused as refusal:
                log.warning("collect.waiting", reason=refusal.detail)

    async def sweep(self) -> None:
        """Delete what no row knows, and tell what is missing. Raises Refused: UNAVAILABLE; the next turn is a day later all the same."""
        async with self._begin() as store:
            if not self._objects.configured or not await store.take_lease(
                "sweep", self._holder, self._day, renewable=False
            ):
                return
        try:
            await self.sweep_now()
        except Refused as refusal:
            log.warning("sweep.given_up", reason=refusal.detail)

    async def sweep_now(self) -> None:
        """Raises Refused: UNAVAILABLE."""
        after: str | None = ""
        names = strays = missing = 0
        while after is not None:
            found = await self._bucket.compare(after)
            if found.missing:
                log.error("bucket.missing", objects=found.missing[:NAMED], count=len(found.missing))
            if found.stray:
                log.warning("bucket.stray", objects=found.stray[:NAMED], count=len(found.stray))
                await self._eraser.delete_strays(found.stray)
            names, strays, missing = names + found.names, strays + len(found.stray), missing + len(found.missing)
            after = found.upto
        _strays.inc(strays)
        _missing.set(missing)
        log.info("bucket.swept", objects=names, stray=strays, missing=missing)

    async def _give_up_uploads(self) -> int:
        async with self._begin() as store:
            ids = await store.images.overdue(AT_ONCE)
            await doom(store, ids, "unfinished")
        return len(ids)

    async def _ask_about_unused(self) -> int:
        """A claim after the question wins: whoever erases looks once more who has claimed the image last."""
        async with self._begin() as store:
            due = {image.id: image for image in await store.images.due(AT_ONCE)}
            rooms = await store.images.rooms(due.keys())
        used = await self._messages.in_use(rooms)
        async with self._begin() as store:
            now = await store.now()
            held = await store.images.lock_ready(due.keys())
            same = {image_id for image_id, image in held.items() if _same(image, due[image_id])}
            gone = {image_id for image_id in same - used if unused(held[image_id], now)}
            await store.images.look_after(same & used, now + RECHECK_TIME)
            await store.images.look_after(same - used - gone, now + CLAIM_TIME)
            await doom(store, gone, "unused")
        return len(due)


def _same(now: Kept, before: Kept) -> bool:
    """Nobody has claimed it meanwhile."""
    return now.claimed_at == before.claimed_at
