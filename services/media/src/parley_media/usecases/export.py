"""Everything that media keeps of somebody, for himself."""

from uuid import UUID

import msgspec

from parley_media.store import Begin
from parley_shared.contracts.export import Exported, ExportPage
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.limits import PAGE_MAX

QUESTION = "images"
_FIRST = UUID(int=0)


class Export:
    """The verb `export`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def page(self, cmd: ExportPage) -> Exported:
        """The next lines, by image. Raises Refused: BAD_CURSOR."""
        after = _FIRST if cmd.cursor is None else read_cursor(cmd.cursor, QUESTION, tuple[UUID])[0]
        async with self._begin() as store:
            found = await store.images.page(cmd.actor.user_id, after, PAGE_MAX)
            rooms = await store.images.rooms([image.id for image, _ in found])
        items = [
            {
                "type": "image",
                **msgspec.to_builtins(image.picture),
                "created_at": created_at,
                "room_ids": rooms.get(image.id, []),
            }
            for image, created_at in found
        ]
        more = write_cursor(QUESTION, found[-1][0].id) if len(found) == PAGE_MAX else None
        return Exported(items=items, next=more)
