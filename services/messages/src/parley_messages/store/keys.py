"""Keys of sealed rooms, wrapped."""

from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.crypto.wrapping import Wrapped


class KeyQueries:
    """Rows are of messages.room_keys. Whoever changes a room's keys holds its row."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def add(self, room_id: UUID, version: int, wrapped: Wrapped) -> Any:
        """It seals what comes after the room's head. Returns the row."""
        return await self._connection.fetchrow(
            "INSERT INTO messages.room_keys (room_id, version, wrapping_key, wrapped, from_seq, created_at)"
            " SELECT id, $2, $3, $4, head + 1, clock_timestamp() FROM messages.rooms WHERE id = $1 RETURNING *",
            room_id,
            version,
            wrapped.key,
            wrapped.blob,
        )

    async def get(self, room_id: UUID, version: int) -> Any | None:
        return await self._connection.fetchrow(
            "SELECT * FROM messages.room_keys WHERE room_id = $1 AND version = $2", room_id, version
        )

    async def destroy(self, room_id: UUID) -> int:
        """All versions of the room's key. Returns how many there were."""
        status = await self._connection.execute(
            "UPDATE messages.room_keys SET wrapped = NULL, wrapping_key = NULL, destroyed_at = clock_timestamp()"
            " WHERE room_id = $1 AND wrapped IS NOT NULL",
            room_id,
        )
        return int(status.rpartition(" ")[2])

    async def page(self, room_id: UUID | None, limit: int, last: tuple[UUID, int] | None) -> list[Any]:
        """By room and version."""
        return list(
            await self._connection.fetch(
                "SELECT * FROM messages.room_keys WHERE ($1::uuid IS NULL OR room_id = $1)"
                " AND ($3::uuid IS NULL OR (room_id, version) > ($3, $4::integer)) ORDER BY room_id, version LIMIT $2",
                room_id,
                limit,
                *(last or (None, None)),
            )
        )

    async def counts(self, room_id: UUID | None) -> dict[str, int]:
        """How many living keys are wrapped under which wrapping key."""
        rows = await self._connection.fetch(
            "SELECT wrapping_key, count(*) FROM messages.room_keys"
            " WHERE wrapped IS NOT NULL AND ($1::uuid IS NULL OR room_id = $1) GROUP BY 1 ORDER BY 1",
            room_id,
        )
        return {row[0]: row[1] for row in rows}

    async def lock_others(self, current: str, limit: int, last: tuple[UUID, int] | None) -> list[Any]:
        """Living keys that are wrapped under another key than this, locked, by room and version."""
        return list(
            await self._connection.fetch(
                "SELECT * FROM messages.room_keys WHERE wrapped IS NOT NULL AND wrapping_key <> $1"
                " AND ($3::uuid IS NULL OR (room_id, version) > ($3, $4::integer))"
                " ORDER BY room_id, version LIMIT $2 FOR NO KEY UPDATE",
                current,
                limit,
                *(last or (None, None)),
            )
        )

    async def rewrap(self, room_id: UUID, version: int, wrapped: Wrapped) -> None:
        await self._connection.execute(
            "UPDATE messages.room_keys SET wrapping_key = $3, wrapped = $4 WHERE room_id = $1 AND version = $2",
            room_id,
            version,
            wrapped.key,
            wrapped.blob,
        )
