"""Reading what messages has into the index: by the log, by state, and by comparing all rooms."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import prometheus_client as prometheus
import structlog

from parley_search.analysis import ANALYSIS, Analyser, Analysers
from parley_search.clients import MessagesClient
from parley_search.domain import IMAGE, RELEVANT, Asked, Reading, Room, sender_mark, taken
from parley_search.store import Database, Store
from parley_search.store.entries import Entry
from parley_shared.contracts.indexing import IndexEntry, IndexPart
from parley_shared.contracts.live import Advanced
from parley_shared.db.outage import is_outage
from parley_shared.errors import Code, Refused

log = structlog.get_logger(__name__)

ROOMS_AT_ONCE: Final = 500
"""Rooms in one question about logs."""
PAGED_AT_ONCE: Final = 20
"""Rooms that one replica pages at the same time."""
LEASE_S: Final = 15.0
"""How long a room is one replica's to page, from each answer on; so long it rests after a crash."""
BREATH: Final = 50
"""Texts that are analysed before others get a turn."""
FORGOTTEN_AT_ONCE: Final = 5_000

_indexed = prometheus.Counter(
    "parley_search_indexed", "Entries written, by where they came from and what they are", ["source", "kind"]
)
_lag = prometheus.Histogram(
    "parley_search_lag_seconds",
    "Time from a message's acceptance to its being found",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)

Text = tuple[IndexEntry, str | None]
"""An entry as messages has it, and what the index makes of it."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Calls that wake other work: comparing all rooms, paging, forgetting."""

    compare: Callable[[], None]
    page: Callable[[], None]


class Indexing:
    """By the log and by state. Any number of replicas may do it at the same time: rooms are held while they are written."""

    def __init__(self, database: Database, messages: MessagesClient, analysers: Analysers, wake: Wake) -> None:
        self._database = database
        self._messages = messages
        self._analysers = analysers
        self._wake = wake

    async def follow(self, events: Iterable[Advanced]) -> None:
        """What streams have grown by. Late, doubled and swapped events do no harm. Raises Refused: UNAVAILABLE."""
        by_room = [(room_id, event) for event in events if (room_id := _room_that_grew(event)) is not None]
        if not by_room:
            return
        async with self._database.begin() as store:
            epoch = (await store.meta.get()).epoch
        if any(event.epoch != epoch for _, event in by_room):
            epoch = await self.renew()
        grown: dict[UUID, tuple[int, int]] = {}
        for room_id, event in by_room:
            if event.epoch == epoch:
                since, upto = grown.get(room_id, (event.from_seq, event.to_seq))
                grown[room_id] = (min(since, event.from_seq), max(upto, event.to_seq))
        async with self._database.begin() as store:
            known = await store.rooms.get(grown)
            new = {
                room_id: since - 1
                for room_id, (since, _) in grown.items()
                if room_id not in known or known[room_id].cursor is None
            }
            if new:
                known |= await store.rooms.discover(new)
        if new:
            self._wake.page()
        await self.read((room for room_id, room in known.items() if (room.cursor or 0) < grown[room_id][1]), "log")

    async def renew(self) -> str:
        """The suite's epoch. Another one than the index is of makes everything that was read doubtful: all rooms are read anew, and
        what is there is found meanwhile. Raises Refused: UNAVAILABLE."""
        epoch = (await self._messages.rooms(limit=1)).epoch
        async with self._database.begin() as store:
            meta = await store.meta.lock()
            if meta.epoch == epoch:
                return epoch
            await store.meta.begin_rebuild(epoch, ANALYSIS)
            await store.rooms.again(new_epoch=True)
        log.warning("epoch.changed", before=meta.epoch, now=epoch)
        self._wake.compare()
        return epoch

    async def page(self) -> bool:
        """Read the state of some rooms to its end; False if none is waiting. Raises Refused: UNAVAILABLE."""
        async with self._database.begin() as store:
            claimed = await store.rooms.claim(PAGED_AT_ONCE, LEASE_S)
        await self.read(claimed, "state")
        return bool(claimed)

    async def forget(self) -> bool:
        """Some entries of a room that is gone; False if there is none."""
        async with self._database.begin() as store:
            room_id = await store.rooms.gone()
            if room_id is None:
                return False
            if await store.entries.forget(room_id, FORGOTTEN_AT_ONCE) < FORGOTTEN_AT_ONCE:
                await store.rooms.delete(room_id)
                log.info("room.forgotten", room_id=str(room_id))
        return True

    async def read(self, rooms: Iterable[Room], kind: Reading) -> None:
        """Each of these rooms to the end of its log, or of its state. Raises Refused: UNAVAILABLE."""
        waiting = {room.room_id: room for room in rooms}
        while waiting:
            asked: list[Asked] = []
            for room in list(waiting.values())[:ROOMS_AT_ONCE]:
                after = room.cursor if kind == "log" else room.paged
                if after is None or room.gone:
                    del waiting[room.room_id]
                else:
                    asked.append(Asked(room.room_id, after, kind, room.generation))
            if asked:
                for room_id, now in (await self._ask_apart(asked)).items():
                    if now is None:
                        del waiting[room_id]
                    else:
                        waiting[room_id] = now

    async def _ask_apart(self, asked: Sequence[Asked]) -> dict[UUID, Room | None]:
        """Ask. If that fails for a reason that will not go away by itself, ask for each half alone, so that one room that cannot
        be read holds up no other."""
        try:
            return await self._ask(asked)
        except Exception as error:
            if is_outage(error) or (isinstance(error, Refused) and error.code == Code.UNAVAILABLE):
                raise
            if len(asked) == 1:
                log.exception(
                    "room.unreadable", room_id=str(asked[0].room_id), kind=asked[0].kind, after=asked[0].after
                )
                return {asked[0].room_id: None}
        half = len(asked) // 2
        return {**await self._ask_apart(asked[:half]), **await self._ask_apart(asked[half:])}

    async def _ask(self, asked: Sequence[Asked]) -> dict[UUID, Room | None]:
        """The rooms that were answered for: as they are now where there is more to ask, otherwise None."""
        answer = await self._messages.ranges(asked)
        parts = list(zip(asked, answer.parts, strict=False))
        if not parts or any(item.room_id != part.room_id for item, part in parts):
            raise ValueError("The parts of an answer are those that were asked for, in their order, and at least one.")
        texts = await analysed(self._analysers, answer.parts)
        ids = [item.room_id for item, _ in parts]
        async with self._database.begin() as store:
            current = (await store.meta.get()).epoch == answer.epoch
            taking = _Taking(await store.rooms.lock(ids))
            if current:
                for (item, part), found in zip(parts, texts, strict=True):
                    taking.take(item, part, found)
                await taking.write(store)
        if current:
            taking.count()
            return taking.more
        await self.renew()
        async with self._database.begin() as store:
            return {**dict.fromkeys(ids), **await store.rooms.get(ids)}


async def analysed(analysers: Analysers, parts: Sequence[IndexPart]) -> list[list[Text]]:
    """What the index makes of these answers, each for itself."""
    found: list[list[Text]] = []
    count = 0
    for part in parts:
        analyser = analysers.of(part.language)
        texts: list[Text] = []
        for entry in part.entries:
            count += 1
            if count % BREATH == 0:
                await asyncio.sleep(0)
            texts.append((entry, None if entry.body is None else _vector(analyser, entry, entry.body)))
        found.append(texts)
    return found


def _room_that_grew(event: Advanced) -> UUID | None:
    """None if nothing has changed that is found."""
    kind, _, identifier = event.stream.partition(":")
    if kind != "room" or RELEVANT.isdisjoint(event.kinds):
        return None
    try:
        return UUID(identifier)
    except ValueError:
        log.error("event.of_no_room", stream=event.stream)
        return None


def _vector(analyser: Analyser, entry: IndexEntry, body: str) -> str:
    marks = [sender_mark(entry.sender_id), *([IMAGE] if entry.has_image else [])]
    try:
        return analyser.vector(body, marks)
    except Exception:
        # A bug, and one text that shows it must not keep all others from being found.
        log.exception("message.unanalysed", message_id=str(entry.message_id))
        return analyser.vector("", marks)


class _Taking:
    """Answers about rooms that are held, and what follows from them."""

    def __init__(self, rooms: dict[UUID, Room]) -> None:
        self.more: dict[UUID, Room | None] = {}
        self._before = rooms
        self._after: dict[UUID, Room] = {}
        self._entries: dict[UUID, Entry] = {}
        self._kind: Reading = "log"
        self._fresh: list[datetime] = []

    def take(self, asked: Asked, part: IndexPart, texts: Sequence[Text]) -> None:
        """Raises ValueError for an answer that leads nowhere."""
        self._kind = asked.kind
        before = self._before.get(asked.room_id)
        if before is None or before.gone:
            self.more[asked.room_id] = None
            return
        room = taken(before, asked, part)
        if room is None:
            self.more[asked.room_id] = before
            return
        done = room.gone or part.lost or (part.complete if asked.kind == "log" else room.paged is None)
        if not done and room == before:
            raise ValueError(f"There is more of a room after {asked.after}, but not in the answer.")
        self._after[asked.room_id] = room
        self.more[asked.room_id] = None if done else room
        for entry, vector in () if room.gone else texts:
            known = self._entries.get(entry.message_id)
            if known is None or known.rev < entry.rev:
                self._entries[entry.message_id] = Entry(
                    room.room_id, entry.created_at, entry.message_id, entry.seq, entry.rev, room.generation, vector
                )
            if asked.kind == "log" and entry.rev == 1 and vector is not None:
                self._fresh.append(entry.created_at)

    async def write(self, store: Store) -> None:
        await store.rooms.put([room for room in self._after.values() if room != self._before[room.room_id]])
        await store.entries.put(list(self._entries.values()))
        if self._kind == "state":
            await store.rooms.renew([room_id for room_id, room in self.more.items() if room is not None], LEASE_S)
            for room in self._after.values():
                if room.paged is None:
                    await store.entries.clean(room.room_id, room.generation)

    def count(self) -> None:
        """After the commit."""
        for kind, number in Counter(entry.vector is None for entry in self._entries.values()).items():
            _indexed.labels(self._kind, "tombstone" if kind else "text").inc(number)
        now = datetime.now(UTC)
        for created_at in self._fresh:
            _lag.observe(max(0.0, (now - created_at).total_seconds()))
