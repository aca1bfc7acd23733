"""Every query, by what it is about; and the pool that they run on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from parley_messages.keys import RoomKeys
from parley_messages.store.audit import AuditQueries
from parley_messages.store.buckets import BucketQueries
from parley_messages.store.conversation import ConversationQueries
from parley_messages.store.erasure import ErasureQueries
from parley_messages.store.export import ExportQueries
from parley_messages.store.images import ImageQueries
from parley_messages.store.indexing import IndexingQueries
from parley_messages.store.journey import JourneyQueries
from parley_messages.store.keys import KeyQueries
from parley_messages.store.members import MemberQueries
from parley_messages.store.moderation import GrantQueries, ReportQueries, SanctionQueries
from parley_messages.store.notifications import BlockQueries, NotificationQueries
from parley_messages.store.positions import PositionQueries
from parley_messages.store.reactions import ReactionQueries
from parley_messages.store.retention import RetentionQueries
from parley_messages.store.rooms import RoomQueries
from parley_messages.store.sealing import Sealing
from parley_messages.store.streams import StreamQueries
from parley_messages.store.threads import ThreadQueries
from parley_messages.store.timeline import TimelineQueries
from parley_messages.store.verifying import VerifyingQueries
from parley_messages.store.visibility import VisibilityQueries
from parley_shared.db.traced import TracedConnection
from parley_shared.metrics import watch_pool

__all__ = ["Database", "Store"]


class Store:
    """All queries on one connection, inside one transaction."""

    def __init__(self, connection: asyncpg.Connection, keys: RoomKeys) -> None:
        self.sealing = sealing = Sealing(connection, keys)
        self.rooms = RoomQueries(connection)
        self.members = MemberQueries(connection)
        self.streams = StreamQueries(connection, sealing)
        self.timeline = TimelineQueries(connection, sealing)
        self.visibility = VisibilityQueries(connection)
        self.conversation = ConversationQueries(connection, sealing)
        self.reactions = ReactionQueries(connection)
        self.threads = ThreadQueries(connection, sealing)
        self.images = ImageQueries(connection)
        self.journey = JourneyQueries(connection)
        self.keys = KeyQueries(connection)
        self.indexing = IndexingQueries(connection)
        self.buckets = BucketQueries(connection)
        self.positions = PositionQueries(connection)
        self.sanctions = SanctionQueries(connection)
        self.reports = ReportQueries(connection, sealing)
        self.grants = GrantQueries(connection)
        self.retention = RetentionQueries(connection)
        self.audit = AuditQueries(connection)
        self.erasure = ErasureQueries(connection)
        self.export = ExportQueries(connection, sealing)
        self.notifications = NotificationQueries(connection)
        self.blocks = BlockQueries(connection)
        self.verifying = VerifyingQueries(connection)


class Database:
    """The pool of the cold paths; the send path has a connection of its own."""

    def __init__(self, pool: asyncpg.Pool, keys: RoomKeys) -> None:
        self._pool = pool
        self._keys = keys

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        application_name: str,
        size: int,
        on_connect: Callable[[asyncpg.Connection], Awaitable[None]],
        keys: RoomKeys,
    ) -> "Database":
        """on_connect runs on each new connection before anything else. keys: of sealed rooms."""

        async def prepare(connection: asyncpg.Connection) -> None:
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", encoder=_to_json, decoder=msgspec.json.decode, format="text"
            )
            await on_connect(connection)

        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=5,
            command_timeout=30,
            init=prepare,
            connection_class=TracedConnection,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                "jit": "off",
                # Where nothing was counted yet (a new suite, one that was restored), a page would gather all of its room to sort it.
                "enable_bitmapscan": "off",
            },
        )
        watch_pool(pool)
        return cls(pool, keys)

    async def close(self) -> None:
        self._pool.terminate()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        """One transaction: committed at the end, undone by any exception."""
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            yield Store(connection, self._keys)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Store]:
        """Several reads of one and the same moment."""
        async with (
            self._pool.acquire(timeout=5) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Store(connection, self._keys)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """For jobs, whose statements are their own."""
        async with self._pool.acquire(timeout=5) as connection:
            yield connection


def _to_json(value: Any) -> str:  # Any: whatever an event's meta holds
    return msgspec.json.encode(value).decode()
