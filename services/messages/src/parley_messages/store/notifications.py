"""Notifications, and the work that sends leave for after their commit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

NEVER_BY_READING = 2**62
"""The message_seq of what no reading of the room reads."""

TAKE = """
    SELECT id, room_id, message_id, after_user FROM messages.fanout ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# Whom each message concerns, by user id: present members who were there when it was written, whose level lets it through,
# without a block either way. One notification for a user and message, of the strongest kind. Of a large room only the next
# $4 members are looked at; `horizon` is the last of them, and nobody beyond it is named before they are done.
RECIPIENTS = """
    SELECT w.i, e.horizon, c.user_id, c.kind, m.seq, m.thread_root_id, m.sender_id
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS w (room_id, message_id, after_user, i)
    JOIN messages.messages m ON m.room_id = w.room_id AND m.id = w.message_id AND m.deleted_at IS NULL
    JOIN messages.rooms r ON r.id = w.room_id AND r.deleted_at IS NULL
    CROSS JOIN LATERAL (
        SELECT array_agg(next.user_id) AS users, (array_agg(next.user_id))[$4] AS horizon
        FROM (
            SELECT o.user_id FROM messages.members o
            WHERE (m.mention_all OR r.kind = 'direct') AND o.room_id = w.room_id AND o.to_seq IS NULL
                AND (w.after_user IS NULL OR o.user_id > w.after_user)
            ORDER BY o.user_id LIMIT $4
        ) next
    ) e
    LEFT JOIN LATERAL (
        SELECT DISTINCT ON (x.user_id) x.user_id, x.kind
        FROM (
            SELECT unnest(m.mentions) AS user_id, 'mention' AS kind, 1 AS rank
            UNION ALL
            SELECT unnest(e.users), CASE WHEN m.mention_all THEN 'mention' ELSE 'direct' END, CASE WHEN m.mention_all THEN 1 ELSE 2 END
            UNION ALL
            SELECT f.user_id, 'reply', 3 FROM messages.thread_followers f
            WHERE f.room_id = w.room_id AND f.root_id = m.thread_root_id AND f.following AND f.since_seq < m.seq
        ) x
        JOIN messages.members n ON n.room_id = w.room_id AND n.user_id = x.user_id AND n.to_seq IS NULL AND n.from_seq <= m.seq
        WHERE x.user_id <> m.sender_id AND (w.after_user IS NULL OR x.user_id > w.after_user)
            AND (e.horizon IS NULL OR x.user_id <= e.horizon)
            AND (n.notify = 'all' OR (n.notify = 'mentions' AND x.kind = 'mention'))
            AND NOT EXISTS (
                SELECT FROM messages.blocks b
                WHERE (b.user_id = x.user_id AND b.blocked_id = m.sender_id)
                    OR (b.user_id = m.sender_id AND b.blocked_id = x.user_id)
            )
            AND NOT EXISTS (
                SELECT FROM messages.notifications d
                WHERE d.user_id = x.user_id AND d.message_id = m.id AND d.kind = x.kind
            )
        ORDER BY x.user_id, x.rank
    ) c ON true
    ORDER BY w.i, c.user_id
"""

INSERT = """
    INSERT INTO messages.notifications (user_id, seq, id, kind, room_id, message_id, message_seq, thread_root_id, actor_id, at)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[], $8::uuid[],
                         $9::uuid[], $10::timestamptz[])
"""

# Read is what lies at or before the last one read explicitly, or whose message has been read in its room.
IS_READ = """
    (x.seq <= coalesce((SELECT up_to_seq FROM messages.notification_reads WHERE user_id = $1), 0)
        OR x.message_seq <= coalesce(p.read_seq, 0))
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A message whose people are to be told; after_user: up to whom they have been."""

    id: int
    room_id: UUID
    message_id: UUID
    after_user: UUID | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """work: an index into what was asked about."""

    work: int
    user_id: UUID
    kind: str
    message_seq: int
    thread_root_id: UUID | None
    sender_id: UUID


class NotificationQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    # -- the worker

    async def take(self, limit: int) -> list[Work]:
        """Work that nobody else has in hand, locked until the transaction ends."""
        return [Work(row[0], row[1], row[2], row[3]) for row in await self._connection.fetch(TAKE, limit)]

    async def recipients(self, work: list[Work], members: int) -> tuple[list[Recipient], dict[int, UUID]]:
        """In the order of the work, then by user; and of which work there are members beyond the next `members`, with the
        last of these: recipients of it are complete up to him."""
        rows = await self._connection.fetch(
            RECIPIENTS,
            [item.room_id for item in work],
            [item.message_id for item in work],
            [item.after_user for item in work],
            members,
        )
        found = [Recipient(row[0] - 1, *tuple(row)[2:]) for row in rows if row[2] is not None]
        return found, {row[0] - 1: row[1] for row in rows if row[1] is not None}

    async def done(self, ids: list[int]) -> None:
        await self._connection.execute("DELETE FROM messages.fanout WHERE id = ANY($1::bigint[])", ids)

    async def go_on_after(self, work_id: int, user_id: UUID) -> None:
        await self._connection.execute("UPDATE messages.fanout SET after_user = $2 WHERE id = $1", work_id, user_id)

    async def insert(self, rows: list[tuple[Any, ...]]) -> None:
        """(user_id, seq, id, kind, room_id, message_id, message_seq, thread_root_id, actor_id, at) each."""
        await self._connection.execute(INSERT, *map(list, zip(*rows, strict=True)))

    # -- reading

    async def page(self, user_id: UUID, *, unread: bool | None, before: int | None, limit: int) -> list[Any]:
        """The newest first, with `read`."""
        return list(
            await self._connection.fetch(
                f"""
                SELECT * FROM (
                    SELECT x.*, {IS_READ} AS read FROM messages.notifications x
                    LEFT JOIN messages.positions p ON p.room_id = x.room_id AND p.user_id = x.user_id
                    WHERE x.user_id = $1 AND ($2::bigint IS NULL OR x.seq < $2)
                ) x
                WHERE $3::boolean IS NULL OR x.read <> $3 ORDER BY x.seq DESC LIMIT $4
                """,  # noqa: S608
                user_id,
                before,
                unread,
                limit,
            )
        )

    async def count_unread(self, user_id: UUID) -> int:
        found = await self._connection.fetchval(
            f"SELECT count(*) FROM messages.notifications x"  # noqa: S608
            " LEFT JOIN messages.positions p ON p.room_id = x.room_id AND p.user_id = x.user_id"
            f" WHERE x.user_id = $1 AND NOT {IS_READ}",
            user_id,
        )
        return int(found)

    async def seq_of(self, user_id: UUID, notification_id: UUID) -> int | None:
        found: int | None = await self._connection.fetchval(
            "SELECT seq FROM messages.notifications WHERE user_id = $1 AND id = $2", user_id, notification_id
        )
        return found

    async def read_up_to(self, user_id: UUID, seq: int) -> bool:
        """False if that was so already."""
        moved = await self._connection.fetchval(
            "INSERT INTO messages.notification_reads AS r (user_id, up_to_seq) VALUES ($1, $2)"
            " ON CONFLICT (user_id) DO UPDATE SET up_to_seq = excluded.up_to_seq WHERE r.up_to_seq < excluded.up_to_seq"
            " RETURNING 1",
            user_id,
            seq,
        )
        return moved is not None

    async def set_level(self, room_id: UUID, user_id: UUID, level: str) -> bool:
        """False if it was so already."""
        changed = await self._connection.fetchval(
            "UPDATE messages.members SET notify = $3"
            " WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL AND notify <> $3 RETURNING 1",
            room_id,
            user_id,
            level,
        )
        return changed is not None


class BlockQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def add(self, user_id: UUID, blocked_id: UUID) -> bool:
        """False if it was so already."""
        added = await self._connection.fetchval(
            "INSERT INTO messages.blocks (user_id, blocked_id, at) VALUES ($1, $2, clock_timestamp())"
            " ON CONFLICT DO NOTHING RETURNING 1",
            user_id,
            blocked_id,
        )
        return added is not None

    async def remove(self, user_id: UUID, blocked_id: UUID) -> bool:
        """False if there was none."""
        removed = await self._connection.fetchval(
            "DELETE FROM messages.blocks WHERE user_id = $1 AND blocked_id = $2 RETURNING 1", user_id, blocked_id
        )
        return removed is not None

    async def page(self, user_id: UUID, limit: int, last: UUID | None) -> list[tuple[UUID, datetime]]:
        rows = await self._connection.fetch(
            "SELECT blocked_id, at FROM messages.blocks"
            " WHERE user_id = $1 AND ($3::uuid IS NULL OR blocked_id > $3) ORDER BY blocked_id LIMIT $2",
            user_id,
            limit,
            last,
        )
        return [(row[0], row[1]) for row in rows]

    async def of(self, user_ids: list[UUID]) -> dict[UUID, set[UUID]]:
        """By user: with whom there is a block, whoever made it."""
        rows = await self._connection.fetch(
            "SELECT user_id, blocked_id FROM messages.blocks WHERE user_id = ANY($1::uuid[])"
            " UNION SELECT blocked_id, user_id FROM messages.blocks WHERE blocked_id = ANY($1::uuid[])",
            user_ids,
        )
        found: dict[UUID, set[UUID]] = {}
        for row in rows:
            found.setdefault(row[0], set()).add(row[1])
        return found

    async def between(self, user_id: UUID, others: list[UUID]) -> set[UUID]:
        """With whom of these there is a block, whoever made it."""
        rows = await self._connection.fetch(
            "SELECT blocked_id FROM messages.blocks WHERE user_id = $1 AND blocked_id = ANY($2::uuid[])"
            " UNION SELECT user_id FROM messages.blocks WHERE blocked_id = $1 AND user_id = ANY($2::uuid[])",
            user_id,
            others,
        )
        return {row[0] for row in rows}
