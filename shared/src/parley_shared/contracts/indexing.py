"""What messages tells search: what there is to index, what has changed, and what somebody may see. Sealed rooms are never among it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.base import Role, Wire, svc_rpc


class IndexRooms(Wire, frozen=True, kw_only=True):
    """Rooms by id, after this one. room_ids: only these, and then all of them."""

    after: UUID | None = None
    room_ids: list[UUID] | None = None
    limit: int = 1000


class IndexedRoom(Wire, frozen=True, kw_only=True):
    """searchable: not sealed, and not deleted for good. floor: below it the log is gone, and state must be paged."""

    room_id: UUID
    head: int
    floor: int
    language: str
    searchable: bool


class IndexedRooms(Wire, frozen=True, kw_only=True):
    """missing: of the room_ids asked for, those that do not exist. next: the `after` of the following page."""

    epoch: str
    rooms: list[IndexedRoom]
    missing: list[UUID] = []  # noqa: RUF012 — msgspec copies an empty list default
    next: UUID | None = None


class IndexEntry(Wire, frozen=True, kw_only=True):
    """A message as it is today. body: null of a deleted one."""

    message_id: UUID
    seq: int
    rev: int
    sender_id: UUID
    created_at: datetime
    body: str | None
    format: str
    has_image: bool


class IndexWant(Wire, frozen=True, kw_only=True):
    """What a room's log says after a seq, or with `state` the room's messages after a seq, as they are today."""

    room_id: UUID
    after: int
    kind: Literal["log", "state"] = "log"


class IndexRanges(Wire, frozen=True, kw_only=True):
    wants: list[IndexWant]


class IndexPart(Wire, frozen=True, kw_only=True):
    """upto: the seq that it has come to; complete: that is the head (or the last message). lost: the log no longer reaches back
    that far, so page the state. gone: there is no such room, or it is sealed. language: the room's."""

    room_id: UUID
    entries: list[IndexEntry]
    upto: int
    head: int
    complete: bool
    language: str
    lost: bool = False
    gone: bool = False


class IndexRangesAnswer(Wire, frozen=True, kw_only=True):
    """In the order of the wants; ends early when the answer is full (ask again for the rest)."""

    epoch: str
    parts: list[IndexPart]


class SearchScope(Wire, frozen=True, kw_only=True):
    """room_id: of this one alone."""

    viewer_id: UUID
    viewer_role: Role
    room_id: UUID | None = None
    after: UUID | None = None


class ScopeRoom(Wire, frozen=True, kw_only=True):
    """A room that is not sealed and whose content the viewer may read now. name: null of a direct room.

    intervals: [from_seq, to_seq) of his memberships that count, null where he sees the whole history; an end of null is open.
    """

    room_id: UUID
    name: str | None
    intervals: list[tuple[int, int | None]] | None
    language: str = "simple"


class SearchScopeAnswer(Wire, frozen=True, kw_only=True):
    """By id. next: the `after` of the following page."""

    rooms: list[ScopeRoom]
    next: UUID | None = None


INDEX_ROOMS = svc_rpc("messages", "index_rooms", IndexRooms, IndexedRooms, callers={"search"}, timeout=5.0)
INDEX_RANGES = svc_rpc("messages", "index_ranges", IndexRanges, IndexRangesAnswer, callers={"search"}, timeout=10.0)
SEARCH_SCOPE = svc_rpc("messages", "search_scope", SearchScope, SearchScopeAnswer, callers={"search"})
