"""The JSON of protocol version 1 as types. Unknown fields are passed over, so that the server may grow."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the server sent."""


class Me(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    role: str
    rev: int
    read_receipts: bool
    created_at: datetime


class ErasureBegun(Model, frozen=True, kw_only=True):
    """code: it is told only once, and is what `erasure` asks for."""

    id: UUID
    code: str


class StoreErasure(Model, frozen=True, kw_only=True):
    """counts: what was erased so far, by what it was."""

    done: bool
    counts: dict[str, int]


class Erasure(Model, frozen=True, kw_only=True):
    """state: running or done. stores: by service."""

    id: UUID
    user_id: UUID
    state: str
    requested_at: datetime
    finished_at: datetime | None
    stores: dict[str, StoreErasure]


class User(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    deleted: bool = False


class Session(Model, frozen=True, kw_only=True):
    id: UUID
    created_at: datetime
    last_used_at: datetime
    ip: str
    user_agent: str
    current: bool


class Reaction(Model, frozen=True, kw_only=True):
    reaction: str
    count: int
    user_ids: list[UUID]
    mine: bool = False


class Thumbnail(Model, frozen=True, kw_only=True):
    """size: the bound of its longer side, by which it is asked for. width, height: pixels."""

    size: int
    content_type: str
    bytes: int
    width: int
    height: int


class Image(Model, frozen=True, kw_only=True):
    """An image that is ready. sha256: hex, of the bytes that `image` returns. blurhash: a placeholder (https://blurha.sh)."""

    id: UUID
    content_type: str
    bytes: int
    width: int
    height: int
    sha256: str
    blurhash: str
    animated: bool = False
    thumbnails: list[Thumbnail]


class Message(Model, frozen=True, kw_only=True):
    """seq: that of its creation. n: its ordinal among the top-level messages, None for a reply.

    unreadable: the key of its sealed room was destroyed, so that it has no body for anybody.
    """

    id: UUID
    room_id: UUID
    seq: int
    n: int | None
    sender_id: UUID
    body: str | None
    format: str
    media: list[Image] = []
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
    duplicate: bool = False


class FoundMessage(Model, frozen=True, kw_only=True):
    """highlights: where the words are, as slices of `message.body`: [start, end), ascending and apart."""

    message: Message
    highlights: list[tuple[int, int]]


class Room(Model, frozen=True, kw_only=True):
    """What is one's own (role, head, …) is None for a room that one has not joined.

    unreadable_before: of a sealed room whose key was destroyed: messages with a smaller seq have no body.
    """

    id: UUID
    kind: str
    name: str | None
    topic: str
    visibility: str
    encryption: str
    history: str
    language: str
    slow_mode_s: int
    retention_days: int | None = None
    rev: int
    created_by: UUID
    created_at: datetime
    deleted_at: datetime | None = None
    unreadable_before: int | None = None
    member_count: int = 0
    joined: bool | None = None
    role: str | None = None
    from_seq: int | None = None
    head: int | None = None
    read_seq: int | None = None
    unread: int = 0
    mentions: int = 0
    notify: str | None = None
    user_ids: list[UUID] | None = None
    last_message: Message | None = None


class Member(Model, frozen=True, kw_only=True):
    user_id: UUID
    role: str
    from_seq: int
    joined_at: datetime
    muted_until: datetime | None = None


class Presence(Model, frozen=True, kw_only=True):
    """status: online, away, busy, offline; of oneself what one has chosen, invisible too. last_seen: of who is offline."""

    user_id: UUID
    status: str
    last_seen: datetime | None = None
    text: str | None = None


class Sanction(Model, frozen=True, kw_only=True):
    """A mute or a ban. until: None for one without end."""

    user_id: UUID
    until: datetime | None
    reason: str | None
    actor_id: UUID
    at: datetime


class Report(Model, frozen=True, kw_only=True):
    """Ids, and what the reporter says; the message has to be read where one may read it."""

    id: UUID
    room_id: UUID
    message_id: UUID
    message_seq: int
    sender_id: UUID
    reporter_id: UUID
    reason: str
    at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None


class AccessGrant(Model, frozen=True, kw_only=True):
    """Until then this admin reads the room."""

    id: UUID
    room_id: UUID
    user_id: UUID
    reason: str
    at: datetime
    until: datetime


class Revision(Model, frozen=True, kw_only=True):
    """A version of a message's text; the last one of a deleted message has no body."""

    rev: int
    body: str | None
    format: str
    actor_id: UUID
    reason: str | None
    at: datetime


class Thread(Model, frozen=True, kw_only=True):
    """A root and its replies, ascending; next as in Page."""

    root: Message
    items: list[Message]
    next: str | None = None
    following: bool
    unread: int


class MessageRecipient(Model, frozen=True, kw_only=True):
    """state: sent, delivered or read."""

    user_id: UUID
    state: str


class MessageStatus(Model, frozen=True, kw_only=True):
    """recipients: None in rooms of more than 100 members."""

    members: int
    delivered: int
    read: int
    recipients: list[MessageRecipient] | None


class JourneyCommit(Model, frozen=True, kw_only=True):
    """replica: the process that committed it, for as long as the server knows."""

    at: datetime
    seq: int
    n: int | None
    replica: str | None


class JourneyPublication(Model, frozen=True, kw_only=True):
    """relayed: search and other consumers have been told; otherwise that waits since."""

    relayed: bool
    waiting_since: datetime | None


class JourneyDecision(Model, frozen=True, kw_only=True):
    """rule: mentioned, everybody_mentioned, direct_room, follows_thread. outcome: notified, waiting, not_notified; for support
    also level, blocked, not_a_member."""

    user_id: UUID
    kind: str
    rule: str | None
    outcome: str
    at: datetime | None = None
    read: bool | None = None


class JourneyDevice(Model, frozen=True, kw_only=True):
    """A sign-in on one gateway. at: when it said the newest that it has said of the room."""

    user_id: UUID
    session_id: UUID
    device_id: str
    connected: bool
    delivered: bool
    read: bool
    at: datetime | None


class JourneyPart(Model, frozen=True, kw_only=True):
    """What one gateway remembers. handed_over: to its sockets that follow the room; at: when, if it remembers."""

    gateway: str
    handed_over: bool
    at: datetime | None
    readers: int
    devices: list[JourneyDevice]


class Journey(Model, frozen=True, kw_only=True):
    """viewer: sender or support. recipients, notifications: None in rooms of more than 100 members."""

    message_id: UUID
    room_id: UUID
    sender_id: UUID
    viewer: str
    rev: int
    edited_at: datetime | None
    deleted_at: datetime | None
    committed: JourneyCommit
    published: JourneyPublication
    members: int
    delivered: int
    read: int
    recipients: list[MessageRecipient] | None
    notified: int
    waiting: bool
    notifications: list[JourneyDecision] | None
    gateways: list[JourneyPart]


class ReadState(Model, frozen=True, kw_only=True):
    read_seq: int
    unread: int
    mentions: int


class LoggedConnection(Model, frozen=True, kw_only=True):
    """A WebSocket, as admins see it. side: client, server, network, or `gateway lost`; None while it is open."""

    connection_id: UUID
    user_id: UUID
    session_id: UUID
    device_id: str
    client: str
    ip_prefix: str
    user_agent: str
    gateway: str
    opened_at: datetime
    closed_at: datetime | None
    code: int | None
    side: str | None
    reason: str | None
    resume: str
    last_close_code: int | None
    last_close_reason: str | None
    bytes_in: int | None
    bytes_out: int | None
    queue_peak: int | None


class AdminUser(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    role: str
    disabled: bool
    deleted: bool
    created_at: datetime
    last_login_at: datetime | None


class RoomPrivacy(Model, frozen=True, kw_only=True):
    """Who can read what in a room, in sentences for people.

    key_version, key_since: of the key that seals today; None in a plain room. unreadable_before: what has a smaller seq cannot be
    read any more; None if all can.
    """

    encryption: str
    summary: str
    searchable: bool
    can_read: list[str]
    cannot_read: list[str]
    not_protected: list[str]
    key_version: int | None = None
    key_since: datetime | None = None
    unreadable_before: int | None = None


class RoomKey(Model, frozen=True, kw_only=True):
    """One version of a sealed room's key. wrapping_key: None once it is destroyed. backups_forget_at: when no backup can bring it back."""

    room_id: UUID
    version: int
    wrapping_key: str | None
    created_at: datetime
    destroyed_at: datetime | None = None
    backups_forget_at: datetime | None = None


class WrappedKeys(Model, frozen=True, kw_only=True):
    """How many keys are wrapped under which wrapping key; current: today's."""

    current: str
    counts: dict[str, int]


class Rewrapped(Model, frozen=True, kw_only=True):
    """One step of wrapping keys anew. left: how many are still under another wrapping key than today's."""

    rewrapped: int
    left: int
    wrapping_key: str
    next: str | None = None


class KeysDestroyed(Model, frozen=True, kw_only=True):
    """destroyed: how many versions. key: the new one."""

    destroyed: int
    backups_forget_at: datetime
    key: RoomKey


class IndexState(Model, frozen=True, kw_only=True):
    """Of the search. rebuilding: since when, None if not; done: rooms of total."""

    messages: int
    rooms: int
    rooms_behind: int
    epoch: str
    rebuilding: datetime | None = None
    done: int = 0
    total: int = 0


class Replica(Model, frozen=True, kw_only=True):
    """One process of a server."""

    service: str
    instance: str
    version: str


class Cluster(Model, frozen=True, kw_only=True):
    """replicas: all processes. services: what one of each says of its readiness."""

    replicas: list[Replica]
    services: dict[str, Any]


class Divergence(Model, frozen=True, kw_only=True):
    """Two things that should say the same. kind: what docs/operations/verify.md explains. stream: where, and seq in it."""

    kind: str
    stream: str
    detail: str
    seq: int | None = None
    message_id: UUID | None = None
    user_id: UUID | None = None


class Verified(Model, frozen=True, kw_only=True):
    """One step of comparing what is kept. streams: gone through to their end, of total. checked: rows, by what they are. more: there are
    other divergences of such a kind."""

    streams: int
    total: int
    checked: dict[str, int]
    divergences: list[Divergence]
    more: bool = False
    next: str | None = None


class StoreChecked(Model, frozen=True, kw_only=True):
    """One step of comparing database and bucket. missing: objects that are not in the bucket. stray: that are there alone."""

    objects: int
    total: int
    unfinished: int
    missing: list[str]
    stray: list[str]
    next: str | None = None


class AuditEntry(Model, frozen=True, kw_only=True):
    """n: its place in its chain. erased: what it said is gone, and what is shown of it is no longer proven."""

    n: int
    at: datetime
    actor_id: UUID | None
    action: str
    target_id: UUID | None
    room_id: UUID | None
    reason: str | None
    details: dict[str, Any]
    erased: bool
    hash: str
    prev_hash: str


class OneTimeCode(Model, frozen=True, kw_only=True):
    code: str
    expires_at: datetime


class Ack(Model, frozen=True, kw_only=True):
    """A message is committed. duplicate: it already was, under the same client_msg_id."""

    message_id: UUID
    seq: int
    n: int | None
    created_at: datetime
    duplicate: bool


Item = TypeVar("Item")


class Page(Model, Generic[Item], frozen=True, kw_only=True):
    """next, if not None, goes back as `cursor`."""

    items: list[Item]
    next: str | None = None


class Keys(Page[RoomKey], frozen=True, kw_only=True):
    """Of sealed rooms. current: today's wrapping key, None if there is none. counts: by wrapping key. images: None while nobody can tell."""

    current: str | None
    counts: dict[str, int]
    images: WrappedKeys | None = None


class Notification(Model, frozen=True, kw_only=True):
    """kind: mention, direct, reply, invitation, access. message: as it is now, None if it may not be seen any more."""

    id: UUID
    kind: str
    room_id: UUID
    message_id: UUID | None
    thread_root_id: UUID | None
    actor_id: UUID | None
    created_at: datetime
    read: bool
    message: Message | None = None


class NotificationPage(Page[Notification], frozen=True, kw_only=True):
    """unread: how many there are in all."""

    unread: int


class Block(Model, frozen=True, kw_only=True):
    user_id: UUID
    created_at: datetime


class StreamStanding(Model, frozen=True, kw_only=True):
    status: str
    head: int


class Ready(Model, frozen=True, kw_only=True):
    session_id: UUID
    user: Me
    epoch: str
    rooms: list[Room]
    more_rooms: bool
    streams: dict[str, StreamStanding]


class EventFrame(Model, frozen=True, kw_only=True):
    stream: str
    seq: int
    event: dict[str, Any]

    def __post_init__(self) -> None:
        # Positions depend on these two.
        match self.event:
            case {"kind": "room.joined", **said}:
                valid = isinstance(said.get("room_id"), str) and isinstance(said.get("from_seq"), int)
            case {"kind": "room.left", **said}:
                valid = isinstance(said.get("room_id"), str) and isinstance(said.get("to_seq"), int)
            case _:
                valid = True
        if not valid:
            raise ValueError("it does not say which room, or since when")


class Hello(Model, frozen=True, kw_only=True):
    heartbeat_ms: Annotated[int, msgspec.Meta(gt=0)]


class Reconnect(Model, frozen=True, kw_only=True):
    after_ms: Annotated[int, msgspec.Meta(ge=0)]


class Refusal(Model, frozen=True, kw_only=True):
    """An `error` frame."""

    code: str
    detail: str = ""
    retry_after_ms: int | None = None
    errors: dict[str, str] | None = None
