"""Every query, by what it is about; and the pool that indexing runs on. Searching has a pool of its own (`store.finding`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from parley_search.store.entries import EntryQueries
from parley_search.store.meta import MetaQueries
from parley_search.store.rooms import RoomQueries

__all__ = ["Database", "Store"]


class Store:
    """All queries on one connection, inside one transaction. Locks: the index's own row, then rooms by id, then their entries."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.meta = MetaQueries(connection)
        self.rooms = RoomQueries(connection)
        self.entries = EntryQueries(connection)


class Database:
    """Where the index is written."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        """One transaction: committed at the end, undone by any exception."""
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            yield Store(connection)
