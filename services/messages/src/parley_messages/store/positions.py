"""How far each member has received and read: state that only grows."""

from typing import Any
from uuid import UUID

import asyncpg

# Rows are locked in the order of their keys, as the send path does, so that two flushes cannot deadlock. read_n is the number
# of top-level messages up to read_seq, so that unread is one subtraction.
MOVE = """
    WITH wanted AS (
        SELECT w.room_id, w.user_id, least(greatest(w.delivered, w.read), r.head) AS delivered, least(w.read, r.head) AS read,
               r.member_count
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) AS w (room_id, user_id, delivered, read)
        JOIN messages.rooms r ON r.id = w.room_id
        JOIN messages.members m ON m.room_id = w.room_id AND m.user_id = w.user_id AND m.to_seq IS NULL
    ), held AS MATERIALIZED (
        SELECT p.room_id, p.user_id FROM messages.positions p JOIN wanted w USING (room_id, user_id)
        ORDER BY p.room_id, p.user_id FOR NO KEY UPDATE OF p
    )
    UPDATE messages.positions p
    SET delivered_seq = greatest(p.delivered_seq, w.delivered),
        read_seq = greatest(p.read_seq, w.read),
        read_n = CASE WHEN w.read > p.read_seq THEN coalesce((
            SELECT m.n FROM messages.messages m
            WHERE m.room_id = p.room_id AND m.seq <= w.read AND m.n IS NOT NULL ORDER BY m.seq DESC LIMIT 1
        ), 0) ELSE p.read_n END
    FROM wanted w JOIN held h USING (room_id, user_id)
    WHERE p.room_id = w.room_id AND p.user_id = w.user_id AND (p.delivered_seq < w.delivered OR p.read_seq < w.read)
    RETURNING p.room_id, p.user_id, p.delivered_seq, p.read_seq, w.member_count
"""


class PositionQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def move(self, rooms: list[UUID], users: list[UUID], delivered: list[int], read: list[int]) -> list[Any]:
        """Raise positions of present members, clamped to the head; read implies delivered.

        Returns (room_id, user_id, delivered_seq, read_seq, member_count) of those that moved.
        """
        return list(await self._connection.fetch(MOVE, rooms, users, delivered, read))
