"""Signing keys as they are stored."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import signing_keys

_ROTATION = 7_250_101
_CLEANING = 7_250_102


@dataclass(frozen=True, slots=True)
class KeyRow:
    kid: str
    use_from: datetime
    private_key: bytes
    sealed: bool


class Keys:
    """Rows of `signing_keys`, and the leases of the jobs."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> list[KeyRow]:
        rows = await self._connection.execute(
            select(
                signing_keys.c.kid, signing_keys.c.use_from, signing_keys.c.private_key, signing_keys.c.sealed
            ).order_by(signing_keys.c.use_from)
        )
        return [KeyRow(*row) for row in rows]

    async def add(self, row: KeyRow, at: datetime) -> None:
        await self._connection.execute(
            insert(signing_keys).values(
                kid=row.kid, use_from=row.use_from, private_key=row.private_key, sealed=row.sealed, created_at=at
            )
        )

    async def seal(self, kid: str, sealed: bytes) -> None:
        """Put the sealed form in the place of what was there."""
        await self._connection.execute(
            update(signing_keys).where(signing_keys.c.kid == kid).values(private_key=sealed, sealed=True)
        )

    async def delete(self, kids: list[str]) -> None:
        await self._connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(kids)))

    async def lock_rotation(self) -> None:
        """One replica at a time looks after the keys; the lease ends with the transaction."""
        await self._connection.execute(select(func.pg_advisory_xact_lock(_ROTATION)))

    async def try_cleaning(self) -> bool:
        """Whether this replica has the lease for cleaning, until the end of the transaction."""
        found = await self._connection.execute(select(func.pg_try_advisory_xact_lock(_CLEANING)))
        return bool(found.scalar_one())
