"""A hub: one stream on one gateway, and who listens to it. A state machine without I/O, tested by hypothesis.

Invariants, for every reader that is attached:
- it gets each event of the stream after its position exactly once, in seq order;
- it gets nothing from the seq on at which its user's membership ends (that event itself included).

The hub's `last` is the newest seq that went to readers. What arrives out of order is held; what is missing is asked for.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol
from uuid import UUID

from prometheus_client import Counter

RING_EVENTS = 64
RING_BYTES = 256 * 1024
MOST_HELD = 1024
SLICE = 500
"""Readers written to in one go: above, other rooms get their turn in between."""

_deliveries = Counter("parley_deliveries", "Events handed to sockets")


class Item(NamedTuple):
    """One event, framed for the socket. joined, left: users whose membership changes at exactly this seq."""

    seq: int
    framed: bytes
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()


class Reader(Protocol):
    """A connection, as a hub sees it."""

    device_id: str

    @property
    def user_id(self) -> UUID: ...

    @property
    def session_id(self) -> UUID: ...

    def write_events(self, stream: str, framed: bytes, items: list[Item]) -> None:
        """`framed` is the frames of all the items, joined."""
        ...

    def write_hint(self, framed: bytes) -> None:
        """A fact without a seq (a receipt): dropped if the reader is slow."""
        ...

    def on_detached(self, stream: str) -> None:
        """The user's membership has ended, and the hub has let the reader go."""
        ...


class Hub:
    """behind: called when events after `last` are missing; urgent says that they are known to be committed, otherwise they
    may only be late, and a short wait often brings them."""

    __slots__ = (
        "_ends",
        "_held",
        "_held_head",
        "_pending",
        "_readers",
        "_ring",
        "_ring_bytes",
        "_windows",
        "behind",
        "last",
        "stream",
    )

    def __init__(self, stream: str, position: int, behind: Callable[["Hub", bool], None]) -> None:
        self.stream = stream
        self.last = position
        self.behind = behind
        self._readers: dict[Reader, None] = {}
        self._windows: dict[Reader, int] = {}
        self._ends: dict[Reader, int] = {}
        self._held: dict[int, Item] = {}
        self._held_head = 0
        self._ring: deque[Item] = deque()
        self._ring_bytes = 0
        self._pending: deque[tuple[list[Reader], bytes, list[Item]]] = deque()

    @property
    def readers(self) -> int:
        """How many are attached."""
        return len(self._readers) + len(self._windows)

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return self._held_head <= self.last

    def everyone(self) -> list[Reader]:
        return [*self._readers, *self._windows]

    # -- readers

    def attach(self, reader: Reader, position: int) -> bool:
        """From now on the reader gets every event after `position`.

        False: the hub has already passed that and does not remember so far back; the reader must catch up from the
        log and try again. A reader that is attached already starts anew at `position`.
        """
        self.detach(reader)
        if position > self.last:
            # The reader is ahead of the hub: what it has already is not sent to it again.
            self._windows[reader] = position
            self._note_head(position)
            return True
        if position < self.last:
            if not self._ring or self._ring[0].seq > position + 1:
                return False
            items: list[Item] = []
            for item in self._ring:
                if item.seq <= position:
                    continue
                if reader.user_id in item.left:
                    self._write([reader], items)
                    reader.on_detached(self.stream)
                    return True
                items.append(item)
            self._write([reader], items)
        self._readers[reader] = None
        if not self.complete:
            # What is missing may have been given up while nobody listened.
            self.behind(self, True)
        return True

    def detach(self, reader: Reader) -> None:
        """The reader is gone, or begins anew."""
        self._readers.pop(reader, None)
        self._windows.pop(reader, None)
        self._ends.pop(reader, None)

    def leave(self, reader: Reader, to_seq: int) -> None:
        """The reader's user is a member up to, not including, `to_seq`; he may have come back since."""
        if reader in self._readers and to_seq <= self.last + 1:
            del self._readers[reader]
        elif reader in self._readers or reader in self._windows:
            self._ends[reader] = to_seq

    # -- events

    def offer(self, items: list[Item]) -> None:
        """A contiguous ascending run, from wherever: live, or fetched. Known ones are dropped, early ones held."""
        if not items or items[-1].seq <= self.last:
            return
        if items[0].seq > self.last + 1:
            if len(self._held) < MOST_HELD:
                for item in items:
                    self._held[item.seq] = item
            self._note_head(items[-1].seq, urgent=False)
            return
        self._apply(items if items[0].seq == self.last + 1 else [item for item in items if item.seq > self.last])
        if self._held:
            self._release()

    def head(self, seq: int) -> None:
        """PostgreSQL says that the stream has grown to `seq`."""
        if seq > self.last:
            self._note_head(seq)

    def skip_to(self, seq: int) -> None:
        """The log no longer reaches back to `last`: go on from `seq`. The readers must have been told to start again."""
        self.last = max(self.last, seq)
        self._ring.clear()
        self._ring_bytes = 0
        self._held = {at: item for at, item in self._held.items() if at > self.last}
        self._release()

    def forget_held(self) -> None:
        """Nobody has what was announced: forget that it was."""
        self._held.clear()
        self._held_head = self.last

    def _note_head(self, seq: int, *, urgent: bool = True) -> None:
        self._held_head = max(self._held_head, seq)
        self.behind(self, urgent)

    def _release(self) -> None:
        while self._held:
            run: list[Item] = []
            while (item := self._held.pop(self.last + 1 + len(run), None)) is not None:
                run.append(item)
            if not run:
                break
            self._apply(run)
        if self._held and min(self._held) <= self.last:
            self._held = {at: item for at, item in self._held.items() if at > self.last}

    def _apply(self, items: list[Item]) -> None:
        """The items follow on `last` without a gap."""
        if self._windows or self._ends or any(item.left for item in items):
            for item in items:
                self._apply_one(item)
        else:
            self._write(self._readers, items)
            self.last = items[-1].seq
        for item in items:
            self._ring.append(item)
            self._ring_bytes += len(item.framed)
        while len(self._ring) > RING_EVENTS or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            self._ring_bytes -= len(self._ring.popleft().framed)

    def _apply_one(self, item: Item) -> None:
        for reader in [reader for reader, end in self._ends.items() if end <= item.seq]:
            self.detach(reader)
        if item.left:
            # Whoever came back since (a window beyond this seq) stays.
            for reader in [reader for reader in self._readers if reader.user_id in item.left]:
                self.detach(reader)
                reader.on_detached(self.stream)
        self._write(self._readers, [item])
        self.last = item.seq
        for reader in [reader for reader, position in self._windows.items() if position <= item.seq]:
            del self._windows[reader]
            self._readers[reader] = None

    # -- writing

    def _write(self, readers: Collection[Reader], items: list[Item]) -> None:
        if not items:
            return
        _deliveries.inc(len(readers) * len(items))
        framed = items[0].framed if len(items) == 1 else b"".join([item.framed for item in items])
        stream = self.stream
        if not self._pending and len(self._readers) <= SLICE:
            # Whoever is too slow for this very write is closed by it, and detaches.
            for reader in tuple(readers):
                reader.write_events(stream, framed, items)
            return
        # A large room: its readers as they are now, a slice in each turn of the loop; what follows waits behind it.
        start = not self._pending
        self._pending.append((list(readers), framed, items))
        if start:
            self._write_slice()

    def _write_slice(self) -> None:
        readers, framed, items = self._pending[0]
        for reader in readers[:SLICE]:
            reader.write_events(self.stream, framed, items)
        del readers[:SLICE]
        if not readers:
            self._pending.popleft()
        if self._pending:
            asyncio.get_running_loop().call_soon(self._write_slice)
