"""Counts of failures, in PostgreSQL, so that all replicas agree."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, select, update
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

    async def seen(self, guard: Guard, now: datetime) -> tuple[list[datetime], int]:
        """When attempts of the window failed, newest first, and how many are under way; a lost one counts as failed.

        Both come from one statement: between two, an attempt that fails would move from the one count to the other unseen.
        """
        rows = await self._connection.execute(
            select(attempts.c.at, and_(attempts.c.pending.is_(True), attempts.c.at > now - STALE))
            .where(attempts.c.kind == guard.kind, attempts.c.key == guard.key, attempts.c.at > now - guard.window)
            .order_by(attempts.c.at.desc())
        )
        settled, pending = [], 0
        for at, under_way in rows:
            if under_way:
                pending += 1
            else:
                settled.append(at)
        return settled, pending

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
