"""How many resumes a gateway takes on at once, so that a returning crowd does not drown those who are there already."""

from collections.abc import Callable

WINDOW_MS = 5_000


class Admission:
    """A token bucket. clock: seconds, monotonic."""

    def __init__(self, per_second: int | None, *, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> int:
        """0 if the resume may go on, otherwise the window in ms within which the client shall come back."""
        if self._per_second is None:
            return 0
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return WINDOW_MS
