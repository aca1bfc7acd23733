"""From rows to what clients read: rooms, messages, events. Everything is rendered from today's state."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from parley_messages.publisher import render
from parley_shared.contracts import frames
from parley_shared.contracts.images import Image
from parley_shared.contracts.messages import DirectoryRoom, Message, MyRoom, Reaction, Room

_ROOM = (
    "id", "kind", "name", "topic", "visibility", "encryption", "history", "language", "slow_mode_s", "retention_days", "rev",
    "created_by", "created_at", "deleted_at", "unreadable_before",
)  # fmt: skip

Row = Any
"""An asyncpg record; its columns are named where it is read."""


def room(row: Row) -> Room:
    return Room(**{name: row[name] for name in _ROOM})


def my_room(row: Row, last_message: Message | None = None) -> MyRoom:
    """From a row of store.rooms.MINE."""
    return MyRoom(
        **{name: row[name] for name in _ROOM},
        role=row["role"],
        from_seq=row["from_seq"],
        head=row["head"],
        read_seq=row["read_seq"],
        unread=max(0, row["n"] - row["read_n"]) + row["replies"],
        mentions=row["mentions"],
        notify=row["notify"],
        member_count=row["member_count"],
        user_ids=row["user_ids"],
        last_message=last_message,
    )


def directory_room(row: Row, *, joined: bool) -> DirectoryRoom:
    return DirectoryRoom(**{name: row[name] for name in _ROOM}, member_count=row["member_count"], joined=joined)


def message(row: Row, reactions: Iterable[Reaction] = ()) -> Message:
    """From the columns of store.timeline.COLUMNS; a deleted message keeps its place and nothing else."""
    deleted = row["deleted_at"] is not None
    return Message(
        id=row["id"],
        room_id=row["room_id"],
        seq=row["message_seq"],
        n=row["n"],
        sender_id=row["sender_id"],
        body=None if deleted else row["body"],
        format=row["format"],
        media=_images(row["media"]),
        thread_root_id=row["thread_root_id"],
        reply_count=row["reply_count"],
        mentions=[] if deleted else row["mentions"],
        mention_all=not deleted and row["mention_all"],
        reactions=[] if deleted else list(reactions),
        rev=row["rev"],
        edited_at=row["edited_at"],
        deleted=deleted,
        deleted_by=row["deleted_by"],
        pinned=row["pinned_at"] is not None and not deleted,
        unreadable=not deleted and row.get("unreadable", False),
        created_at=row["created_at"],
    )


def _images(kept: list[dict[str, Any]] | None) -> list[Image]:
    """As media described them when the message was sent; a tombstone has none."""
    return [] if kept is None else msgspec.convert(kept, list[Image])


def reactions(rows: Iterable[Row]) -> dict[UUID, list[Reaction]]:
    """From rows of store.reactions.of: by message, sorted by reaction."""
    found: dict[UUID, list[Reaction]] = {}
    for row in rows:
        found.setdefault(row["message_id"], []).append(
            Reaction(reaction=row["reaction"], count=row["count"], user_ids=row["user_ids"], mine=row["mine"])
        )
    return found


def edited(at: datetime, actor: UUID | None, today: Message) -> frames.MessageEdited:
    return frames.MessageEdited(
        at=at,
        actor_id=actor,
        message_id=today.id,
        rev=today.rev,
        body=today.body,
        format=today.format,
        mentions=today.mentions,
        mention_all=today.mention_all,
        edited_at=today.edited_at,
        unreadable=today.unreadable,
    )


def event_body(row: Row, room_row: Row | None) -> frames.AnyEventBody:
    """A row of store.streams.events; room_row: today's settings, for `room.updated`."""
    kind, at, actor, meta = row["kind"], row["at"], row["actor"], row["meta"] or {}
    match kind:
        case "message.created":
            # As bare as the live event showed it: replies, reactions and a pin are events of their own, which follow.
            created = msgspec.structs.replace(message(row), reply_count=0, pinned=False)
            return frames.MessageCreated(at=at, actor_id=actor, message=created)
        case "message.edited":
            return edited(at, actor, message(row))
        case "message.deleted":
            return frames.MessageDeleted(
                at=at, actor_id=actor, message_id=row["message_id"], deleted_by=row["deleted_by"], rev=row["rev"]
            )
        case "message.pinned":
            return frames.MessagePinned(at=at, actor_id=actor, message_id=row["message_id"])
        case "message.unpinned":
            return frames.MessageUnpinned(at=at, actor_id=actor, message_id=row["message_id"])
        case "reaction.added" | "reaction.removed":
            reacted = frames.ReactionAdded if kind == "reaction.added" else frames.ReactionRemoved
            return reacted(
                at=at,
                actor_id=actor,
                message_id=row["message_id"],
                reaction=meta["reaction"],
                user_id=UUID(meta["user_id"]),
                count=meta["count"],
            )
        case "member.joined":
            return frames.MemberJoined(at=at, actor_id=actor, user_id=UUID(meta["user_id"]), role=meta["role"])
        case "member.left":
            return frames.MemberLeft(at=at, actor_id=actor, user_id=UUID(meta["user_id"]))
        case "member.removed":
            return frames.MemberRemoved(at=at, actor_id=actor, user_id=UUID(meta["user_id"]), reason=meta.get("reason"))
        case "member.updated":
            return frames.MemberUpdated(
                at=at,
                actor_id=actor,
                user_id=UUID(meta["user_id"]),
                role=meta["role"],
                muted_until=_instant(meta.get("muted_until")),
            )
        case "room.updated":
            return frames.RoomUpdated(at=at, actor_id=actor, room=room(room_row))
        case "room.deleted":
            return frames.RoomDeleted(at=at, actor_id=actor)
        case "room.restored":
            return frames.RoomRestored(at=at, actor_id=actor)
        case _:
            return user_event(kind, at, actor, meta)


def user_event(kind: str, at: datetime, actor: UUID | None, meta: dict[str, Any]) -> frames.AnyEventBody:
    """An event of somebody's own stream; all that it says is in the log row."""
    match kind:
        case "room.joined":
            return frames.RoomJoined(at=at, actor_id=actor, room_id=UUID(meta["room_id"]), from_seq=meta["from_seq"])
        case "room.left":
            return frames.RoomLeft(
                at=at, actor_id=actor, room_id=UUID(meta["room_id"]), to_seq=meta["to_seq"], reason=meta["reason"]
            )
        case "notification.created":
            notification = msgspec.convert(
                {**meta["notification"], "created_at": at, "read": False}, frames.Notification
            )
            return frames.NotificationCreated(at=at, actor_id=actor, notification=notification)
        case "notification.read":
            return frames.NotificationRead(at=at, actor_id=actor, up_to=UUID(meta["up_to"]))
        case "account.updated":
            return frames.AccountUpdated(at=at, actor_id=actor)
        case _:
            raise ValueError(f"the log holds an unknown kind: {kind}")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def event_frame(stream: str, row: Row, room_row: Row | None) -> bytes:
    return render(stream, row["seq"], event_body(row, room_row))


def membership_change(row: Row) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Whose membership begins, and whose ends, at exactly this event."""
    if row["kind"] == "member.joined":
        return (UUID(row["meta"]["user_id"]),), ()
    if row["kind"] in ("member.left", "member.removed"):
        return (), (UUID(row["meta"]["user_id"]),)
    return (), ()
