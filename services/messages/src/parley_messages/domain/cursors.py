"""Opaque cursors: where a list goes on. A cursor names the list that it belongs to, and is worth nothing for another.

They are not signed: whoever makes one up gets to a place in a list that he may read anyway.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec

from parley_shared.errors import Code, Refused

_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_encode = msgspec.json.Encoder().encode


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list."""


class PageCursor(Cursor, frozen=True, array_like=True, tag="page"):
    """Messages of a room, before or after a seq."""

    room_id: UUID
    direction: Literal["before", "after"]
    seq: _Seq


class RoomsCursor(Cursor, frozen=True, array_like=True, tag="rooms"):
    """The rooms of a user, less recently active than this one."""

    user_id: UUID
    last_at: datetime
    room_id: UUID


class DirectoryCursor(Cursor, frozen=True, array_like=True, tag="directory"):
    """Public rooms after this folded name, for one query."""

    query: str
    folded: str
    room_id: UUID


class MembersCursor(Cursor, frozen=True, array_like=True, tag="members"):
    """Members of a room after this one."""

    room_id: UUID
    from_seq: _Seq
    user_id: UUID


Kind = TypeVar("Kind", bound=Cursor)


def pack(cursor: Cursor) -> str:
    """As it goes to a client."""
    return urlsafe_b64encode(_encode(cursor)).decode().rstrip("=")


def unpack(text: str, kind: type[Kind]) -> Kind:
    """What `pack` made. Raises Refused: BAD_CURSOR if it belongs to another kind of list, or to none."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)), type=kind)
    except (msgspec.MsgspecError, Base64Error, UnicodeError, ValueError):
        raise bad_cursor() from None


def bad_cursor() -> Refused:
    """A cursor that does not belong here."""
    return Refused(Code.BAD_CURSOR, "This cursor does not belong to this list; start again without one.")
