"""What search answers: which messages match, as ids, and where in a text the match is."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import UserRequest, Wire, ready_rpc, svc_rpc, user_rpc


class Search(UserRequest, frozen=True, kw_only=True):
    """q: words, "phrases", -not, from:name, in:room, before:, after:, has:image. The other fields narrow it further."""

    q: str = ""
    room_id: UUID | None = None
    sender_id: UUID | None = None
    after: datetime | None = None
    before: datetime | None = None
    has: Literal["image"] | None = None
    limit: int = 50
    cursor: str | None = None


class Hit(Wire, frozen=True, kw_only=True):
    """language: the room's, which a highlight needs."""

    room_id: UUID
    message_id: UUID
    language: str


class Hits(Wire, frozen=True, kw_only=True):
    """The newest first. Some may have become invisible since they were indexed: whoever renders them checks again."""

    items: list[Hit]
    next: str | None = None


class Text(Wire, frozen=True, kw_only=True):
    language: str
    body: str


class Highlight(Wire, frozen=True, kw_only=True):
    """Where the words of q are in these texts; nothing of them is kept."""

    q: str
    texts: list[Text]


class Highlights(Wire, frozen=True, kw_only=True):
    """Of each text: [start, end) in characters (code points), ascending, without overlaps."""

    spans: list[list[tuple[int, int]]]


class IndexState(Wire, frozen=True, kw_only=True):
    """messages: in the index. rooms_behind: whose log has more than was read yet. rebuilding: since when, null if not;
    done, total: rooms that it has gone through, and of how many."""

    messages: int
    rooms: int
    rooms_behind: int
    epoch: str
    rebuilding: datetime | None = None
    done: int = 0
    total: int = 0


SEARCH = user_rpc("search", "search", Search, Hits, repeatable=True)
REBUILD_INDEX = user_rpc("search", "rebuild", AdminRequest, IndexState, repeatable=True)
INDEX_STATE = user_rpc("search", "state", AdminRequest, IndexState, repeatable=True)
HIGHLIGHT = svc_rpc("search", "highlight", Highlight, Highlights, callers={"gateway"})
READY = ready_rpc("search")
