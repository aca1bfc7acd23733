"""What changes about a message after it was sent. The caller holds the room's row, so that nothing else changes meanwhile."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.store.sealing import Sealing
from parley_messages.store.timeline import COLUMNS, FROM, SEEN

# The format is the message's own: an edit does not change it.
EDIT = """
    WITH revised AS (
        INSERT INTO messages.message_revisions (room_id, message_id, rev, body, format, actor, at, sealed, key_version)
        SELECT room_id, id, rev + 1, $3, format, $4, $5, $8, $9 FROM messages.messages WHERE room_id = $1 AND id = $2
    )
    UPDATE messages.messages SET rev = rev + 1, edited_at = $5, mentions = $6, mention_all = $7
    WHERE room_id = $1 AND id = $2
"""

DELETE = """
    WITH revised AS (
        INSERT INTO messages.message_revisions (room_id, message_id, rev, body, format, actor, reason, at, sealed, key_version)
        SELECT room_id, id, rev + 1, NULL, format, $3, $4, $5, $6, $7 FROM messages.messages WHERE room_id = $1 AND id = $2
    ), unloved AS (
        DELETE FROM messages.reactions WHERE room_id = $1 AND message_id = $2
    ), blind AS (
        UPDATE messages.message_images SET live = false WHERE room_id = $1 AND message_id = $2
    )
    UPDATE messages.messages
    SET rev = rev + 1, deleted_at = $5, deleted_by = $3, pinned_at = NULL, pinned_by = NULL, mentions = '{}', mention_all = false,
        media = NULL
    WHERE room_id = $1 AND id = $2
"""

# Members of today who may see the message: whom it may mention.
ADDRESSABLE = """
    SELECT c.user_id FROM messages.members c JOIN messages.rooms o ON o.id = c.room_id
    WHERE c.room_id = $1 AND c.user_id = ANY($2::uuid[]) AND c.to_seq IS NULL AND (o.history = 'all' OR EXISTS (
        SELECT FROM messages.members i
        WHERE i.room_id = c.room_id AND i.user_id = c.user_id AND $3 >= i.from_seq AND (i.to_seq IS NULL OR $3 < i.to_seq)
    ))
"""

# Those that are present and were there when it was sent.
RECIPIENTS = """
    SELECT c.user_id, coalesce(p.delivered_seq, 0) >= $2 AS delivered, coalesce(p.read_seq, 0) >= $2 AS read
    FROM messages.members c
    LEFT JOIN messages.positions p ON p.room_id = c.room_id AND p.user_id = c.user_id
    WHERE c.room_id = $1 AND c.to_seq IS NULL AND c.user_id <> $3 AND (c.from_seq <= $2 OR EXISTS (
        SELECT FROM messages.members i
        WHERE i.room_id = c.room_id AND i.user_id = c.user_id AND i.from_seq <= $2 AND $2 < i.to_seq
    ))
    ORDER BY c.user_id
"""


class ConversationQueries:
    """Messages are asyncpg records with timeline.COLUMNS."""

    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def get(self, room_id: UUID, message_id: UUID) -> Any | None:
        """The message, whoever may see it."""
        found = await self._sealing.messages(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.id = $2", room_id, message_id
            )
        )
        return found[0] if found else None

    async def muted_until(self, room_id: UUID, user_id: UUID) -> tuple[datetime, datetime] | None:
        """(until, now) of a member who is muted at this moment."""
        row = await self._connection.fetchrow(
            "SELECT muted_until, clock_timestamp() FROM messages.members"
            " WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL AND muted_until > clock_timestamp()",
            room_id,
            user_id,
        )
        return None if row is None else (row[0], row[1])

    async def older_than(self, room_id: UUID, message_id: UUID, hours: int) -> bool:
        found: bool = await self._connection.fetchval(
            "SELECT created_at + make_interval(hours => $3) <= clock_timestamp() FROM messages.messages"
            " WHERE room_id = $1 AND id = $2",
            room_id,
            message_id,
            hours,
        )
        return found

    async def addressable(self, room_id: UUID, user_ids: list[UUID], seq: int) -> set[UUID]:
        """Those of them who are members and may see what happened at `seq`."""
        return {row[0] for row in await self._connection.fetch(ADDRESSABLE, room_id, user_ids, seq)}

    async def edit(
        self,
        room_id: UUID,
        message_id: UUID,
        rev: int,
        body: str,
        *,
        actor: UUID,
        at: datetime,
        mentions: list[UUID],
        mention_all: bool,
    ) -> None:
        """A further revision, which is what the message says from now on. rev: the new one."""
        text, _, sealed, key_version = await self._sealing.message(room_id, message_id, rev, body, None)
        await self._connection.execute(
            EDIT, room_id, message_id, text, actor, at, mentions, mention_all, sealed, key_version
        )

    async def delete(
        self, room_id: UUID, message_id: UUID, rev: int, *, actor: UUID | None, reason: str | None, at: datetime
    ) -> None:
        """A tombstone: a revision without body, and no mention, image, reaction or pin any more. rev: the new one."""
        _, told, sealed, key_version = await self._sealing.message(room_id, message_id, rev, None, reason)
        await self._connection.execute(DELETE, room_id, message_id, actor, told, at, sealed, key_version)

    async def fan_out(self, room_id: UUID, message_id: UUID) -> None:
        """Leave work for after the commit: somebody is to be told of the message who was not yet.

        A message has one row of work at a time: of two, both would be done at once, and tell the same people.
        """
        begun_again = await self._connection.fetchval(
            "UPDATE messages.fanout SET after_user = NULL WHERE room_id = $1 AND message_id = $2 RETURNING 1",
            room_id,
            message_id,
        )
        if begun_again is None:
            await self._connection.execute(
                "INSERT INTO messages.fanout (room_id, message_id) VALUES ($1, $2)", room_id, message_id
            )

    async def pin(self, room_id: UUID, message_id: UUID, *, actor: UUID | None, at: datetime | None) -> None:
        """at: None takes the pin away."""
        await self._connection.execute(
            "UPDATE messages.messages SET pinned_at = $3, pinned_by = $4 WHERE room_id = $1 AND id = $2",
            room_id,
            message_id,
            at,
            actor,
        )

    async def pins(
        self, room_id: UUID, everything: bool, user_id: UUID, limit: int, last: tuple[datetime, UUID] | None
    ) -> list[Any]:
        """Pinned messages, the newest pin first."""
        return await self._sealing.messages(
            await self._connection.fetch(
                f"SELECT {COLUMNS} {FROM} WHERE m.room_id = $1 AND m.pinned_at IS NOT NULL AND {SEEN}"
                " AND ($4::timestamptz IS NULL OR (m.pinned_at, m.id) < ($4, $5::uuid))"
                " ORDER BY m.pinned_at DESC, m.id DESC LIMIT $6",
                room_id,
                everything,
                user_id,
                *(last or (None, None)),
                limit,
            )
        )

    async def revisions(self, room_id: UUID, message_id: UUID, after: int, limit: int) -> list[Any]:
        """(rev, body, format, actor, reason, at), ascending."""
        return await self._sealing.revisions(
            await self._connection.fetch(
                "SELECT room_id, message_id, rev, body, format, actor, reason, at, sealed, key_version"
                " FROM messages.message_revisions"
                " WHERE room_id = $1 AND message_id = $2 AND rev > $3 ORDER BY rev LIMIT $4",
                room_id,
                message_id,
                after,
                limit,
            )
        )

    async def recipients(self, room_id: UUID, seq: int, sender_id: UUID) -> list[Any]:
        """(user_id, delivered, read) of the present members that the message at `seq` was sent to."""
        return list(await self._connection.fetch(RECIPIENTS, room_id, seq, sender_id))
