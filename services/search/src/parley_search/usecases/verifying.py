"""Whether the index says what messages says: every visible message is in it as it is today, and nothing else is.

The index follows within seconds, so what does not fit is looked at again for a while before it is called a divergence.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from parley_search.analysis import ANALYSIS, Analysers
from parley_search.clients import AuthClient, MessagesClient
from parley_search.domain import Asked
from parley_search.store import Database
from parley_search.store.entries import Entry, Stray, Unlike
from parley_search.usecases.indexing import Text, analysed
from parley_shared.contracts.indexing import IndexedRooms, IndexPart
from parley_shared.contracts.verifying import Divergence, Verified, Verify
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import unavailable
from parley_shared.ids import room_stream

ROOMS: Final = 200
"""In one step, at most."""
STEP_S: Final = 3.0
"""A step ends with the first answer after that."""
PATIENCE_S: Final = 10.0
LOOK_S: Final = 0.5
FOUND_AT_ONCE: Final = 20

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(slots=True)
class _Place:
    """after: in the middle of that room, up to this seq; 0 is after the whole room, and without a room before all of them. since: when the
    message at `after` was written."""

    room_id: UUID | None = None
    after: int = 0
    since: datetime | None = None


class Verifying:
    """The verb `verify_index`."""

    def __init__(
        self,
        database: Database,
        auth: AuthClient,
        messages: MessagesClient,
        analysers: Analysers,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._database = database
        self._auth = auth
        self._messages = messages
        self._analysers = analysers
        self._patience_s = patience_s

    async def verify(self, cmd: Verify) -> Verified:
        """One step. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE, also while the index is being built
        anew."""
        question = f"verify-index:{cmd.room_id}"
        place = (
            _Place()
            if cmd.cursor is None
            else _Place(*read_cursor(cmd.cursor, question, tuple[UUID | None, int, Instant | None]))
        )
        await self._auth.demand_admin(cmd)
        async with self._database.begin() as store:
            meta = await store.meta.get()
            total = (await store.meta.counts()).rooms if cmd.room_id is None else 1
        if meta.rebuilding is not None:
            raise unavailable(
                "The index is being built anew; verify it when that is over: parley search rebuild --status"
            )
        page = await self._rooms(cmd.room_id, place)
        if page.epoch != meta.epoch:
            raise unavailable("The index is of another epoch and about to be built anew; verify it when that is over.")
        step = _Step(self._database, self._messages, self._analysers, texts=meta.analysis == ANALYSIS)
        if cmd.room_id is None:
            await step.strange_rooms(page, place.room_id)
        left = await step.rooms([room.room_id for room in page.rooms if room.searchable], place)
        divergences = await step.confirmed(self._patience_s)
        following = left
        if following is None and page.next is not None:
            following = _Place(page.next)
        return Verified(
            streams=step.done,
            total=total,
            checked={"entries": step.entries},
            divergences=sorted(divergences, key=lambda item: (item.stream, item.seq or 0))[:FOUND_AT_ONCE],
            more=len(divergences) > FOUND_AT_ONCE,
            next=None
            if following is None
            else write_cursor(question, following.room_id, following.after, following.since),
        )

    async def _rooms(self, only: UUID | None, place: _Place) -> IndexedRooms:
        """Rooms from the place on: that in the middle of which it is, or those after it."""
        if only is not None:
            return await self._messages.rooms(only=[only])
        if place.after == 0:
            return await self._messages.rooms(place.room_id, limit=ROOMS)
        assert place.room_id is not None  # noqa: S101 — a place in the middle is one in a room
        begun = await self._messages.rooms(only=[place.room_id])
        rest = await self._messages.rooms(place.room_id, limit=ROOMS - 1)
        return msgspec.structs.replace(rest, rooms=[*begun.rooms, *rest.rooms])


class _Step:
    """One step's comparison. texts: words are compared, too."""

    def __init__(self, database: Database, messages: MessagesClient, analysers: Analysers, *, texts: bool) -> None:
        self._database = database
        self._messages = messages
        self._analysers = analysers
        self._texts = texts
        self._until = time.monotonic() + STEP_S
        self.done = 0
        self.entries = 0
        self._unlike: list[Unlike] = []
        self._strays: list[Stray] = []
        self._strange: list[UUID] = []

    async def strange_rooms(self, page: IndexedRooms, after: UUID | None) -> None:
        """Rooms that the index has and messages has not, or that are sealed."""
        async with self._database.begin() as store:
            known = await store.rooms.page(after, page.next)
        self._strange = sorted(known.keys() - {room.room_id for room in page.rooms if room.searchable})

    async def rooms(self, ids: Sequence[UUID], place: _Place) -> _Place | None:
        """Where the next step goes on, if these rooms took too long."""
        waiting = [(room_id, place if room_id == place.room_id else _Place(room_id)) for room_id in ids]
        while waiting:
            asked = [Asked(room_id, at.after, "state", 0) for room_id, at in waiting]
            answer = await self._messages.ranges(asked)
            texts = await analysed(self._analysers, answer.parts)
            for (_, at), part, found in zip(waiting, answer.parts, texts, strict=False):
                await self._part(at, part, found)
            ended = [_after(part, at) for (_, at), part in zip(waiting, answer.parts, strict=False)]
            self.done += sum(place is None for place in ended)
            begun = [(place.room_id, place) for place in ended if place is not None and place.room_id is not None]
            waiting = begun + waiting[len(answer.parts) :]
            if waiting and time.monotonic() > self._until:
                # All before it are done; it is in the middle, or stands before its first message, which is after the room before.
                return waiting[0][1] if waiting[0][1].after else _Place(ids[ids.index(waiting[0][0]) - 1])
        return None

    async def _part(self, at: _Place, part: IndexPart, texts: Sequence[Text]) -> None:
        if part.gone:
            return
        entries = [
            Entry(part.room_id, entry.created_at, entry.message_id, entry.seq, entry.rev, 0, vector)
            for entry, vector in texts
        ]
        self.entries += len(entries)
        last = None if part.complete or not entries else entries[-1]
        async with self._database.begin() as store:
            self._unlike += await store.entries.unlike(entries, texts=self._texts)
            self._strays += await store.entries.strays(
                part.room_id,
                [entry.message_id for entry in entries],
                after=at.after,
                upto=None if last is None else last.seq,
                since=at.since,
                until=None if last is None else last.created_at,
                limit=FOUND_AT_ONCE + 1,
            )

    async def confirmed(self, patience_s: float) -> list[Divergence]:
        """What still does not fit after the index has had time to follow."""
        until = time.monotonic() + patience_s
        unlike, strays, strange = self._unlike, self._strays[: FOUND_AT_ONCE + 1], self._strange
        while (unlike or strays or strange) and time.monotonic() < until:
            await asyncio.sleep(min(LOOK_S, patience_s))
            async with self._database.begin() as store:
                unlike = await store.entries.unlike([item.entry for item in unlike], texts=self._texts)
                strays = [stray for stray in strays if await store.entries.living(stray)]
                strange = [room_id for room_id in strange if await store.entries.has_any(room_id)]
            strays = [stray for stray in strays if not await self._known(stray)]
            if strange:
                there = await self._messages.rooms(only=strange[:ROOMS])
                found = {room.room_id for room in there.rooms if room.searchable}
                strange = [room_id for room_id in strange if room_id not in found]
        return [
            *map(_about, unlike),
            *(
                Divergence(
                    kind="index.stray",
                    stream=room_stream(stray.room_id),
                    seq=stray.seq,
                    message_id=stray.message_id,
                    detail="it can be found, and there is no such message",
                )
                for stray in strays
            ),
            *(
                Divergence(
                    kind="index.room",
                    stream=room_stream(room_id),
                    detail="messages of it can be found, and there is no such room, or it is sealed",
                )
                for room_id in strange
            ),
        ]

    async def _known(self, stray: Stray) -> bool:
        """Whether messages has it by now."""
        answer = await self._messages.ranges([Asked(stray.room_id, stray.seq - 1, "state", 0)])
        entries = answer.parts[0].entries
        return bool(entries) and entries[0].message_id == stray.message_id


def _after(part: IndexPart, at: _Place) -> _Place | None:
    """Where the room goes on; None at its end."""
    if part.gone or part.complete or not part.entries:
        return None
    last = part.entries[-1]
    return _Place(part.room_id, max(last.seq, at.after), last.created_at)


def _about(found: Unlike) -> Divergence:
    entry = found.entry
    if found.rev is None:
        kind, detail = "index.missing", "it is not in the index"
    elif found.rev < entry.rev:
        kind, detail = "index.old", f"the index has revision {found.rev}, and it is at {entry.rev}"
    elif entry.vector is None:
        kind, detail = "index.deleted", "it is deleted, and can be found"
    elif found.buried:
        kind, detail = "index.missing", "the index has it as deleted"
    else:
        kind, detail = "index.text", "the index has other words, or another place, than it has"
    return Divergence(
        kind=kind,
        stream=room_stream(entry.room_id),
        seq=entry.seq,
        message_id=entry.message_id,
        detail=detail,
    )
