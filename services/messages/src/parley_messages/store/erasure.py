"""Erasing what somebody left behind, room by room. Every step may be repeated; what is done is remembered with it."""

from typing import Any
from uuid import UUID

import asyncpg

OF_THE_USER = (
    ("notifications", "user_id"),
    ("notification_reads", "user_id"),
    ("blocks", "user_id"),
    ("blocks", "blocked_id"),
    ("sender_rates", "user_id"),
    ("buckets", "user_id"),
    ("idempotency_keys", "user_id"),
)
OF_THE_ROOM = ("positions", "thread_followers", "sanctions", "access_grants", "members")


class ErasureQueries:
    """Rows of erasures and erasure_rooms, and what goes in all others."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def begin(self, user_id: UUID, saga_id: UUID) -> None:
        """From now on the user joins nothing any more. Which rooms there are to go through is noted once."""
        # Whoever lets the user join writes into this stream last: either he has committed, or he will see the mark.
        await self._connection.execute(
            "INSERT INTO messages.user_streams AS s (user_id, head, floor, last_at) VALUES ($1, 0, 0, clock_timestamp())"
            " ON CONFLICT (user_id) DO UPDATE SET last_at = s.last_at",
            user_id,
        )
        begun = await self._connection.fetchval(
            "INSERT INTO messages.erasures (user_id, saga_id, started_at, counts)"
            " VALUES ($1, $2, clock_timestamp(), '{}') ON CONFLICT (user_id) DO NOTHING RETURNING true",
            user_id,
            saga_id,
        )
        if begun:
            await self._connection.execute(
                "INSERT INTO messages.erasure_rooms (user_id, room_id)"
                " SELECT DISTINCT user_id, room_id FROM messages.members WHERE user_id = $1",
                user_id,
            )

    async def any(self, user_ids: list[UUID]) -> bool:
        """Whether one of these is being erased, or was."""
        return bool(
            await self._connection.fetchval(
                "SELECT EXISTS (SELECT FROM messages.erasures WHERE user_id = ANY($1))", user_ids
            )
        )

    async def state(self, user_id: UUID) -> tuple[bool, dict[str, int]]:
        """(whether it is done, counts)."""
        row = await self._connection.fetchrow(
            "SELECT finished_at IS NOT NULL, counts FROM messages.erasures WHERE user_id = $1", user_id
        )
        return row[0], row[1]

    async def next_room(self, user_id: UUID) -> UUID | None:
        found: UUID | None = await self._connection.fetchval(
            "SELECT room_id FROM messages.erasure_rooms WHERE user_id = $1 ORDER BY room_id LIMIT 1", user_id
        )
        return found

    async def room_done(self, user_id: UUID, room_id: UUID) -> int:
        """0 if somebody else was here before."""
        status = await self._connection.execute(
            "DELETE FROM messages.erasure_rooms WHERE user_id = $1 AND room_id = $2", user_id, room_id
        )
        return _rows(status)

    async def count(self, user_id: UUID, what: str, number: int) -> None:
        """In the transaction of what is counted, so that a repeated step is not counted twice."""
        if number:
            await self._connection.execute(
                "UPDATE messages.erasures SET counts = jsonb_set(counts, ARRAY[$2],"
                " to_jsonb(coalesce((counts ->> $2)::bigint, 0) + $3::bigint)) WHERE user_id = $1",
                user_id,
                what,
                number,
            )

    async def finish(self, user_id: UUID) -> None:
        await self._connection.execute(
            "UPDATE messages.erasures SET finished_at = clock_timestamp() WHERE user_id = $1", user_id
        )

    async def heir(self, room_id: UUID, user_id: UUID) -> UUID | None:
        """Who has been a member for longest, besides this one."""
        found: UUID | None = await self._connection.fetchval(
            "SELECT user_id FROM messages.members WHERE room_id = $1 AND user_id <> $2 AND to_seq IS NULL"
            " ORDER BY from_seq LIMIT 1",
            room_id,
            user_id,
        )
        return found

    async def written(self, room_id: UUID, user_id: UUID, limit: int) -> list[Any]:
        """(id, rev) of messages that say something yet."""
        return list(
            await self._connection.fetch(
                "SELECT id, rev FROM messages.messages"
                " WHERE room_id = $1 AND sender_id = $2 AND deleted_at IS NULL ORDER BY seq LIMIT $3",
                room_id,
                user_id,
                limit,
            )
        )

    async def tombstones(self, room_id: UUID, user_id: UUID, limit: int) -> int:
        """Without events, in a room that is deleted: whose log has ended. How many."""
        status = await self._connection.execute(
            "WITH chosen AS (SELECT id FROM messages.messages"
            " WHERE room_id = $1 AND sender_id = $2 AND deleted_at IS NULL LIMIT $3), blind AS ("
            " UPDATE messages.message_images SET live = false WHERE room_id = $1 AND message_id IN (SELECT id FROM chosen))"
            " UPDATE messages.messages SET deleted_at = clock_timestamp(), deleted_by = sender_id, rev = rev + 1,"
            " mentions = '{}', mention_all = false, pinned_at = NULL, pinned_by = NULL, media = NULL"
            " WHERE room_id = $1 AND id IN (SELECT id FROM chosen)",
            room_id,
            user_id,
            limit,
        )
        await self._connection.execute(
            "DELETE FROM messages.reactions x USING messages.messages m WHERE x.room_id = $1 AND m.room_id = $1"
            " AND m.id = x.message_id AND m.sender_id = $2",
            room_id,
            user_id,
        )
        return _rows(status)

    async def wipe(self, room_id: UUID, user_id: UUID, limit: int) -> tuple[int, int]:
        """Versions of what he wrote, and what could tell of messages: hashes, the ids that his devices gave. How many of each."""
        versions = await self._connection.execute(
            "UPDATE messages.message_revisions r SET body = NULL, reason = NULL, sealed = NULL, key_version = NULL FROM ("
            " SELECT v.message_id, v.rev FROM messages.messages m JOIN messages.message_revisions v"
            " ON v.room_id = m.room_id AND v.message_id = m.id WHERE m.room_id = $1 AND m.sender_id = $2"
            " AND (v.body IS NOT NULL OR v.reason IS NOT NULL OR v.sealed IS NOT NULL) LIMIT $3"
            " ) AS w WHERE r.room_id = $1 AND r.message_id = w.message_id AND r.rev = w.rev",
            room_id,
            user_id,
            limit,
        )
        messages = await self._connection.execute(
            "UPDATE messages.messages SET client_msg_id = id::text, payload_hash = 0"
            " WHERE room_id = $1 AND id = ANY(ARRAY(SELECT id FROM messages.messages"
            " WHERE room_id = $1 AND sender_id = $2 AND client_msg_id <> id::text LIMIT $3))",
            room_id,
            user_id,
            limit,
        )
        return _rows(versions), _rows(messages)

    async def reacted(self, room_id: UUID, user_id: UUID, limit: int) -> list[Any]:
        """(message_id, reaction, others: how many others reacted so)."""
        return list(
            await self._connection.fetch(
                "SELECT x.message_id, x.reaction, (SELECT count(*) FROM messages.reactions o WHERE o.room_id = x.room_id"
                " AND o.message_id = x.message_id AND o.reaction = x.reaction AND o.user_id <> x.user_id) AS others"
                " FROM messages.reactions x WHERE x.room_id = $1 AND x.user_id = $2 ORDER BY x.seq LIMIT $3",
                room_id,
                user_id,
                limit,
            )
        )

    async def unreact(self, room_id: UUID, user_id: UUID) -> int:
        """All at once and without events, in a room that is deleted."""
        status = await self._connection.execute(
            "DELETE FROM messages.reactions WHERE room_id = $1 AND user_id = $2", room_id, user_id
        )
        return _rows(status)

    async def forget_in(self, room_id: UUID, user_id: UUID) -> dict[str, int]:
        """What else a room knows of somebody who is no member any more: places, follows, sanctions, reasons, his trail."""
        present = await self._connection.fetchval(
            "SELECT count(*) FROM messages.members WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user_id,
        )
        if present:
            # Only in a deleted room, where nothing is logged: he is not to be back when it is restored.
            await self._connection.execute(
                "UPDATE messages.rooms SET member_count = member_count - 1 WHERE id = $1", room_id
            )
        for table in OF_THE_ROOM:
            await self._connection.execute(
                f"DELETE FROM messages.{table} WHERE room_id = $1 AND user_id = $2",  # noqa: S608 — our own names
                room_id,
                user_id,
            )
        await self._connection.execute(
            "UPDATE messages.reports SET reason = '', sealed = NULL, key_version = NULL WHERE room_id = $1 AND reporter_id = $2",
            room_id,
            user_id,
        )
        await self._connection.execute(
            "UPDATE messages.events SET meta = meta - 'reason' WHERE stream = $1 AND kind = 'member.removed'"
            " AND meta ->> 'user_id' = $2",
            f"room:{room_id}",
            str(user_id),
        )
        status = await self._connection.execute(
            "UPDATE messages.audit a SET body = NULL, entry_key = NULL, target_id = nullif(target_id, $2),"
            " actor_id = nullif(actor_id, $2) WHERE room_id = $1 AND body IS NOT NULL AND (target_id = $2 OR EXISTS ("
            " SELECT FROM messages.messages m WHERE m.room_id = $1 AND m.id = a.target_id AND m.sender_id = $2))",
            room_id,
            user_id,
        )
        return {"audit_entries": _rows(status)}

    async def forget(self, user_id: UUID) -> dict[str, int]:
        """What is his own and no room's; his stream is the last."""
        counts: dict[str, int] = {}
        for table, column in OF_THE_USER:
            status = await self._connection.execute(
                f"DELETE FROM messages.{table} WHERE {column} = $1",  # noqa: S608 — our own names
                user_id,
            )
            counts[table] = counts.get(table, 0) + _rows(status)
        await self._connection.execute("DELETE FROM messages.events WHERE stream = $1", f"user:{user_id}")
        await self._connection.execute("DELETE FROM messages.user_streams WHERE user_id = $1", user_id)
        return {name: counts[name] for name in ("notifications", "blocks")}


def _rows(status: str) -> int:
    """Of a command tag."""
    return int(status.rpartition(" ")[2])
