"""Which message carries which image, and who sees one that does."""

from typing import NamedTuple
from uuid import UUID

import asyncpg

# As SEEN of the timeline, and in the rooms where media heard that it was to be sent: an image is looked for nowhere else.
CARRIED = """
    SELECT coalesce(bool_or(true), false), coalesce(bool_or(x.live AND (
        EXISTS (
            SELECT FROM messages.members c
            WHERE c.room_id = x.room_id AND c.user_id = $3 AND c.to_seq IS NULL AND (r.deleted_at IS NULL OR c.role = 'owner')
                AND (r.history = 'all' OR EXISTS (
                    SELECT FROM messages.members i WHERE i.room_id = x.room_id AND i.user_id = $3
                        AND m.seq >= i.from_seq AND (i.to_seq IS NULL OR m.seq < i.to_seq)
                ))
        )
        OR ($4 AND r.deleted_at IS NULL AND EXISTS (
            SELECT FROM messages.access_grants g
            WHERE g.room_id = x.room_id AND g.user_id = $3 AND g.until > clock_timestamp()
        ))
    )), false)
    FROM messages.message_images x
    LEFT JOIN messages.messages m ON m.room_id = x.room_id AND m.id = x.message_id
    LEFT JOIN messages.rooms r ON r.id = x.room_id
    WHERE x.image_id = $1 AND x.room_id = ANY($2::uuid[])
"""

IN_USE = """
    SELECT DISTINCT x.image_id FROM unnest($1::uuid[], $2::uuid[]) AS w (image_id, room_id)
    JOIN messages.message_images x ON x.image_id = w.image_id AND x.room_id = w.room_id AND x.live
"""

DEAD = """
    SELECT x.room_id, x.message_id, x.image_id FROM messages.message_images x
    WHERE NOT x.live ORDER BY x.room_id, x.message_id LIMIT $1 FOR UPDATE SKIP LOCKED
"""


class Carried(NamedTuple):
    """room_id, message_id: which message carried it, and does no longer."""

    room_id: UUID
    message_id: UUID
    image_id: UUID


class ImageQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def carried(self, image_id: UUID, room_ids: list[UUID], viewer_id: UUID, *, admin: bool) -> tuple[bool, bool]:
        """(whether a message carries it, or did; whether the viewer sees one that does now)."""
        row = await self._connection.fetchrow(CARRIED, image_id, room_ids, viewer_id, admin)
        return row[0], row[1]

    async def in_use(self, pairs: list[tuple[UUID, UUID]]) -> set[UUID]:
        """Images of these (image, room) that some message carries now."""
        rows = await self._connection.fetch(IN_USE, [image for image, _ in pairs], [room for _, room in pairs])
        return {row[0] for row in rows}

    async def dead(self, limit: int) -> list[Carried]:
        """What media is yet to be told, locked until the transaction ends."""
        return [Carried(*row) for row in await self._connection.fetch(DEAD, limit)]

    async def living(self, image_ids: list[UUID]) -> set[UUID]:
        """Those of them that another message carries still."""
        rows = await self._connection.fetch(
            "SELECT DISTINCT image_id FROM messages.message_images WHERE image_id = ANY($1::uuid[]) AND live", image_ids
        )
        return {row[0] for row in rows}

    async def forget(self, dead: list[Carried]) -> None:
        await self._connection.execute(
            "DELETE FROM messages.message_images x USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS w (room, message, image)"
            " WHERE x.room_id = w.room AND x.message_id = w.message AND x.image_id = w.image",
            [item.room_id for item in dead],
            [item.message_id for item in dead],
            [item.image_id for item in dead],
        )

    async def bury_room(self, room_id: UUID) -> None:
        """The room is purged: no message of it carries anything any more."""
        await self._connection.execute("UPDATE messages.message_images SET live = false WHERE room_id = $1", room_id)
