"""Whether what messages carry can be shown."""

from parley_media.domain import Kept
from parley_media.images.protocol import ORIGINAL
from parley_media.store import Begin
from parley_shared.contracts.images import ImageUse
from parley_shared.contracts.verifying import MOST_IMAGES, CheckImages, ImagesChecked, WrongImage
from parley_shared.errors import invalid


class Verifying:
    """The verb `check_images`, of messages. Whether the bucket has what the database says is another question: `check_store`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def check(self, cmd: CheckImages) -> ImagesChecked:
        """Raises Refused: INVALID above 1,000."""
        if len(cmd.images) > MOST_IMAGES:
            raise invalid(images=f"at most {MOST_IMAGES}")
        ids = [use.image_id for use in cmd.images]
        async with self._begin() as store:
            images = await store.images.of(ids)
            parts = await store.objects.readable(ids)
            rooms = await store.images.rooms(ids)
        wrong = []
        for use in cmd.images:
            found = _wrong(
                use, images.get(use.image_id), parts.get(use.image_id, set()), set(rooms.get(use.image_id, ()))
            )
            if found is not None:
                wrong.append(WrongImage(image_id=use.image_id, detail=found))
        return ImagesChecked(wrong=wrong)


def _wrong(use: ImageUse, image: Kept | None, parts: set[str], rooms: set[object]) -> str | None:
    """parts: those that can be read. rooms: where it may be shown."""
    if image is None:
        return "media does not know it"
    if image.state != "ready" or image.picture is None:
        return f"it is {image.state}, and not ready"
    missing = sorted({ORIGINAL, *(str(thumbnail.size) for thumbnail in image.picture.thumbnails)} - parts)
    if missing:
        return f"it has no {', '.join(missing)} with a key"
    if not rooms.issuperset(use.room_ids):
        return "media does not know in which rooms it may be seen"
    return None
