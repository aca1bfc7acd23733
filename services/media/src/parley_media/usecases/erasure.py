"""Erasing an account's images: unreadable at once, gone from the bucket as fast as it lets us."""

import time
from typing import Final

import structlog

from parley_media.store import Begin
from parley_media.usecases.eraser import Eraser, doom
from parley_shared.contracts.erasure import Erase, Erased
from parley_shared.errors import Refused

log = structlog.get_logger(__name__)

SLICE_S: Final = 3.0
"""After so many seconds a call answers how far it has come."""


class Erasure:
    """The verb `erase`."""

    def __init__(self, begin: Begin, eraser: Eraser) -> None:
        self._begin = begin
        self._eraser = eraser

    async def erase(self, cmd: Erase) -> Erased:
        """Done when nothing of his is left in database and bucket. An upload that is being decoded is waited for."""
        until = time.monotonic() + SLICE_S
        async with self._begin() as store:
            ids = await store.images.of_owner(cmd.user_id)
            objects = await doom(store, ids, "account") if ids else 0
            await store.count_erased(cmd.user_id, len(ids), objects)
            left = await store.images.all_of(cmd.user_id)
            counts = await store.erased(cmd.user_id)
        try:
            while left and await self._eraser.finish(left) and time.monotonic() < until:
                continue
        except Refused as refusal:
            log.warning("erasure.waiting", user_id=str(cmd.user_id), reason=refusal.detail)
        async with self._begin() as store:
            return Erased(done=not await store.images.all_of(cmd.user_id), counts=counts)
