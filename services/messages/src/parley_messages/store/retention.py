"""What a room no longer keeps: found by the revisions that are left of it, oldest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

# Ids of messages grow with time, and what is forgotten has no revisions any more: the oldest that has some is the next.
EXPIRED = """
    SELECT m.id, m.rev, m.deleted_at IS NULL AS living
    FROM (
        SELECT DISTINCT message_id FROM messages.message_revisions WHERE room_id = $1 ORDER BY message_id LIMIT $3
    ) r
    JOIN messages.messages m ON m.room_id = $1 AND m.id = r.message_id
    WHERE m.created_at < clock_timestamp() - make_interval(days => $2)
    ORDER BY m.seq
"""

TOMBSTONES = """
    WITH blind AS (
        UPDATE messages.message_images SET live = false WHERE room_id = $1 AND message_id = ANY($2::uuid[])
    )
    UPDATE messages.messages
    SET rev = rev + 1, deleted_at = $3, deleted_by = NULL, pinned_at = NULL, pinned_by = NULL, mentions = '{}', mention_all = false,
        media = NULL
    WHERE room_id = $1 AND id = ANY($2::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Expired:
    """living: not a tombstone yet."""

    id: UUID
    rev: int
    living: bool


class RetentionQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rooms(self) -> list[tuple[UUID, int]]:
        """(room_id, days) of rooms that do not keep everything."""
        rows = await self._connection.fetch(
            "SELECT id, retention_days FROM messages.rooms WHERE retention_days IS NOT NULL AND deleted_at IS NULL ORDER BY id"
        )
        return [(row[0], row[1]) for row in rows]

    async def expired(self, room_id: UUID, days: int, limit: int) -> list[Expired]:
        """The oldest of them, by seq, at most `limit`."""
        return [Expired(*row) for row in await self._connection.fetch(EXPIRED, room_id, days, limit)]

    async def bury(self, room_id: UUID, message_ids: list[UUID], at: datetime) -> None:
        """Tombstones by nobody."""
        await self._connection.execute(TOMBSTONES, room_id, message_ids, at)

    async def forget(self, room_id: UUID, message_ids: list[UUID]) -> None:
        """Every version of them, and their reactions."""
        for table in ("message_revisions", "reactions"):
            statement: Any = f"DELETE FROM messages.{table} WHERE room_id = $1 AND message_id = ANY($2::uuid[])"  # noqa: S608
            await self._connection.execute(statement, room_id, message_ids)
