"""The processes that decode: a few stand ready, each takes one image and ends with it.

What they run is `images/decoder.py`. Everything that comes back from one is looked at as if it came from a stranger, since the image
may have taken it over.
"""

import asyncio
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from prometheus_client import Gauge, Histogram

from parley_media.images.kinds import CONTENT_TYPE, Kind, kind_of
from parley_media.images.protocol import ORIGINAL, OUTPUT_BYTES, READY
from parley_media.settings import Settings
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.limits import IMAGE_PIXELS, THUMBNAIL_SIZES

log = structlog.get_logger(__name__)

START_S: Final = 30.0
AGAIN_S: Final = 5.0
"""After a decoder that did not start, the next one is not tried at once."""
MOST_WAITING: Final = 128
_HEADER_BYTES: Final = 65_536
_MODULE: Final = "parley_media.images.decoder"
_BLURHASH: Final = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,64}")
_TRIES: Final = 3

_seconds = Histogram(
    "parley_image_decode_seconds",
    "Time from an image's turn until it is made anew",
    ["kind", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40),
)
_waiting = Gauge("parley_images_waiting", "Uploads that wait for their turn to be decoded")


class Part(msgspec.Struct, frozen=True):
    """One of the files that became of an image. name: `original`, or the size of a thumbnail."""

    name: str
    content_type: str
    width: int
    height: int
    bytes: int


class _Header(msgspec.Struct, frozen=True):
    outcome: str
    detail: str = ""
    blurhash: str = ""
    animated: bool = False
    parts: list[Part] = []


class Decoded(msgspec.Struct, frozen=True):
    """files: the bytes of the parts, in their order."""

    parts: list[Part]
    files: list[bytes]
    blurhash: str
    animated: bool


class _DownError(Exception):
    """No decoder starts; the message says why."""


class _DiedError(Exception):
    """A decoder ended without an answer. code: as a process's, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"it ended with {signal.Signals(-code).name if code < 0 else code}")
        self.code = code


class _StrangeError(Exception):
    """What came back is not what a decoder answers."""


class Decoders:
    """At most so many work at once; others wait for their turn, in order."""

    def __init__(self, settings: Settings) -> None:
        self.count = settings.decoders or os.cpu_count() or 1
        self._arguments = [str(settings.decoder_memory_mib << 20), str(settings.decoder_seconds)]
        self._turns = asyncio.Semaphore(self.count)
        self._queue = 0
        self._spare: deque[asyncio.Task[Process]] = deque()
        self._wrong: str | None = "none has started yet"
        self._tried_at = 0.0

    async def start(self) -> None:
        """Let some stand ready; returns when the first one does, or does not start."""
        self._fill()
        await asyncio.wait([self._spare[0]])

    async def stop(self) -> None:
        """End those that stand ready. Those at work end with their image, or with us."""
        while self._spare:
            task = self._spare.popleft()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and task.exception() is None:
                await _end(task.result())

    async def check(self) -> str | None:
        """Readiness."""
        if self._wrong is not None and time.monotonic() - self._tried_at > AGAIN_S:
            self._fill()
        return self._wrong

    @asynccontextmanager
    async def turn(self, until: float) -> AsyncIterator[None]:
        """Within it one image may be decoded. until: by the loop's clock. Raises Refused: UNAVAILABLE if the turn does not come."""
        if self._queue >= MOST_WAITING:
            raise _busy()
        self._queue += 1
        _waiting.inc()
        try:
            async with asyncio.timeout_at(until):
                await self._turns.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._queue -= 1
            _waiting.dec()
        try:
            yield
        finally:
            self._turns.release()

    async def decode(self, data: bytes, kind: Kind, until: float) -> Decoded:
        """Raises Refused: BAD_IMAGE, TOO_LARGE; UNAVAILABLE if no decoder starts, or none is done by then."""
        began = time.perf_counter()
        outcome = "unavailable"
        try:
            async with asyncio.timeout_at(until):
                found = await self._decode(data, kind)
            outcome = "done"
            return found
        except Refused as refusal:
            outcome = str(refusal.code)
            raise
        except TimeoutError:
            log.warning("decoder.slow", kind=kind, bytes=len(data))
            raise _busy() from None
        finally:
            _seconds.labels(CONTENT_TYPE[kind], outcome).observe(time.perf_counter() - began)

    async def _decode(self, data: bytes, kind: Kind) -> Decoded:
        process = await self._take()
        try:
            header, files = await _exchange(process, data)
            return _looked_at(header, files, kind)
        except _DiedError as error:
            raise _refusal_for(error, kind) from None
        except _StrangeError as error:
            log.error("decoder.strange", kind=kind, reason=str(error))
            raise _unreadable(kind) from None
        finally:
            await _end(process)

    async def _take(self) -> Process:
        """One that stands behind its walls; another is started in its place."""
        for _ in range(_TRIES):
            self._fill()
            try:
                process = await self._spare.popleft()
            except _DownError as error:
                log.error("decoder.down", reason=str(error))
                raise unavailable("Images cannot be decoded at the moment; try again.", retry_after_ms=5_000) from None
            if process.returncode is None:
                self._fill()
                return process
        raise unavailable("Images cannot be decoded at the moment; try again.", retry_after_ms=5_000)

    def _fill(self) -> None:
        self._tried_at = time.monotonic()
        self._spare = deque(task for task in self._spare if not (task.done() and _failed(task)))
        while len(self._spare) < self.count:
            self._spare.append(asyncio.create_task(self._start(), name="decoder"))

    async def _start(self) -> Process:
        """Raises _DownError, and remembers why."""
        try:
            async with asyncio.timeout(START_S):
                process = await self._started()
        except TimeoutError:
            self._wrong = f"none has started within {START_S:g} s"
        except (OSError, _DownError) as error:
            self._wrong = str(error)
        else:
            self._wrong = None
            return process
        raise _DownError(self._wrong)

    async def _started(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", _MODULE, *self._arguments,
            stdin=PIPE, stdout=PIPE, stderr=PIPE, env={}, cwd="/", start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None  # noqa: S101 — it is a pipe
        ready = False
        try:
            ready = await process.stdout.read(1) == READY
            if not ready:
                raise _DownError(await _last_words(process))
        finally:
            if not ready:
                await _end(process)
        return process


def _failed(task: "asyncio.Task[Process]") -> bool:
    return task.cancelled() or task.exception() is not None


async def _last_words(process: Process) -> str:
    assert process.stderr is not None  # noqa: S101 — it is a pipe
    said = (await process.stderr.read(_HEADER_BYTES)).decode(errors="replace").strip()
    return said.splitlines()[-1] if said else f"it ended with {await process.wait()}"


async def _end(process: Process) -> None:
    """Whatever it is doing. What it has said besides is read, since its pipes close at their end alone."""
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            log.debug("decoder.gone", pid=process.pid)
    await process.communicate()


async def _exchange(process: Process, data: bytes) -> tuple[_Header, list[bytes]]:
    """Give it the file, and take what comes back, up to what may come. Raises _DiedError, _StrangeError."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None  # noqa: S101 — it is a pipe
    assert stdout is not None  # noqa: S101 — it is a pipe
    try:
        stdin.write(data)
        await stdin.drain()
        stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        raise _DiedError(await process.wait()) from None
    try:
        length = int.from_bytes(await stdout.readexactly(4), "big")
        if length > _HEADER_BYTES:
            raise _StrangeError(f"a header of {length} bytes")
        header = msgspec.json.decode(await stdout.readexactly(length), type=_Header)
        if sum(max(part.bytes, 0) for part in header.parts) > OUTPUT_BYTES:
            raise _StrangeError("more bytes than a decoder answers")
        return header, [await stdout.readexactly(max(part.bytes, 0)) for part in header.parts]
    except asyncio.IncompleteReadError:
        raise _DiedError(await process.wait()) from None
    except msgspec.MsgspecError as error:
        raise _StrangeError(str(error)) from None


def _looked_at(header: _Header, files: list[bytes], kind: Kind) -> Decoded:
    """Raises Refused: BAD_IMAGE, TOO_LARGE; _StrangeError."""
    if header.outcome == "unreadable":
        raise _unreadable(kind)
    if header.outcome == "too_large":
        raise Refused(Code.TOO_LARGE, header.detail[:300])
    if header.outcome == "broken":
        log.error("decoder.bug", kind=kind, exception=header.detail[-4_000:])
        raise _unreadable(kind)
    names = [part.name for part in header.parts]
    if header.outcome != "done" or sorted(names) != sorted([ORIGINAL, *map(str, THUMBNAIL_SIZES)]):
        raise _StrangeError(f"the outcome {header.outcome!r} with the parts {names}")
    if not _BLURHASH.fullmatch(header.blurhash):
        raise _StrangeError("a blurhash that is none")
    for part, file in zip(header.parts, files, strict=True):
        wanted: Kind = kind if part.name == ORIGINAL else "WEBP"
        if part.content_type != CONTENT_TYPE[wanted] or kind_of(file) != wanted:
            raise _StrangeError(f"{part.name} is no {wanted}")
        if part.width < 1 or part.height < 1 or part.width * part.height > IMAGE_PIXELS:
            raise _StrangeError(f"{part.name} has {part.width} × {part.height} pixels")
    return Decoded(header.parts, files, header.blurhash, header.animated)


def _refusal_for(error: _DiedError, kind: Kind) -> Refused:
    """How a decoder died says why. One that was killed from outside is not its image's fault."""
    log.warning("decoder.died", kind=kind, reason=str(error))
    if error.code == -signal.SIGXCPU:
        return Refused(Code.TOO_LARGE, "The image takes more time to decode than one image is given.")
    if error.code == -signal.SIGKILL:
        return unavailable("The image could not be decoded; try again.", retry_after_ms=5_000)
    return _unreadable(kind)


def _unreadable(kind: Kind) -> Refused:
    return Refused(Code.BAD_IMAGE, f"The file begins like a {kind} image, and cannot be read as one.")


def _busy() -> Refused:
    return unavailable("Too many images are waiting to be decoded; try again.", retry_after_ms=5_000)
