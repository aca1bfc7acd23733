"""One change of a message: what becomes of it, its log row, and its hint after the commit."""

from uuid import UUID

from parley_messages.rendering import edited, message
from parley_messages.usecases.changes import Changes
from parley_shared.contracts import frames
from parley_shared.errors import not_found


class MessageChanges(Changes):
    """The room's row is locked. What shows an older event in another light ends what the tail cache holds of the room."""

    async def edited(
        self,
        room_id: UUID,
        message_id: UUID,
        rev: int,
        body: str,
        *,
        author: UUID,
        mentions: list[UUID],
        mention_all: bool,
    ) -> None:
        """`message.edited`. rev: the new one."""
        row = await self.store.streams.append_room(
            room_id, "message.edited", actor=self.actor, message_id=message_id, rev=rev
        )
        await self.store.conversation.edit(
            room_id,
            message_id,
            rev,
            body,
            actor=author,
            at=row.at,
            mentions=mentions,
            mention_all=mention_all,
        )
        today = await self.store.conversation.get(room_id, message_id)
        if today is None:
            raise not_found("message")
        self._note(room_id, row.seq, edited(row.at, self.actor, message(today)), replayable=False)

    async def deleted(self, room_id: UUID, message_id: UUID, rev: int, reason: str | None = None) -> None:
        """`message.deleted`: its place stays. rev: the new one."""
        row = await self.store.streams.append_room(
            room_id, "message.deleted", actor=self.actor, message_id=message_id, rev=rev
        )
        await self.store.conversation.delete(room_id, message_id, rev, actor=self.actor, reason=reason, at=row.at)
        self._note(
            room_id,
            row.seq,
            frames.MessageDeleted(
                at=row.at, actor_id=self.actor, message_id=message_id, deleted_by=self.actor, rev=rev
            ),
            replayable=False,
        )

    async def expired(self, room_id: UUID, messages: list[tuple[UUID, int]]) -> None:
        """`message.deleted` of each (id, its new rev), by nobody: the room keeps them no longer."""
        if not messages:
            return
        rows = await self.store.streams.append_deleted(room_id, messages)
        await self.store.retention.bury(room_id, [message_id for message_id, _ in messages], rows[0].at)
        for (message_id, rev), row in zip(messages, rows, strict=True):
            body = frames.MessageDeleted(at=row.at, actor_id=None, message_id=message_id, deleted_by=None, rev=rev)
            self._note(room_id, row.seq, body, replayable=False)

    async def pinned(self, room_id: UUID, message_id: UUID) -> None:
        row = await self.store.streams.append_room(room_id, "message.pinned", actor=self.actor, message_id=message_id)
        await self.store.conversation.pin(room_id, message_id, actor=self.actor, at=row.at)
        body = frames.MessagePinned(at=row.at, actor_id=self.actor, message_id=message_id)
        self._note(room_id, row.seq, body)

    async def unpinned(self, room_id: UUID, message_id: UUID) -> None:
        row = await self.store.streams.append_room(room_id, "message.unpinned", actor=self.actor, message_id=message_id)
        await self.store.conversation.pin(room_id, message_id, actor=None, at=None)
        body = frames.MessageUnpinned(at=row.at, actor_id=self.actor, message_id=message_id)
        self._note(room_id, row.seq, body)

    async def reacted(self, room_id: UUID, message_id: UUID, reaction: str, user_id: UUID, count: int) -> None:
        """`reaction.added`. count: of this reaction, with this one."""
        row = await self.store.streams.append_room(
            room_id,
            "reaction.added",
            actor=self.actor,
            message_id=message_id,
            meta={"reaction": reaction, "user_id": str(user_id), "count": count},
        )
        await self.store.reactions.add(room_id, message_id, reaction, user_id, seq=row.seq, at=row.at)
        body = frames.ReactionAdded(
            at=row.at, actor_id=self.actor, message_id=message_id, reaction=reaction, user_id=user_id, count=count
        )
        self._note(room_id, row.seq, body)

    async def unreacted(self, room_id: UUID, message_id: UUID, reaction: str, user_id: UUID, count: int) -> None:
        """`reaction.removed`. count: of this reaction, without this one."""
        row = await self.store.streams.append_room(
            room_id,
            "reaction.removed",
            actor=self.actor,
            message_id=message_id,
            meta={"reaction": reaction, "user_id": str(user_id), "count": count},
        )
        await self.store.reactions.remove(room_id, message_id, reaction, user_id)
        body = frames.ReactionRemoved(
            at=row.at, actor_id=self.actor, message_id=message_id, reaction=reaction, user_id=user_id, count=count
        )
        self._note(room_id, row.seq, body)
