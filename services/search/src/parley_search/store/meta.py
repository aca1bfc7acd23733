"""The index as a whole: of which epoch it is, what it was made with, and whether it is being made anew."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

COUNTED = 2_000_000
"""Entries up to which they are counted one by one; beyond that PostgreSQL's own estimate has to do."""


@dataclass(frozen=True, slots=True)
class Meta:
    """rebuilding: since when."""

    epoch: str
    analysis: int
    rebuilding: datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    """behind: rooms whose log has more than was read. unpaged: whose state is not all read yet."""

    messages: int
    rooms: int
    behind: int
    unpaged: int


class MetaQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def get(self) -> Meta:
        return Meta(*await self._connection.fetchrow("SELECT epoch, analysis, rebuilding FROM search.meta"))

    async def lock(self) -> Meta:
        """Held until the end of the transaction: of several replicas one begins a rebuild."""
        return Meta(*await self._connection.fetchrow("SELECT epoch, analysis, rebuilding FROM search.meta FOR UPDATE"))

    async def begin_rebuild(self, epoch: str, analysis: int) -> None:
        await self._connection.execute(
            "UPDATE search.meta SET epoch = $1, analysis = $2, rebuilding = clock_timestamp()", epoch, analysis
        )

    async def finish(self) -> bool:
        """The rebuild is over if all rooms are read. Whether it is over by this."""
        return bool(
            await self._connection.fetchval(
                "UPDATE search.meta SET rebuilding = NULL WHERE rebuilding IS NOT NULL"
                " AND NOT EXISTS (SELECT FROM search.rooms WHERE paged IS NOT NULL AND NOT gone) RETURNING true"
            )
        )

    async def take_turn(self, seconds: float) -> bool:
        """Whether it is time again to compare everything, and this replica is the one to do it."""
        return bool(
            await self._connection.fetchval(
                "UPDATE search.meta SET swept_at = clock_timestamp()"
                " WHERE swept_at <= clock_timestamp() - make_interval(secs => $1) RETURNING true",
                seconds,
            )
        )

    async def counts(self) -> Counts:
        rooms = await self._connection.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE cursor IS NULL OR cursor < head),"
            " count(*) FILTER (WHERE paged IS NOT NULL) FROM search.rooms WHERE NOT gone"
        )
        estimated = await self._connection.fetchval(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'search.messages'::regclass"
        )
        if estimated < COUNTED:
            estimated = await self._connection.fetchval("SELECT count(*) FROM search.messages WHERE vector IS NOT NULL")
        return Counts(estimated, *rooms)
