"""Users and their credentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Row, Select, and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import credentials, users
from parley_shared.contracts.base import Role


@dataclass(frozen=True, slots=True)
class UserRow:
    """ver: of the account, in every access token; rev: of the profile."""

    id: UUID
    username: str
    username_key: str
    display_name: str
    role: Role
    ver: int
    rev: int
    read_receipts: bool
    created_at: datetime
    last_login_at: datetime | None
    disabled: bool
    erased: bool


@dataclass(frozen=True, slots=True)
class Credential:
    """What a password is checked against."""

    user_id: UUID
    password_hash: str


_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.username_key,
    users.c.display_name,
    users.c.role,
    users.c.ver,
    users.c.rev,
    users.c.read_receipts,
    users.c.created_at,
    users.c.last_login_at,
    users.c.disabled_at.is_not(None),
    users.c.erased_at.is_not(None),
)
_SELECT: Select[tuple[object, ...]] = select(*_COLUMNS)


def _user(row: Row[tuple[object, ...]]) -> UserRow:
    return UserRow(*row)  # type: ignore[call-arg, arg-type]  # the columns above are in the order of the fields


class Users:
    """Rows of `users` and `credentials`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self,
        *,
        user_id: UUID,
        username: str,
        username_key: str,
        display_name: str,
        display_key: str,
        role: Role,
        password_hash: str,
        at: datetime,
    ) -> bool:
        """False if somebody has that name, or is just about to: then this waits for how that ends."""
        added = await self._connection.execute(
            insert(users)
            .values(
                id=user_id,
                username=username,
                username_key=username_key,
                display_name=display_name,
                display_key=display_key,
                role=role,
                ver=1,
                rev=1,
                read_receipts=True,
                created_at=at,
            )
            .on_conflict_do_nothing(index_elements=[users.c.username_key])
            .returning(users.c.id)
        )
        if added.one_or_none() is None:
            return False
        await self._connection.execute(
            insert(credentials).values(user_id=user_id, password_hash=password_hash, changed_at=at)
        )
        return True

    async def taken(self, username_key: str) -> bool:
        found = await self._connection.execute(select(users.c.id).where(users.c.username_key == username_key))
        return found.one_or_none() is not None

    async def get(self, user_id: UUID) -> UserRow | None:
        row = (await self._connection.execute(_SELECT.where(users.c.id == user_id))).one_or_none()
        return None if row is None else _user(row)

    async def lock(self, user_id: UUID) -> UserRow | None:
        """The user's row, which nobody else changes before the end of this transaction."""
        row = (
            await self._connection.execute(_SELECT.where(users.c.id == user_id).with_for_update(key_share=True))
        ).one_or_none()
        return None if row is None else _user(row)

    async def lock_with_admins(self, user_id: UUID) -> list[UserRow]:
        """This user and every admin who is in office, locked in the order of their ids."""
        in_office = and_(users.c.role == "admin", users.c.disabled_at.is_(None), users.c.erased_at.is_(None))
        rows = await self._connection.execute(
            _SELECT.where(or_(users.c.id == user_id, in_office)).order_by(users.c.id).with_for_update(key_share=True)
        )
        return [_user(row) for row in rows]

    async def by_ids(self, ids: Sequence[UUID]) -> list[UserRow]:
        rows = await self._connection.execute(_SELECT.where(users.c.id.in_(ids)).order_by(users.c.username_key))
        return [_user(row) for row in rows]

    async def page(self, *, prefix: str | None, after: str, limit: int, everyone: bool) -> list[UserRow]:
        """Users in the order of their username keys, from behind `after`.

        prefix: of the folded username or display name. everyone: also those who are disabled or erased.
        """
        query = _SELECT.where(users.c.username_key > after)
        if prefix:
            query = query.where(
                or_(
                    users.c.username_key.startswith(prefix, autoescape=True),
                    users.c.display_key.startswith(prefix, autoescape=True),
                )
            )
        if not everyone:
            query = query.where(users.c.disabled_at.is_(None), users.c.erased_at.is_(None))
        rows = await self._connection.execute(query.order_by(users.c.username_key).limit(limit))
        return [_user(row) for row in rows]

    async def addressable(self, ids: Sequence[UUID]) -> list[UUID]:
        """Which of them exist, and are neither disabled nor erased."""
        rows = await self._connection.execute(
            select(users.c.id).where(users.c.id.in_(ids), users.c.disabled_at.is_(None), users.c.erased_at.is_(None))
        )
        return [cast(UUID, row[0]) for row in rows]

    async def named(self, username_keys: Sequence[str]) -> dict[str, UUID]:
        """By folded username, of those who can be addressed."""
        found = await self._connection.execute(
            select(users.c.username_key, users.c.id).where(
                users.c.username_key.in_(username_keys), users.c.disabled_at.is_(None), users.c.erased_at.is_(None)
            )
        )
        return {row.username_key: row.id for row in found}

    async def without_receipts(self, ids: Sequence[UUID]) -> list[UUID]:
        """Which of these have switched read receipts off."""
        found = await self._connection.scalars(
            select(users.c.id).where(users.c.id.in_(ids), users.c.read_receipts.is_(False))
        )
        return list(found)

    async def credential_of_name(self, username_key: str) -> Credential | None:
        row = (
            await self._connection.execute(
                select(credentials.c.user_id, credentials.c.password_hash)
                .join(users, users.c.id == credentials.c.user_id)
                .where(users.c.username_key == username_key)
            )
        ).one_or_none()
        return None if row is None else Credential(row[0], row[1])

    async def credential(self, user_id: UUID) -> Credential | None:
        row = (
            await self._connection.execute(
                select(credentials.c.user_id, credentials.c.password_hash).where(credentials.c.user_id == user_id)
            )
        ).one_or_none()
        return None if row is None else Credential(row[0], row[1])

    async def set_password_hash(self, user_id: UUID, password_hash: str, at: datetime) -> None:
        await self._connection.execute(
            update(credentials)
            .where(credentials.c.user_id == user_id)
            .values(password_hash=password_hash, changed_at=at)
        )

    async def logged_in(self, user_id: UUID, at: datetime) -> None:
        await self._connection.execute(update(users).where(users.c.id == user_id).values(last_login_at=at))

    async def bump(self, user_id: UUID) -> int:
        """A new version of the account: tokens made before it are out of date. The number."""
        row = await self._connection.execute(
            update(users).where(users.c.id == user_id).values(ver=users.c.ver + 1).returning(users.c.ver)
        )
        return int(row.scalar_one())

    async def set_profile(self, user_id: UUID, *, display_name: str, display_key: str, read_receipts: bool) -> None:
        await self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(
                display_name=display_name, display_key=display_key, read_receipts=read_receipts, rev=users.c.rev + 1
            )
        )

    async def set_office(self, user_id: UUID, *, role: Role, disabled_at: datetime | None) -> None:
        """Role and ban. The profile's rev moves too, since the role is a part of what `me` shows."""
        await self._connection.execute(
            update(users).where(users.c.id == user_id).values(role=role, disabled_at=disabled_at, rev=users.c.rev + 1)
        )
