"""Comparing the index with all rooms that there are: what no event has told of is found here."""

from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Gauge

from parley_search.clients import MessagesClient
from parley_search.domain import Room, shortened
from parley_search.store import Database
from parley_search.usecases.indexing import Indexing, Wake
from parley_shared.contracts.indexing import IndexedRoom

log = structlog.get_logger(__name__)

ASKED_AT_ONCE: Final = 500
"""Rooms in one question about certain ones."""

_behind = Gauge("parley_search_rooms_behind", "Rooms whose log had more than was read, when all were compared last")


class Comparing:
    """By pages of rooms, in the order of their ids."""

    def __init__(self, database: Database, messages: MessagesClient, indexing: Indexing, wake: Wake) -> None:
        self._database = database
        self._messages = messages
        self._indexing = indexing
        self._wake = wake

    async def is_due(self, every: float) -> bool:
        """Whether it is time again, and this replica's turn. every: seconds."""
        async with self._database.begin() as store:
            return await store.meta.take_turn(every)

    async def compare(self) -> None:
        """Read what is behind, add rooms that are new, forget those that are gone or sealed. Raises Refused: UNAVAILABLE."""
        await self._indexing.renew()
        after: UUID | None = None
        behind = 0
        while True:
            page = await self._messages.rooms(after)
            behind += await self._page(page.rooms, after, page.next)
            if page.next is None:
                break
            after = page.next
        _behind.set(behind)
        self._wake.page()
        log.info("rooms.compared", count=behind)

    async def _page(self, there: list[IndexedRoom], after: UUID | None, upto: UUID | None) -> int:
        """How many of these rooms were behind."""
        found = {room.room_id: room for room in there if room.searchable}
        async with self._database.begin() as store:
            known = await store.rooms.page(after, upto)
            new = {
                room_id: room.head
                for room_id, room in found.items()
                if room_id not in known or known[room_id].cursor is None
            }
            known |= await store.rooms.discover(new)
        doubtful = [
            room for room_id, room in known.items() if room_id not in found or _cursor(room) > found[room_id].head
        ]
        for start in range(0, len(doubtful), ASKED_AT_ONCE):
            await self._doubt(doubtful[start : start + ASKED_AT_ONCE])
        behind = [
            room
            for room_id, room in known.items()
            if room_id in found
            and (_cursor(room) < found[room_id].head or room.language not in (None, found[room_id].language))
        ]
        await self._indexing.read(behind, "log")
        return len(behind)

    async def _doubt(self, known: list[Room]) -> None:
        """Rooms that messages did not list, or whose log seemed to be shorter than what was read. Both may be since the answer is
        older than the index, so it is asked again."""
        answer = await self._messages.rooms(only=[room.room_id for room in known])
        there = {room.room_id: room for room in answer.rooms if room.searchable}
        async with self._database.begin() as store:
            locked = await store.rooms.lock([room.room_id for room in known])
            changed = []
            for before in known:
                room = locked.get(before.room_id)
                now = there.get(before.room_id)
                if room is None:
                    continue
                if now is None:
                    log.info("room.gone", room_id=str(room.room_id))
                    changed.append(replace(room, gone=True))
                elif now.head < _cursor(before):
                    log.warning("room.shortened", room_id=str(room.room_id), cursor=before.cursor, head=now.head)
                    changed.append(shortened(room, before, now.head))
            await store.rooms.put(changed)


def _cursor(room: Room) -> int:
    return room.cursor or 0
