"""Rooms, their members, and what one is told of them."""

from datetime import datetime
from uuid import UUID

from parley_client.models.base import Model, Page
from parley_client.models.messages import Message


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


class ReadState(Model, frozen=True, kw_only=True):
    read_seq: int
    unread: int
    mentions: int


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
