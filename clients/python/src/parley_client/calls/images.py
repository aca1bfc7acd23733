"""Images: uploaded before they are sent, and read by whoever sees a message that carries them."""

import asyncio
import io
import os
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import httpx2

from parley_client.errors import ApiError
from parley_client.http import Api
from parley_client.models import Image

CHUNK = 65_536
ATTEMPTS = 5
FIRST_PAUSE_S = 0.5

Progress = Callable[[int, int | None], None]
"""Told after each piece: bytes so far, and bytes in all, or None if nobody knows."""


@dataclass(frozen=True, slots=True)
class ImageBody:
    """Bytes on their way. length: how many there will be. pieces: them, once."""

    content_type: str
    length: int
    pieces: AsyncIterator[bytes]


class Images:
    """Each method is one call of the HTTP API. Raises ApiError, httpx2.HTTPError."""

    api: Api

    async def upload(
        self, source: Path | str | bytes | BinaryIO, *, filename: str | None = None, progress: Progress | None = None
    ) -> Image:
        """The image that the file becomes: JPEG, PNG, GIF or WebP of at most 10 MiB. Give its id to `send` or `post`.

        source: a path, bytes, or a file opened for reading bytes, from where it stands. It is read while it is sent. What is
        `unavailable`, or breaks off, is sent again, five times at most; only a file that cannot be rewound is sent once.

        Raises ApiError: too_large, unsupported_media_type, bad_image, rate_limited, unavailable; OSError if it cannot be read.
        """
        name = filename or (Path(source).name if isinstance(source, Path | str) else "image")
        async with _opened(source) as file:
            form = _Form(file, name, progress)
            left, pause = ATTEMPTS if form.rewinds else 1, FIRST_PAUSE_S
            while True:
                try:
                    return await self.api.send_file("/media", form.headers, form.body, Image)
                except (ApiError, httpx2.TransportError) as error:
                    left -= 1
                    if not left or (isinstance(error, ApiError) and error.code != "unavailable"):
                        raise
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 — jitter, not a secret
                pause *= 2

    @asynccontextmanager
    async def open_image(
        self, image_id: UUID, *, size: int | None = None, span: tuple[int, int] | None = None
    ) -> AsyncIterator[ImageBody]:
        """Its bytes, as they come. size: of a thumbnail that the image lists. span: the bytes [start, end) alone."""
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        path = f"/media/{image_id}" if size is None else f"/media/{image_id}/thumbnails/{size}"
        async with self.api.stream("GET", path, headers=headers) as answer:
            length = int(answer.headers.get("Content-Length", 0))
            yield ImageBody(answer.headers.get("Content-Type", ""), length, answer.aiter_bytes(CHUNK))

    async def image(self, image_id: UUID, *, size: int | None = None, span: tuple[int, int] | None = None) -> bytes:
        """All of it at once; as `open_image`."""
        async with self.open_image(image_id, size=size, span=span) as body:
            return b"".join([piece async for piece in body.pieces])

    async def save_image(
        self, image_id: UUID, file: BinaryIO, *, size: int | None = None, progress: Progress | None = None
    ) -> int:
        """Write it to a file opened for writing bytes, as it comes; returns how many they were."""
        async with self.open_image(image_id, size=size) as body:
            return await copy(body, file, progress)


async def copy(body: ImageBody, file: BinaryIO, progress: Progress | None = None) -> int:
    """Write what comes; returns how many bytes that were."""
    written = 0
    async for piece in body.pieces:
        await asyncio.to_thread(file.write, piece)
        written += len(piece)
        if progress is not None:
            progress(written, body.length)
    return written


@asynccontextmanager
async def _opened(source: Path | str | bytes | BinaryIO) -> AsyncIterator[BinaryIO]:
    """Closed afterwards, unless it was open before."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path | str):
        file = await asyncio.to_thread(Path(source).open, "rb")
        try:
            yield file
        finally:
            await asyncio.to_thread(file.close)
    else:
        yield source


class _Form:
    """multipart/form-data with one file (RFC 7578), made while it is sent, and again from the start each time.

    rewinds: that is possible.
    """

    def __init__(self, file: BinaryIO, name: str, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self.rewinds = file.seekable()
        self._start = file.tell() if self.rewinds else 0
        self._size = file.seek(0, os.SEEK_END) - self._start if self.rewinds else None
        boundary = secrets.token_hex(16)
        # As browsers escape names of files.
        escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        disposition = f'Content-Disposition: form-data; name="file"; filename="{escaped}"'
        self._head = f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        if self._size is not None:
            self.headers["Content-Length"] = str(len(self._head) + self._size + len(self._tail))

    async def body(self) -> AsyncIterator[bytes]:
        if self.rewinds:
            self._file.seek(self._start)
        yield self._head
        sent = 0
        while piece := await asyncio.to_thread(self._file.read, CHUNK):
            yield piece
            sent += len(piece)
            if self._progress is not None:
                self._progress(sent, self._size)
        yield self._tail
