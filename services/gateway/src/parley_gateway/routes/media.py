"""Images: in as multipart, out as files. See docs/protocol.md, Images."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Calls, Parts, Token, Viewer, Wired, json_answer
from parley_gateway.images.download import opened_bytes
from parley_gateway.images.multipart import boundary_of
from parley_gateway.images.ranges import Span, Unsatisfiable, matches, wanted
from parley_gateway.middleware import CutOff
from parley_gateway.reference import UPLOAD, answers, file_answers
from parley_shared.contracts import media as contract
from parley_shared.contracts.images import Image
from parley_shared.errors import Refused
from parley_shared.limits import TRANSFER_SECONDS

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/media", tags=["images"], route_class=TypedRoute)
admin = APIRouter(prefix="/admin/media", tags=["admin"], route_class=TypedRoute)

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
SANDBOX = "default-src 'none'; sandbox"


@router.post(
    "",
    summary="Upload an image",
    **answers(
        Image,
        201,
        problems="too_large, too_slow, unsupported_media_type, bad_image, rate_limited",
        body=UPLOAD,
    ),
)
async def upload(request: Request, caller: Caller, wired: Wired) -> Response:
    """The field `file`: JPEG, PNG, GIF or WebP of at most 10 MiB; its bytes decide, not its name. Then name the image's id in the
    `media_ids` of a message. Until then only its owner sees it, and after 48 hours it is gone."""
    boundary = boundary_of(request.headers.get("content-type"))
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isdecimal() else None
    return json_answer(await wired.uploads.take(caller, boundary, length, request.stream()), 201)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request says of what it has already, and of which part it wants."""

    if_none_match: str | None
    range: str | None
    if_range: str | None


def conditions(
    if_none_match: Annotated[
        str | None, Header(description="ETags of what one has already: 304, if it is still that.")
    ] = None,
    range: Annotated[str | None, Header(description="One range of bytes.")] = None,  # noqa: A002 — the header's name
    if_range: Annotated[str | None, Header(description="The range counts only if this is still the ETag.")] = None,
) -> Conditions:
    return Conditions(if_none_match, range, if_range)


Wanted = Annotated[Conditions, Depends(conditions)]


@router.get("/{image_id}", summary="An image", response_class=StreamingResponse, **file_answers())
@router.head("/{image_id}", include_in_schema=False)
async def get_image(request: Request, image_id: UUID, viewer: Viewer, wired: Wired, asked: Wanted) -> Response:
    """For its owner until it is sent; from then on for whoever sees a message that carries it."""
    return await _file(request, wired, contract.OpenImage(actor=viewer, image_id=image_id), asked)


@router.get("/{image_id}/thumbnails/{size}", summary="A thumbnail", response_class=StreamingResponse, **file_answers())
@router.head("/{image_id}/thumbnails/{size}", include_in_schema=False)
async def get_thumbnail(
    request: Request,
    image_id: UUID,
    size: Annotated[int, Path(ge=1, le=2**31 - 1)],
    viewer: Viewer,
    wired: Wired,
    asked: Wanted,
) -> Response:
    """Of the sizes that the image lists."""
    return await _file(request, wired, contract.OpenImage(actor=viewer, image_id=image_id, size=size), asked)


@admin.get("/check", summary="Compare database and bucket", **answers(contract.StoreChecked, problems="forbidden"))
async def check_store(
    caller: Caller,
    token: Token,
    rpc: Calls,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the step before.")] = None,
) -> Response:
    """One step of it, in the order of objects' names: what the one has and the other has not. `parley media check` takes them all."""
    request = contract.CheckStore(actor=caller, token=token, cursor=cursor)
    return json_answer(await rpc.call(contract.CHECK_STORE, request))


async def _file(request: Request, wired: Parts, which: contract.OpenImage, asked: Conditions) -> Response:
    image = await wired.rpc.call(contract.OPEN_IMAGE, which)
    etag = f'"{image.etag}"'
    headers = {
        "ETag": etag,
        # Kept by the browser alone, and asked for again each time: whoever may no longer see it gets 404, not what was kept, and
        # whoever may pays for a 304.
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": SANDBOX,
        # A page of another host that may call us fetches with its token, which this does not concern; the cookie, which <img> needs,
        # is for pages of the same site only.
        "Cross-Origin-Resource-Policy": "same-site" if wired.settings.allowed_origins else "same-origin",
    }
    if matches(asked.if_none_match, etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'inline; filename="{which.image_id}.{EXTENSIONS.get(image.content_type, "bin")}"'
    if request.method == "HEAD":
        # RFC 9110, 14.2: only GET knows ranges.
        return Response(media_type=image.content_type, headers={**headers, "Content-Length": str(image.bytes)})
    try:
        span = wanted(asked.range, image.bytes) if asked.if_range in (None, etag) else None
    except Unsatisfiable:
        said = f"The file has {image.bytes:,} bytes, and none of those that were asked for."
        raise HTTPException(416, said, {"Content-Range": f"bytes */{image.bytes}"}) from None
    status = 200 if span is None else 206
    if span is None:
        span = Span(0, image.bytes)
    else:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{image.bytes}"
    headers["Content-Length"] = str(span.stop - span.start)
    pieces = opened_bytes(wired.s3, image, span)
    # What S3 does not give is refused before the answer has begun.
    first = await anext(pieces)
    return _Transfer(first, pieces, status, headers, image.content_type)


class _Transfer(StreamingResponse):
    """A file whose end may not come: then the connection is cut, so that nobody takes what has come for the whole."""

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes, None], status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(_joined(first, rest), status, headers, media_type)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(TRANSFER_SECONDS), aclosing(self._rest):
                await super().__call__(scope, receive, send)
        except Refused as refusal:
            # Whoever has refused has logged why.
            raise CutOff from refusal
        except TimeoutError as error:
            log.info("image.read_too_slowly")
            raise CutOff from error


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
