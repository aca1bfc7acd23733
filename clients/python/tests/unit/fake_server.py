"""A server that does on each connection what the test says, well or badly; and its HTTP side, in memory."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from parley_client import Client, MemoryStore, Tokens

Frame = dict[str, Any]
ROOM = UUID("01890000-0000-7000-8000-00000000000a")
ME = UUID("01890000-0000-7000-8000-00000000000b")
STREAM = f"room:{ROOM}"
OWN = f"user:{ME}"


class Peer:
    """One connection, seen from the server."""

    def __init__(self, socket: ServerConnection, server: "FakeServer") -> None:
        self._socket = socket
        self._server = server

    async def tell(self, frame: Frame | str) -> None:
        await self._socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def heard(self) -> Frame:
        """The next frame of the client that is no ping or pong."""
        while True:
            frame: Frame = json.loads(await self._socket.recv())
            if frame["type"] not in ("ping", "pong"):
                return frame

    async def greet(self) -> Frame:
        """hello, and the client's auth."""
        await self.tell({"type": "hello", "protocol": 1, "heartbeat_ms": 25_000, "server_time": "2026-01-01T00:00:00Z"})
        auth = await self.heard()
        self._server.auths.append(auth)
        return auth

    async def open(self, *, streams: dict[str, Frame] | None = None, rooms: list[Frame] | None = None) -> Frame:
        """As far as live."""
        auth = await self.greet()
        await self.ready(streams=streams, rooms=rooms)
        await self.tell({"type": "live"})
        return auth

    async def ready(self, *, streams: dict[str, Frame] | None = None, rooms: list[Frame] | None = None) -> None:
        me = {"id": str(ME), "username": "me", "display_name": "Me", "role": "user", "rev": 1, "read_receipts": True}
        await self.tell(
            {
                "type": "ready",
                "id": 0,
                "session_id": str(ME),
                "user": {**me, "created_at": "2026-01-01T00:00:00Z"},
                "epoch": self._server.epoch,
                "rooms": rooms or [],
                "more_rooms": False,
                "streams": {OWN: {"status": "current", "head": 0}, **(streams or {})},
            }
        )

    async def event(self, seq: int, stream: str = STREAM, **event: Any) -> None:
        await self.tell(event_frame(seq, stream, **event))

    async def ack(self, command: Frame) -> None:
        """Commit it, once, and say so."""
        seq = self._server.commit(command)
        await self.tell(
            {
                "type": "ack",
                "id": command["id"],
                "message_id": str(ME),
                "seq": seq,
                "n": seq,
                "created_at": "2026-01-01T00:00:00Z",
                "duplicate": False,
            }
        )

    async def acknowledge_all(self) -> None:
        """Until the client is gone."""
        while True:
            command = await self.heard()
            if command["type"] == "send":
                await self.ack(command)

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code, reason)

    def cut(self) -> None:
        """Without a word."""
        self._socket.transport.abort()

    async def until_gone(self) -> None:
        await self._socket.wait_closed()


Behaviour = Callable[[Peer], Awaitable[None]]


def event_frame(seq: int, stream: str = STREAM, **event: Any) -> Frame:
    return {"type": "event", "stream": stream, "seq": seq, "event": {"kind": "test", **event}}


class FakeServer:
    """behaviours: one a connection, in order; the last one for all that follow."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = deque(behaviours)
        self.epoch = "the epoch"
        self.auths: list[Frame] = []
        self.connected_at: list[float] = []
        self.committed: list[str] = []
        self.refreshes = 0
        self.log: Callable[[httpx2.Request], Awaitable[httpx2.Response]] | None = None
        self.url = ""

    def commit(self, command: Frame) -> int:
        """The seq: a new one, or that of the same client_msg_id."""
        key = command["client_msg_id"]
        if key not in self.committed:
            self.committed.append(key)
        return self.committed.index(key) + 1

    async def connection(self, socket: ServerConnection) -> None:
        self.connected_at.append(time.monotonic())
        behaviour = self.behaviours.popleft() if len(self.behaviours) > 1 else self.behaviours[0]
        try:
            await behaviour(Peer(socket, self))
            await socket.wait_closed()
        except ConnectionClosed:
            return

    async def http(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/v1/auth/refresh":
            self.refreshes += 1
            pair = {"access_token": f"token {self.refreshes}", "refresh_token": f"refresh {self.refreshes}"}
            return httpx2.Response(200, json={**pair, "token_type": "bearer", "expires_in": 600})
        if self.log is None:
            return httpx2.Response(404, json={"code": "not_found", "detail": "No such thing."})
        return await self.log(request)

    def client(self, **more: Any) -> Client:
        tokens = Tokens(access_token="token 0", refresh_token="refresh 0", expires_at=time.time() + 600)
        return Client(self.url, store=MemoryStore(tokens), transport=httpx2.MockTransport(self.http), **more)


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[FakeServer]:
    fake = FakeServer(*behaviours)
    async with serve(fake.connection, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fake.url = f"http://127.0.0.1:{port}"
        yield fake


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Wait for it; fails after so many seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
