"""Mutes and bans. A kick is a removal, which Members does."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand, demand_higher
from parley_messages.publisher import LivePublisher
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.standing import stand
from parley_shared.contracts import moderation as contract
from parley_shared.contracts.base import Empty
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, invalid, not_found
from parley_shared.limits import FOREVER, REASON_CHARS, SANCTION_MINUTES
from parley_shared.text import clean


class Moderation:
    """Mutes and bans outlive a membership. Nobody acts on an equal or higher role, nor on himself."""

    def __init__(
        self, database: Database, publisher: LivePublisher, auth: AuthClient, advanced: Callable[[], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced

    async def mute(self, command: contract.Impose) -> contract.Sanction:
        """Whoever is muted reads on, and writes nothing.

        Raises Refused: FORBIDDEN, NOT_FOUND for an unknown room or user, FIXED_MEMBERS, INVALID.
        """
        minutes, reason = _checked(command)
        roles = await self._auth.roles([command.user_id])
        async with self._database.begin() as store:
            found = await self._target(store, command, Action.MUTE, roles)
            row = await self._impose(store, command, "mute", minutes, reason)
            changes = Changes(store, command.actor.user_id)
            await changes.audit(command.room_id, "member.muted", command.user_id, reason, minutes=minutes)
            until = row["until"] or FOREVER
            if found is not None and found["muted_until"] != until:
                await store.members.set_muted(command.room_id, command.user_id, until)
                await changes.updated_member(command.room_id, command.user_id, found["role"], until)
        await self._tell(changes)
        return _sanction(row)

    async def unmute(self, command: contract.Lift) -> Empty:
        """Raises Refused: FORBIDDEN, NOT_FOUND, FIXED_MEMBERS."""
        roles = await self._auth.roles([command.user_id])
        async with self._database.begin() as store:
            found = await self._target(store, command, Action.MUTE, roles, known=False)
            changes = Changes(store, command.actor.user_id)
            current = await store.sanctions.current(command.room_id, command.user_id, "mute")
            if current is not None:
                await store.sanctions.lift(command.room_id, command.user_id, "mute")
                await changes.audit(command.room_id, "member.unmuted", command.user_id)
                if found is not None:
                    await store.members.set_muted(command.room_id, command.user_id, None)
                    await changes.updated_member(command.room_id, command.user_id, found["role"], None)
        await self._tell(changes)
        return Empty()

    async def ban(self, command: contract.Impose) -> contract.Sanction:
        """Ends a membership, if there is one, and lets no other begin. Raises Refused: as mute."""
        minutes, reason = _checked(command)
        roles = await self._auth.roles([command.user_id])
        async with self._database.begin() as store:
            found = await self._target(store, command, Action.BAN, roles)
            row = await self._impose(store, command, "ban", minutes, reason)
            changes = Changes(store, command.actor.user_id)
            await changes.audit(command.room_id, "member.banned", command.user_id, reason, minutes=minutes)
            if found is not None:
                to_seq = await changes.gone(command.room_id, command.user_id, removed=True, reason=reason)
                await changes.tell_left(command.room_id, [command.user_id], to_seq, "banned")
        await self._tell(changes)
        return _sanction(row)

    async def unban(self, command: contract.Lift) -> Empty:
        """Who was banned may join again, or be added. Raises Refused: FORBIDDEN, NOT_FOUND, FIXED_MEMBERS."""
        roles = await self._auth.roles([command.user_id])
        async with self._database.begin() as store:
            await self._target(store, command, Action.BAN, roles, known=False)
            if await store.sanctions.current(command.room_id, command.user_id, "ban") is not None:
                await store.sanctions.lift(command.room_id, command.user_id, "ban")
                await Changes(store, command.actor.user_id).audit(command.room_id, "member.unbanned", command.user_id)
        return Empty()

    async def mutes(self, command: contract.ListSanctions) -> contract.Sanctions:
        """By user id. Raises Refused: FORBIDDEN, NOT_FOUND, BAD_CURSOR."""
        return await self._page(command, "mute", Action.MUTE)

    async def bans(self, command: contract.ListSanctions) -> contract.Sanctions:
        """By user id. Raises Refused: FORBIDDEN, NOT_FOUND, BAD_CURSOR."""
        return await self._page(command, "ban", Action.BAN)

    async def _target(
        self,
        store: Store,
        command: contract.Impose | contract.Lift,
        action: Action,
        roles: dict[UUID, Any],
        *,
        known: bool = True,
    ) -> Any | None:
        """The present member whom it is about, if he is one. known: somebody whom auth does not know is NOT_FOUND."""
        row, standing = await stand(store, command.actor, command.room_id, lock=True)
        if (standing.visible or standing.office_rank) and row["kind"] == "direct":
            raise Refused(
                Code.FIXED_MEMBERS, "The members of a direct room are fixed; block whom you do not want to read."
            )
        demand(standing, action)
        found = await store.members.current(command.room_id, command.user_id)
        if known and found is None and command.user_id not in roles:
            raise not_found("user")
        demand_higher(standing, None if found is None else found["role"], roles.get(command.user_id, "user"))
        return found

    async def _impose(
        self, store: Store, command: contract.Impose, kind: str, minutes: int | None, reason: str | None
    ) -> Any:
        return await store.sanctions.impose(
            command.room_id, command.user_id, kind, minutes=minutes, reason=reason, actor=command.actor.user_id
        )

    async def _page(self, command: contract.ListSanctions, kind: str, action: Action) -> contract.Sanctions:
        last: Any = None
        scope = f"{kind}s:{command.room_id}"
        if command.cursor is not None:
            (last,) = read_cursor(command.cursor, scope, tuple[UUID])
        async with self._database.snapshot() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, action)
            rows = await store.sanctions.page(command.room_id, kind, command.limit + 1, last)
        items = [_sanction(row) for row in rows[: command.limit]]
        more = len(rows) > command.limit
        return contract.Sanctions(items=items, next=write_cursor(scope, items[-1].user_id) if more else None)

    async def _tell(self, changes: Changes) -> None:
        self._advanced()
        await changes.publish(self._publisher)


def _checked(command: contract.Impose) -> tuple[int | None, str | None]:
    if command.minutes is not None and not 1 <= command.minutes <= SANCTION_MINUTES:
        raise invalid(minutes=f"between 1 and {SANCTION_MINUTES}, or absent for without end")
    reason = None if command.reason is None else clean(command.reason, field="reason", least=0, most=REASON_CHARS)
    return command.minutes, reason or None


def _sanction(row: Any) -> contract.Sanction:
    return contract.Sanction(
        user_id=row["user_id"], until=row["until"], reason=row["reason"], actor_id=row["actor"], at=row["at"]
    )
