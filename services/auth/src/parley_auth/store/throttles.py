"""Counts of failures, in PostgreSQL, so that all replicas agree."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.domain.throttles import STALE, Guard, Kind
from parley_auth.tables import attempts


class Throttles:
    """Rows of `attempts`; those of one attempt share its id."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, guards: Sequence[Guard]) -> None:
        """Nobody else begins an attempt under these keys before the end of this transaction."""
        for number in sorted(guard.lock for guard in guards):
            await self._connection.execute(select(func.pg_advisory_xact_lock(number)))

    async def settled(self, guard: Guard, now: datetime) -> list[datetime]:
        """When the last `limit` attempts of the window failed, newest first; lost ones count as failed."""
        rows = await self._connection.execute(
            select(attempts.c.at)
            .where(
                attempts.c.kind == guard.kind,
                attempts.c.key == guard.key,
                attempts.c.at > now - guard.window,
                or_(attempts.c.pending.is_(False), attempts.c.at <= now - STALE),
            )
            .order_by(attempts.c.at.desc())
            .limit(guard.limit)
        )
        return [row[0] for row in rows]

    async def pending(self, guard: Guard, now: datetime) -> int:
        """How many are under way."""
        found = await self._connection.execute(
            select(func.count()).where(
                attempts.c.kind == guard.kind,
                attempts.c.key == guard.key,
                attempts.c.pending.is_(True),
                attempts.c.at > now - STALE,
            )
        )
        return int(found.scalar_one())

    async def begin(self, attempt_id: UUID, guards: Sequence[Guard], at: datetime) -> None:
        await self._connection.execute(
            insert(attempts),
            [{"id": attempt_id, "kind": guard.kind, "key": guard.key, "at": at, "pending": True} for guard in guards],
        )

    async def settle(self, attempt_id: UUID) -> None:
        """It counts from now on for what it is."""
        await self._connection.execute(update(attempts).where(attempts.c.id == attempt_id).values(pending=False))

    async def drop(self, attempt_id: UUID) -> None:
        """It does not count."""
        await self._connection.execute(delete(attempts).where(attempts.c.id == attempt_id))

    async def clear(self, kind: Kind, key: bytes) -> None:
        """What has failed under this key so far is forgiven; what is under way is not known yet."""
        await self._connection.execute(
            delete(attempts).where(and_(attempts.c.kind == kind, attempts.c.key == key, attempts.c.pending.is_(False)))
        )

    async def delete_before(self, at: datetime) -> int:
        return (await self._connection.execute(delete(attempts).where(attempts.c.at < at))).rowcount
