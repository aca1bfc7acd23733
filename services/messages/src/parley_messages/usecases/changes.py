"""One change of a room or of somebody's rooms: its log rows inside the transaction, its hints after the commit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from parley_messages.publisher import Committed, LivePublisher, render
from parley_messages.rendering import user_event
from parley_messages.store import Store
from parley_messages.store.notifications import NEVER_BY_READING
from parley_messages.store.streams import Appended, UserEntry
from parley_shared.contracts import frames
from parley_shared.contracts.frames import AnyEventBody, NotificationKind
from parley_shared.contracts.messages import Room
from parley_shared.errors import not_found
from parley_shared.ids import new_id, room_stream, user_stream
from parley_shared.telemetry import current


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a user is to be told. message_seq: reading the room up to it reads the notification, too."""

    user_id: UUID
    kind: NotificationKind
    room_id: UUID
    actor_id: UUID | None
    message_seq: int = NEVER_BY_READING
    message_id: UUID | None = None
    thread_root_id: UUID | None = None


@dataclass(slots=True)
class Changes:
    """Collects what one transaction appends; `publish` tells it once the transaction is committed.

    The room's row is locked before the first event, and user streams are written last: that is the order of locks.
    """

    store: Store
    actor: UUID | None
    _committed: list[Committed] = field(default_factory=list)

    async def joined(self, room_id: UUID, user_id: UUID, role: str, *, invited: bool = False) -> int:
        """`member.joined`, and the interval that begins with it. Returns from_seq.

        invited: by somebody else, so that he has not even read that he is in.
        """
        row = await self.store.streams.append_room(
            room_id, "member.joined", actor=self.actor, meta={"user_id": str(user_id), "role": role}
        )
        muted_until = await self.store.members.open(room_id, user_id, role, row.seq, row.at, read_seq=row.seq - invited)
        self._note(
            room_id,
            row.seq,
            frames.MemberJoined(at=row.at, actor_id=self.actor, user_id=user_id, role=role),  # type: ignore[arg-type]
            joined=(user_id,),
        )
        if muted_until is not None:
            await self.updated_member(room_id, user_id, role, muted_until)
        return row.seq

    async def gone(self, room_id: UUID, user_id: UUID, *, removed: bool, reason: str | None = None) -> int:
        """`member.left` or `member.removed`, and the end of the interval. Returns to_seq."""
        meta: dict[str, Any] = {"user_id": str(user_id)}
        if removed and reason is not None:
            meta["reason"] = reason
        row = await self.store.streams.append_room(
            room_id, "member.removed" if removed else "member.left", actor=self.actor, meta=meta
        )
        await self.store.members.close(room_id, user_id, row.seq, row.at)
        body: AnyEventBody
        if removed:
            body = frames.MemberRemoved(at=row.at, actor_id=self.actor, user_id=user_id, reason=reason)
        else:
            body = frames.MemberLeft(at=row.at, actor_id=self.actor, user_id=user_id)
        self._note(room_id, row.seq, body, left=(user_id,))
        return row.seq

    async def updated_member(self, room_id: UUID, user_id: UUID, role: str, muted_until: datetime | None) -> None:
        meta = {"user_id": str(user_id), "role": role}
        if muted_until is not None:
            meta["muted_until"] = muted_until.isoformat()
        row = await self.store.streams.append_room(room_id, "member.updated", actor=self.actor, meta=meta)
        self._note(
            room_id,
            row.seq,
            frames.MemberUpdated(
                at=row.at,
                actor_id=self.actor,
                user_id=user_id,
                role=role,  # type: ignore[arg-type]
                muted_until=muted_until,
            ),
        )

    async def room_updated(self, room_id: UUID, room: Room) -> None:
        row = await self.store.streams.append_room(room_id, "room.updated", actor=self.actor)
        self._note(room_id, row.seq, frames.RoomUpdated(at=row.at, actor_id=self.actor, room=room), replayable=False)

    async def room_deleted(self, room_id: UUID) -> tuple[int, list[UUID]]:
        """The room's last event; it ends for all but owners right after it. Returns (to_seq, whom it ended for)."""
        row = await self.store.streams.append_room(room_id, "room.deleted", actor=self.actor)
        to_seq = row.seq + 1
        ended = await self.store.members.close_all_but_owners(room_id, to_seq, row.at)
        self._note(room_id, row.seq, frames.RoomDeleted(at=row.at, actor_id=self.actor))
        return to_seq, ended

    async def room_restored(self, room_id: UUID) -> tuple[int, list[UUID]]:
        """Returns (from_seq of everybody who is back, who that is)."""
        row = await self.store.streams.append_room(room_id, "room.restored", actor=self.actor)
        # Deleted at seq s, it ended at s + 1, which is this event's seq: nothing is logged while it is deleted.
        back = await self.store.members.reopen(room_id, row.seq, row.seq, row.at)
        self._note(room_id, row.seq, frames.RoomRestored(at=row.at, actor_id=self.actor))
        return row.seq, back

    async def tell_joined(self, room_id: UUID, from_seqs: dict[UUID, int]) -> None:
        """`room.joined` in each user's own stream; the last thing of a transaction."""
        await self._tell_users(
            [
                UserEntry(user, "room.joined", self.actor, {"room_id": str(room_id), "from_seq": from_seq})
                for user, from_seq in from_seqs.items()
            ]
        )
        # Only now, with the streams locked: an erasure that begins at this moment has either seen this, or is seen here.
        if await self.store.erasure.any(list(from_seqs)):
            raise not_found("user")

    async def tell_left(self, room_id: UUID, users: list[UUID], to_seq: int, reason: str) -> None:
        """`room.left` in each user's own stream; the last thing of a transaction."""
        meta = {"room_id": str(room_id), "to_seq": to_seq, "reason": reason}
        await self._tell_users([UserEntry(user, "room.left", self.actor, meta) for user in users])

    async def notify(self, notices: list[Notice]) -> None:
        """Notifications, and `notification.created` in each user's own stream; the last thing of a transaction."""
        if not notices:
            return
        made = [(new_id(), notice) for notice in notices]
        appended = await self._tell_users(
            [
                UserEntry(
                    notice.user_id,
                    "notification.created",
                    notice.actor_id,
                    {
                        "notification": {
                            "id": identifier,
                            "kind": notice.kind,
                            "room_id": notice.room_id,
                            "message_id": notice.message_id,
                            "thread_root_id": notice.thread_root_id,
                            "actor_id": notice.actor_id,
                        }
                    },
                    notice.message_id,
                )
                for identifier, notice in made
            ]
        )
        await self.store.notifications.insert(
            [
                (
                    notice.user_id,
                    row.seq,
                    identifier,
                    notice.kind,
                    notice.room_id,
                    notice.message_id,
                    notice.message_seq,
                    notice.thread_root_id,
                    notice.actor_id,
                    row.at,
                )
                for (identifier, notice), row in zip(made, appended, strict=True)
            ]
        )

    async def notification_read(self, user_id: UUID, up_to: UUID) -> None:
        await self._tell_users([UserEntry(user_id, "notification.read", user_id, {"up_to": str(up_to)})])

    async def account_updated(self, user_id: UUID) -> None:
        """What is one's own has changed: blocks, levels of notification."""
        await self._tell_users([UserEntry(user_id, "account.updated", user_id, {})])

    async def _tell_users(self, entries: list[UserEntry]) -> list[Appended]:
        if not entries:
            return []
        appended = await self.store.streams.append_users(entries)
        for entry, row in zip(entries, appended, strict=True):
            body = user_event(entry.kind, row.at, entry.actor, entry.meta)
            framed = render(user_stream(entry.user_id), row.seq, body)
            self._committed.append(Committed("user", entry.user_id, row.seq, framed, trace=current()))
        return appended

    async def audit(
        self,
        room_id: UUID,
        action: str,
        target_id: UUID | None = None,
        reason: str | None = None,
        **details: Any,  # Any: whatever JSON holds, and never text of messages
    ) -> None:
        """An entry of the room's audit trail, in the transaction of what it tells of, which holds the room's row.

        action: named like the event's kind. target_id: whom or what it was done to: a user or a message. By the same
        names details say the rest, in a word or two.
        """
        await self.store.audit.append(
            room_id, action, actor_id=self.actor, target_id=target_id, reason=reason, details=details
        )

    def _note(
        self,
        room_id: UUID,
        seq: int,
        body: AnyEventBody,
        *,
        joined: tuple[UUID, ...] = (),
        left: tuple[UUID, ...] = (),
        replayable: bool = True,
    ) -> None:
        framed = render(room_stream(room_id), seq, body)
        self._committed.append(Committed("room", room_id, seq, framed, joined, left, replayable, current()))

    async def publish(self, publisher: LivePublisher) -> None:
        """After COMMIT."""
        await publisher.publish(self._committed)
