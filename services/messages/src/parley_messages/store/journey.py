"""What is kept of the way of one message."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.ids import room_stream

# Whom the rules name today, and whomever has been notified; of several rules that name somebody the strongest. It goes by the same rules
# as notifications.RECIPIENTS, and says what became of each.
DECISIONS = """
    SELECT c.user_id, coalesce(d.kind, c.kind) AS kind, c.rule, d.at,
           d.at IS NOT NULL AND (d.seq <= coalesce(u.up_to_seq, 0) OR d.message_seq <= coalesce(p.read_seq, 0)) AS read,
           n.user_id IS NOT NULL AS member,
           n.notify = 'all' OR (n.notify = 'mentions' AND c.kind = 'mention') AS level,
           EXISTS (
               SELECT FROM messages.blocks b
               WHERE (b.user_id = c.user_id AND b.blocked_id = m.sender_id) OR (b.user_id = m.sender_id AND b.blocked_id = c.user_id)
           ) AS blocked,
           EXISTS (
               SELECT FROM messages.fanout f
               WHERE f.room_id = m.room_id AND f.message_id = m.id AND (f.after_user IS NULL OR f.after_user < c.user_id)
           ) AS waiting
    FROM messages.messages m
    JOIN messages.rooms r ON r.id = m.room_id
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (x.user_id) x.user_id, x.kind, x.rule FROM (
            SELECT unnest(m.mentions) AS user_id, 'mention' AS kind, 'mentioned' AS rule, 1 AS rank
            UNION ALL
            SELECT o.user_id, 'mention', 'everybody_mentioned', 2 FROM messages.members o
            WHERE m.mention_all AND o.room_id = m.room_id AND o.to_seq IS NULL
            UNION ALL
            SELECT o.user_id, 'direct', 'direct_room', 3 FROM messages.members o
            WHERE r.kind = 'direct' AND m.deleted_at IS NULL AND o.room_id = m.room_id AND o.to_seq IS NULL
            UNION ALL
            SELECT f.user_id, 'reply', 'follows_thread', 4 FROM messages.thread_followers f
            WHERE m.deleted_at IS NULL AND f.room_id = m.room_id AND f.root_id = m.thread_root_id AND f.following
                AND f.since_seq < m.seq
            UNION ALL
            SELECT d.user_id, d.kind, NULL, 5 FROM messages.notifications d
            WHERE d.room_id = m.room_id AND d.message_id = m.id
        ) x WHERE x.user_id <> m.sender_id ORDER BY x.user_id, x.rank
    ) c
    LEFT JOIN messages.members n
        ON n.room_id = m.room_id AND n.user_id = c.user_id AND n.to_seq IS NULL AND n.from_seq <= m.seq
    LEFT JOIN LATERAL (
        SELECT s.kind, s.at, s.seq, s.message_seq FROM messages.notifications s
        WHERE s.user_id = c.user_id AND s.message_id = m.id ORDER BY s.seq LIMIT 1
    ) d ON true
    LEFT JOIN messages.notification_reads u ON u.user_id = c.user_id
    LEFT JOIN messages.positions p ON p.room_id = m.room_id AND p.user_id = c.user_id
    WHERE m.room_id = $1 AND m.id = $2 ORDER BY c.user_id
"""


class JourneyQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def replica(self, room_id: UUID, seq: int, at: datetime) -> str | None:
        """Which one committed it; `at` is in the key of the log's partitions."""
        found: str | None = await self._connection.fetchval(
            "SELECT replica FROM messages.events WHERE stream = $1 AND seq = $2 AND at = $3",
            room_stream(room_id),
            seq,
            at,
        )
        return found

    async def waiting_since(self, room_id: UUID, seq: int) -> datetime | None:
        """Since when JetStream is to be told of it; None if it has been."""
        found: datetime | None = await self._connection.fetchval(
            "SELECT min(at) FROM messages.outbox WHERE stream = $1 AND from_seq <= $2 AND to_seq >= $2",
            room_stream(room_id),
            seq,
        )
        return found

    async def decisions(self, room_id: UUID, message_id: UUID) -> list[Any]:
        """(user_id, kind, rule, at, read, member, level, blocked, waiting) by user; at: when he was notified."""
        return list(await self._connection.fetch(DECISIONS, room_id, message_id))

    async def fanning_out(self, room_id: UUID, message_id: UUID) -> bool:
        """Whether people are still to be notified of it."""
        return bool(
            await self._connection.fetchval(
                "SELECT EXISTS (SELECT FROM messages.fanout WHERE room_id = $1 AND message_id = $2)",
                room_id,
                message_id,
            )
        )
