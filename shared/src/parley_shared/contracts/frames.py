"""WebSocket frames of protocol version 1, tagged by `type`. Commands carry an integer `id`; the answer carries the same one."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from parley_shared.contracts.auth import Me
from parley_shared.contracts.messages import Message, MyRoom, Room, RoomRole, StreamStatus
from parley_shared.contracts.presence import Status

PROTOCOL = 1


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame from a client. trace: a W3C traceparent."""

    trace: str | None = None


class LastClose(msgspec.Struct, frozen=True, kw_only=True):
    """How the client's previous connection ended, as the client saw it."""

    code: int
    reason: str = ""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    epoch: str
    at: dict[str, int]


class Auth(Command, frozen=True, kw_only=True, tag="auth"):
    id: int
    token: str
    protocol: int = PROTOCOL
    device_id: str | None = None
    client: str | None = None
    last_close: LastClose | None = None
    resume: Resume | None = None


class Send(Command, frozen=True, kw_only=True, tag="send"):
    id: int
    client_msg_id: str
    room_id: UUID
    body: str
    format: str = "markdown"
    thread_root_id: UUID | None = None
    media_ids: list[UUID] = []


class Edit(Command, frozen=True, kw_only=True, tag="edit"):
    id: int
    room_id: UUID
    message_id: UUID
    rev: int
    body: str


class Delete(Command, frozen=True, kw_only=True, tag="delete"):
    id: int
    room_id: UUID
    message_id: UUID
    reason: str | None = None


class React(Command, frozen=True, kw_only=True, tag="react"):
    id: int
    room_id: UUID
    message_id: UUID
    reaction: str


class Unreact(Command, frozen=True, kw_only=True, tag="unreact"):
    id: int
    room_id: UUID
    message_id: UUID
    reaction: str


class Read(Command, frozen=True, kw_only=True, tag="read"):
    room_id: UUID
    seq: int
    id: int | None = None


class Delivered(Command, frozen=True, kw_only=True, tag="delivered"):
    room_id: UUID
    seq: int
    id: int | None = None


class Join(Command, frozen=True, kw_only=True, tag="join"):
    id: int
    room_id: UUID


class Leave(Command, frozen=True, kw_only=True, tag="leave"):
    id: int
    room_id: UUID


class Refresh(Command, frozen=True, kw_only=True, tag="refresh"):
    id: int
    token: str


class Typing(Command, frozen=True, kw_only=True, tag="typing"):
    """Send it again every few seconds for as long as somebody types."""

    room_id: UUID
    on: bool = True
    id: int | None = None


class WatchPresence(Command, frozen=True, kw_only=True, tag="watch_presence"):
    """Replaces the list of whom this socket watches."""

    id: int
    user_ids: list[UUID]


class Ping(Command, frozen=True, kw_only=True, tag="ping"):
    id: int | None = None


class Pong(Command, frozen=True, kw_only=True, tag="pong"):
    id: int | None = None


ClientFrame = (
    Auth
    | Send
    | Edit
    | Delete
    | React
    | Unreact
    | Read
    | Delivered
    | Join
    | Leave
    | Typing
    | WatchPresence
    | Refresh
    | Ping
    | Pong
)


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame to a client."""


class Hello(Frame, frozen=True, kw_only=True, tag="hello"):
    protocol: int
    heartbeat_ms: int
    max_frame_bytes: int
    server_time: datetime
    connection_id: UUID


class StreamStanding(msgspec.Struct, frozen=True, kw_only=True):
    status: StreamStatus
    head: int


class Ready(Frame, frozen=True, kw_only=True, tag="ready"):
    id: int
    session_id: UUID
    user: Me
    epoch: str
    rooms: list[MyRoom]
    more_rooms: bool
    streams: dict[str, StreamStanding]


class Live(Frame, frozen=True, kw_only=True, tag="live"):
    """Everything missed has been sent; what follows is happening now."""


class SendAck(Frame, frozen=True, kw_only=True, tag="ack"):
    id: int
    message_id: UUID
    seq: int
    n: int | None
    created_at: datetime
    duplicate: bool


class Ack(Frame, frozen=True, kw_only=True, tag="ack"):
    """The answer to any command but send."""

    id: int


class Error(Frame, frozen=True, kw_only=True, tag="error", omit_defaults=True):
    code: str
    detail: str
    id: int | None = None
    retry_after_ms: int | None = None
    errors: dict[str, str] | None = None


class EventBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What happened. actor_id: who did it, null for the system. at: when it was committed."""

    at: datetime
    actor_id: UUID | None


class MessageCreated(EventBody, frozen=True, kw_only=True, tag="message.created"):
    message: Message


class MessageEdited(EventBody, frozen=True, kw_only=True, tag="message.edited"):
    """The message as it is today; a deleted one has no body, nor has one whose room's key was destroyed (`unreadable`)."""

    message_id: UUID
    rev: int
    body: str | None
    format: str
    mentions: list[UUID]
    mention_all: bool = False
    edited_at: datetime | None
    unreadable: bool = False


class MessageDeleted(EventBody, frozen=True, kw_only=True, tag="message.deleted"):
    """Body, media, mentions, reactions and pin are gone; its place in the order stays. deleted_by: null for the system."""

    message_id: UUID
    deleted_by: UUID | None
    rev: int


class MessagePinned(EventBody, frozen=True, kw_only=True, tag="message.pinned"):
    message_id: UUID


class MessageUnpinned(EventBody, frozen=True, kw_only=True, tag="message.unpinned"):
    message_id: UUID


class ReactionAdded(EventBody, frozen=True, kw_only=True, tag="reaction.added"):
    """count: of this reaction to this message right after this event."""

    message_id: UUID
    reaction: str
    user_id: UUID
    count: int


class ReactionRemoved(EventBody, frozen=True, kw_only=True, tag="reaction.removed"):
    message_id: UUID
    reaction: str
    user_id: UUID
    count: int


class MemberJoined(EventBody, frozen=True, kw_only=True, tag="member.joined"):
    user_id: UUID
    role: RoomRole


class MemberLeft(EventBody, frozen=True, kw_only=True, tag="member.left"):
    user_id: UUID


class MemberRemoved(EventBody, frozen=True, kw_only=True, tag="member.removed"):
    user_id: UUID
    reason: str | None = None


class MemberUpdated(EventBody, frozen=True, kw_only=True, tag="member.updated"):
    """Another role, or muted: see Member."""

    user_id: UUID
    role: RoomRole
    muted_until: datetime | None = None


class RoomUpdated(EventBody, frozen=True, kw_only=True, tag="room.updated"):
    room: Room


class RoomDeleted(EventBody, frozen=True, kw_only=True, tag="room.deleted"):
    pass


class RoomRestored(EventBody, frozen=True, kw_only=True, tag="room.restored"):
    pass


class RoomJoined(EventBody, frozen=True, kw_only=True, tag="room.joined"):
    """On the user's own stream. The client's position in that room becomes from_seq - 1."""

    room_id: UUID
    from_seq: int


class RoomLeft(EventBody, frozen=True, kw_only=True, tag="room.left"):
    """On the user's own stream. reason: left, removed, banned or deleted."""

    room_id: UUID
    to_seq: int
    reason: str


NotificationKind = Literal["mention", "direct", "reply", "invitation", "access"]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """Ids only. Reading the room up to the message reads it, too; `read` says so when it is fetched.

    access: an admin was granted access to a room that one owns.
    """

    id: UUID
    kind: NotificationKind
    room_id: UUID
    message_id: UUID | None
    thread_root_id: UUID | None
    actor_id: UUID | None
    created_at: datetime
    read: bool


class NotificationCreated(EventBody, frozen=True, kw_only=True, tag="notification.created"):
    notification: Notification


class NotificationRead(EventBody, frozen=True, kw_only=True, tag="notification.read"):
    """All up to this one, itself included."""

    up_to: UUID


class AccountUpdated(EventBody, frozen=True, kw_only=True, tag="account.updated"):
    """Read again what is one's own: settings, blocks."""


AnyEventBody = (
    MessageCreated
    | MessageEdited
    | MessageDeleted
    | MessagePinned
    | MessageUnpinned
    | ReactionAdded
    | ReactionRemoved
    | MemberJoined
    | MemberLeft
    | MemberRemoved
    | MemberUpdated
    | RoomUpdated
    | RoomDeleted
    | RoomRestored
    | RoomJoined
    | RoomLeft
    | NotificationCreated
    | NotificationRead
    | AccountUpdated
)


class Event(Frame, frozen=True, kw_only=True, tag="event"):
    """One row of a stream's log, rendered from today's state."""

    stream: str
    seq: int
    event: AnyEventBody


class Receipt(Frame, frozen=True, kw_only=True, tag="receipt"):
    room_id: UUID
    user_id: UUID
    delivered_seq: int
    read_seq: int


class TypingFrame(Frame, frozen=True, kw_only=True, tag="typing"):
    """Somebody types in a room; it is over after so many milliseconds, unless it is said again. 0: it is over."""

    room_id: UUID
    user_id: UUID
    for_ms: int


class PresenceFrame(Frame, frozen=True, kw_only=True, tag="presence", omit_defaults=True):
    """last_seen: when he was last connected, of who is offline. Who is invisible is offline to others."""

    user_id: UUID
    status: Status
    last_seen: datetime | None = None
    text: str | None = None


class PingFrame(Frame, frozen=True, kw_only=True, tag="ping"):
    pass


class PongFrame(Frame, frozen=True, kw_only=True, tag="pong"):
    pass


class Reconnect(Frame, frozen=True, kw_only=True, tag="reconnect"):
    """Come back, to any gateway, within this window (full jitter)."""

    after_ms: int
    reason: str


class CloseCode:
    """3000–3499 and 4000–4499 mean reconnect with full jitter, 3500–3999 and 4500–4999 mean stop."""

    DRAIN = 4001
    TOO_SLOW = 4008
    NO_HEARTBEAT = 4009
    TOKEN_EXPIRED = 4014
    TOO_MANY = 4029
    BAD_TOKEN = 4500
    BAD_FRAME = 4501
    SESSION_ENDED = 4503
    NO_AUTH = 4504
    UNKNOWN_PROTOCOL = 4512
