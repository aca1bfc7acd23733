"""The audit trail of rooms: a hash chain each, which outlives its room."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.audit import ZERO, seal


def instant(at: datetime) -> str:
    """As it stands in a body: RFC 3339, UTC, microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AuditQueries:
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
        row = await self._connection.fetchrow(
            "SELECT greatest(clock_timestamp(), a.at) AS at, a.n, a.hash FROM (SELECT 1) AS one LEFT JOIN LATERAL ("
            " SELECT n, hash, at FROM messages.audit WHERE room_id = $1 ORDER BY n DESC LIMIT 1) AS a ON true",
            room_id,
        )
        body: dict[str, Any] = {
            "at": instant(row["at"]),
            "actor_id": None if actor_id is None else str(actor_id),
            "action": action,
            "target_id": None if target_id is None else str(target_id),
            "room_id": str(room_id),
            "reason": reason,
        }
        if details:
            body["details"] = details
        entry = seal("rooms", str(room_id), (0, ZERO) if row["n"] is None else (row["n"], row["hash"]), body)
        await self._connection.execute(
            "INSERT INTO messages.audit (room_id, n, at, actor_id, action, target_id, body, entry_key, mac, prev_hash, hash)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            room_id,
            entry.n,
            row["at"],
            actor_id,
            action,
            target_id,
            entry.body,
            entry.key,
            entry.mac,
            entry.prev_hash,
            entry.hash,
        )
