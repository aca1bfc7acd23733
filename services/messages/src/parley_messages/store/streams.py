"""Stream logs: appending under the stream's row lock, and reading ranges."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from parley_messages.store.sealing import Sealing
from parley_messages.store.timeline import COLUMNS, TEXT
from parley_shared.ids import room_stream, user_stream
from parley_shared.telemetry import current


@dataclass(frozen=True, slots=True)
class Appended:
    """A new row of a log."""

    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class UserEntry:
    """An event for one user's own stream. meta: what its rendering needs."""

    user_id: UUID
    kind: str
    actor: UUID | None
    meta: dict[str, Any]
    message_id: UUID | None = None


class StreamQueries:
    """Locks: rooms by id, then user streams by id, never back."""

    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def append_room(
        self,
        room_id: UUID,
        kind: str,
        *,
        actor: UUID | None,
        meta: dict[str, Any] | None = None,
        message_id: UUID | None = None,
        rev: int | None = None,
    ) -> Appended:
        """The room's row must be locked by this transaction, or is locked by it here. message_id: what it is about."""
        row = await self._connection.fetchrow(
            "UPDATE messages.rooms SET head = head + 1, last_at = greatest(clock_timestamp(), last_at)"
            " WHERE id = $1 RETURNING head, last_at",
            room_id,
        )
        await self._connection.execute(
            "WITH logged AS (INSERT INTO messages.events (stream, seq, at, kind, actor, meta, message_id, rev)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8))"
            " INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds, trace) VALUES ($1, $2, $2, ARRAY[$4], $9)",
            room_stream(room_id),
            row[0],
            row[1],
            kind,
            actor,
            meta,
            message_id,
            rev,
            current(),
        )
        return Appended(row[0], row[1])

    async def append_deleted(self, room_id: UUID, messages: list[tuple[UUID, int]]) -> list[Appended]:
        """`message.deleted` of each (id, rev) at once, by the system. The room's row is locked."""
        row = await self._connection.fetchrow(
            "UPDATE messages.rooms SET head = head + $2, last_at = greatest(clock_timestamp(), last_at)"
            " WHERE id = $1 RETURNING head, last_at",
            room_id,
            len(messages),
        )
        first, at = row[0] - len(messages) + 1, row[1]
        await self._connection.execute(
            """
            WITH logged AS (
                INSERT INTO messages.events (stream, seq, at, kind, message_id, rev)
                SELECT $1, $2::bigint + i - 1, $4, 'message.deleted', m.id, m.rev
                FROM unnest($5::uuid[], $6::integer[]) WITH ORDINALITY AS m (id, rev, i)
            )
            INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds) VALUES ($1, $2, $3, ARRAY['message.deleted'])
            """,
            room_stream(room_id),
            first,
            row[0],
            at,
            [message_id for message_id, _ in messages],
            [rev for _, rev in messages],
        )
        return [Appended(first + index, at) for index in range(len(messages))]

    async def append_users(self, entries: list[UserEntry]) -> list[Appended]:
        """One event each in its user's own stream; of one user in this order. The streams are locked by user id."""
        counts = Counter(entry.user_id for entry in entries)
        users = sorted(counts)
        rows = await self._connection.fetch(
            "INSERT INTO messages.user_streams AS s (user_id, head, floor, last_at)"
            " SELECT u, n, 0, clock_timestamp() FROM unnest($1::uuid[], $2::bigint[]) AS w (u, n) ORDER BY u"
            " ON CONFLICT (user_id) DO UPDATE SET head = s.head + excluded.head,"
            " last_at = greatest(clock_timestamp(), s.last_at) RETURNING user_id, head, last_at",
            users,
            [counts[user] for user in users],
        )
        next_seq = {row[0]: row[1] - counts[row[0]] + 1 for row in rows}
        at = {row[0]: row[2] for row in rows}
        appended: list[Appended] = []
        for entry in entries:
            appended.append(Appended(next_seq[entry.user_id], at[entry.user_id]))
            next_seq[entry.user_id] += 1
        await self._connection.execute(
            """
            WITH logged AS (
                INSERT INTO messages.events (stream, seq, at, kind, actor, message_id, meta)
                SELECT stream, seq, at, kind, actor, message_id, meta::jsonb
                FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::text[])
                    AS w (stream, seq, at, kind, actor, message_id, meta)
            )
            INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds, trace)
            SELECT stream, min(seq), max(seq), array_agg(DISTINCT kind), $8
            FROM unnest($1::text[], $2::bigint[], $4::text[]) AS w (stream, seq, kind) GROUP BY stream
            """,
            [user_stream(entry.user_id) for entry in entries],
            [row.seq for row in appended],
            [row.at for row in appended],
            [entry.kind for entry in entries],
            [entry.actor for entry in entries],
            [entry.message_id for entry in entries],
            [msgspec.json.encode(entry.meta).decode() for entry in entries],
            current(),
        )
        return appended

    async def user_head(self, user_id: UUID) -> tuple[int, int]:
        """(head, floor); (0, 0) for whom nothing has happened to yet."""
        row = await self._connection.fetchrow(
            "SELECT head, floor FROM messages.user_streams WHERE user_id = $1", user_id
        )
        return (0, 0) if row is None else (row[0], row[1])

    async def heads(self, room_ids: list[UUID], user_ids: list[UUID]) -> dict[str, int]:
        """By stream name; unknown ones are absent."""
        rows = await self._connection.fetch(
            "SELECT 'room:' || id, head FROM messages.rooms WHERE id = ANY($1::uuid[])"
            " UNION ALL SELECT 'user:' || user_id, head FROM messages.user_streams WHERE user_id = ANY($2::uuid[])",
            room_ids,
            user_ids,
        )
        return {row[0]: row[1] for row in rows}

    async def events(self, stream: str, room_id: UUID | None, after: int, upto: int, limit: int) -> list[Any]:
        """Rows with after < seq ≤ upto, beside today's state of the message that each is about."""
        return await self._sealing.messages(
            await self._connection.fetch(
                f"""
                SELECT e.seq, e.at, e.kind, e.actor, e.message_id, e.meta, {COLUMNS}
                FROM messages.events e
                LEFT JOIN LATERAL (
                    SELECT * FROM messages.messages x WHERE x.room_id = $2 AND x.id = e.message_id LIMIT 1
                ) m ON true {TEXT}
                WHERE e.stream = $1 AND e.seq > $3 AND e.seq <= $4 ORDER BY e.seq LIMIT $5
                """,  # noqa: S608
                stream,
                room_id,
                after,
                upto,
                limit,
            )
        )
