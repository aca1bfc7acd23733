"""Streams and the rows of their log, as values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from parley_shared.contracts.messages import RoomRole

StreamKind = Literal["room", "user"]

FAR = 2**62
"""A seq beyond every stream's head."""


class Meta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says besides its kind; stored as JSON, null if it says nothing."""

    user_id: UUID | None = None
    role: RoomRole | None = None
    reason: str | None = None
    room_id: UUID | None = None
    from_seq: int | None = None
    to_seq: int | None = None


NOTHING = Meta()

_encode_meta = msgspec.json.Encoder().encode
_decode_meta = msgspec.json.Decoder(Meta).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a stream's log."""

    kind_of_stream: StreamKind
    identifier: UUID
    seq: int
    at: datetime
    kind: str
    actor: UUID | None
    message_id: UUID | None = None
    rev: int | None = None
    meta: Meta = NOTHING

    @property
    def stream(self) -> str:
        """The stream's name on the wire."""
        return f"{self.kind_of_stream}:{self.identifier}"


def pack_meta(meta: Meta) -> str | None:
    """As it is stored."""
    return None if meta == NOTHING else _encode_meta(meta).decode()


def unpack_meta(stored: str | None) -> Meta:
    """What `pack_meta` made."""
    return NOTHING if stored is None else _decode_meta(stored)


def parse_stream(stream: str) -> tuple[StreamKind, UUID] | None:
    """(kind, id) of a stream's name, or None if no stream can have this name."""
    kind, _, identifier = stream.partition(":")
    if kind not in ("room", "user") or len(identifier) != 36:
        return None
    try:
        parsed = UUID(identifier)
    except ValueError:
        return None
    # One stream has one name: whatever Python's parser lets through besides is nobody's.
    if str(parsed) != identifier:
        return None
    return ("room" if kind == "room" else "user"), parsed
