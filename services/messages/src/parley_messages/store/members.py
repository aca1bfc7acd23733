"""Membership as intervals `[from_seq, to_seq)`; the open one is today's."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.limits import FOREVER


class MemberQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def current(self, room_id: UUID, user_id: UUID) -> Any | None:
        """(user_id, role, from_seq, joined_at, muted_until) of a present member."""
        return await self._connection.fetchrow(
            "SELECT user_id, role, from_seq, joined_at, muted_until FROM messages.members"
            " WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user_id,
        )

    async def of_rooms(self, room_ids: list[UUID]) -> dict[UUID, set[UUID]]:
        """By room: who is in it."""
        rows = await self._connection.fetch(
            "SELECT room_id, user_id FROM messages.members WHERE room_id = ANY($1::uuid[]) AND to_seq IS NULL", room_ids
        )
        found: dict[UUID, set[UUID]] = {}
        for row in rows:
            found.setdefault(row[0], set()).add(row[1])
        return found

    async def intervals(self, room_id: UUID, user_id: UUID) -> list[tuple[int, int | None]]:
        """All of them, the oldest first."""
        rows = await self._connection.fetch(
            "SELECT from_seq, to_seq FROM messages.members WHERE room_id = $1 AND user_id = $2 ORDER BY from_seq",
            room_id,
            user_id,
        )
        return [(row[0], row[1]) for row in rows]

    async def open(
        self, room_id: UUID, user_id: UUID, role: str, from_seq: int, at: datetime, *, read_seq: int
    ) -> datetime | None:
        """Begin an interval; what lies before it is read, but a mute goes on. Returns muted_until."""
        muted_until: datetime | None = await self._connection.fetchval(
            """
            INSERT INTO messages.members (room_id, user_id, from_seq, role, joined_at, muted_until)
            VALUES ($1, $2, $3, $4, $5, (
                SELECT coalesce(until, $6) FROM messages.sanctions
                WHERE room_id = $1 AND user_id = $2 AND kind = 'mute' AND (until IS NULL OR until > clock_timestamp())
            )) RETURNING muted_until
            """,
            room_id,
            user_id,
            from_seq,
            role,
            at,
            FOREVER,
        )
        await self._connection.execute(
            """
            INSERT INTO messages.positions AS p (room_id, user_id, delivered_seq, read_seq, read_n)
            SELECT $1, $2, $3, $3, n FROM messages.rooms WHERE id = $1
            ON CONFLICT (room_id, user_id) DO UPDATE SET delivered_seq = greatest(p.delivered_seq, excluded.delivered_seq),
                read_seq = greatest(p.read_seq, excluded.read_seq), read_n = greatest(p.read_n, excluded.read_n)
            """,
            room_id,
            user_id,
            read_seq,
        )
        await self._count(room_id, 1)
        return muted_until

    async def close(self, room_id: UUID, user_id: UUID, to_seq: int, at: datetime) -> None:
        await self._connection.execute(
            "UPDATE messages.members SET to_seq = $3, left_at = $4"
            " WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user_id,
            to_seq,
            at,
        )
        await self._count(room_id, -1)

    async def _count(self, room_id: UUID, change: int) -> None:
        await self._connection.execute(
            "UPDATE messages.rooms SET member_count = member_count + $2 WHERE id = $1", room_id, change
        )

    async def set_role(self, room_id: UUID, user_id: UUID, role: str) -> None:
        await self._connection.execute(
            "UPDATE messages.members SET role = $3 WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user_id,
            role,
        )

    async def set_muted(self, room_id: UUID, user_id: UUID, until: datetime | None) -> None:
        await self._connection.execute(
            "UPDATE messages.members SET muted_until = $3 WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user_id,
            until,
        )

    async def owners(self, room_id: UUID) -> list[UUID]:
        rows = await self._connection.fetch(
            "SELECT user_id FROM messages.members WHERE room_id = $1 AND to_seq IS NULL AND role = 'owner'", room_id
        )
        return [row[0] for row in rows]

    async def close_all_but_owners(self, room_id: UUID, to_seq: int, at: datetime) -> list[UUID]:
        """The room is deleted: it ends for everybody else. Returns whom it ended for."""
        rows = await self._connection.fetch(
            "UPDATE messages.members SET to_seq = $2, left_at = $3"
            " WHERE room_id = $1 AND to_seq IS NULL AND role <> 'owner' RETURNING user_id",
            room_id,
            to_seq,
            at,
        )
        await self._count(room_id, -len(rows))
        return sorted(row[0] for row in rows)

    async def reopen(self, room_id: UUID, ended_at: int, from_seq: int, at: datetime) -> list[UUID]:
        """The room is restored: whoever lost it by the deletion is back, as he was."""
        rows = await self._connection.fetch(
            "INSERT INTO messages.members (room_id, user_id, from_seq, role, joined_at, muted_until, notify)"
            " SELECT room_id, user_id, $3, role, $4, muted_until, notify FROM messages.members"
            " WHERE room_id = $1 AND to_seq = $2 AND role <> 'owner' RETURNING user_id",
            room_id,
            ended_at,
            from_seq,
            at,
        )
        await self._count(room_id, len(rows))
        return sorted(row[0] for row in rows)

    async def page(self, room_id: UUID, limit: int, last: UUID | None) -> list[Any]:
        """Present members by id."""
        return list(
            await self._connection.fetch(
                "SELECT user_id, role, from_seq, joined_at, muted_until FROM messages.members"
                " WHERE room_id = $1 AND to_seq IS NULL AND ($3::uuid IS NULL OR user_id > $3) ORDER BY user_id LIMIT $2",
                room_id,
                limit,
                last,
            )
        )
