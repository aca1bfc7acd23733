"""Messages as they are today."""

from typing import Any
from uuid import UUID

import asyncpg

COLUMNS = """
    m.id, m.room_id, m.seq AS message_seq, m.n, m.sender_id, m.format, m.thread_root_id, m.mentions, m.rev, m.reply_count,
    m.created_at, m.edited_at, m.deleted_at, m.deleted_by, m.mention_all, m.pinned_at, r.body
"""
FROM = """
    FROM messages.messages m
    LEFT JOIN messages.message_revisions r
        ON r.room_id = m.room_id AND r.message_id = m.id AND r.rev = m.rev AND m.deleted_at IS NULL
"""
# A member sees what happened in his intervals, or everything where the room's history is open.
SEEN = """
    ($2 OR EXISTS (
        SELECT FROM messages.members i
        WHERE i.room_id = m.room_id AND i.user_id = $3 AND m.seq >= i.from_seq AND (i.to_seq IS NULL OR m.seq < i.to_seq)
    ))
"""


class TimelineQueries:
    """everything: whether the room's history is open to all members."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def before(self, room_id: UUID, everything: bool, user_id: UUID, seq: int, limit: int) -> list[Any]:
        """Top-level messages with a smaller seq, the newest first."""
        return list(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.n IS NOT NULL AND m.seq < $4 AND {SEEN}"
                " ORDER BY m.seq DESC LIMIT $5",
                room_id,
                everything,
                user_id,
                seq,
                limit,
            )
        )

    async def after(self, room_id: UUID, everything: bool, user_id: UUID, seq: int, limit: int) -> list[Any]:
        """Top-level messages with a greater seq, the oldest first."""
        return list(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.n IS NOT NULL AND m.seq > $4 AND {SEEN}"
                " ORDER BY m.seq LIMIT $5",
                room_id,
                everything,
                user_id,
                seq,
                limit,
            )
        )

    async def get(self, room_id: UUID, everything: bool, user_id: UUID, message_id: UUID) -> Any | None:
        return await self._connection.fetchrow(
            f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.id = $4 AND {SEEN}",
            room_id,
            everything,
            user_id,
            message_id,
        )

    async def last_of_each(self, user_id: UUID, room_ids: list[UUID]) -> list[Any]:
        """The newest visible top-level message of each of the caller's rooms."""
        return list(
            await self._connection.fetch(
                f"""
                SELECT {COLUMNS} FROM unnest($1::uuid[]) AS w (room_id)
                JOIN messages.rooms o ON o.id = w.room_id
                JOIN messages.members c ON c.room_id = w.room_id AND c.user_id = $2 AND c.to_seq IS NULL
                CROSS JOIN LATERAL (
                    SELECT * FROM messages.messages x
                    WHERE x.room_id = w.room_id AND x.n IS NOT NULL AND (o.history = 'all' OR x.seq >= c.from_seq)
                    ORDER BY x.seq DESC LIMIT 1
                ) m
                LEFT JOIN messages.message_revisions r
                    ON r.room_id = m.room_id AND r.message_id = m.id AND r.rev = m.rev AND m.deleted_at IS NULL
                """,  # noqa: S608
                room_ids,
                user_id,
            )
        )
