"""What search asks for: rooms, what changed in them, what they hold, and where somebody may look. Sealed rooms are not in it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.store.timeline import TEXT

CHANGES = ("message.created", "message.edited", "message.deleted")
_ENTRY = """
    m.id, m.seq AS message_seq, m.rev, m.sender_id, m.created_at, m.deleted_at, m.format, m.media IS NOT NULL AS has_image, r.body
"""

_SPANS = "unnest($1::uuid[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (room_id, after, head, i)"

Span = tuple[UUID, int, int]
"""(room, after, head): what lies in it beyond the one seq and up to the other."""


class IndexingQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rooms(self, after: UUID | None, room_ids: list[UUID] | None, limit: int) -> list[Any]:
        """(id, head, floor, language, searchable), by id."""
        return list(
            await self._connection.fetch(
                "SELECT id, head, floor, language, encryption = 'plain' AS searchable FROM messages.rooms"
                " WHERE ($1::uuid IS NULL OR id > $1) AND ($2::uuid[] IS NULL OR id = ANY($2)) ORDER BY id LIMIT $3",
                after,
                room_ids,
                limit,
            )
        )

    async def changes(self, spans: Sequence[Span], limit: int) -> list[Any]:
        """(i, seq, and of what changes messages their state) of these rooms' logs up to their heads, ascending; of each as many rows at
        most. i: which span, from 0."""
        return list(
            await self._connection.fetch(
                f"""
                SELECT w.i - 1 AS i, e.seq, found.* FROM {_SPANS}
                CROSS JOIN LATERAL (
                    SELECT e.seq, e.kind, e.message_id FROM messages.events e
                    WHERE e.stream = 'room:' || w.room_id AND e.seq > w.after AND e.seq <= w.head ORDER BY e.seq LIMIT $4
                ) e
                LEFT JOIN LATERAL (
                    SELECT {_ENTRY} FROM messages.messages m {TEXT}
                    WHERE m.room_id = w.room_id AND m.id = e.message_id AND e.kind = ANY($5::text[]) LIMIT 1
                ) found ON true
                ORDER BY w.i, e.seq
                """,  # noqa: S608
                *_columns(spans),
                limit,
                CHANGES,
            )
        )

    async def state(self, spans: Sequence[Span], limit: int) -> list[Any]:
        """(i, seq, state) of all messages of these rooms after a seq, replies and tombstones among them, ascending; of each room as many
        at most."""
        return list(
            await self._connection.fetch(
                f"""
                SELECT w.i - 1 AS i, m.seq, {_ENTRY} FROM {_SPANS}
                CROSS JOIN LATERAL (
                    SELECT * FROM messages.messages x WHERE x.room_id = w.room_id AND x.seq > w.after AND x.seq <= w.head
                    ORDER BY x.seq LIMIT $4
                ) m {TEXT} ORDER BY w.i, m.seq
                """,  # noqa: S608
                *_columns(spans),
                limit,
            )
        )

    async def scope(
        self, viewer_id: UUID, *, admin: bool, room_id: UUID | None, after: UUID | None, limit: int
    ) -> list[Any]:
        """(id, name, language, intervals) of plain rooms that the viewer may read now, by id; intervals: null for the whole history, else
        [from, to] pairs, as two arrays."""
        return list(
            await self._connection.fetch(
                """
                SELECT r.id, r.name, r.language, r.history = 'all' OR g.room_id IS NOT NULL AS whole, i.starts, i.ends
                FROM (
                    SELECT m.room_id FROM messages.members m WHERE m.user_id = $1 AND m.to_seq IS NULL
                    UNION
                    SELECT a.room_id FROM messages.access_grants a
                    WHERE $2 AND a.user_id = $1 AND a.until > clock_timestamp()
                ) w
                JOIN messages.rooms r ON r.id = w.room_id AND r.deleted_at IS NULL AND r.encryption = 'plain'
                LEFT JOIN LATERAL (
                    SELECT a.room_id FROM messages.access_grants a
                    WHERE $2 AND a.room_id = r.id AND a.user_id = $1 AND a.until > clock_timestamp() LIMIT 1
                ) g ON true
                LEFT JOIN LATERAL (
                    SELECT array_agg(x.from_seq ORDER BY x.from_seq) AS starts, array_agg(x.to_seq ORDER BY x.from_seq) AS ends
                    FROM messages.members x WHERE x.room_id = r.id AND x.user_id = $1
                ) i ON true
                WHERE ($3::uuid IS NULL OR r.id = $3) AND ($4::uuid IS NULL OR r.id > $4) ORDER BY r.id LIMIT $5
                """,
                viewer_id,
                admin,
                room_id,
                after,
                limit,
            )
        )


def _columns(spans: Sequence[Span]) -> list[list[Any]]:
    return [list(column) for column in zip(*spans, strict=True)]
