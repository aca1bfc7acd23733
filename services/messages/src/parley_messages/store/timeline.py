"""Messages as they are today."""

from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.store.sealing import Sealing

COLUMNS = """
    m.id, m.room_id, m.seq AS message_seq, m.n, m.sender_id, m.format, m.thread_root_id, m.mentions, m.rev, m.reply_count,
    m.created_at, m.edited_at, m.deleted_at, m.deleted_by, m.mention_all, m.pinned_at, m.media, r.body, r.sealed,
    r.key_version
"""
# One row at a time, by its key. Joined freely, the planner of a table that has grown since it was analysed, or of a statement that is
# planned once for all rooms, reads a room's whole history for the few messages that are shown.
TEXT = """
    LEFT JOIN LATERAL (
        SELECT v.body, v.sealed, v.key_version FROM messages.message_revisions v
        WHERE v.room_id = m.room_id AND v.message_id = m.id AND v.rev = m.rev AND m.deleted_at IS NULL LIMIT 1
    ) r ON true
"""
FROM = f"FROM messages.messages m {TEXT}"
# A member sees what happened in his intervals, or everything where the room's history is open.
SEEN = """
    ($2 OR EXISTS (
        SELECT FROM messages.members i
        WHERE i.room_id = m.room_id AND i.user_id = $3 AND m.seq >= i.from_seq AND (i.to_seq IS NULL OR m.seq < i.to_seq)
    ))
"""


class TimelineQueries:
    """everything: whether the room's history is open to all members."""

    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def before(self, room_id: UUID, everything: bool, user_id: UUID, seq: int, limit: int) -> list[Any]:
        """Top-level messages with a smaller seq, the newest first."""
        return await self._sealing.messages(
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
        return await self._sealing.messages(
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
        found = await self._sealing.messages(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.id = $4 AND {SEEN}",
                room_id,
                everything,
                user_id,
                message_id,
            )
        )
        return found[0] if found else None

    async def seen_among(self, wanted: list[tuple[UUID, UUID]], user_id: UUID, *, admin: bool) -> list[Any]:
        """Of these (room, message) those that the user may see now, of whatever rooms, tombstones among them. admin: an access that was
        granted counts, too."""
        return await self._sealing.messages(
            await self._connection.fetch(
                f"""
                SELECT {COLUMNS} FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, message_id)
                CROSS JOIN LATERAL (
                    SELECT * FROM messages.messages x WHERE x.room_id = w.room_id AND x.id = w.message_id LIMIT 1
                ) m {TEXT}
                JOIN messages.rooms o ON o.id = m.room_id AND o.deleted_at IS NULL
                LEFT JOIN messages.members n ON n.room_id = m.room_id AND n.user_id = $3 AND n.to_seq IS NULL
                WHERE ($4 AND EXISTS (
                        SELECT FROM messages.access_grants g
                        WHERE g.room_id = m.room_id AND g.user_id = $3 AND g.until > clock_timestamp()
                    ))
                    OR (n.user_id IS NOT NULL AND (o.history = 'all' OR EXISTS (
                        SELECT FROM messages.members i WHERE i.room_id = m.room_id AND i.user_id = $3
                            AND m.seq >= i.from_seq AND (i.to_seq IS NULL OR m.seq < i.to_seq)
                    )))
                """,  # noqa: S608
                [room for room, _ in wanted],
                [message for _, message in wanted],
                user_id,
                admin,
            )
        )

    async def last_of_each(self, user_id: UUID, room_ids: list[UUID]) -> list[Any]:
        """The newest visible top-level message of each of the caller's rooms."""
        return await self._sealing.messages(
            await self._connection.fetch(
                f"""
                SELECT {COLUMNS} FROM unnest($1::uuid[]) AS w (room_id)
                JOIN messages.rooms o ON o.id = w.room_id
                JOIN messages.members c ON c.room_id = w.room_id AND c.user_id = $2 AND c.to_seq IS NULL
                CROSS JOIN LATERAL (
                    SELECT * FROM messages.messages x
                    WHERE x.room_id = w.room_id AND x.n IS NOT NULL AND (o.history = 'all' OR x.seq >= c.from_seq)
                    ORDER BY x.seq DESC LIMIT 1
                ) m {TEXT}
                """,  # noqa: S608
                room_ids,
                user_id,
            )
        )
