"""Every query, by what it is about; and the pool that they run on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from parley_messages.store.audit import AuditQueries
from parley_messages.store.buckets import BucketQueries
from parley_messages.store.conversation import ConversationQueries
from parley_messages.store.erasure import ErasureQueries
from parley_messages.store.export import ExportQueries
from parley_messages.store.members import MemberQueries
from parley_messages.store.moderation import GrantQueries, ReportQueries, SanctionQueries
from parley_messages.store.notifications import BlockQueries, NotificationQueries
from parley_messages.store.positions import PositionQueries
from parley_messages.store.reactions import ReactionQueries
from parley_messages.store.retention import RetentionQueries
from parley_messages.store.rooms import RoomQueries
from parley_messages.store.streams import StreamQueries
from parley_messages.store.threads import ThreadQueries
from parley_messages.store.timeline import TimelineQueries
from parley_messages.store.visibility import VisibilityQueries

__all__ = ["Database", "Store"]


class Store:
    """All queries on one connection, inside one transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.rooms = RoomQueries(connection)
        self.members = MemberQueries(connection)
        self.streams = StreamQueries(connection)
        self.timeline = TimelineQueries(connection)
        self.visibility = VisibilityQueries(connection)
        self.conversation = ConversationQueries(connection)
        self.reactions = ReactionQueries(connection)
        self.threads = ThreadQueries(connection)
        self.buckets = BucketQueries(connection)
        self.positions = PositionQueries(connection)
        self.sanctions = SanctionQueries(connection)
        self.reports = ReportQueries(connection)
        self.grants = GrantQueries(connection)
        self.retention = RetentionQueries(connection)
        self.audit = AuditQueries(connection)
        self.erasure = ErasureQueries(connection)
        self.export = ExportQueries(connection)
        self.notifications = NotificationQueries(connection)
        self.blocks = BlockQueries(connection)


class Database:
    """The pool of the cold paths; the send path has a connection of its own."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def connect(
        cls, url: str, *, application_name: str, size: int, on_connect: Callable[[asyncpg.Connection], Awaitable[None]]
    ) -> "Database":
        """on_connect runs on each new connection before anything else."""

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
            server_settings={"application_name": application_name, "timezone": "UTC", "jit": "off"},
        )
        return cls(pool)

    async def close(self) -> None:
        self._pool.terminate()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        """One transaction: committed at the end, undone by any exception."""
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            yield Store(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Store]:
        """Several reads of one and the same moment."""
        async with (
            self._pool.acquire(timeout=5) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Store(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """For jobs, whose statements are their own."""
        async with self._pool.acquire(timeout=5) as connection:
            yield connection


def _to_json(value: Any) -> str:  # Any: whatever an event's meta holds
    return msgspec.json.encode(value).decode()
