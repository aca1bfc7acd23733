"""What operators and admins are told of the suite."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from parley_client.models.base import Model, Page


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
    """One process of a server. ready: None if it did not say in time. reasons: what is missing."""

    service: str
    instance: str
    version: str
    ready: bool | None = None
    reasons: list[str] = msgspec.field(default_factory=list)


class Cluster(Model, frozen=True, kw_only=True):
    """replicas: all processes. services: what the first of each says of its readiness."""

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


class Keys(Page[RoomKey], frozen=True, kw_only=True):
    """Of sealed rooms. current: today's wrapping key, None if there is none. counts: by wrapping key. images: None while nobody can tell."""

    current: str | None
    counts: dict[str, int]
    images: WrappedKeys | None = None
