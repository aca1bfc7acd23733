"""What messages answers: rooms, membership, streams, messages, positions."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from parley_shared.contracts.base import Actor, Empty, UserRequest, Wire, ready_rpc, svc_rpc, user_rpc
from parley_shared.contracts.images import Image

RoomRole = Literal["owner", "moderator", "member"]
Visibility = Literal["public", "private"]
Encryption = Literal["plain", "sealed"]
History = Literal["all", "since_join"]
Format = Literal["markdown", "plain"]
StreamStatus = Literal["recovered", "current", "resync", "gone"]


# -- rooms


class Room(Wire, frozen=True, kw_only=True):
    """A room as everybody who may see it sees it; also what `room.updated` carries. `rev` guards PATCH.

    kind: `direct` for the room of POST /direct, whose members are fixed and which has no name.
    deleted_at: set while an owner may still restore it; nobody else sees the room then.
    retention_days: how long messages are kept, null for ever.
    unreadable_before: of a sealed room whose key was destroyed: messages with a smaller seq are `unreadable`.
    """

    id: UUID
    kind: Literal["room", "direct"]
    name: str | None
    topic: str
    visibility: Visibility
    encryption: Encryption
    history: History
    language: str
    slow_mode_s: int
    retention_days: int | None = None
    rev: int
    created_by: UUID
    created_at: datetime
    deleted_at: datetime | None = None
    unreadable_before: int | None = None


class Reaction(Wire, frozen=True, kw_only=True):
    """mine is left out of live events, which everybody shares."""

    reaction: str
    count: int
    user_ids: list[UUID]
    mine: bool | msgspec.UnsetType = msgspec.UNSET


class Message(Wire, frozen=True, kw_only=True):
    """A message as it is today; a deleted one has neither body nor media.

    seq: that of its creation. n: its ordinal among the room's top-level messages, null for a reply.
    mentions: members named in it, by id; mention_all: it names everybody. reactions: sorted by reaction.
    unreadable: the key of its sealed room was destroyed, so that it has no body for anybody.
    """

    id: UUID
    room_id: UUID
    seq: int
    n: int | None
    sender_id: UUID
    body: str | None
    format: str
    media: list[Image]
    thread_root_id: UUID | None
    reply_count: int
    mentions: list[UUID]
    mention_all: bool = False
    reactions: list[Reaction]
    rev: int
    edited_at: datetime | None
    deleted: bool
    deleted_by: UUID | None
    pinned: bool
    unreadable: bool = False
    created_at: datetime


class MyRoom(Room, frozen=True, kw_only=True):
    """A room with what is the caller's own about it.

    head: the room's newest seq. from_seq: that of the caller's own joining. user_ids: the members of a direct room, else null.
    unread: top-level messages after read_seq, and replies in threads that the caller follows. mentions: unread notifications.
    notify: which notifications the room makes.
    """

    role: RoomRole
    from_seq: int
    head: int
    read_seq: int
    unread: int
    mentions: int
    notify: Literal["all", "mentions", "none"] = "all"
    member_count: int
    user_ids: list[UUID] | None = None
    last_message: Message | None = None


class MyRooms(Wire, frozen=True, kw_only=True):
    items: list[MyRoom]
    next: str | None = None


class DirectoryRoom(Room, frozen=True, kw_only=True):
    """A public room in the directory."""

    member_count: int
    joined: bool


class DirectoryRooms(Wire, frozen=True, kw_only=True):
    items: list[DirectoryRoom]
    next: str | None = None


class Member(Wire, frozen=True, kw_only=True):
    """muted_until: an instant in the past means nothing any more; the year 9999 means without end."""

    user_id: UUID
    role: RoomRole
    from_seq: int
    joined_at: datetime
    muted_until: datetime | None = None


class Members(Wire, frozen=True, kw_only=True):
    items: list[Member]
    next: str | None = None


class CreateRoom(UserRequest, frozen=True, kw_only=True):
    """history: null means `all` for public rooms and `since_join` for private ones.

    idempotency_key: of the header Idempotency-Key, remembered for 24 h per user; a repeated call answers the same room.
    """

    name: str
    topic: str = ""
    visibility: Visibility = "private"
    encryption: Encryption = "plain"
    history: History | None = None
    language: str = "english"
    idempotency_key: str | None = None


class CreateDirect(UserRequest, frozen=True, kw_only=True):
    user_ids: list[UUID]


class ListRooms(UserRequest, frozen=True, kw_only=True):
    """The caller's rooms, most recently active first."""

    limit: int = 50
    cursor: str | None = None


class Directory(UserRequest, frozen=True, kw_only=True):
    query: str | None = None
    limit: int = 50
    cursor: str | None = None


class RoomRequest(UserRequest, frozen=True, kw_only=True):
    room_id: UUID


class UpdateRoom(RoomRequest, frozen=True, kw_only=True):
    """What is null stays. slow_mode_s: 0 switches it off. retention_days: null means for ever; left out, it stays."""

    rev: int
    name: str | None = None
    topic: str | None = None
    visibility: Visibility | None = None
    history: History | None = None
    language: str | None = None
    slow_mode_s: int | None = None
    retention_days: int | msgspec.UnsetType | None = msgspec.UNSET


class RoomAnswer(Wire, frozen=True, kw_only=True):
    """MyRoom for a member, DirectoryRoom for who may only see it in the directory; created: it did not exist before."""

    room: MyRoom | None
    directory: DirectoryRoom | None = None
    created: bool = False


class ListMembers(RoomRequest, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


class AddMember(RoomRequest, frozen=True, kw_only=True):
    user_id: UUID
    role: RoomRole = "member"


class UpdateMember(RoomRequest, frozen=True, kw_only=True):
    user_id: UUID
    role: RoomRole


class RemoveMember(RoomRequest, frozen=True, kw_only=True):
    user_id: UUID
    reason: str | None = None


# -- sending: the hot path


class Send(Wire, frozen=True, kw_only=True):
    """One message to be sent. The gateway sets the actor; everything else is as the client gave it, unchecked. trace: the traceparent
    of a send that is recorded."""

    actor: Actor
    room_id: UUID
    client_msg_id: str
    body: str
    format: str = "markdown"
    thread_root_id: UUID | None = None
    media_ids: list[UUID] = []  # noqa: RUF012 — msgspec copies an empty list default
    trace: str | None = None


class SendMany(Wire, frozen=True, kw_only=True):
    """What a lane has collected. Sends of one actor to one room are committed in this order."""

    sends: list[Send]


class Accepted(Wire, frozen=True, kw_only=True, tag="accepted"):
    """Committed. duplicate: it was already there under this client_msg_id."""

    message_id: UUID
    seq: int
    n: int | None
    created_at: datetime
    duplicate: bool


class NotAccepted(Wire, frozen=True, kw_only=True, tag="refused"):
    """Not committed, and nothing else of it either."""

    code: str
    detail: str
    retry_after_ms: int | None = None
    errors: dict[str, str] | None = None


class SentMany(Wire, frozen=True, kw_only=True):
    """Outcomes in the order of the sends."""

    outcomes: list[Accepted | NotAccepted]


# -- reading


class Page(RoomRequest, frozen=True, kw_only=True):
    """Top-level messages, ascending; at most one of before, after, around (seqs)."""

    before: int | None = None
    after: int | None = None
    around: int | None = None
    limit: int = 50
    cursor: str | None = None


class Messages(Wire, frozen=True, kw_only=True):
    items: list[Message]
    next: str | None = None


class MessageRequest(RoomRequest, frozen=True, kw_only=True):
    message_id: UUID


class MessageRef(Wire, frozen=True, kw_only=True):
    room_id: UUID
    message_id: UUID


class RenderMessages(UserRequest, frozen=True, kw_only=True):
    """Messages of any rooms, at most 200."""

    wanted: list[MessageRef]


class RenderedMessages(Wire, frozen=True, kw_only=True):
    """In the order of what was wanted; null for what the caller may not see now, and for a deleted one. Ends early when the answer
    is full."""

    items: list[Message | None]


class RoomEvents(RoomRequest, frozen=True, kw_only=True):
    after: int
    limit: int = 50


class UserEvents(UserRequest, frozen=True, kw_only=True):
    after: int
    limit: int = 50


class Events(Wire, frozen=True, kw_only=True):
    """Event frames as clients read them, ascending. head: the newest seq that the caller may see.

    next: the `after` of the following page as a string, or null at the head.
    """

    items: list[msgspec.Raw]
    head: int
    next: str | None = None


class MarkRead(RoomRequest, frozen=True, kw_only=True):
    """Positions only grow, and are clamped to the head; `seq` beyond it means the head."""

    seq: int


class ReadState(Wire, frozen=True, kw_only=True):
    read_seq: int
    unread: int
    mentions: int


# -- opening a session (the WebSocket's `auth`)


class ResumeFrom(Wire, frozen=True, kw_only=True):
    """Where a client was: epoch, and the newest seq that it has of each stream ("room:<uuid>", "user:<uuid>")."""

    epoch: str
    at: dict[str, int]


class OpenSession(UserRequest, frozen=True, kw_only=True):
    resume: ResumeFrom | None = None


class StreamState(Wire, frozen=True, kw_only=True):
    """after: where a `recovered` stream's replay begins (exclusive); a rejoined room begins at its newest joining."""

    stream: str
    status: StreamStatus
    head: int
    after: int


class Membership(Wire, frozen=True, kw_only=True):
    """head: the room's when the answer was read. from_seq: of the caller's current interval."""

    room_id: UUID
    from_seq: int
    head: int


class SessionOpened(Wire, frozen=True, kw_only=True):
    """streams: the user's own first, then those of the resume in their order. memberships: all rooms, for fan-out.

    `recovered` is so far by count only; the gateway pulls the frames with REPLAY and turns what passes the byte limit into `resync`.
    """

    epoch: str
    rooms: list[MyRoom]
    more_rooms: bool
    streams: list[StreamState]
    memberships: list[Membership]


class ReplayWant(Wire, frozen=True, kw_only=True):
    """The events with after < seq ≤ upto."""

    stream: str
    after: int
    upto: int


class Replay(UserRequest, frozen=True, kw_only=True):
    wants: list[ReplayWant]


class ReplayPart(Wire, frozen=True, kw_only=True):
    """complete: it ends at the want's upto; otherwise ask again from `last`. gone: the caller may not see it any more."""

    stream: str
    frames: list[msgspec.Raw]
    last: int
    complete: bool
    gone: bool = False


class Replayed(Wire, frozen=True, kw_only=True):
    """In the order of the wants; ends early when the answer is full (ask again for the rest)."""

    parts: list[ReplayPart]


# -- for gateways: what a hub needs


class HubRange(Wire, frozen=True, kw_only=True):
    """Everything of a stream after a seq, without an actor: the gateway applies membership itself, event by event."""

    stream: str
    after: int


class HubEvent(Wire, frozen=True, kw_only=True):
    """One event for fan-out. joined, left: user ids whose membership changes at exactly this seq."""

    seq: int
    frame: msgspec.Raw
    joined: list[UUID]
    left: list[UUID]


class HubEvents(Wire, frozen=True, kw_only=True):
    """Ascending from after + 1. lost: the log no longer reaches back that far; take `head` and tell clients to resync.

    The answer may end before head when it is full; ask again.
    """

    epoch: str
    head: int
    lost: bool
    events: list[HubEvent]


class StreamHeads(Wire, frozen=True, kw_only=True):
    streams: list[str]


class StreamHeadsAnswer(Wire, frozen=True, kw_only=True):
    """An unknown stream has head 0."""

    epoch: str
    heads: dict[str, int]


class Position(Wire, frozen=True, kw_only=True):
    user_id: UUID
    room_id: UUID
    delivered_seq: int
    read_seq: int


class FlushPositions(Wire, frozen=True, kw_only=True):
    """The newest positions a gateway has heard of, ≤ 1,000; older or foreign ones are passed over."""

    positions: list[Position]


CREATE_ROOM = user_rpc("messages", "create_room", CreateRoom, RoomAnswer)
CREATE_DIRECT = user_rpc("messages", "create_direct", CreateDirect, RoomAnswer, repeatable=True)
LIST_ROOMS = user_rpc("messages", "list_rooms", ListRooms, MyRooms, repeatable=True)
DIRECTORY = user_rpc("messages", "directory", Directory, DirectoryRooms, repeatable=True)
GET_ROOM = user_rpc("messages", "get_room", RoomRequest, RoomAnswer, repeatable=True)
UPDATE_ROOM = user_rpc("messages", "update_room", UpdateRoom, RoomAnswer)
DELETE_ROOM = user_rpc("messages", "delete_room", RoomRequest, Empty, repeatable=True)
RESTORE_ROOM = user_rpc("messages", "restore_room", RoomRequest, RoomAnswer, repeatable=True)
JOIN = user_rpc("messages", "join", RoomRequest, RoomAnswer, repeatable=True)
LEAVE = user_rpc("messages", "leave", RoomRequest, Empty, repeatable=True)
LIST_MEMBERS = user_rpc("messages", "list_members", ListMembers, Members, repeatable=True)
ADD_MEMBER = user_rpc("messages", "add_member", AddMember, Member, repeatable=True)
UPDATE_MEMBER = user_rpc("messages", "update_member", UpdateMember, Member, repeatable=True)
REMOVE_MEMBER = user_rpc("messages", "remove_member", RemoveMember, Empty, repeatable=True)
SEND_MANY = user_rpc("messages", "send_many", SendMany, SentMany, timeout=5.0)
PAGE = user_rpc("messages", "page", Page, Messages, repeatable=True)
GET_MESSAGE = user_rpc("messages", "get_message", MessageRequest, Message, repeatable=True)
RENDER_MESSAGES = user_rpc("messages", "render_messages", RenderMessages, RenderedMessages, repeatable=True)
ROOM_EVENTS = user_rpc("messages", "room_events", RoomEvents, Events, repeatable=True)
USER_EVENTS = user_rpc("messages", "user_events", UserEvents, Events, repeatable=True)
MARK_READ = user_rpc("messages", "mark_read", MarkRead, ReadState, repeatable=True)
OPEN_SESSION = user_rpc("messages", "open_session", OpenSession, SessionOpened, repeatable=True)
REPLAY = user_rpc("messages", "replay", Replay, Replayed, repeatable=True)
HUB_RANGE = svc_rpc("messages", "hub_range", HubRange, HubEvents, callers={"gateway"}, timeout=5.0)
STREAM_HEADS = svc_rpc("messages", "stream_heads", StreamHeads, StreamHeadsAnswer, callers={"gateway"})
FLUSH_POSITIONS = svc_rpc("messages", "flush_positions", FlushPositions, Empty, callers={"gateway"})
READY = ready_rpc("messages")
