"""Every query of auth, by noun; a `Store` is one transaction's view of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from parley_auth.store.codes import Codes
from parley_auth.store.erasures import Erasures
from parley_auth.store.journal import Journal
from parley_auth.store.keys import Keys
from parley_auth.store.revocations import Revocations
from parley_auth.store.sessions import Sessions
from parley_auth.store.throttles import Throttles
from parley_auth.store.users import Users


class Store:
    """One transaction. Locks are taken in this order: throttles, users by id, sessions, codes, the revocations' head, the audit chain."""

    def __init__(self, connection: AsyncConnection, clock_shift: timedelta) -> None:
        self._connection = connection
        self._shift = clock_shift
        self.users = Users(connection)
        self.sessions = Sessions(connection)
        self.throttles = Throttles(connection)
        self.codes = Codes(connection)
        self.keys = Keys(connection)
        self.revocations = Revocations(connection)
        self.journal = Journal(connection)
        self.erasures = Erasures(connection)

    async def now(self) -> datetime:
        """The database's clock, which all replicas share; it moves within a transaction."""
        now: datetime = (await self._connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now + self._shift


Begin = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens a transaction, which commits at the end of the block and rolls back if it raises."""


class Transactions:
    """Begins transactions on an engine. clock_shift is added to the database's clock; zero in earnest."""

    def __init__(self, engine: AsyncEngine, clock_shift: timedelta = timedelta(0)) -> None:
        self._engine = engine
        self._shift = clock_shift

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        async with self._engine.begin() as connection:
            store = Store(connection, self._shift)
            yield store
            await store.journal.flush()
