"""Rooms that keep their messages for some days only: what is older becomes a tombstone, and all its versions go.

A tombstone keeps its seq and its ordinal, so that positions and unread counts stay true; it was deleted by nobody. As every
deletion it is an event, so that clients and the index forget, too. In batches, each its own transaction that holds the room's
row for some milliseconds.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from parley_messages.jobs import Lease
from parley_messages.publisher import LivePublisher
from parley_messages.store import Database
from parley_messages.usecases.message_changes import MessageChanges

log = structlog.get_logger(__name__)

MESSAGES: Final = 100
"""In one transaction; well below what a slow reader may fall behind."""
PAUSE_S: Final = 0.1
"""Between two transactions."""
LEASE_S: Final = 60.0

_expired = Counter("parley_retention_messages", "Messages that retention has removed")


class RetentionJob:
    """advanced: called after each transaction that wrote to the outbox."""

    def __init__(self, database: Database, publisher: LivePublisher, advanced: Callable[[], None], holder: str) -> None:
        self._database = database
        self._publisher = publisher
        self._advanced = advanced
        self._lease = Lease("retention", holder, LEASE_S)

    async def run(self) -> None:
        async with self._database.snapshot() as store:
            rooms = await store.retention.rooms()
        for room_id, days in rooms:
            await self._room(room_id, days)

    async def _room(self, room_id: UUID, days: int) -> None:
        while await self._mine():
            if await self.forget_some(room_id, days) < MESSAGES:
                return
            await asyncio.sleep(PAUSE_S)

    async def _mine(self) -> bool:
        async with self._database.connection() as connection:
            return await self._lease.take(connection)

    async def forget_some(self, room_id: UUID, days: int) -> int:
        """One transaction. Returns how many messages are gone with it, at most MESSAGES."""
        async with self._database.begin() as store:
            room = await store.rooms.lock(room_id)
            if room is None or room["deleted_at"] is not None or room["retention_days"] != days:
                return 0
            found = await store.retention.expired(room_id, days, MESSAGES)
            if not found:
                return 0
            changes = MessageChanges(store, None)
            await changes.expired(room_id, [(message.id, message.rev + 1) for message in found if message.living])
            await store.retention.forget(room_id, [message.id for message in found])
            await changes.audit(room_id, "messages.expired", days=days, messages=len(found))
        _expired.inc(len(found))
        self._advanced()
        await changes.publish(self._publisher)
        log.info("retention.forgot", room_id=str(room_id), messages=len(found))
        return len(found)
