"""Accounts that are being erased, or were: how far each service has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import attempts, credentials, erasures, users
from parley_shared.contracts.erasure import Erased

DISPLAY_NAME = "Deleted user"


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """stores: by service, what it has erased so far."""

    id: UUID
    user_id: UUID
    code_hash: bytes
    requested_at: datetime
    finished_at: datetime | None
    stores: dict[str, Erased]


class Erasures:
    """Rows of `erasures`, and of a user what has no other reason to be deleted."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self, erasure_id: UUID, user_id: UUID, code_hash: bytes, at: datetime, stores: dict[str, Erased]
    ) -> None:
        await self._connection.execute(
            insert(erasures).values(
                id=erasure_id,
                user_id=user_id,
                code_hash=code_hash,
                requested_at=at,
                stores={name: _plain(state) for name, state in stores.items()},
                until=func.clock_timestamp(),
            )
        )

    async def get(self, erasure_id: UUID) -> ErasureRow | None:
        found = (await self._connection.execute(select(erasures).where(erasures.c.id == erasure_id))).one_or_none()
        return None if found is None else _row(found)

    async def oldest(self) -> datetime | None:
        """When the one that has been under way for longest was asked for."""
        found: datetime | None = await self._connection.scalar(
            select(func.min(erasures.c.requested_at)).where(erasures.c.finished_at.is_(None))
        )
        return found

    async def take(self, lease: timedelta) -> ErasureRow | None:
        """One that is due and that nobody works on; it is this replica's until the lease has run out."""
        due = (
            select(erasures.c.id)
            .where(erasures.c.finished_at.is_(None), erasures.c.until <= func.clock_timestamp())
            .order_by(erasures.c.until)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        found = await self._connection.execute(
            update(erasures)
            .where(erasures.c.id == due)
            .values(until=func.clock_timestamp() + lease)
            .returning(erasures)
        )
        row = found.one_or_none()
        return None if row is None else _row(row)

    async def progress(self, erasure_id: UUID, store: str, state: Erased, lease: timedelta) -> None:
        """What a store has answered; and the lease goes on."""
        await self._connection.execute(
            update(erasures)
            .where(erasures.c.id == erasure_id)
            .values(
                stores=erasures.c.stores.concat(literal({store: _plain(state)}, JSONB)),
                until=func.clock_timestamp() + lease,
            )
        )

    async def wait(self, erasure_id: UUID, until: datetime) -> None:
        """Nobody works on it before then."""
        await self._connection.execute(update(erasures).where(erasures.c.id == erasure_id).values(until=until))

    async def finish(self, erasure_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            update(erasures)
            .where(erasures.c.id == erasure_id)
            .values(finished_at=case((erasures.c.finished_at.is_(None), at), else_=erasures.c.finished_at))
        )

    async def erase_user(self, user_id: UUID, keys: list[bytes], at: datetime) -> None:
        """Nobody in particular remains under this id; the name is free again. keys: under which failed logins were counted."""
        await self._connection.execute(delete(credentials).where(credentials.c.user_id == user_id))
        await self._connection.execute(
            delete(attempts).where(attempts.c.kind == "login_account", attempts.c.key.in_(keys))
        )
        # A space is in no username, so this is nobody else's, and nobody can be called so.
        name = f"deleted user {user_id.hex[-16:]}"
        await self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(
                username=name,
                username_key=name,
                display_name=DISPLAY_NAME,
                display_key=DISPLAY_NAME.casefold(),
                role="user",
                read_receipts=True,
                last_login_at=None,
                disabled_at=None,
                erased_at=at,
                rev=users.c.rev + 1,
            )
        )


def _plain(state: Erased) -> dict[str, Any]:
    return {"done": state.done, "counts": state.counts}


def _row(row: Any) -> ErasureRow:  # Any: a row of the table
    return ErasureRow(
        row.id,
        row.user_id,
        row.code_hash,
        row.requested_at,
        row.finished_at,
        {name: Erased(done=state["done"], counts=state["counts"]) for name, state in row.stores.items()},
    )
