"""What became of a message."""

from datetime import datetime
from uuid import UUID

from parley_client.models.base import Model
from parley_client.models.messages import MessageRecipient


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
