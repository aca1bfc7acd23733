"""Argon2id (RFC 9106) in threads, behind a semaphore: it takes a tenth of a second of a core and 46 MiB each time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Gauge

from parley_shared.errors import unavailable

WAITING_MOST = 128
"""Hashes that may wait for a thread; who comes later is told to come again, before his caller gives up on him."""


_hashes = Gauge("parley_hashes_waiting", "Passwords that are being hashed, or wait for their turn")


class Passwords:
    """Hashes and verifies. calls: how many computations were made, for tests and metrics of cost.

    memory_kib: of one hash; threads: hashes at once.
    """

    def __init__(self, *, memory_kib: int, threads: int) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._threads = asyncio.Semaphore(threads)
        self._waiting = 0
        _hashes.set_function(lambda: self._waiting)
        # A hash of nothing that anybody has: an unknown user's login costs what a known one's does.
        self._nobodys = self._hasher.hash("nobody has this password")
        self.calls = 0

    async def hash(self, password: str) -> str:
        """In PHC string format. Raises Refused: UNAVAILABLE when too many wait."""
        async with self._turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str | None) -> bool:
        """Whether it is the password of the stored hash. None for either costs the same, and is never right.

        Raises Refused: UNAVAILABLE when too many wait.
        """
        async with self._turn():
            right = await asyncio.to_thread(self._verify, stored or self._nobodys, password or "")
        return right and stored is not None and password is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One computation's wait and work."""
        if self._waiting >= WAITING_MOST:
            raise unavailable("Too many people are logging in at this moment; try again.", retry_after_ms=2000)
        self._waiting += 1
        try:
            async with self._threads:
                self.calls += 1
                yield
        finally:
            self._waiting -= 1
