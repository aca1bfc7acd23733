"""What somebody may take along, part by part, each in an order of its own, so that a page can go on after any row."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.store.sealing import Sealing

_NOBODY = UUID(int=0)
SEAL = ("sealed", "key_version", "reason")
_ROOMS = "(SELECT DISTINCT room_id FROM messages.members WHERE user_id = $1) AS w"


@dataclass(frozen=True, slots=True)
class Part:
    """type: of its lines. key: the columns of its order; start: before the first row. query: $1 is the user, then the key. shape: of a cursor, with the part's number before the key."""

    type: str
    key: tuple[str, ...]
    start: tuple[Any, ...]
    query: str
    shape: Any


PARTS = (
    Part(
        "membership",
        ("room_id", "from_seq"),
        (_NOBODY, -1),
        "SELECT m.room_id, r.kind AS room_kind, r.name, m.role, m.from_seq, m.to_seq, m.joined_at, m.left_at, m.muted_until,"
        " m.notify, p.delivered_seq, p.read_seq FROM messages.members m JOIN messages.rooms r ON r.id = m.room_id"
        " LEFT JOIN messages.positions p ON p.room_id = m.room_id AND p.user_id = m.user_id"
        " WHERE m.user_id = $1 AND (m.room_id, m.from_seq) > ($2, $3) ORDER BY m.room_id, m.from_seq",
        tuple[int, tuple[UUID, int]],
    ),
    Part(
        "message",
        ("room_id", "seq"),
        (_NOBODY, 0),
        "SELECT m.room_id, m.id, m.seq, m.n, m.client_msg_id, m.format, m.thread_root_id, m.rev, m.created_at, m.edited_at,"  # noqa: S608
        f" m.deleted_at, m.deleted_by, m.media FROM {_ROOMS} JOIN messages.messages m ON m.room_id = w.room_id AND m.sender_id = $1"
        " WHERE (m.room_id, m.seq) > ($2, $3) ORDER BY m.room_id, m.seq",
        tuple[int, tuple[UUID, int]],
    ),
    Part(
        "revision",
        ("room_id", "message_id", "rev"),
        (_NOBODY, _NOBODY, 0),
        f"SELECT r.room_id, r.message_id, r.rev, r.body, r.format, r.at, r.sealed, r.key_version FROM {_ROOMS}"  # noqa: S608
        " JOIN messages.messages m ON m.room_id = w.room_id AND m.sender_id = $1"
        " JOIN messages.message_revisions r ON r.room_id = m.room_id AND r.message_id = m.id"
        " WHERE (r.room_id, r.message_id, r.rev) > ($2, $3, $4) ORDER BY r.room_id, r.message_id, r.rev",
        tuple[int, tuple[UUID, UUID, int]],
    ),
    Part(
        "reaction",
        ("room_id", "message_id", "reaction"),
        (_NOBODY, _NOBODY, ""),
        f"SELECT x.room_id, x.message_id, x.reaction, x.at FROM {_ROOMS}"  # noqa: S608
        " JOIN messages.reactions x ON x.room_id = w.room_id AND x.user_id = $1"
        " WHERE (x.room_id, x.message_id, x.reaction) > ($2, $3, $4) ORDER BY x.room_id, x.message_id, x.reaction",
        tuple[int, tuple[UUID, UUID, str]],
    ),
    Part(
        "follow",
        ("room_id", "root_id"),
        (_NOBODY, _NOBODY),
        "SELECT room_id, root_id, following, since_seq FROM messages.thread_followers"
        " WHERE user_id = $1 AND (room_id, root_id) > ($2, $3) ORDER BY room_id, root_id",
        tuple[int, tuple[UUID, UUID]],
    ),
    Part(
        "notification",
        ("seq",),
        (0,),
        "SELECT seq, id, kind, room_id, message_id, thread_root_id, actor_id, at FROM messages.notifications"
        " WHERE user_id = $1 AND seq > $2 ORDER BY seq",
        tuple[int, tuple[int]],
    ),
    Part(
        "block",
        ("blocked_id",),
        (_NOBODY,),
        "SELECT blocked_id, at FROM messages.blocks WHERE user_id = $1 AND blocked_id > $2 ORDER BY blocked_id",
        tuple[int, tuple[UUID]],
    ),
)


class ExportQueries:
    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def rows(self, part: Part, user_id: UUID, after: tuple[Any, ...], limit: int) -> list[Any]:
        rows = await self._connection.fetch(f"{part.query} LIMIT {limit}", user_id, *after)
        if part.type != "revision":
            return list(rows)
        # Whose text it is may have it as it was; the seal means nothing to him.
        opened = await self._sealing.revisions(rows)
        return [{name: value for name, value in dict(row).items() if name not in SEAL} for row in opened]
