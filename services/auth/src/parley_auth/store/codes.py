"""One-use codes: invitations, the operator's, password resets. Stored by SHA-256, used up under a row lock."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import invites, operator_codes, reset_codes


class Codes:
    """Rows of `invites`, `operator_codes`, `reset_codes`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_invite(self, digest: bytes, *, by: UUID, at: datetime, expires_at: datetime) -> None:
        await self._connection.execute(
            insert(invites).values(hash=digest, created_by=by, created_at=at, expires_at=expires_at)
        )

    async def invite_good(self, digest: bytes, now: datetime) -> bool:
        """Whether it could be used now."""
        found = await self._connection.execute(
            select(invites.c.hash).where(
                invites.c.hash == digest, invites.c.used_at.is_(None), invites.c.expires_at > now
            )
        )
        return found.one_or_none() is not None

    async def use_invite(self, digest: bytes, now: datetime) -> bool:
        """False if it is unknown, expired or used."""
        used = await self._connection.execute(
            update(invites)
            .where(invites.c.hash == digest, invites.c.used_at.is_(None), invites.c.expires_at > now)
            .values(used_at=now)
            .returning(invites.c.hash)
        )
        return used.one_or_none() is not None

    async def operator_code_used(self, nonce: str) -> bool:
        found = await self._connection.execute(select(operator_codes.c.nonce).where(operator_codes.c.nonce == nonce))
        return found.one_or_none() is not None

    async def use_operator_code(self, nonce: str, *, user_id: UUID, at: datetime, expires_at: datetime) -> bool:
        """False if it was used before."""
        used = await self._connection.execute(
            insert(operator_codes)
            .values(nonce=nonce, user_id=user_id, used_at=at, expires_at=expires_at)
            .on_conflict_do_nothing()
            .returning(operator_codes.c.nonce)
        )
        return used.one_or_none() is not None

    async def put_reset_code(
        self, digest: bytes, *, user_id: UUID, by: UUID, at: datetime, expires_at: datetime
    ) -> None:
        """The user's only one: those given out before are void."""
        await self.void_reset_codes(user_id)
        await self._connection.execute(
            insert(reset_codes).values(
                hash=digest, user_id=user_id, created_by=by, created_at=at, expires_at=expires_at
            )
        )

    async def reset_code_of(self, digest: bytes, now: datetime) -> UUID | None:
        """Whose it is, if it could be used now."""
        found = await self._connection.execute(
            select(reset_codes.c.user_id).where(reset_codes.c.hash == digest, reset_codes.c.expires_at > now)
        )
        row = found.one_or_none()
        return None if row is None else cast(UUID, row[0])

    async def use_reset_code(self, digest: bytes, now: datetime) -> bool:
        """False if it is unknown, expired or used."""
        used = await self._connection.execute(
            delete(reset_codes)
            .where(reset_codes.c.hash == digest, reset_codes.c.expires_at > now)
            .returning(reset_codes.c.hash)
        )
        return used.one_or_none() is not None

    async def void_reset_codes(self, user_id: UUID) -> None:
        await self._connection.execute(delete(reset_codes).where(reset_codes.c.user_id == user_id))

    async def delete_expired(self, now: datetime) -> int:
        """Codes that are used or can no longer be. How many rows."""
        count = (
            await self._connection.execute(
                delete(invites).where(or_(invites.c.expires_at <= now, invites.c.used_at.is_not(None)))
            )
        ).rowcount
        count += (
            await self._connection.execute(delete(operator_codes).where(operator_codes.c.expires_at <= now))
        ).rowcount
        count += (await self._connection.execute(delete(reset_codes).where(reset_codes.c.expires_at <= now))).rowcount
        return count
