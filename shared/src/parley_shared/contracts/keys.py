"""What messages answers about sealed rooms: who can read what, and their keys. See docs/sealed-rooms.md."""

from datetime import datetime
from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Wire, user_rpc
from parley_shared.contracts.messages import Encryption, RoomRequest


class RoomPrivacy(Wire, frozen=True, kw_only=True):
    """In plain words: who can read what in this room, and what its kind does not protect against.

    key_version: of the key that today's messages are sealed under, and since when; null in a plain room. unreadable_before: messages
    with a smaller seq cannot be read any more, since their key was destroyed; null if none was.
    """

    encryption: Encryption
    summary: str
    searchable: bool
    can_read: list[str]
    cannot_read: list[str]
    not_protected: list[str]
    key_version: int | None = None
    key_since: datetime | None = None
    unreadable_before: int | None = None


class RoomKey(Wire, frozen=True, kw_only=True):
    """One version of a sealed room's key; the newest seals. wrapping_key: the name of what it is wrapped under, null once it is
    destroyed. backups_forget_at: when the last backup that could bring a destroyed one back is gone."""

    room_id: UUID
    version: int
    wrapping_key: str | None
    created_at: datetime
    destroyed_at: datetime | None = None
    backups_forget_at: datetime | None = None


class ListRoomKeys(AdminRequest, frozen=True, kw_only=True):
    """room_id: of this room alone."""

    room_id: UUID | None = None
    limit: int = 50
    cursor: str | None = None


class RoomKeys(Wire, frozen=True, kw_only=True):
    """By room and version. current: the wrapping key of today; counts: living keys by what they are wrapped under."""

    items: list[RoomKey]
    current: str | None
    counts: dict[str, int]
    next: str | None = None


class RotateRoomKey(AdminRequest, frozen=True, kw_only=True):
    """A new data key for what is said from now on; what was said stays readable."""

    room_id: UUID


class DestroyRoomKeys(AdminRequest, frozen=True, kw_only=True):
    """All versions of this room's key: its history cannot be read any more. What is said from now on has a new one."""

    room_id: UUID
    reason: str


class KeysDestroyed(Wire, frozen=True, kw_only=True):
    """destroyed: how many versions. backups_forget_at: until then a backup of the database, together with the wrapping key, could
    bring them back. key: the new one."""

    destroyed: int
    backups_forget_at: datetime
    key: RoomKey


class Rewrap(AdminRequest, frozen=True, kw_only=True):
    """One step of wrapping all keys of a service under today's wrapping key. cursor: `next` of the step before."""

    cursor: str | None = None


class Rewrapped(Wire, frozen=True, kw_only=True):
    """rewrapped: in this step. left: how many are still under another key. wrapping_key: the name of today's."""

    rewrapped: int
    left: int
    wrapping_key: str
    next: str | None = None


ROOM_PRIVACY = user_rpc("messages", "room_privacy", RoomRequest, RoomPrivacy, repeatable=True)
LIST_ROOM_KEYS = user_rpc("messages", "list_room_keys", ListRoomKeys, RoomKeys, repeatable=True)
ROTATE_ROOM_KEY = user_rpc("messages", "rotate_room_key", RotateRoomKey, RoomKey)
DESTROY_ROOM_KEYS = user_rpc("messages", "destroy_room_keys", DestroyRoomKeys, KeysDestroyed)
REWRAP_ROOM_KEYS = user_rpc("messages", "rewrap_room_keys", Rewrap, Rewrapped, timeout=30.0, repeatable=True)
