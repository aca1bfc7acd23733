"""Token buckets of users, as theoretical arrival times by the database's clock."""

from datetime import datetime
from uuid import UUID

import asyncpg


class BucketQueries:
    """Taken after the room's row is locked: rooms, then users, never back."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def lock(self, user_id: UUID, name: str) -> tuple[datetime, datetime]:
        """(arrival, now); the row is held until the transaction ends, and made if there is none."""
        row = await self._connection.fetchrow(
            "INSERT INTO messages.buckets AS b (user_id, name, arrival) VALUES ($1, $2, clock_timestamp())"
            " ON CONFLICT (user_id, name) DO UPDATE SET arrival = b.arrival RETURNING arrival, clock_timestamp()",
            user_id,
            name,
        )
        return row[0], row[1]

    async def set(self, user_id: UUID, name: str, arrival: datetime) -> None:
        await self._connection.execute(
            "UPDATE messages.buckets SET arrival = $3 WHERE user_id = $1 AND name = $2", user_id, name, arrival
        )
