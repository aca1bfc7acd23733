"""Sessions and the family of refresh tokens that each of them is."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import refresh_tokens, sessions


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: UUID
    user_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """used_at: when it was exchanged for another."""

    hash: bytes
    session_id: UUID
    expires_at: datetime
    used_at: datetime | None


_SELECT = select(
    sessions.c.id,
    sessions.c.user_id,
    sessions.c.created_at,
    sessions.c.last_used_at,
    sessions.c.expires_at,
    sessions.c.ip,
    sessions.c.user_agent,
)


class Sessions:
    """Rows of `sessions` and `refresh_tokens`. Ending a session deletes it, and its tokens with it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self, *, session_id: UUID, user_id: UUID, ip: str, user_agent: str, at: datetime, expires_at: datetime
    ) -> None:
        await self._connection.execute(
            insert(sessions).values(
                id=session_id,
                user_id=user_id,
                created_at=at,
                last_used_at=at,
                expires_at=expires_at,
                ip=ip,
                user_agent=user_agent,
            )
        )

    async def get(self, session_id: UUID) -> SessionRow | None:
        row = (await self._connection.execute(_SELECT.where(sessions.c.id == session_id))).one_or_none()
        return None if row is None else SessionRow(*row)

    async def lock(self, session_id: UUID) -> SessionRow | None:
        row = (
            await self._connection.execute(_SELECT.where(sessions.c.id == session_id).with_for_update(key_share=True))
        ).one_or_none()
        return None if row is None else SessionRow(*row)

    async def of_user(self, user_id: UUID, *, now: datetime, limit: int) -> list[SessionRow]:
        """Living ones, the most recently used first."""
        rows = await self._connection.execute(
            _SELECT.where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.id)
            .limit(limit)
        )
        return [SessionRow(*row) for row in rows]

    async def touch(self, session_id: UUID, *, ip: str, user_agent: str, at: datetime, expires_at: datetime) -> None:
        await self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id)
            .values(last_used_at=at, expires_at=expires_at, ip=ip, user_agent=user_agent)
        )

    async def end(self, session_id: UUID) -> bool:
        """False if it was over already."""
        ended = await self._connection.execute(
            delete(sessions).where(sessions.c.id == session_id).returning(sessions.c.id)
        )
        return ended.one_or_none() is not None

    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> list[UUID]:
        """The ids of those that were ended."""
        query = delete(sessions).where(sessions.c.user_id == user_id)
        if but is not None:
            query = query.where(sessions.c.id != but)
        rows = await self._connection.execute(query.returning(sessions.c.id))
        return [cast(UUID, row[0]) for row in rows]

    async def add_token(
        self, *, digest: bytes, session_id: UUID, parent: bytes | None, at: datetime, expires_at: datetime
    ) -> None:
        await self._connection.execute(
            insert(refresh_tokens).values(
                hash=digest, session_id=session_id, parent=parent, created_at=at, expires_at=expires_at
            )
        )

    async def token(self, digest: bytes) -> TokenRow | None:
        row = (
            await self._connection.execute(
                select(
                    refresh_tokens.c.hash,
                    refresh_tokens.c.session_id,
                    refresh_tokens.c.expires_at,
                    refresh_tokens.c.used_at,
                ).where(refresh_tokens.c.hash == digest)
            )
        ).one_or_none()
        return None if row is None else TokenRow(*row)

    async def use_token(self, digest: bytes, at: datetime) -> None:
        """Mark it used; when it was first used stays."""
        await self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.hash == digest, refresh_tokens.c.used_at.is_(None))
            .values(used_at=at)
        )

    async def successor_used(self, digest: bytes) -> bool:
        """Whether a token that this one was exchanged for has itself been used: then its answer was not lost."""
        found = await self._connection.execute(
            select(exists().where(refresh_tokens.c.parent == digest, refresh_tokens.c.used_at.is_not(None)))
        )
        return bool(found.scalar_one())

    async def delete_expired(self, now: datetime) -> int:
        """Sessions whose last token has expired, and expired tokens of living ones. How many rows."""
        over = await self._connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
        old = await self._connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at <= now))
        return over.rowcount + old.rowcount
