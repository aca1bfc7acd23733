"""An event loop whose clock jumps: when nothing can happen any more, it is at once as late as the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Never waits. What is sent over a Unix socket is there for the other end at once, so nothing is still on the way."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout != 0:
            self.loop.idle(timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """time() counts from 1,000 s. `settled` returns when everything has happened that can without time passing, `moved` when
    time has passed to the next moment at which something happens."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self._now = 1000.0
        self._settling: list[asyncio.Future[None]] = []
        self._moving: list[asyncio.Future[None]] = []
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    async def settled(self) -> None:
        await self._told(self._settling)

    async def moved(self) -> None:
        await self._told(self._moving)

    async def _told(self, waiting: list[asyncio.Future[None]]) -> None:
        future: asyncio.Future[None] = self.create_future()
        waiting.append(future)
        await future

    def idle(self, timeout: float | None) -> None:
        """Nothing is ready; the next timer is so far away."""
        if self._settling:
            _tell(self._settling)
        elif timeout is None:
            raise RuntimeError("nothing will ever happen again")
        else:
            self._now += timeout
            _tell(self._moving)


def _tell(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
    waiting.clear()


def run(work: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own, whose time is nobody else's."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)
