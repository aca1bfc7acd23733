"""An S3 as far as the gateway knows one, on a real port: it takes and gives bytes by address, well or badly."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from parley_gateway.images import s3
from parley_shared.contracts.media import OpenedImage, UploadBegun
from parley_shared.crypto.stream import seal, sealed_length
from parley_shared.ids import new_id

KEY = bytes(range(32))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Badly = Callable[[Reader, Writer], Awaitable[None]]


class FakeS3:
    """objects: what was put whole, by path. badly: done instead of an answer, once the head of a request is read. lively: it answers
    whether it lives all the same. most: bytes that are given of an object before the connection ends."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.badly: Badly | None = None
        self.lively = False
        self.most: int | None = None
        self.broken = 0
        self.url = ""

    def begun(self, capacity: int) -> UploadBegun:
        """What media answers to `begin_upload`."""
        name = f"quarantine/{new_id()}"
        return UploadBegun(
            upload_id=new_id(),
            url=f"{self.url}/parley/{name}?signature=secret",
            headers={"Content-Length": str(sealed_length(capacity)), "x-amz-tagging": "quarantine"},
            name=name,
            key=KEY_TEXT,
            seconds=60,
        )

    def holds(self, data: bytes, **changed: object) -> OpenedImage:
        """An image of these bytes lies there; what media says of it."""
        name = f"image/{new_id()}"
        self.objects[f"/parley/{name}"] = seal(KEY, name, data)
        given: dict[str, object] = {
            "url": f"{self.url}/parley/{name}?signature=secret",
            "name": name,
            "key": KEY_TEXT,
            "content_type": "image/webp",
            "bytes": len(data),
            "etag": "abc",
            "seconds": 60,
        }
        return OpenedImage(**{**given, **changed})  # type: ignore[arg-type]

    async def _connection(self, reader: Reader, writer: Writer) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = head.split(" ", 2)
                headers = dict(re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE))
                self.headers.append({name.lower(): value for name, value in headers.items()})
                if self.badly is not None and not (method == "HEAD" and self.lively):
                    await self.badly(reader, writer)
                    return
                path = target.partition("?")[0]
                if method == "HEAD":
                    self.headers.pop()
                    answer(writer, 403)
                elif method == "PUT":
                    self.objects[path] = await reader.readexactly(int(self.headers[-1]["content-length"]))
                    answer(writer, 200)
                else:
                    await self._give(writer, path, self.headers[-1]["range"])
        except (asyncio.IncompleteReadError, ConnectionError):
            self.broken += 1
        finally:
            writer.close()

    async def _give(self, writer: Writer, path: str, ranges: str) -> None:
        data = self.objects.get(path)
        if data is None:
            answer(writer, 404, b"<Code>NoSuchKey</Code>")
            return
        first, last = map(int, ranges.removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        if not part:
            answer(writer, 416)
            return
        given = part if self.most is None else part[: self.most]
        writer.write(f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(part)}\r\n\r\n".encode() + given)
        await writer.drain()
        if len(given) < len(part):
            raise ConnectionError


def answer(writer: Writer, status: int, body: bytes = b"") -> None:
    writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@asynccontextmanager
async def s3_server() -> AsyncIterator[FakeS3]:
    fake = FakeS3()
    server = await asyncio.start_server(fake._connection, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for S3, in tenths of seconds."""
    # The numbers themselves: who waits is told within five seconds.
    assert s3.CONNECT_S < s3.SILENT_S + s3.ANSWER_S + s3.TICK_S < 5
    for name, value in (("SILENT_S", 0.1), ("ANSWER_S", 0.3), ("TICK_S", 0.02)):
        monkeypatch.setattr(s3, name, value)
