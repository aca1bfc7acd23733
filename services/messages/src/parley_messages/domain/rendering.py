"""Rows of a log as clients read them, from today's state: one function, used live, in replays and by gateways that catch up."""

from collections.abc import Mapping
from uuid import UUID

from parley_messages.domain.rooms import RoomState
from parley_messages.domain.streams import Entry
from parley_messages.publisher import Committed, render
from parley_shared.contracts import frames
from parley_shared.contracts.messages import Message

MessageKey = tuple[UUID, UUID]
"""(room, message)"""


def event_body(
    entry: Entry, messages: Mapping[MessageKey, Message], rooms: Mapping[UUID, RoomState]
) -> frames.AnyEventBody:
    """What happened, shown with what is there today. `messages` and `rooms` hold what the entry speaks of.

    A message is shown with the replies that it had at this seq, none: each reply is an event of its own that counts up.
    """
    at, actor, meta = entry.at, entry.actor, entry.meta
    match entry.kind:
        case "message.created" if entry.message_id is not None:
            return frames.MessageCreated(at=at, actor_id=actor, message=messages[entry.identifier, entry.message_id])
        case "member.joined" if meta.user_id is not None and meta.role is not None:
            return frames.MemberJoined(at=at, actor_id=actor, user_id=meta.user_id, role=meta.role)
        case "member.left" if meta.user_id is not None:
            return frames.MemberLeft(at=at, actor_id=actor, user_id=meta.user_id)
        case "member.removed" if meta.user_id is not None:
            return frames.MemberRemoved(at=at, actor_id=actor, user_id=meta.user_id, reason=meta.reason)
        case "member.updated" if meta.user_id is not None and meta.role is not None:
            return frames.MemberUpdated(at=at, actor_id=actor, user_id=meta.user_id, role=meta.role)
        case "room.updated":
            return frames.RoomUpdated(at=at, actor_id=actor, room=rooms[entry.identifier].wire())
        case "room.deleted":
            return frames.RoomDeleted(at=at, actor_id=actor)
        case "room.restored":
            return frames.RoomRestored(at=at, actor_id=actor)
        case "room.joined" if meta.room_id is not None and meta.from_seq is not None:
            return frames.RoomJoined(at=at, actor_id=actor, room_id=meta.room_id, from_seq=meta.from_seq)
        case "room.left" if meta.room_id is not None and meta.to_seq is not None and meta.reason is not None:
            return frames.RoomLeft(at=at, actor_id=actor, room_id=meta.room_id, to_seq=meta.to_seq, reason=meta.reason)
    raise ValueError(f"{entry.stream} has an event at {entry.seq} that cannot be shown: {entry.kind}")


def committed(entry: Entry, messages: Mapping[MessageKey, Message], rooms: Mapping[UUID, RoomState]) -> Committed:
    """The event, rendered, with whom it lets in or out."""
    user_id = entry.meta.user_id
    return Committed(
        entry.kind_of_stream,
        entry.identifier,
        entry.seq,
        render(entry.stream, entry.seq, event_body(entry, messages, rooms)),
        joined=(user_id,) if entry.kind == "member.joined" and user_id is not None else (),
        left=(user_id,) if entry.kind in ("member.left", "member.removed") and user_id is not None else (),
        # It shows today's settings, which the next change makes untrue.
        replayable=entry.kind != "room.updated",
    )
