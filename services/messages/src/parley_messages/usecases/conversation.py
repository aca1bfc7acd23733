"""What one does to a message: edit, delete, pin; and the versions that it has had."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, Standing, demand, demand_higher, may, moderates
from parley_messages.domain.mentions import Mentions, mentions_in
from parley_messages.domain.sending import FORMATS
from parley_messages.publisher import LivePublisher
from parley_messages.store import Database, Store
from parley_messages.usecases.budget import ChangeBudget
from parley_messages.usecases.message_changes import MessageChanges
from parley_messages.usecases.shown import shown
from parley_messages.usecases.standing import demand_voice, opens_history, seen, stand
from parley_messages.usecases.timeline import fitting
from parley_shared.contracts import conversation as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.messages import Message, MessageRequest, Messages
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, not_found
from parley_shared.limits import BODY_CHARS, MENTION_ALL_MEMBERS, REASON_CHARS
from parley_shared.text import clean


class Conversation:
    """Repeating a state succeeds and writes no event.

    edit_hours: how long an author may edit, None for always. changed: called after each commit that wrote to the outbox or
    left work to tell people of.
    """

    def __init__(
        self,
        database: Database,
        publisher: LivePublisher,
        auth: AuthClient,
        budget: ChangeBudget,
        edit_hours: int | None,
        changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._budget = budget
        self._edit_hours = edit_hours
        self._changed = changed

    async def edit(self, command: contract.EditMessage) -> Message:
        """Its author says something else; what he said before stays in its revisions.

        Raises Refused: NOT_FOUND, NOT_A_MEMBER, DELETED, FORBIDDEN for others and when it is too late, MUTED, NOT_REACHABLE,
        REV_CONFLICT with the message as it is, RATE_LIMITED, INVALID, BAD_TEXT.
        """
        body = clean(command.body, field="body", least=1, most=BODY_CHARS)
        # The message's format, which says what code is, is not known before the room is locked, and nobody is asked after.
        found = {name: mentions_in(body, name) for name in FORMATS}
        named = dict(zip(found, await self._auth.named(found.values()), strict=True))
        actor = command.actor.user_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            demand(standing, Action.EDIT_OWN)
            message = await seen(store, row, standing, command.message_id)
            demand_living(message)
            if message["sender_id"] != actor:
                raise Refused(Code.FORBIDDEN, "Only its author can edit a message.")
            await demand_voice(store, row, actor)
            await self._demand_in_time(store, message)
            if message["rev"] != command.rev:
                [current] = await shown(store, [message], actor)
                raise Refused(
                    Code.REV_CONFLICT, "The message has changed since; here is how it is now.", current=current
                )
            changes = MessageChanges(store, actor)
            if message["body"] != body:
                await self._budget.spend(store, actor)
                written = found[message["format"]]
                await self._rewrite(changes, row, standing, message, body, written, named[message["format"]])
                message = await seen(store, row, standing, command.message_id)
            [answer] = await shown(store, [message], actor)
        await self._tell(changes)
        return answer

    async def _rewrite(
        self,
        changes: MessageChanges,
        row: Any,
        standing: Standing,
        message: Any,
        body: str,
        written: Mentions,
        named: tuple[UUID, ...],
    ) -> None:
        store, room_id, message_id = changes.store, row["id"], message["id"]
        members = await store.conversation.addressable(room_id, list(named), message["message_seq"]) if named else set()
        mentions = [user for user in named if user in members]
        office = moderates(standing.room_role, standing.global_role, public=standing.public)
        everybody = written.everybody and office and row["member_count"] <= MENTION_ALL_MEMBERS
        await changes.edited(
            room_id,
            message_id,
            message["rev"] + 1,
            body,
            author=message["sender_id"],
            mentions=mentions,
            mention_all=everybody,
        )
        await changes.audit(room_id, "message.edited", message_id, rev=message["rev"] + 1)
        fresh = [user for user in mentions if user not in message["mentions"]]
        if fresh and message["thread_root_id"] is not None:
            await store.threads.follow_mentioned(room_id, message["thread_root_id"], fresh, message["message_seq"] - 1)
        if fresh or (everybody and not message["mention_all"]):
            # Who was told of this message already is not told again.
            await store.conversation.fan_out(room_id, message_id)

    async def _demand_in_time(self, store: Store, message: Any) -> None:
        hours = self._edit_hours
        if hours is not None and await store.conversation.older_than(message["room_id"], message["id"], hours):
            raise Refused(Code.FORBIDDEN, f"A message can be edited for {hours} hours; this one is older.")

    async def delete(self, command: contract.DeleteMessage) -> Empty:
        """Its author at any time, and moderators: its place stays, and nothing of what it said.

        Raises Refused: NOT_FOUND, NOT_A_MEMBER, FORBIDDEN, INVALID, BAD_TEXT.
        """
        reason = None if command.reason is None else clean(command.reason, field="reason", least=0, most=REASON_CHARS)
        actor = command.actor.user_id
        author_role = await self._role_of_author(command)
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            message = await self._to_delete(store, row, standing, command.message_id)
            if message["sender_id"] == actor:
                demand(standing, Action.DELETE_OWN)
            else:
                demand(standing, Action.DELETE_OTHERS)
                author = await store.members.current(command.room_id, message["sender_id"])
                demand_higher(standing, None if author is None else author["role"], author_role)
            changes = MessageChanges(store, actor)
            if message["deleted_at"] is None:
                await changes.deleted(command.room_id, command.message_id, message["rev"] + 1, reason)
                # The trail is not sealed, and a reason may quote; it is kept with the message's revisions.
                told = None if row["key_version"] else reason
                await changes.audit(command.room_id, "message.deleted", command.message_id, told)
        await self._tell(changes)
        return Empty()

    async def _role_of_author(self, command: contract.DeleteMessage) -> str:
        """His global role; auth is asked before anything is locked."""
        async with self._database.snapshot() as store:
            message = await store.conversation.get(command.room_id, command.message_id)
        if message is None or message["sender_id"] == command.actor.user_id:
            return "user"
        author = message["sender_id"]
        return (await self._auth.roles([author])).get(author, "user")

    async def _to_delete(self, store: Store, row: Any, standing: Standing, message_id: UUID) -> Any:
        """Who is no member deletes by office what he cannot read."""
        if standing.room_role is None and may(standing, Action.DELETE_OTHERS):
            message = await store.conversation.get(row["id"], message_id)
            if message is None:
                raise not_found("message")
            return message
        return await seen(store, row, standing, message_id)

    async def pin(self, command: MessageRequest) -> Empty:
        """In a direct room everybody may. Raises Refused: NOT_FOUND, NOT_A_MEMBER, FORBIDDEN, DELETED, RATE_LIMITED."""
        async with self._database.begin() as store:
            message = await self._to_pin(store, command)
            demand_living(message)
            changes = MessageChanges(store, command.actor.user_id)
            if message["pinned_at"] is None:
                await self._budget.spend(store, command.actor.user_id)
                await changes.pinned(command.room_id, command.message_id)
        await self._tell(changes)
        return Empty()

    async def unpin(self, command: MessageRequest) -> Empty:
        """Raises Refused: NOT_FOUND, NOT_A_MEMBER, FORBIDDEN, RATE_LIMITED."""
        async with self._database.begin() as store:
            message = await self._to_pin(store, command)
            changes = MessageChanges(store, command.actor.user_id)
            if message["pinned_at"] is not None:
                await self._budget.spend(store, command.actor.user_id)
                await changes.unpinned(command.room_id, command.message_id)
        await self._tell(changes)
        return Empty()

    async def _to_pin(self, store: Store, command: MessageRequest) -> Any:
        row, standing = await stand(store, command.actor, command.room_id, lock=True)
        message = await seen(store, row, standing, command.message_id)
        # In a direct room nobody is more than a member.
        demand(standing, Action.SEND if row["kind"] == "direct" else Action.PIN)
        return message

    async def pins(self, command: contract.ListPins) -> Messages:
        """Pinned messages, the newest pin first. Raises Refused: NOT_FOUND, NOT_A_MEMBER, BAD_CURSOR."""
        question = f"pins:{command.room_id}"
        last = None if command.cursor is None else read_cursor(command.cursor, question, tuple[datetime, UUID])
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.READ)
            rows = await store.conversation.pins(
                command.room_id, opens_history(row, standing), command.actor.user_id, command.limit + 1, last
            )
            items = fitting(await shown(store, rows[: command.limit], command.actor.user_id))
        more = len(items) < len(rows)
        final = rows[len(items) - 1] if more else None
        return Messages(
            items=items, next=None if final is None else write_cursor(question, final["pinned_at"], final["id"])
        )

    async def revisions(self, command: contract.ListRevisions) -> contract.Revisions:
        """For its author and moderators, ascending. Raises Refused: NOT_FOUND, NOT_A_MEMBER, FORBIDDEN, BAD_CURSOR."""
        question = f"revisions:{command.message_id}"
        after = 0 if command.cursor is None else read_cursor(command.cursor, question, tuple[int])[0]
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            message = await seen(store, row, standing, command.message_id)
            if message["sender_id"] != command.actor.user_id:
                demand(standing, Action.SEE_REVISIONS)
            rows = await store.conversation.revisions(
                command.room_id, command.message_id, min(max(after, 0), 2**31 - 1), command.limit + 1
            )
        items = fitting(
            [
                contract.Revision(
                    rev=found["rev"],
                    body=found["body"],
                    format=found["format"],
                    actor_id=found["actor"],
                    reason=found["reason"],
                    at=found["at"],
                )
                for found in rows[: command.limit]
            ]
        )
        more = len(items) < len(rows)
        return contract.Revisions(items=items, next=write_cursor(question, items[-1].rev) if more else None)

    async def _tell(self, changes: MessageChanges) -> None:
        self._changed()
        await changes.publish(self._publisher)


def demand_living(message: Any) -> None:
    """Raises Refused: DELETED."""
    if message["deleted_at"] is not None:
        raise Refused(Code.DELETED, "The message has been deleted.")
