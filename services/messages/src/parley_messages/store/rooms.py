"""Rooms: their settings, and what is a caller's own about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

MINE = """
    SELECT r.*, m.role, m.from_seq, m.notify, coalesce(p.read_seq, 0) AS read_seq, coalesce(p.read_n, 0) AS read_n,
           (
               SELECT count(*) FROM messages.thread_followers f
               JOIN messages.messages x ON x.room_id = f.room_id AND x.thread_root_id = f.root_id
                   AND x.seq > f.since_seq AND x.seq > coalesce(p.read_seq, 0) AND x.sender_id <> f.user_id
               WHERE f.user_id = m.user_id AND f.room_id = r.id AND f.following
           ) AS replies,
           (
               SELECT count(*) FROM messages.notifications x
               WHERE x.user_id = m.user_id AND x.room_id = r.id AND x.message_seq > coalesce(p.read_seq, 0)
                   AND x.seq > coalesce((SELECT up_to_seq FROM messages.notification_reads WHERE user_id = m.user_id), 0)
           ) AS mentions,
           CASE WHEN r.kind = 'direct' THEN (
               SELECT array_agg(o.user_id ORDER BY o.user_id) FROM messages.members o
               WHERE o.room_id = r.id AND o.to_seq IS NULL
           ) END AS user_ids
    FROM messages.members m
    JOIN messages.rooms r ON r.id = m.room_id
    LEFT JOIN messages.positions p ON p.room_id = r.id AND p.user_id = m.user_id
    WHERE m.user_id = $1 AND m.to_seq IS NULL AND (r.deleted_at IS NULL OR m.role = 'owner')
"""


class RoomQueries:
    """Rows are asyncpg records with the columns of messages.rooms, and of the caller's membership where it says so."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def lock(self, room_id: UUID) -> Any | None:
        """The row, locked until the transaction ends; None if there is none."""
        return await self._connection.fetchrow("SELECT * FROM messages.rooms WHERE id = $1 FOR NO KEY UPDATE", room_id)

    async def get(self, room_id: UUID) -> Any | None:
        return await self._connection.fetchrow("SELECT * FROM messages.rooms WHERE id = $1", room_id)

    async def insert(self, values: dict[str, Any]) -> bool:
        """head, floor, n start at 0. False if a direct room of the same people exists."""
        row = await self._connection.fetchval(
            """
            INSERT INTO messages.rooms (id, kind, name, topic, visibility, encryption, history, language, slow_mode_s, rev,
                created_by, created_at, direct_key, head, floor, n, member_count, last_at, key_version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 1, $9, clock_timestamp(), $10, 0, 0, 0, 0, clock_timestamp(), $11)
            ON CONFLICT (direct_key) WHERE direct_key IS NOT NULL DO NOTHING RETURNING id
            """,
            *(
                values[name]
                for name in (
                    "id",
                    "kind",
                    "name",
                    "topic",
                    "visibility",
                    "encryption",
                    "history",
                    "language",
                    "created_by",
                    "direct_key",
                    "key_version",
                )
            ),
        )
        return row is not None

    async def by_direct_key(self, key: str) -> UUID | None:
        found: UUID | None = await self._connection.fetchval("SELECT id FROM messages.rooms WHERE direct_key = $1", key)
        return found

    async def update(self, room_id: UUID, values: dict[str, Any]) -> None:
        """Settings, with the rev raised by one. The names come from our own code."""
        names = list(values)
        assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(names, start=2))
        await self._connection.execute(
            f"UPDATE messages.rooms SET rev = rev + 1, {assignments} WHERE id = $1",  # noqa: S608
            room_id,
            *values.values(),
        )

    async def set_deleted(self, room_id: UUID, *, deleted: bool) -> None:
        await self._connection.execute(
            "UPDATE messages.rooms SET deleted_at = CASE WHEN $2 THEN clock_timestamp() END WHERE id = $1",
            room_id,
            deleted,
        )

    async def mine(self, user_id: UUID, room_id: UUID) -> Any | None:
        """One of the caller's rooms."""
        return await self._connection.fetchrow(f"{MINE} AND r.id = $2", user_id, room_id)

    async def page_of_mine(self, user_id: UUID, limit: int, last: tuple[datetime, UUID] | None) -> list[Any]:
        """Most recently active first."""
        if last is None:
            return list(
                await self._connection.fetch(f"{MINE} ORDER BY r.last_at DESC, r.id DESC LIMIT $2", user_id, limit)
            )
        return list(
            await self._connection.fetch(
                f"{MINE} AND (r.last_at, r.id) < ($3, $4) ORDER BY r.last_at DESC, r.id DESC LIMIT $2",
                user_id,
                limit,
                *last,
            )
        )

    async def memberships(self, user_id: UUID) -> list[Any]:
        """(room_id, from_seq, head, floor) of all the caller's rooms."""
        return list(
            await self._connection.fetch(
                "SELECT m.room_id, m.from_seq, r.head, r.floor FROM messages.members m"
                " JOIN messages.rooms r ON r.id = m.room_id"
                " WHERE m.user_id = $1 AND m.to_seq IS NULL AND (r.deleted_at IS NULL OR m.role = 'owner')",
                user_id,
            )
        )

    async def directory(self, user_id: UUID, query: str, limit: int, last: tuple[str, UUID] | None) -> list[Any]:
        """Public rooms by name, with it folded as `folded`; `query` is part of it, in any case.

        PostgreSQL folds on both sides, in the collation of the index: the database's own may know ASCII alone.
        """
        escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return list(
            await self._connection.fetch(
                """
                SELECT r.*, EXISTS (
                    SELECT FROM messages.members m WHERE m.room_id = r.id AND m.user_id = $1 AND m.to_seq IS NULL
                ) AS joined, lower(r.name COLLATE pg_catalog.pg_c_utf8) AS folded
                FROM messages.rooms r
                WHERE r.visibility = 'public' AND r.kind = 'room' AND r.deleted_at IS NULL
                    AND ($2 = '' OR lower(r.name COLLATE pg_catalog.pg_c_utf8)
                        LIKE lower(('%' || $2 || '%') COLLATE pg_catalog.pg_c_utf8))
                    AND ($4::text IS NULL OR (lower(r.name COLLATE pg_catalog.pg_c_utf8), r.id) > ($4, $5::uuid))
                ORDER BY lower(r.name COLLATE pg_catalog.pg_c_utf8), r.id LIMIT $3
                """,
                user_id,
                escaped,
                limit,
                *(last or (None, None)),
            )
        )

    async def remember_key(self, user_id: UUID, key: str, payload_hash: int, room_id: UUID) -> tuple[UUID, int] | None:
        """None if the key is new, and from now on taken; otherwise the room it made, and its payload's hash."""
        made = await self._connection.fetchval(
            "INSERT INTO messages.idempotency_keys (user_id, key, payload_hash, room_id, created_at)"
            " VALUES ($1, $2, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING 1",
            user_id,
            key,
            payload_hash,
            room_id,
        )
        if made is not None:
            return None
        row = await self._connection.fetchrow(
            "SELECT room_id, payload_hash FROM messages.idempotency_keys WHERE user_id = $1 AND key = $2", user_id, key
        )
        return row[0], row[1]
