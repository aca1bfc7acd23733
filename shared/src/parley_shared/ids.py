"""Identifiers: UUIDv7, which sort by the time they were made (RFC 9562)."""

from uuid import UUID
from zlib import crc32

from uuid_utils.compat import uuid7

from parley_shared.limits import EVENT_BUCKETS, LIVE_BUCKETS

__all__ = ["bucket", "event_bucket", "live_bucket", "new_id", "room_stream", "user_stream"]


def new_id() -> UUID:
    """A new UUIDv7, monotonic within this process."""
    return uuid7()


def bucket(identifier: UUID, count: int) -> int:
    """CRC-32 of the id's 36 characters modulo count: the same on every machine and in every language."""
    return crc32(str(identifier).encode()) % count


def live_bucket(identifier: UUID) -> int:
    """Which of the live subjects carries this room or user."""
    return bucket(identifier, LIVE_BUCKETS)


def event_bucket(identifier: UUID) -> int:
    """Which of the JetStream subjects carries this room or user."""
    return bucket(identifier, EVENT_BUCKETS)


def room_stream(room_id: UUID) -> str:
    """The stream's name on the wire."""
    return f"room:{room_id}"


def user_stream(user_id: UUID) -> str:
    """The stream's name on the wire."""
    return f"user:{user_id}"
