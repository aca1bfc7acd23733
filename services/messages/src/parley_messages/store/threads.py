"""Threads: a root's replies, and who follows them."""

from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.store.sealing import Sealing
from parley_messages.store.timeline import COLUMNS, FROM, SEEN


class ThreadQueries:
    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def replies(
        self, room_id: UUID, everything: bool, user_id: UUID, root_id: UUID, after: int, limit: int
    ) -> list[Any]:
        """Replies with a greater seq that the user may see, the oldest first."""
        return await self._sealing.messages(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.thread_root_id = $4 AND m.seq > $5 AND {SEEN}"
                " ORDER BY m.seq LIMIT $6",
                room_id,
                everything,
                user_id,
                root_id,
                after,
                limit,
            )
        )

    async def following(self, room_id: UUID, root_id: UUID, user_id: UUID) -> bool | None:
        """None: neither chosen nor come about by writing or being mentioned."""
        found: bool | None = await self._connection.fetchval(
            "SELECT following FROM messages.thread_followers WHERE room_id = $1 AND root_id = $2 AND user_id = $3",
            room_id,
            root_id,
            user_id,
        )
        return found

    async def unread(self, room_id: UUID, root_id: UUID, user_id: UUID) -> int:
        """Replies of others since the user follows the thread, behind his read position in the room."""
        found: int = await self._connection.fetchval(
            """
            SELECT count(*) FROM messages.thread_followers f
            LEFT JOIN messages.positions p ON p.room_id = f.room_id AND p.user_id = f.user_id
            JOIN messages.messages x ON x.room_id = f.room_id AND x.thread_root_id = f.root_id
                AND x.seq > f.since_seq AND x.seq > coalesce(p.read_seq, 0) AND x.sender_id <> f.user_id
            WHERE f.room_id = $1 AND f.root_id = $2 AND f.user_id = $3 AND f.following
            """,
            room_id,
            root_id,
            user_id,
        )
        return found

    async def follow(self, room_id: UUID, root_id: UUID, user_id: UUID, *, following: bool) -> None:
        """What he chose: from now on, or no more."""
        await self._connection.execute(
            """
            INSERT INTO messages.thread_followers AS f (room_id, root_id, user_id, following, since_seq)
            SELECT id, $2, $3, $4, head FROM messages.rooms WHERE id = $1
            ON CONFLICT (room_id, root_id, user_id) DO UPDATE SET following = excluded.following, since_seq = excluded.since_seq
            WHERE f.following <> excluded.following
            """,
            room_id,
            root_id,
            user_id,
            following,
        )

    async def follow_mentioned(self, room_id: UUID, root_id: UUID, user_ids: list[UUID], since_seq: int) -> None:
        """An edit has named them in a reply; who chose not to follow still does not."""
        await self._connection.execute(
            "INSERT INTO messages.thread_followers (room_id, root_id, user_id, following, since_seq)"
            " SELECT $1, $2, u, true, $4 FROM unnest($3::uuid[]) AS u ORDER BY u ON CONFLICT DO NOTHING",
            room_id,
            root_id,
            user_ids,
            since_seq,
        )
