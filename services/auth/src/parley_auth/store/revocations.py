"""Which access tokens are no longer good, in commit order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import revocation_head, revocations


@dataclass(frozen=True, slots=True)
class Revoked:
    """Without a session: the user's tokens with a version below min_ver."""

    user_id: UUID
    session_id: UUID | None
    min_ver: int
    kind: Literal["end", "renew"]


@dataclass(frozen=True, slots=True)
class RevocationRow:
    cursor: int
    user_id: UUID
    session_id: UUID | None
    min_ver: int
    kind: Literal["end", "renew"]


class Revocations:
    """Rows of `revocations`. Whoever has read up to a cursor has missed nothing below it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, items: Sequence[Revoked], at: datetime) -> int:
        """Write them in their order; the last cursor.

        The cursor comes from one row, whose lock is held until COMMIT: numbers become visible in their order, without
        holes. It is the last lock of a transaction, so that it is held briefly and nobody waits in a circle.
        """
        head = await self._connection.execute(
            update(revocation_head)
            .values(cursor=revocation_head.c.cursor + len(items))
            .returning(revocation_head.c.cursor)
        )
        last = int(head.scalar_one())
        await self._connection.execute(
            insert(revocations),
            [
                {
                    "cursor": last - len(items) + 1 + offset,
                    "at": at,
                    "user_id": item.user_id,
                    "session_id": item.session_id,
                    "min_ver": item.min_ver,
                    "kind": item.kind,
                }
                for offset, item in enumerate(items)
            ],
        )
        return last

    async def head(self) -> int:
        return int((await self._connection.execute(select(revocation_head.c.cursor))).scalar_one())

    async def after(self, cursor: int, *, since: datetime, limit: int) -> list[RevocationRow]:
        """In the order of their cursors, none older than `since`."""
        rows = await self._connection.execute(
            select(
                revocations.c.cursor,
                revocations.c.user_id,
                revocations.c.session_id,
                revocations.c.min_ver,
                revocations.c.kind,
            )
            .where(revocations.c.cursor > cursor, revocations.c.at > since)
            .order_by(revocations.c.cursor)
            .limit(limit)
        )
        return [RevocationRow(*row) for row in rows]

    async def session_ended(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether this session of theirs has lately been ended."""
        found = await self._connection.execute(
            select(exists().where(revocations.c.session_id == session_id, revocations.c.user_id == user_id))
        )
        return bool(found.scalar_one())

    async def delete_before(self, at: datetime) -> int:
        return (await self._connection.execute(delete(revocations).where(revocations.c.at < at))).rowcount
