"""Reactions: who reacted with what to which message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parley_shared.limits import REACTION_USERS

# Message by message, so that each is one look into the index of one partition, however many reactions there are in all. The order of
# the reactions is that of their code points, whatever the database's own language would make of it.
OF = f"""
    SELECT w.message_id, r.*
    FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, message_id)
    CROSS JOIN LATERAL (
        SELECT x.reaction, count(*) AS count, (array_agg(x.user_id ORDER BY x.seq))[:{REACTION_USERS}] AS user_ids,
               bool_or(x.user_id = $3) AS mine
        FROM messages.reactions x WHERE x.room_id = w.room_id AND x.message_id = w.message_id
        GROUP BY x.reaction
    ) r
    ORDER BY w.message_id, r.reaction COLLATE "C"
"""  # noqa: S608


class ReactionQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def of(self, messages: Sequence[tuple[UUID, UUID]], user_id: UUID) -> list[Any]:
        """(message_id, reaction, count, user_ids, mine) of these (room, message); the first users by their events' seqs."""
        return list(
            await self._connection.fetch(
                OF, [room for room, _ in messages], [message for _, message in messages], user_id
            )
        )

    async def counts(self, room_id: UUID, message_id: UUID, user_id: UUID) -> dict[str, tuple[int, bool]]:
        """By reaction: how many people, and whether the user is one of them."""
        rows = await self._connection.fetch(
            "SELECT reaction, count(*), bool_or(user_id = $3) FROM messages.reactions"
            " WHERE room_id = $1 AND message_id = $2 GROUP BY reaction",
            room_id,
            message_id,
            user_id,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    async def add(
        self, room_id: UUID, message_id: UUID, reaction: str, user_id: UUID, *, seq: int, at: datetime
    ) -> None:
        await self._connection.execute(
            "INSERT INTO messages.reactions (room_id, message_id, reaction, user_id, seq, at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            room_id,
            message_id,
            reaction,
            user_id,
            seq,
            at,
        )

    async def remove(self, room_id: UUID, message_id: UUID, reaction: str, user_id: UUID) -> None:
        await self._connection.execute(
            "DELETE FROM messages.reactions WHERE room_id = $1 AND message_id = $2 AND reaction = $3 AND user_id = $4",
            room_id,
            message_id,
            reaction,
            user_id,
        )
