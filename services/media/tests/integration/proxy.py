"""Something between media and S3 that can be told to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

from parley_shared import embedded

Mood = Literal["good", "refusing", "hanging", "failing", "cutting requests", "cutting answers", "trickling"]
_FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")
TURNS = 5
"""Of the loop, from accepting a connection to its task."""


class Proxy:
    """mood: for connections and bytes from now on. only: misbehave in requests that begin so, and in no others. cut_after: so many bytes
    of a connection."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self.port = embedded.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mood: Mood = "good"
        self.only = b""
        self.cut_after = 2_000
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def set(self, mood: Mood, only: bytes = b"") -> None:
        """Connections that are open are cut, so that none goes on as before."""
        self.mood, self.only = mood, only
        await self._stop()
        if mood != "refusing":
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        if self._server is not None:
            # Nobody else is let in; and who was at the last moment has a task some turns of the loop later. asyncio forgets to close
            # the connection of one whose server is closed in between.
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self._server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        # Also of one that was cancelled before it began.
        task.add_done_callback(lambda _task: writer.close())

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as group:
                answers = group.create_task(self._answers(far_reader, writer))
                await self._requests(reader, far_writer, writer)
                answers.cancel()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            far_writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> None:
        passed, bad = 0, False
        while data := await reader.read(65_536):
            if data.startswith(_METHODS):
                bad = data.startswith(self.only)
            if bad:
                if self.mood == "hanging":
                    await asyncio.sleep(3_600)
                if self.mood == "failing":
                    near.write(_FAILURE)
                    await near.drain()
                    return
                if self.mood == "cutting requests" and passed + len(data) > self.cut_after:
                    far.write(data[: max(0, self.cut_after - passed)])
                    await far.drain()
                    return
            passed += len(data)
            far.write(data)
            await far.drain()

    async def _answers(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await far.read(65_536):
            if self.mood == "cutting answers" and passed + len(data) > self.cut_after:
                near.write(data[: max(0, self.cut_after - passed)])
                near.close()
                return
            if self.mood == "trickling":
                for byte in data:
                    near.write(bytes((byte,)))
                    await near.drain()
                    await asyncio.sleep(0.05)
            else:
                near.write(data)
                await near.drain()
            passed += len(data)


@asynccontextmanager
async def between(target: str) -> AsyncIterator[Proxy]:
    """A proxy before that server, good at first."""
    proxy = Proxy(target)
    await proxy.set("good")
    try:
        yield proxy
    finally:
        with contextlib.suppress(OSError):
            await proxy.set("refusing")
