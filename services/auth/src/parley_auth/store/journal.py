"""What happened to accounts: the audit trail, which stays, and the logins, which are forgotten after a while."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import audit, logins
from parley_shared.audit import ACCOUNTS_CHAIN, ZERO, new_body, seal
from parley_shared.ids import new_id

_CHAIN_LOCK = 0x7061726C6579_01
"""Of PostgreSQL's advisory locks; held from the first entry of a transaction to its end."""


@dataclass(frozen=True, slots=True)
class _Note:
    action: str
    at: datetime
    actor_id: UUID | None
    target_id: UUID | None
    reason: str | None
    details: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Rows of `audit` and `logins`. Within the chain `at` never goes back, so that a span of time is a run of entries."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._notes: list[_Note] = []

    def note(
        self,
        action: str,
        *,
        at: datetime,
        actor_id: UUID | None,
        target_id: UUID | None,
        reason: str | None = None,
        **details: Any,  # Any: whatever JSON holds, never a secret
    ) -> None:
        """An entry of the audit trail, `account.…`, written when the transaction ends."""
        self._notes.append(_Note(action, at, actor_id, target_id, reason, details))

    async def flush(self) -> None:
        """Write the entries. The chain's lock is the last of a transaction, so that it is held briefly and nobody waits in a
        circle."""
        if not self._notes:
            return
        await self._connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
        found = (
            await self._connection.execute(
                select(audit.c.n, audit.c.hash, audit.c.at).order_by(audit.c.n.desc()).limit(1)
            )
        ).one_or_none()
        last, latest = ((0, ZERO), None) if found is None else ((found.n, found.hash), found.at)
        rows = []
        for note in self._notes:
            latest = note.at if latest is None else max(latest, note.at)
            body = new_body(
                at=latest,
                actor_id=note.actor_id,
                action=note.action,
                target_id=note.target_id,
                room_id=None,
                reason=note.reason,
                details=note.details,
            )
            entry = seal("accounts", ACCOUNTS_CHAIN, last, body)
            last = (entry.n, entry.hash)
            rows.append(
                {
                    "n": entry.n,
                    "at": latest,
                    "actor_id": note.actor_id,
                    "action": note.action,
                    "target_id": note.target_id,
                    "body": entry.body,
                    "entry_key": entry.key,
                    "mac": entry.mac,
                    "prev_hash": entry.prev_hash,
                    "hash": entry.hash,
                }
            )
        await self._connection.execute(insert(audit), rows)
        self._notes.clear()

    async def page(
        self,
        *,
        user_id: UUID | None,
        action: str | None,
        since: datetime | None,
        until: datetime | None,
        below: int | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Entries, the newest first. user_id: actor or target. below: with a smaller n."""
        query = select(audit).order_by(audit.c.n.desc()).limit(limit)
        if user_id is not None:
            query = query.where(or_(audit.c.actor_id == user_id, audit.c.target_id == user_id))
        if action is not None:
            query = query.where(audit.c.action == action)
        if below is not None:
            query = query.where(audit.c.n < below)
        return await self._rows(query.where(*_within(since, until)))

    async def ends(
        self, since: datetime | None, until: datetime | None
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The first and the last entry of that time."""
        found: list[dict[str, Any]] = []
        for order in (audit.c.n.asc(), audit.c.n.desc()):
            query = select(audit).where(*_within(since, until)).order_by(order).limit(1)
            found += await self._rows(query)
        return (found[0], found[1]) if found else None

    async def run(self, since: datetime | None, until: datetime | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Entries of that time with a greater n, ascending."""
        query = select(audit).where(audit.c.n > after, *_within(since, until)).order_by(audit.c.n).limit(limit)
        return await self._rows(query)

    async def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in (await self._connection.execute(query)).mappings()]

    async def forget(self, user_id: UUID) -> int:
        """Erase what was done to a user, and their logins; how many entries. What they did to others in office stays."""
        await self._connection.execute(delete(logins).where(logins.c.user_id == user_id))
        erased = await self._connection.execute(
            update(audit)
            .where(audit.c.target_id == user_id, audit.c.body.is_not(None))
            .values(
                body=None,
                entry_key=None,
                target_id=None,
                actor_id=func.nullif(audit.c.actor_id, user_id),
            )
        )
        return erased.rowcount

    async def login(self, outcome: str, *, at: datetime, user_id: UUID | None, ip_prefix: str, user_agent: str) -> None:
        """outcome: `ok`, `failed`, `disabled`. What was typed is not kept."""
        await self._connection.execute(
            insert(logins).values(
                id=new_id(), at=at, user_id=user_id, outcome=outcome, ip_prefix=ip_prefix, user_agent=user_agent
            )
        )

    async def logins_of(self, user_id: UUID, limit: int) -> list[dict[str, Any]]:
        """The newest first."""
        return await self._rows(
            select(logins).where(logins.c.user_id == user_id).order_by(logins.c.at.desc()).limit(limit)
        )

    async def delete_logins_before(self, at: datetime) -> int:
        return (await self._connection.execute(delete(logins).where(logins.c.at < at))).rowcount


def _within(since: datetime | None, until: datetime | None) -> list[Any]:
    conditions = []
    if since is not None:
        conditions.append(audit.c.at >= since)
    if until is not None:
        conditions.append(audit.c.at < until)
    return conditions
