"""Fifty uploads of ten megabytes at once, while S3 takes its time: what they add to a gateway's memory."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parley_shared.crypto.stream import sealed_length
from parley_shared.limits import UPLOAD_BYTES

from .fake_s3 import Reader, Writer, answer
from .harness import HOST, until
from .test_uploads import BOUNDARY, HEAD, TAIL

UPLOADS = 50
MOST_ADDED = 100 * 2**20
CHUNK = 65_536
ZEROS = bytes(CHUNK)


class SlowS3:
    """Takes the first of each object, and the rest once `go` is set; keeps nothing."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.taken: list[int] = []

    async def connection(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("head"):
            # Whether it lives, which a gateway wants to know that has to wait.
            answer(writer, 403)
            await writer.drain()
            writer.close()
            return
        left = size = int(head.partition("content-length: ")[2].split("\r\n")[0])
        self.begun += 1
        while left:
            if left < size:
                await self.go.wait()
            left -= len(await reader.readexactly(min(left, CHUNK)))
        self.taken.append(size)
        answer(writer, 200)
        await writer.drain()
        writer.close()


class Process:
    def __init__(self, process: asyncio.subprocess.Process, port: int, token: str) -> None:
        self._status = Path(f"/proc/{process.pid}/status")
        self.port = port
        self.token = token
        self.sent = 0

    def kilobytes(self, name: str) -> int:
        """Bytes, by the name that proc(5) has for them."""
        found = dict(line.split(":", 1) for line in self._status.read_text().splitlines())
        return int(found[name].split()[0]) * 1024

    async def upload(self, size: int) -> int:
        """The answer's status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = {
            "Host": HOST,
            "Authorization": f"Bearer {self.token}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(HEAD) + size + len(TAIL)),
        }
        writer.write(b"POST /api/v1/media HTTP/1.1\r\n")
        writer.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n" + HEAD)
        left = size
        while left:
            writer.write(ZEROS[:left])
            await writer.drain()
            left -= min(left, CHUNK)
            self.sent += CHUNK
        writer.write(TAIL)
        status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.close()
        return status


@pytest.fixture
async def s3() -> AsyncIterator[tuple[SlowS3, str]]:
    slow = SlowS3()
    server = await asyncio.start_server(slow.connection, "127.0.0.1", 0, backlog=256)
    yield slow, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def process(s3: tuple[SlowS3, str]) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "unit.bare_gateway", s3[1],
        cwd=Path(__file__).parents[1], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdin is not None
    try:
        async with asyncio.timeout(60):
            # Its log comes the same way.
            while len(words := (await started.stdout.readline()).split()) != 2 or not words[0].isdigit():
                assert words, "it did not start"
        yield Process(started, int(words[0]), words[1].decode())
        started.stdin.close()
        async with asyncio.timeout(30):
            assert await started.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory so")
async def test_fifty_uploads_at_once_add_less_than_a_hundred_megabytes(
    process: Process, s3: tuple[SlowS3, str]
) -> None:
    slow, _ = s3
    slow.go.set()
    # What is loaded with the first one is no cost of the others.
    assert await process.upload(1_000_000) == 201
    slow.go.clear()
    slow.begun, process.sent = 0, 0
    before = process.kilobytes("VmRSS")
    async with asyncio.timeout(120):
        uploads = [asyncio.create_task(process.upload(UPLOAD_BYTES)) for _ in range(UPLOADS)]
        await until(lambda: slow.begun == UPLOADS)
        # Nobody reads any more: the gateway waits for S3, and the clients for the gateway.
        sent = -1
        while sent != process.sent:
            sent = process.sent
            await asyncio.sleep(0.2)
        assert process.sent < UPLOADS * UPLOAD_BYTES
        slow.go.set()
        assert await asyncio.gather(*uploads) == [201] * UPLOADS
    assert slow.taken[1:] == [sealed_length(UPLOAD_BYTES)] * UPLOADS
    added = process.kilobytes("VmHWM") - before
    assert added < MOST_ADDED, f"{added:,} bytes"
