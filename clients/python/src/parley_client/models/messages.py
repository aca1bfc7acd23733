"""Messages, and what belongs to one."""

from datetime import datetime
from uuid import UUID

import msgspec

from parley_client.models.base import Model


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
    media: list[Image] = msgspec.field(default_factory=list)
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


class Ack(Model, frozen=True, kw_only=True):
    """A message is committed. duplicate: it already was, under the same client_msg_id."""

    message_id: UUID
    seq: int
    n: int | None
    created_at: datetime
    duplicate: bool
