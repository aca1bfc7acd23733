"""What happened to accounts: the audit trail, which stays, and the logins, which are forgotten after a while."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_auth.tables import audit, logins
from parley_shared.ids import new_id


class Journal:
    """Rows of `audit` and `logins`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(
        self, action: str, *, at: datetime, actor_id: UUID | None, target_id: UUID | None, detail: str | None = None
    ) -> None:
        """action: `account.…`. detail: what changed, in a word; never a secret."""
        await self._connection.execute(
            insert(audit).values(
                id=new_id(), at=at, actor_id=actor_id, action=action, target_id=target_id, detail=detail
            )
        )

    async def login(self, outcome: str, *, at: datetime, user_id: UUID | None, ip_prefix: str, user_agent: str) -> None:
        """outcome: `ok`, `failed`, `disabled`. What was typed is not kept."""
        await self._connection.execute(
            insert(logins).values(
                id=new_id(), at=at, user_id=user_id, outcome=outcome, ip_prefix=ip_prefix, user_agent=user_agent
            )
        )

    async def delete_logins_before(self, at: datetime) -> int:
        return (await self._connection.execute(delete(logins).where(logins.c.at < at))).rowcount
