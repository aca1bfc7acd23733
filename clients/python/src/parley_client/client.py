"""The client: everything of protocol version 1, as methods, and the events of all one's rooms as one iterator."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx2

from parley_client.buffer import Buffer
from parley_client.calls import Calls
from parley_client.errors import ApiError, ParleyError, Stopped
from parley_client.events import Event, Gone, Positions, Resync
from parley_client.http import Api
from parley_client.models import (
    Ack,
    EventFrame,
    Ready,
)
from parley_client.outbox import Outbox
from parley_client.socket import Connection
from parley_client.tokens import FileStore, MemoryStore, TokenStore
from parley_client.traces import fresh

MOST_BUFFERED = 10_000
"""Events that may wait for `events()`."""


class Client(Calls):
    """One account on one server.

    Sign in with `username` and `password`, or with a `store` that holds tokens already. The socket opens with the first use
    of `events()`, `send()`, `connect()`; HTTP calls need none. `positions` (from `Client.positions`) lets a new process go
    on where an old one was. `trace`: ask the server to record where the time of each message goes, which it does as far as it
    has room for it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        store: TokenStore | Path | None = None,
        positions: dict[str, Any] | None = None,
        client_name: str = "parley-python",
        trace: bool = True,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.trace = trace
        kept: TokenStore = FileStore(store) if isinstance(store, Path) else store or MemoryStore()
        self.api = Api(base_url, kept, transport=transport)
        self._credentials = (username, password)
        self._positions = Positions(**(positions or {}))
        self._events = Buffer(MOST_BUFFERED)
        self._connection = Connection(
            self.api,
            client_name=client_name,
            resume=self._positions.resume,
            on_ready=self._on_ready,
            on_event=self._on_event,
            on_frame=self._on_frame,
        )
        self._outbox = Outbox(self._transmit)
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        self._watched: list[str] = []
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        username, password = self._credentials
        if username is not None and password is not None:
            await self.api.login(username, password)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up. What is still in the outbox is given up with `Stopped`, and so is whoever waits for events."""
        closed = Stopped(1000, "the client was closed")
        self._connection.stop(closed)
        self._events.end(closed)
        await self._outbox.close(closed)
        if self._task is not None:
            await self._connection.close()
            tasks = [task for task in (self._task, self._watching) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.api.close()

    # -- live

    @property
    def state(self) -> str:
        """Of the connection, for people: connecting, live, reconnecting in … s, stopped."""
        return self._connection.state

    @property
    def positions(self) -> dict[str, Any]:
        """{epoch, at} after what `events()` gave last: give it to another Client, and it goes on from here."""
        return {"epoch": self._positions.epoch, "at": self._positions.before(self._events.waiting())}

    @property
    def unsent(self) -> int:
        """Messages of `send` that are not committed yet."""
        return self._outbox.waiting

    async def connect(self) -> Ready:
        """Open the socket (once), and return what the first `ready` said. Raises Stopped, ApiError."""
        return await asyncio.shield(self._start())

    def _start(self) -> "asyncio.Future[Ready]":
        if self._connection.stopped is not None:
            raise self._connection.stopped
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._connection.run())
            self._task.add_done_callback(self._on_end)
        return self._ready

    def on_frame(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Hear of receipts, typing and presence: facts without a seq, which may be missed."""
        self._listeners.append(listener)

    async def events(self) -> AsyncIterator[Event | Resync | Gone]:
        """Everything that happens, in each stream's order, once, without gaps, whatever happens to the connection.

        A `Resync` says that too much was missed: read that stream's state again. Raises Stopped, ApiError.
        """
        await self.connect()
        self._events.listen(True)
        try:
            while True:
                yield await self._events.get()
        finally:
            self._events.listen(False)

    async def send(
        self,
        room_id: UUID,
        body: str,
        *,
        format: str | None = None,  # noqa: A002 — the protocol's name
        thread_root_id: UUID | None = None,
        media_ids: Iterable[UUID] = (),
        client_msg_id: str | None = None,
        wait_when_limited: bool = True,
    ) -> Ack:
        """Returns when the message is committed, in the order of the calls for each room, however often the connection is
        lost meanwhile.

        media_ids: of `upload`. wait_when_limited: wait as long as the rate limit asks, or else raise. Whoever stops waiting (a timeout) does not take the
        message back. Raises ApiError for what is refused for good, Stopped.
        """
        # Not awaited: what is sent before the first connection keeps its place too.
        self._start()
        return await self._outbox.send(
            room_id,
            body,
            client_msg_id=client_msg_id,
            wait_when_limited=wait_when_limited,
            format=format,
            thread_root_id=None if thread_root_id is None else str(thread_root_id),
            media_ids=[str(media_id) for media_id in media_ids] or None,
            trace=fresh() if self.trace else None,
        )

    async def read(self, room_id: UUID, seq: int) -> None:
        """I have read up to here; told live, and worth no answer."""
        await self.connect()
        await self._connection.tell({"type": "read", "room_id": str(room_id), "seq": seq})

    async def watch_presence(self, user_ids: Iterable[UUID]) -> None:
        """Hear, through `on_frame`, how these people (200 at most) come and go: once now, then of every change.

        Replaces those watched before, and holds over reconnects. Raises ApiError, Disconnected, Stopped.
        """
        self._watched = [str(user_id) for user_id in user_ids]
        await self.connect()
        await self._connection.command({"type": "watch_presence", "user_ids": self._watched})

    async def typing(self, room_id: UUID, on: bool = True) -> None:
        """I type, or no longer do; say it again every few seconds. A hint that may be dropped."""
        await self.connect()
        await self._connection.tell({"type": "typing", "room_id": str(room_id), "on": on})

    async def _watch_again(self) -> None:
        with contextlib.suppress(ParleyError):  # the next connection tries again
            await self._connection.command({"type": "watch_presence", "user_ids": self._watched})

    async def _transmit(self, command: dict[str, Any]) -> Ack:
        return await self._connection.command(command, Ack)

    async def _on_ready(self, ready: Ready) -> None:
        heads = {f"room:{room.id}": room.head for room in ready.rooms if room.head is not None}
        for notice in self._positions.ready(ready.epoch, ready.streams, heads):
            await self._events.put(notice)
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(ready)
        elif self._watched:
            self._watching = asyncio.create_task(self._watch_again())

    async def _on_event(self, frame: EventFrame) -> None:
        after = self._positions.gap(frame)
        while after is not None:
            try:
                page = await self.events_after(frame.stream, after)
            except ApiError as error:
                if error.code in ("not_found", "not_a_member"):
                    # Out of the room meanwhile, which the user's own stream is about to tell.
                    return
                if error.code != "resync":
                    raise
                await self._skip(frame)
                break
            for missed in page.items:
                if self._positions.gap(missed) is None:
                    await self._pass_on(missed)
            before, after = after, self._positions.gap(frame)
            if before == after:
                # A log that leads no further has lost what lies between.
                await self._skip(frame)
                break
        await self._pass_on(frame)

    async def _skip(self, frame: EventFrame) -> None:
        """What lies before this frame cannot be had any more."""
        await self._events.put(self._positions.skip(frame))

    async def _pass_on(self, frame: EventFrame) -> None:
        for notice in self._positions.take(frame):
            await self._events.put(notice)

    def _on_frame(self, frame: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(frame)

    def _on_end(self, task: "asyncio.Task[None]") -> None:
        error = self._connection.stopped or Stopped(1000, "the client was closed")
        self._events.end(error)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()
        if not task.cancelled():
            task.exception()
