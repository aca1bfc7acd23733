"""The newest rendered events of busy rooms, so that most gaps and resumes need no SQL.

A replica sees only what it committed itself. That is safe by one rule: the cache answers only if its newest event is the
room's head, since whatever another replica did (an edit, a deletion) would have raised the head past it.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from prometheus_client import Counter, Gauge

EVENTS_PER_ROOM = 256
BYTES = 64 * 1024 * 1024

_asked = Counter(
    "parley_tail_lookups", "Questions for missed events, by whether memory could answer: hit, miss", ["outcome"]
)
_size = Gauge("parley_tail_bytes", "Bytes of newest events in memory")


class TailEvent(NamedTuple):
    """One rendered event; joined and left as in HubEvent."""

    seq: int
    frame: bytes
    joined: tuple[UUID, ...]
    left: tuple[UUID, ...]


@dataclass(slots=True)
class _Room:
    events: deque[TailEvent] = field(default_factory=deque)
    size: int = 0


class TailCache:
    """Per room a contiguous run of its last events; least recently used rooms go first."""

    def __init__(self, *, events_per_room: int = EVENTS_PER_ROOM, most_bytes: int = BYTES) -> None:
        self._events_per_room = events_per_room
        self._most_bytes = most_bytes
        self._rooms: OrderedDict[UUID, _Room] = OrderedDict()
        self._bytes = 0
        _size.set_function(lambda: self._bytes)

    def append(
        self, room_id: UUID, seq: int, frame: bytes, joined: tuple[UUID, ...], left: tuple[UUID, ...], replayable: bool
    ) -> None:
        """Note a committed event. What does not follow on starts the run anew; what may not be replayed ends it."""
        if not replayable:
            self.drop(room_id)
            return
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = _Room()
        elif room.events and room.events[-1].seq + 1 != seq:
            self.drop(room_id)
            room = self._rooms[room_id] = _Room()
        room.events.append(TailEvent(seq, frame, joined, left))
        room.size += len(frame)
        self._bytes += len(frame)
        while len(room.events) > self._events_per_room:
            self._forget(room)
        self._rooms.move_to_end(room_id)
        while self._bytes > self._most_bytes and self._rooms:
            self.drop(next(iter(self._rooms)))

    def _forget(self, room: _Room) -> None:
        size = len(room.events.popleft().frame)
        room.size -= size
        self._bytes -= size

    def drop(self, room_id: UUID) -> None:
        """After an edit, a deletion or a change of settings: what was rendered is no longer true."""
        room = self._rooms.pop(room_id, None)
        if room is not None:
            self._bytes -= room.size

    def clear(self) -> None:
        """After a change of the epoch: the history that was rendered may not be this database's."""
        self._rooms.clear()
        self._bytes = 0

    def after(self, room_id: UUID, after: int, head: int) -> list[TailEvent] | None:
        """The events with after < seq ≤ head, or None if the database must be asked."""
        room = self._rooms.get(room_id)
        if room is None or not room.events or room.events[-1].seq != head or room.events[0].seq > after + 1:
            _asked.labels("miss").inc()
            return None
        _asked.labels("hit").inc()
        self._rooms.move_to_end(room_id)
        return [event for event in room.events if event.seq > after]
