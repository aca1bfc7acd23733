"""An image on its way to who may see it: fetched sealed, and opened chunk by chunk."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog

from parley_gateway.images.ranges import Span
from parley_gateway.images.s3 import S3
from parley_shared.contracts.media import OpenedImage
from parley_shared.crypto.stream import CHUNK, TAG, BadSeal, Opener, Window
from parley_shared.errors import unavailable

log = structlog.get_logger(__name__)


async def opened_bytes(s3: S3, image: OpenedImage, span: Span) -> AsyncGenerator[bytes, None]:
    """These bytes of the image, a chunk at a time.

    Raises Refused: UNAVAILABLE, also in the middle; what is damaged is logged, once.
    """
    window = Window(span.start, span.stop, image.bytes)
    opener = Opener(base64.b64decode(image.key), image.name, image.bytes)
    skip, left, number = window.skip, window.take, window.first
    try:
        async with aclosing(s3.get(image.url, window.sealed_start, window.sealed_stop)) as pieces:
            async for sealed in _chunks(pieces):
                plain = opener.chunk(number, sealed)[skip : skip + left]
                skip, left, number = 0, left - len(plain), number + 1
                yield plain
        if left:
            raise BadSeal(f"{image.name} ends after chunk {number - 1}")
    except BadSeal as error:
        log.error("image.damaged", object=image.name, reason=str(error))
        raise unavailable("This image cannot be read at the moment.") from None


async def _chunks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut where they were sealed."""
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while len(waiting) >= CHUNK + TAG:
            yield bytes(waiting[: CHUNK + TAG])
            del waiting[: CHUNK + TAG]
    if waiting:
        yield bytes(waiting)
