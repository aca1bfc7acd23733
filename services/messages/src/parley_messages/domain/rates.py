"""The exact rolling limit of accepted messages: never limit + 1 within any 60 s, over all gateways and replicas."""

import struct
from collections import deque
from datetime import datetime, timedelta

WINDOW_US = 60_000_000
"""The rolling window, in microseconds."""

_FINE = 64
"""Up to this limit every accept time is kept; above it the window is cut into so many slices."""

_entry = struct.Struct("<qI")


class FloodLimit:
    """A token bucket by its theoretical arrival time (GCRA): `per_second` on average, `burst` at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._each = timedelta(seconds=1 / per_second)
        self._burst = self._each * burst

    def wait_ms(self, arrival: datetime | None, now: datetime) -> int:
        """0 if one more is let through now, else the ms after which it will be."""
        if arrival is None or arrival - now <= self._burst - self._each:
            return 0
        return -((now + self._burst - self._each - arrival) // timedelta(milliseconds=1))

    def after(self, arrival: datetime | None, now: datetime) -> datetime:
        """The arrival time once one more has been let through."""
        return max(arrival or now, now) + self._each


class RateWindow:
    """Accept times of one sender, as they lie packed in `sender_rates.accepted`.

    Times are microseconds since 1970 of the database's clock. For a limit above 64 the times of one slice of the window
    are folded into the slice's end, which is later than all of them: such a limit may refuse up to a 64th of a minute
    early, and never accepts too much.
    """

    __slots__ = ("_entries", "_limit", "_slice", "_total")

    def __init__(self, limit: int, packed: bytes | None = None) -> None:
        self._limit = limit
        self._slice = 1 if limit <= _FINE else WINDOW_US // _FINE
        self._entries: deque[tuple[int, int]] = deque(_entry.iter_unpack(packed) if packed else ())
        self._total = sum(count for _, count in self._entries)

    @property
    def newest(self) -> int:
        """The latest accept time, 0 if there is none."""
        return self._entries[-1][0] if self._entries and self._slice == 1 else 0

    def admit(self, now: int) -> int:
        """Note one accepted message and return 0, or change nothing and return the µs after which it will be accepted."""
        entries = self._entries
        while entries and entries[0][0] + WINDOW_US <= now:
            self._total -= entries.popleft()[1]
        if self._total >= self._limit:
            # After a lowered limit several of the oldest must go first.
            surplus = self._total - self._limit
            for at, count in entries:
                surplus -= count
                if surplus < 0:
                    return at + WINDOW_US - now
        at = now if self._slice == 1 else (now // self._slice + 1) * self._slice
        if entries and entries[-1][0] >= at:
            entries[-1] = (entries[-1][0], entries[-1][1] + 1)
        else:
            entries.append((at, 1))
        self._total += 1
        return 0

    def pack(self) -> bytes:
        """As it is stored: 12 bytes an entry, at most min(limit, 65) entries once old ones have been let go."""
        return b"".join([_entry.pack(at, count) for at, count in self._entries])
