"""The JSON of protocol version 1 as types. Unknown fields are passed over, so that the server may grow."""

from datetime import datetime
from typing import Any, Generic, TypeVar
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


class Message(Model, frozen=True, kw_only=True):
    """seq: that of its creation. n: its ordinal among the top-level messages, None for a reply."""

    id: UUID
    room_id: UUID
    seq: int
    n: int | None
    sender_id: UUID
    body: str | None
    format: str
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
    created_at: datetime
    duplicate: bool = False


class Room(Model, frozen=True, kw_only=True):
    """What is one's own (role, head, …) is None for a room that one has not joined."""

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
