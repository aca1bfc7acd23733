"""Who may see whom: people who share a living room, and have not blocked each other."""

from uuid import UUID

import asyncpg

SEEN = """
    SELECT u.id FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place)
    WHERE u.id = $1 OR (
        EXISTS (
            SELECT 1 FROM messages.members mine
            JOIN messages.members theirs
                ON theirs.room_id = mine.room_id AND theirs.user_id = u.id AND theirs.to_seq IS NULL
            JOIN messages.rooms r ON r.id = mine.room_id AND r.deleted_at IS NULL
            WHERE mine.user_id = $1 AND mine.to_seq IS NULL
        )
        AND NOT EXISTS (SELECT 1 FROM messages.blocks b WHERE b.user_id = $1 AND b.blocked_id = u.id)
        AND NOT EXISTS (SELECT 1 FROM messages.blocks b WHERE b.user_id = u.id AND b.blocked_id = $1)
    )
    ORDER BY u.place
"""
MAY_TYPE = """
    SELECT 1 FROM messages.members m JOIN messages.rooms r ON r.id = m.room_id
    WHERE m.room_id = $1 AND m.user_id = $2 AND m.to_seq IS NULL AND r.deleted_at IS NULL AND r.member_count <= $3
        AND (m.muted_until IS NULL OR m.muted_until <= clock_timestamp())
"""
# Either way round, each by an index of its own; a room of those who may type is small.
APART = """
    SELECT b.blocked_id FROM messages.blocks b
    JOIN messages.members m ON m.room_id = $1 AND m.user_id = b.blocked_id AND m.to_seq IS NULL
    WHERE b.user_id = $2
    UNION
    SELECT b.user_id FROM messages.blocks b
    JOIN messages.members m ON m.room_id = $1 AND m.user_id = b.user_id AND m.to_seq IS NULL
    WHERE b.blocked_id = $2
"""


class VisibilityQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def seen(self, viewer: UUID, ids: list[UUID]) -> list[UUID]:
        """Whom of these the viewer may see, in their order; himself always."""
        return [row[0] for row in await self._connection.fetch(SEEN, viewer, ids)]

    async def may_type(self, room_id: UUID, user_id: UUID, most: int) -> bool:
        """Whether he is a member who is not muted, in a room of at most so many."""
        return await self._connection.fetchval(MAY_TYPE, room_id, user_id, most) is not None

    async def apart(self, room_id: UUID, user_id: UUID) -> list[UUID]:
        """Members of the room who blocked him, or whom he blocked."""
        return [row[0] for row in await self._connection.fetch(APART, room_id, user_id)]
