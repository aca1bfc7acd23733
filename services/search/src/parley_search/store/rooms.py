"""How far each room is read."""

from collections.abc import Collection, Iterable
from uuid import UUID

import asyncpg

from parley_search.domain import Room

_COLUMNS = "room_id, language, cursor, head, generation, paged, gone"


class RoomQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def discover(self, cursors: dict[UUID, int]) -> dict[UUID, Room]:
        """These rooms. Of a new one the log is followed after the seq given, and its state is to be paged."""
        await self._connection.execute(
            "INSERT INTO search.rooms AS r (room_id, cursor, head, generation, paged, gone)"
            " SELECT room_id, cursor, 0, 1, 0, false FROM unnest($1::uuid[], $2::bigint[]) AS new (room_id, cursor)"
            " ORDER BY room_id"
            " ON CONFLICT (room_id) DO UPDATE SET cursor = excluded.cursor WHERE r.cursor IS NULL",
            list(cursors),
            list(cursors.values()),
        )
        return await self.get(cursors)

    async def get(self, ids: Collection[UUID]) -> dict[UUID, Room]:
        return _by_id(
            await self._connection.fetch(f"SELECT {_COLUMNS} FROM search.rooms WHERE room_id = ANY($1)", list(ids))  # noqa: S608
        )

    async def lock(self, ids: Collection[UUID]) -> dict[UUID, Room]:
        """Those that there are, held until the end of the transaction."""
        return _by_id(
            await self._connection.fetch(
                f"SELECT {_COLUMNS} FROM search.rooms WHERE room_id = ANY($1) ORDER BY room_id FOR UPDATE",  # noqa: S608
                list(ids),
            )
        )

    async def page(self, after: UUID | None, upto: UUID | None) -> dict[UUID, Room]:
        """after < id ≤ upto; None is no bound."""
        return _by_id(
            await self._connection.fetch(
                f"SELECT {_COLUMNS} FROM search.rooms"  # noqa: S608
                " WHERE ($1::uuid IS NULL OR room_id > $1) AND ($2::uuid IS NULL OR room_id <= $2) AND NOT gone",
                after,
                upto,
            )
        )

    async def put(self, rooms: Iterable[Room]) -> None:
        """Rows that are held. Whoever pages one of them for an older generation has nothing to do with the new one."""
        rows = list(rooms)
        await self._connection.execute(
            """
            UPDATE search.rooms AS r SET language = new.language, cursor = new.cursor, head = new.head, paged = new.paged,
                gone = new.gone, generation = new.generation,
                lease_until = CASE WHEN r.generation = new.generation THEN r.lease_until END
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::bigint[], $7::boolean[])
                AS new (room_id, language, cursor, head, generation, paged, gone)
            WHERE r.room_id = new.room_id
            """,
            [room.room_id for room in rows],
            [room.language for room in rows],
            [room.cursor for room in rows],
            [room.head for room in rows],
            [room.generation for room in rows],
            [room.paged for room in rows],
            [room.gone for room in rows],
        )

    async def again(self, *, new_epoch: bool) -> None:
        """All rooms are to be read anew. In another epoch seqs mean nothing that were of this one, and rooms that are gone may be
        there."""
        await self._connection.execute(
            # Held by id, as everybody holds them.
            "WITH held AS MATERIALIZED (SELECT room_id FROM search.rooms ORDER BY room_id FOR UPDATE)"
            " UPDATE search.rooms AS r SET generation = generation + 1, paged = 0, lease_until = NULL, gone = gone AND NOT $1,"
            " cursor = CASE WHEN $1 THEN NULL ELSE cursor END, head = CASE WHEN $1 THEN 0 ELSE head END"
            " FROM held WHERE r.room_id = held.room_id",
            new_epoch,
        )

    async def claim(self, limit: int, seconds: float) -> list[Room]:
        """Rooms whose state is to be paged, and that nobody else pages at the moment."""
        return list(
            _by_id(
                await self._connection.fetch(
                    f"""
                    UPDATE search.rooms SET lease_until = clock_timestamp() + make_interval(secs => $2)
                    WHERE room_id IN (
                        SELECT room_id FROM search.rooms
                        WHERE paged IS NOT NULL AND NOT gone AND (lease_until IS NULL OR lease_until < clock_timestamp())
                        ORDER BY room_id LIMIT $1 FOR UPDATE SKIP LOCKED)
                    RETURNING {_COLUMNS}
                    """,  # noqa: S608
                    limit,
                    seconds,
                )
            ).values()
        )

    async def renew(self, ids: Collection[UUID], seconds: float) -> None:
        await self._connection.execute(
            "UPDATE search.rooms SET lease_until = clock_timestamp() + make_interval(secs => $2) WHERE room_id = ANY($1)",
            list(ids),
            seconds,
        )

    async def gone(self) -> UUID | None:
        """One that is to be forgotten, if there is any, and nobody else is about it."""
        found: UUID | None = await self._connection.fetchval(
            "SELECT room_id FROM search.rooms WHERE gone ORDER BY room_id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        return found

    async def delete(self, room_id: UUID) -> None:
        await self._connection.execute("DELETE FROM search.rooms WHERE room_id = $1", room_id)


def _by_id(rows: Iterable[asyncpg.Record]) -> dict[UUID, Room]:
    return {row["room_id"]: Room(*row) for row in rows}
