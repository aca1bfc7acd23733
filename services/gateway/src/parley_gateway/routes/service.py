"""The service itself: health, keys, reference, and the pages that one meets before there is a web client."""

import msgspec
from fastapi import APIRouter
from starlette.responses import HTMLResponse, JSONResponse, Response

from parley_gateway import pages
from parley_gateway.asyncapi import asyncapi
from parley_gateway.deps import Wired, json_answer
from parley_shared.errors import unavailable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process lives."""
    return JSONResponse({"alive": True})


@router.get("/readyz")
async def readyz(wired: Wired) -> Response:
    """Everything is up; otherwise what is missing."""
    state = await wired.readiness.state()
    return json_answer(state, 200 if state["ready"] else 503)


@router.get("/.well-known/jwks.json")
async def jwks(wired: Wired) -> Response:
    """RFC 7517."""
    if not wired.verifier.keys:
        await wired.verifier.fetch()
    if not wired.verifier.keys:
        raise unavailable("The keys are not known at the moment; try again.")
    answer = Response(msgspec.json.encode({"keys": wired.verifier.keys}), media_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@router.get("/asyncapi.json")
async def asyncapi_document() -> Response:
    """The WebSocket's frames and every NATS subject."""
    return json_answer(asyncapi())


def _page(name: str) -> Response:
    html, policy = pages.page(name)
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


@router.get("/")
async def landing() -> Response:
    return _page("index.html")


@router.get("/setup")
async def setup() -> Response:
    return _page("setup.html")


@router.get("/docs")
async def docs() -> Response:
    return _page("docs.html")
