"""The end of images: their keys go with the decision, their objects and rows follow."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from parley_media.domain import PREFIXES
from parley_media.objects import Objects
from parley_media.store import Begin, Store
from parley_shared.errors import Refused

log = structlog.get_logger(__name__)

AT_ONCE: Final = 500

_erased = Counter("parley_images_erased", "Images whose keys were destroyed, by why", ["why"])


async def doom(store: Store, ids: Collection[UUID], why: str) -> int:
    """From this commit on nobody can read them, whoever holds the bucket. Returns how many objects that were."""
    await store.images.doom(ids)
    count = await store.objects.destroy_keys(ids)
    _erased.labels(why).inc(len(ids))
    return count


class Eraser:
    """Deletes objects whose keys are gone from the bucket, and forgets them then."""

    def __init__(self, begin: Begin, objects: Objects) -> None:
        self._begin = begin
        self._objects = objects

    async def finish(self, ids: Collection[UUID] | None = None) -> int:
        """Of these images, or of all; at most 500 objects. Returns how many. Raises Refused: UNAVAILABLE while S3 is away."""
        async with self._begin() as store:
            names = await store.objects.without_key(ids, AT_ONCE)
        await self._objects.delete(names)
        async with self._begin() as store:
            await store.objects.forget(names)
            await store.images.forget(ids)
        return len(names)

    async def try_to_finish(self, image_id: UUID) -> None:
        """Of one image; what S3 does not let us do now the collector does later."""
        try:
            await self.finish([image_id])
        except Refused as refusal:
            log.info("erasing.later", image_id=str(image_id), reason=refusal.detail)

    async def delete_strays(self, names: list[str]) -> None:
        """Objects that no row knows, by names that are ours to give. Raises Refused: UNAVAILABLE."""
        await self._objects.delete(name for name in names if name.startswith(PREFIXES))
