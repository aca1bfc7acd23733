"""A file on its way from a client to S3: counted, sealed and passed on as it comes.

The one who reads is S3: httpx asks for the next sealed chunk when it has sent the one before, that asks the parser, and that the
client. Nobody asks ahead, so uvicorn stops reading from a client whose bytes S3 does not take, and what is in memory of one upload
is what lies between two reads of a socket.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from prometheus_client import Counter
from starlette.requests import ClientDisconnect

from parley_gateway.images.multipart import file_of
from parley_gateway.images.s3 import S3
from parley_shared.contracts.base import Actor
from parley_shared.contracts.images import Image
from parley_shared.contracts.media import (
    ABORT_UPLOAD,
    BEGIN_UPLOAD,
    FINISH_UPLOAD,
    AbortUpload,
    BeginUpload,
    FinishUpload,
    UploadBegun,
)
from parley_shared.crypto.stream import CHUNK, Sealer
from parley_shared.errors import Code, Refused
from parley_shared.limits import TRANSFER_SECONDS, UPLOAD_BYTES, UPLOAD_PACE, UPLOAD_PAUSE_SECONDS
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

_DELIMITERS = len("--\r\n" + "\r\n----")
"""What stands around a file besides the boundary, twice, and the headers of its part."""

_OURS = (Code.UNAVAILABLE, Code.INTERNAL)
_OK = "ok"

_outcomes = Counter("parley_uploads_received", "Uploads that came, by outcome: ok, a code, or gone", ["outcome"])


class Uploads:
    """All uploads of this gateway."""

    def __init__(self, rpc: RpcClient, s3: S3) -> None:
        self._rpc = rpc
        self._s3 = s3
        self._aborting: set[asyncio.Task[None]] = set()

    async def take(self, actor: Actor, boundary: bytes, length: int | None, body: AsyncIterator[bytes]) -> Image:
        """The image that the body's file has become.

        length: what Content-Length says of the body. Raises Refused: INVALID, TOO_LARGE, TOO_SLOW, UNAVAILABLE, and whatever media
        refuses. What has begun and is not finished is aborted, behind the answer: S3 may be what is slow.
        """
        begun: UploadBegun | None = None
        outcome = "gone"
        try:
            async with asyncio.timeout(TRANSFER_SECONDS), aclosing(file_of(_paced(body), boundary)) as pieces:
                # A body without a file is refused before anybody is asked.
                first = await anext(pieces)
                capacity = _capacity(length, boundary)
                begun = await self._rpc.call(BEGIN_UPLOAD, BeginUpload(actor=actor, capacity=capacity))
                taken = await self._pass_on(begun, capacity, first, pieces)
            finish = FinishUpload(actor=actor, upload_id=begun.upload_id, bytes=taken)
            image = await self._rpc.call(FINISH_UPLOAD, finish)
            outcome = _OK
        except TimeoutError:
            outcome = str(Code.TOO_SLOW)
            raise _too_slow() from None
        except Refused as refusal:
            outcome = str(refusal.code)
            raise
        finally:
            _outcomes.labels(outcome).inc()
            if begun is not None and outcome != _OK:
                self._abort(AbortUpload(actor=actor, upload_id=begun.upload_id, ours=outcome in _OURS))
        return image

    async def stop(self) -> None:
        """Wait for what is being aborted."""
        if self._aborting:
            await asyncio.wait(self._aborting, timeout=2)

    async def _pass_on(self, begun: UploadBegun, capacity: int, first: bytes, rest: AsyncGenerator[bytes, None]) -> int:
        """The bytes of the file, once all of it is in S3."""
        sealer = Sealer(base64.b64decode(begun.key), begun.name, capacity)
        taken = 0

        async def sealed() -> AsyncIterator[bytes]:
            nonlocal taken
            piece: bytes | None = first
            while piece is not None:
                taken += len(piece)
                if taken > capacity:
                    raise Refused(Code.TOO_LARGE, f"The file is larger than {capacity:,} bytes.")
                complete = sealer.update(piece)
                if complete:
                    yield complete
                piece = await anext(rest, None)
            for complete in sealer.finish():
                yield complete

        await self._s3.put(begun.url, begun.headers, sealed())
        return taken

    def _abort(self, abort: AbortUpload) -> None:
        task = asyncio.create_task(self._tell(abort))
        self._aborting.add(task)
        task.add_done_callback(self._aborting.discard)

    async def _tell(self, abort: AbortUpload) -> None:
        try:
            await self._rpc.call(ABORT_UPLOAD, abort)
        except Refused as refusal:
            # Media collects by itself what was never finished.
            log.warning("upload.abort", upload_id=str(abort.upload_id), code=str(refusal.code))


def _capacity(length: int | None, boundary: bytes) -> int:
    """Bytes that the file may have at most, as far as the request says."""
    return UPLOAD_BYTES if length is None else max(0, min(UPLOAD_BYTES, length - _DELIMITERS - 2 * len(boundary)))


async def _paced(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces of a chunk at most. Raises Refused: TOO_SLOW, BAD_REQUEST if it breaks off.

    Only waiting for the client counts: that S3 takes its time is not the client's fault.
    """
    time = asyncio.get_running_loop().time
    credit: float = UPLOAD_PAUSE_SECONDS
    while True:
        began = time()
        try:
            async with asyncio.timeout(credit):
                data = await anext(body, None)
        except TimeoutError:
            raise _too_slow() from None
        except ClientDisconnect:
            raise Refused(Code.BAD_REQUEST, "The upload broke off.") from None
        if data is None:
            return
        credit = min(UPLOAD_PAUSE_SECONDS, credit - (time() - began) + len(data) / UPLOAD_PACE)
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]


def _too_slow() -> Refused:
    return Refused(
        Code.TOO_SLOW,
        f"The upload comes too slowly: less than {UPLOAD_PACE:,} bytes a second, or longer than {TRANSFER_SECONDS} s.",
    )
