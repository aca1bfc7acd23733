"""The audit trail of rooms: a hash chain each, which outlives its room."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.audit import ZERO, new_body, seal

NOBODY = UUID(int=0)


class AuditQueries:
    """Within a chain `at` never goes back, so that a span of time is a run of entries."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def append(
        self,
        room_id: UUID,
        action: str,
        *,
        actor_id: UUID | None,
        target_id: UUID | None,
        reason: str | None,
        details: dict[str, Any],
    ) -> None:
        """The next entry of the room's chain. The room's row must be locked by this transaction: that keeps n dense."""
        last = await self._connection.fetchrow(
            "SELECT greatest(clock_timestamp(), a.at) AS at, a.n, a.hash FROM (SELECT 1) AS one LEFT JOIN LATERAL ("
            " SELECT n, hash, at FROM messages.audit WHERE room_id = $1 ORDER BY n DESC LIMIT 1) AS a ON true",
            room_id,
        )
        body = new_body(
            at=last["at"],
            actor_id=actor_id,
            action=action,
            target_id=target_id,
            room_id=room_id,
            reason=reason,
            details=details,
        )
        entry = seal("rooms", str(room_id), (0, ZERO) if last["n"] is None else (last["n"], last["hash"]), body)
        await self._connection.execute(
            "INSERT INTO messages.audit (room_id, n, at, actor_id, action, target_id, body, entry_key, mac, prev_hash, hash)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            room_id,
            entry.n,
            last["at"],
            actor_id,
            action,
            target_id,
            entry.body,
            entry.key,
            entry.mac,
            entry.prev_hash,
            entry.hash,
        )

    async def page(
        self,
        *,
        room_id: UUID | None,
        user_id: UUID | None,
        action: str | None,
        since: datetime | None,
        until: datetime | None,
        last: tuple[datetime, UUID, int] | None,
        limit: int,
    ) -> list[Any]:
        """The newest first, over all rooms or in one."""
        values: list[Any] = []
        wanted = ["true"]

        def demand(condition: str, *given: Any) -> None:
            for value in given:
                values.append(value)
                condition = condition.replace("?", f"${len(values)}", 1)
            wanted.append(condition)

        if room_id is not None:
            demand("room_id = ?", room_id)
        if user_id is not None:
            demand("(actor_id = ? OR target_id = ?)", user_id, user_id)
        if action is not None:
            demand("action = ?", action)
        if since is not None:
            demand("at >= ?", since)
        if until is not None:
            demand("at < ?", until)
        if last is not None:
            demand("(at, room_id, n) < (?, ?, ?)", *last)
        return list(
            await self._connection.fetch(
                f"SELECT * FROM messages.audit WHERE {' AND '.join(wanted)}"  # noqa: S608 — our own text
                f" ORDER BY at DESC, room_id DESC, n DESC LIMIT {limit}",
                *values,
            )
        )

    async def heads(
        self, room_id: UUID | None, since: datetime | None, until: datetime | None, after: UUID | None, limit: int
    ) -> tuple[datetime, list[Any]]:
        """The run of each chain in that time, in the order of rooms: chain, first, prev_hash, n, hash. And when that was read."""
        rows = await self._connection.fetch(
            """
            SELECT runs.room_id AS chain, runs.first, f.prev_hash, runs.n, l.hash FROM (
                SELECT room_id, min(n) AS first, max(n) AS n FROM messages.audit
                WHERE room_id > $1 AND ($2::uuid IS NULL OR room_id = $2)
                    AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
                GROUP BY room_id ORDER BY room_id LIMIT $5
            ) AS runs
            JOIN messages.audit f ON f.room_id = runs.room_id AND f.n = runs.first
            JOIN messages.audit l ON l.room_id = runs.room_id AND l.n = runs.n
            ORDER BY runs.room_id
            """,
            after or NOBODY,
            room_id,
            since,
            until,
            limit,
        )
        return await self._connection.fetchval("SELECT transaction_timestamp()"), list(rows)

    async def run(
        self, room_id: UUID | None, since: datetime | None, until: datetime | None, after: tuple[UUID, int], limit: int
    ) -> list[Any]:
        """Entries of that time in the order of rooms, ascending."""
        return list(
            await self._connection.fetch(
                "SELECT * FROM messages.audit WHERE (room_id, n) > ($1, $2) AND ($3::uuid IS NULL OR room_id = $3)"
                " AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)"
                " ORDER BY room_id, n LIMIT $6",
                *after,
                room_id,
                since,
                until,
                limit,
            )
        )
