"""Live subjects: core NATS, hints that may be lost, late or swapped. State is the truth, and heads repair.

`parley.live.<room|user|account|presence|typing|journey>.<bucket 0–255>.<id>`

A durable event on `room` and `user` carries `Parley-Seqs: <first>-<last>`; its payload is that many event frames, each one
line of JSON as clients read it, separated by a newline. A change of membership travels alone, with `Parley-Members: +id,-id`.
Without a seq header it carries hints of `Parley-Kind`: `receipt` (frames for clients, separated by newlines, but not for the
user ids in `Parley-Except`). The id `heads` carries `Heads`. `Parley-Traces` names traceparents of events that are recorded.
`presence` (by user) carries `PresenceChanged`; `typing` (by room) carries `TypingHint`, from gateway to gateways.
`journey` (by room) carries `JourneyQuestion`, from a gateway to all gateways, each of which answers with `JourneyPart`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.base import Wire
from parley_shared.ids import live_bucket

LiveKind = Literal["room", "user", "account", "presence", "typing", "journey"]

HEADER_SEQS = "Parley-Seqs"
HEADER_MEMBERS = "Parley-Members"
HEADER_KIND = "Parley-Kind"
HEADER_EXCEPT = "Parley-Except"
HEADER_TRACES = "Parley-Traces"
HEADS = "heads"


def live_subject(kind: LiveKind, identifier: UUID) -> str:
    """Where hints about this room or user are published."""
    return f"parley.live.{kind}.{live_bucket(identifier)}.{identifier}"


def heads_subject(kind: LiveKind, bucket: int) -> str:
    """Where the heads of a bucket's recently changed streams are published."""
    return f"parley.live.{kind}.{bucket}.{HEADS}"


def bucket_subject(kind: LiveKind, bucket: int) -> str:
    """What a gateway subscribes to: everything of one bucket."""
    return f"parley.live.{kind}.{bucket}.*"


class Heads(Wire, frozen=True, kw_only=True):
    """The newest committed seq of recently changed streams of one bucket, read from PostgreSQL."""

    epoch: str
    heads: dict[UUID, int]


class AccountChanged(Wire, frozen=True, kw_only=True):
    """A hint from auth: this user's revocations have grown past `cursor`; ask `revoked_since`."""

    user_id: UUID
    cursor: int


class TypingHint(Wire, frozen=True, kw_only=True):
    """Somebody types in a room, for so many milliseconds unless more is said; 0: no more. hidden_from: who is not told."""

    user_id: UUID
    for_ms: int
    hidden_from: list[UUID]


class Advanced(Wire, frozen=True, kw_only=True):
    """On `parley.evt.messages.v1.advanced.<bucket>`: a stream has grown. Ids only; the range is pulled by RPC. traces: of what is
    recorded among it, some."""

    epoch: str
    stream: str
    from_seq: int
    to_seq: int
    kinds: list[str]
    traces: list[str] = []  # noqa: RUF012 — msgspec copies an empty list default


class JourneyQuestion(Wire, frozen=True, kw_only=True):
    """Where a message of a room has come. user_id: of the devices only this one's; null for all."""

    seq: int
    user_id: UUID | None = None


class JourneyDevice(Wire, frozen=True, kw_only=True):
    """A sign-in whose sockets on this gateway have followed the room. delivered, read: whether it has said so of this message, or of a
    later one of the room. at: when it said the newest that it has said of this room."""

    user_id: UUID
    session_id: UUID
    device_id: str
    connected: bool
    delivered: bool
    read: bool
    at: datetime | None


class JourneyPart(Wire, frozen=True, kw_only=True):
    """What one gateway remembers. handed_over: whether it has written the event to those of its sockets that follow the room; at: when, null
    if that is longer ago than it remembers moments. readers: sockets that follow the room now, the asked user's alone if there is one."""

    gateway: str
    handed_over: bool
    at: datetime | None
    readers: int
    devices: list[JourneyDevice]
