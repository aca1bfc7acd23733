"""What waits for `events()`: bounded while somebody listens, and forgotten down to a note a stream while nobody does."""

import asyncio
from collections import deque

from parley_client.events import Event, Notice, Resync


class Buffer:
    """Notices in order, from the one that reads the socket to the one that iterates.

    While somebody listens, `put` waits when there are `most`: the socket is no longer read, and the server's patience counts.
    A program that only sends must not be stopped by what it never asked for: while nobody listens, too many become one
    Resync a stream.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._notices: deque[Notice] = deque()
        self._change = asyncio.Event()
        self._listeners = 0
        self._error: BaseException | None = None

    def waiting(self) -> list[Notice]:
        """What nobody has got yet."""
        return list(self._notices)

    def listen(self, listening: bool) -> None:
        """Somebody begins or stops to iterate."""
        self._listeners += 1 if listening else -1
        self._tell()

    async def put(self, notice: Notice) -> None:
        while len(self._notices) >= self._most and self._listeners:
            await self._changed()
        if len(self._notices) >= self._most:
            self._condense()
        self._notices.append(notice)
        self._tell()

    async def get(self) -> Notice:
        """The next; a call that is cancelled takes none. Raises what `end` was given, after the last."""
        while not self._notices:
            if self._error is not None:
                raise self._error
            await self._changed()
        notice = self._notices.popleft()
        self._tell()
        return notice

    def end(self, error: BaseException) -> None:
        """There will be no more."""
        self._error = self._error or error
        self._tell()

    def _condense(self) -> None:
        last = {notice.stream: notice for notice in self._notices}
        self._notices = deque(
            Resync(notice.stream, notice.seq) if isinstance(notice, Event) else notice for notice in last.values()
        )

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()

    def _tell(self) -> None:
        self._change.set()
