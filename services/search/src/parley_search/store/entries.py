"""The entries of the index, and the tombstones of what was deleted."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg


@dataclass(frozen=True, slots=True)
class Entry:
    """vector: as PostgreSQL reads a tsvector; None of a deleted message."""

    room_id: UUID
    created_at: datetime
    message_id: UUID
    seq: int
    rev: int
    generation: int
    vector: str | None


@dataclass(frozen=True, slots=True)
class Unlike:
    """An entry as it should be. rev: what the index has of it, None if nothing; buried: as a tombstone."""

    entry: Entry
    rev: int | None
    buried: bool


@dataclass(frozen=True, slots=True)
class Stray:
    """An entry of a message that messages did not name."""

    room_id: UUID
    message_id: UUID
    created_at: datetime
    seq: int


class EntryQueries:
    """The rooms of what is written are held."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def put(self, entries: Collection[Entry]) -> int:
        """Each message once. What is older than what is there changes nothing. How many were written."""
        status: str = await self._connection.execute(
            """
            INSERT INTO search.messages AS m (room_id, created_at, message_id, seq, rev, generation, vector)
            SELECT * FROM unnest(
                $1::uuid[], $2::timestamptz[], $3::uuid[], $4::bigint[], $5::integer[], $6::integer[], $7::text[]::tsvector[])
            ON CONFLICT (room_id, created_at, message_id) DO UPDATE
            SET seq = excluded.seq, rev = excluded.rev, generation = excluded.generation, vector = excluded.vector
            WHERE (excluded.generation, excluded.rev) > (m.generation, m.rev)
            """,
            [entry.room_id for entry in entries],
            [entry.created_at for entry in entries],
            [entry.message_id for entry in entries],
            [entry.seq for entry in entries],
            [entry.rev for entry in entries],
            [entry.generation for entry in entries],
            [entry.vector for entry in entries],
        )
        return _count(status)

    async def clean(self, room_id: UUID, generation: int) -> int:
        """Forget what an older generation had and the state has not."""
        return _count(
            await self._connection.execute(
                "DELETE FROM search.messages WHERE room_id = $1 AND generation < $2", room_id, generation
            )
        )

    async def forget(self, room_id: UUID, limit: int) -> int:
        return _count(
            await self._connection.execute(
                "DELETE FROM search.messages WHERE room_id = $1 AND ctid = ANY(ARRAY("
                " SELECT ctid FROM search.messages WHERE room_id = $1 LIMIT $2))",
                room_id,
                limit,
            )
        )

    async def unlike(self, entries: Collection[Entry], *, texts: bool) -> list[Unlike]:
        """Those of these that the index has not as they are here, or not at all; but not those that it has newer. texts: the same words
        are demanded, too. A message that is deleted need not be there."""
        wanted = list(entries)
        rows = await self._connection.fetch(
            """
            SELECT w.i, m.rev, m.vector IS NULL AS buried
            FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::bigint[], $5::integer[], $6::text[]) WITH ORDINALITY
                AS w (room_id, created_at, message_id, seq, rev, vector, i)
            LEFT JOIN search.messages m USING (room_id, created_at, message_id)
            WHERE CASE
                WHEN m.message_id IS NULL THEN w.vector IS NOT NULL
                WHEN m.rev > w.rev THEN false
                ELSE m.rev < w.rev OR m.seq <> w.seq OR (m.vector IS NULL) <> (w.vector IS NULL)
                    OR ($7 AND m.vector IS DISTINCT FROM w.vector::tsvector)
            END
            ORDER BY w.i
            """,
            [entry.room_id for entry in wanted],
            [entry.created_at for entry in wanted],
            [entry.message_id for entry in wanted],
            [entry.seq for entry in wanted],
            [entry.rev for entry in wanted],
            [entry.vector for entry in wanted],
            texts,
        )
        return [Unlike(wanted[row[0] - 1], row[1], bool(row[2])) for row in rows]

    async def strays(
        self,
        room_id: UUID,
        known: Collection[UUID],
        *,
        after: int,
        upto: int | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
    ) -> list[Stray]:
        """What can be found in a room from one seq to another, and is none of these. since, until: when what is between was written; None
        is no bound."""
        rows = await self._connection.fetch(
            "SELECT message_id, created_at, seq FROM search.messages WHERE room_id = $1 AND vector IS NOT NULL"
            " AND seq > $3 AND ($4::bigint IS NULL OR seq <= $4)"
            " AND created_at >= coalesce($5, '-infinity'::timestamptz) AND created_at <= coalesce($6, 'infinity'::timestamptz)"
            " AND message_id <> ALL($2::uuid[]) ORDER BY seq LIMIT $7",
            room_id,
            list(known),
            after,
            upto,
            since,
            until,
            limit,
        )
        return [Stray(room_id, *row) for row in rows]

    async def living(self, stray: Stray) -> bool:
        """Whether it can still be found."""
        return bool(
            await self._connection.fetchval(
                "SELECT vector IS NOT NULL FROM search.messages WHERE room_id = $1 AND created_at = $2 AND message_id = $3",
                stray.room_id,
                stray.created_at,
                stray.message_id,
            )
        )

    async def has_any(self, room_id: UUID) -> bool:
        """Whether anything of a room can be found."""
        return bool(
            await self._connection.fetchval(
                "SELECT EXISTS (SELECT FROM search.messages WHERE room_id = $1 AND vector IS NOT NULL)", room_id
            )
        )

    async def rooms_with(self, mark: str, limit: int) -> list[UUID]:
        """Rooms of up to so many entries with this mark."""
        rows = await self._connection.fetch(
            "SELECT DISTINCT room_id FROM (SELECT room_id FROM search.messages WHERE vector @@ $1::text::tsquery LIMIT $2) found",
            f"'{mark}'",
            limit,
        )
        return [row[0] for row in rows]

    async def bury(self, room_ids: Collection[UUID], mark: str, limit: int) -> int:
        """Make tombstones of up to so many entries with this mark."""
        return _count(
            await self._connection.execute(
                "UPDATE search.messages SET vector = NULL WHERE ctid = ANY(ARRAY("
                " SELECT ctid FROM search.messages WHERE room_id = ANY($1) AND vector @@ $2::text::tsquery LIMIT $3))",
                list(room_ids),
                f"'{mark}'",
                limit,
            )
        )


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
