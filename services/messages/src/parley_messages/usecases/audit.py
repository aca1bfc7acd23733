"""The audit trail of rooms, for admins: pages to read, and exports with proof."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from parley_messages.clients import AuthClient
from parley_messages.store import Database
from parley_messages.store.audit import NOBODY
from parley_shared.audit import Signer, exported, heads, shown
from parley_shared.contracts import audit as contract
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import unavailable

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Audit:
    """signer: None where no key was given; then there are no exports."""

    def __init__(self, database: Database, auth: AuthClient, signer: Signer | None) -> None:
        self._database = database
        self._auth = auth
        self._signer = signer

    async def page(self, command: contract.ListAudit) -> contract.AuditEntries:
        """The newest entries first. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, INVALID."""
        limit = checked_limit(command.limit)
        question = f"audit:{command.room_id}:{command.user_id}:{command.action}"
        last = None
        if command.cursor is not None:
            last = read_cursor(command.cursor, question, tuple[Instant, UUID, int])
        await self._auth.demand_admin(command)
        async with self._database.snapshot() as store:
            rows = await store.audit.page(
                room_id=command.room_id,
                user_id=command.user_id,
                action=command.action,
                since=command.since,
                until=command.until,
                last=last,
                limit=limit + 1,
            )
        items = [shown(row, row["room_id"]) for row in rows[:limit]]
        if len(rows) <= limit:
            return contract.AuditEntries(items=items)
        final = rows[limit - 1]
        return contract.AuditEntries(
            items=items, next=write_cursor(question, final["at"], final["room_id"], final["n"])
        )

    async def heads(self, command: contract.AuditHeads) -> contract.SignedHeads:
        """A page of signed statements on where chains end. Raises Refused: FORBIDDEN, BAD_TOKEN, BAD_CURSOR, UNAVAILABLE."""
        if self._signer is None:
            raise unavailable("This installation has no key to sign exports with: PARLEY_MESSAGES_AUDIT_KEY.")
        limit = checked_limit(command.limit)
        question = f"heads:{command.export}"
        after: UUID | None = None
        if command.cursor is not None:
            (after,) = read_cursor(command.cursor, question, tuple[UUID])
        await self._auth.demand_admin(command)
        async with self._database.snapshot() as store:
            at, rows = await store.audit.heads(command.room_id, command.since, command.until, after, limit + 1)
        more = len(rows) > limit
        upto = rows[limit - 1]["chain"] if more else None
        statement = heads(
            command,
            "rooms",
            rows[:limit],
            after=None if after is None else str(after),
            upto=None if upto is None else str(upto),
            at=at,
        )
        return contract.SignedHeads(
            items=[self._signer.signed(statement)], next=write_cursor(question, upto) if more else None
        )

    async def entries(self, command: contract.AuditRequest) -> contract.ExportedEntries:
        """A page of entries as they stand in an export. Raises Refused: FORBIDDEN, BAD_TOKEN, BAD_CURSOR."""
        limit = checked_limit(command.limit)
        after = (NOBODY, 0)
        if command.cursor is not None:
            after = read_cursor(command.cursor, "entries", tuple[UUID, int])
        await self._auth.demand_admin(command)
        async with self._database.snapshot() as store:
            rows = await store.audit.run(command.room_id, command.since, command.until, after, limit + 1)
        items = [exported("rooms", str(row["room_id"]), row) for row in rows[:limit]]
        if len(rows) <= limit:
            return contract.ExportedEntries(items=items)
        final = rows[limit - 1]
        return contract.ExportedEntries(items=items, next=write_cursor("entries", final["room_id"], final["n"]))
