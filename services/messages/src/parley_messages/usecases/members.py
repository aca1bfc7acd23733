"""Membership: join, leave, add, remove, roles."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, Standing, demand, demand_higher
from parley_messages.publisher import LivePublisher
from parley_messages.rendering import my_room
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes, Notice
from parley_messages.usecases.standing import demand_not_banned, stand
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Empty
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, not_found
from parley_shared.limits import REASON_CHARS
from parley_shared.text import clean


class Members:
    """Repeating a state succeeds and writes no event."""

    def __init__(
        self, database: Database, publisher: LivePublisher, auth: AuthClient, advanced: Callable[[], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced

    async def join(self, command: contract.RoomRequest) -> contract.RoomAnswer:
        """Join a public room. Raises Refused: NOT_FOUND for a private one, exactly as if it did not exist; BANNED."""
        actor = command.actor.user_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            if not standing.visible:
                raise not_found("room")
            if standing.deleted:
                raise Refused(Code.DELETED, "The room has been deleted; restore it first.")
            changes = Changes(store, actor)
            if standing.room_role is None:
                await demand_not_banned(store, command.room_id, actor, "You are")
                from_seq = await changes.joined(command.room_id, actor, "member")
                await changes.tell_joined(command.room_id, {actor: from_seq})
            answer = my_room(await store.rooms.mine(actor, row["id"]))
        await self._tell(changes)
        return contract.RoomAnswer(room=answer)

    async def leave(self, command: contract.RoomRequest) -> Empty:
        """Who is no member has left already. The last owner must name another first, unless nobody else is left: then the
        room is deleted.

        Raises Refused: LAST_OWNER, FIXED_MEMBERS.
        """
        actor = command.actor.user_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            if not standing.visible:
                raise not_found("room")
            if standing.deleted:
                # Its log must end with `room.deleted`: restoring finds everybody by that seq.
                raise Refused(Code.DELETED, "The room has been deleted; restore it first.")
            if standing.room_role is None:
                return Empty()
            if row["kind"] == "direct":
                raise Refused(Code.FIXED_MEMBERS, "The members of a direct room are fixed.")
            alone = row["member_count"] == 1
            if standing.room_role == "owner" and not alone and await store.members.owners(command.room_id) == [actor]:
                raise Refused(Code.LAST_OWNER, "You are the only owner; make somebody else an owner before you leave.")
            changes = Changes(store, actor)
            to_seq = await changes.gone(command.room_id, actor, removed=False)
            if alone:
                await store.rooms.set_deleted(command.room_id, deleted=True)
                await changes.room_deleted(command.room_id)
                await changes.audit(command.room_id, "room.deleted")
            await changes.tell_left(command.room_id, [actor], to_seq, "left")
        await self._tell(changes)
        return Empty()

    async def list(self, command: contract.ListMembers) -> contract.Members:
        """Present members by id. Raises Refused: NOT_FOUND, NOT_A_MEMBER, BAD_CURSOR."""
        last: Any = None
        if command.cursor is not None:
            (last,) = read_cursor(command.cursor, f"members:{command.room_id}", tuple[UUID])
        async with self._database.snapshot() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.LIST_MEMBERS)
            rows = await store.members.page(command.room_id, command.limit + 1, last)
        items = [_member(row) for row in rows[: command.limit]]
        more = len(rows) > command.limit
        return contract.Members(
            items=items, next=write_cursor(f"members:{command.room_id}", items[-1].user_id) if more else None
        )

    async def add(self, command: contract.AddMember) -> contract.Member:
        """Adds at once. Who is a member already stays as he is.

        Raises Refused: FORBIDDEN, NOT_A_MEMBER, NOT_FOUND for an unknown room or user, FIXED_MEMBERS, BANNED.
        """
        known = await self._auth.known([command.user_id])
        async with self._database.begin() as store:
            _, standing = await self._manage(store, command)
            demand(standing, Action.INVITE)
            if command.role != "member":
                demand(standing, Action.SET_ROLE)
            actor = command.actor.user_id
            # Who has blocked somebody is, for that one, as if he did not exist; and the other way round.
            if command.user_id not in known or await store.blocks.between(actor, [command.user_id]):
                raise not_found("user")
            changes = Changes(store, actor)
            found = await store.members.current(command.room_id, command.user_id)
            if found is None:
                await demand_not_banned(store, command.room_id, command.user_id, "This person is")
                invited = command.user_id != actor
                from_seq = await changes.joined(command.room_id, command.user_id, command.role, invited=invited)
                await changes.tell_joined(command.room_id, {command.user_id: from_seq})
                if invited:
                    await changes.audit(command.room_id, "member.joined", command.user_id, role=command.role)
                    invitation = Notice(command.user_id, "invitation", command.room_id, actor, message_seq=from_seq)
                    await changes.notify([invitation])
                found = await store.members.current(command.room_id, command.user_id)
            answer = _member(found)
        await self._tell(changes)
        return answer

    async def update(self, command: contract.UpdateMember) -> contract.Member:
        """Set a role; owners do. An owner may step down himself while another one remains.

        Raises Refused: FORBIDDEN, NOT_FOUND, LAST_OWNER.
        """
        async with self._database.begin() as store:
            _, standing = await self._manage(store, command)
            demand(standing, Action.SET_ROLE)
            found = await self._target(store, command.room_id, command.user_id)
            changes = Changes(store, command.actor.user_id)
            if found["role"] != command.role:
                if command.user_id != command.actor.user_id:
                    demand_higher(standing, found["role"])
                elif await store.members.owners(command.room_id) == [command.user_id]:
                    raise Refused(Code.LAST_OWNER, "You are the only owner; make somebody else an owner first.")
                await store.members.set_role(command.room_id, command.user_id, command.role)
                await changes.audit(
                    command.room_id, "member.updated", command.user_id, old=found["role"], new=command.role
                )
                await changes.updated_member(command.room_id, command.user_id, command.role, found["muted_until"])
                found = await self._target(store, command.room_id, command.user_id)
            answer = _member(found)
        await self._tell(changes)
        return answer

    async def remove(self, command: contract.RemoveMember) -> Empty:
        """Somebody else's membership ends; for one's own there is leave. Who is no member is gone already.

        Raises Refused: FORBIDDEN, NOT_FOUND, NOT_A_MEMBER, FIXED_MEMBERS.
        """
        reason = None if command.reason is None else clean(command.reason, field="reason", least=0, most=REASON_CHARS)
        if command.user_id == command.actor.user_id:
            return await self.leave(contract.RoomRequest(actor=command.actor, room_id=command.room_id))
        roles = await self._auth.roles([command.user_id])
        async with self._database.begin() as store:
            _, standing = await self._manage(store, command)
            demand(standing, Action.REMOVE_MEMBER)
            found = await store.members.current(command.room_id, command.user_id)
            if found is None:
                return Empty()
            demand_higher(standing, found["role"], roles.get(command.user_id, "user"))
            changes = Changes(store, command.actor.user_id)
            to_seq = await changes.gone(command.room_id, command.user_id, removed=True, reason=reason)
            await changes.audit(command.room_id, "member.removed", command.user_id, reason)
            await changes.tell_left(command.room_id, [command.user_id], to_seq, "removed")
        await self._tell(changes)
        return Empty()

    async def _manage(self, store: Store, command: contract.RoomRequest) -> tuple[Any, Standing]:
        row, standing = await stand(store, command.actor, command.room_id, lock=True)
        if (standing.visible or standing.office_rank) and row["kind"] == "direct":
            raise Refused(Code.FIXED_MEMBERS, "The members of a direct room are fixed.")
        return row, standing

    async def _target(self, store: Store, room_id: UUID, user_id: UUID) -> Any:
        found = await store.members.current(room_id, user_id)
        if found is None:
            raise not_found("member")
        return found

    async def _tell(self, changes: Changes) -> None:
        self._advanced()
        await changes.publish(self._publisher)


def _member(row: Any) -> contract.Member:
    return contract.Member(**{name: row[name] for name in contract.Member.__struct_fields__})
