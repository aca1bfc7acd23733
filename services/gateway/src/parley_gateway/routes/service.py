"""The service itself: health, keys, reference."""

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import HTMLResponse, JSONResponse, Response

from parley_gateway import pages
from parley_gateway.asyncapi import asyncapi
from parley_gateway.deps import Wired, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts.auth import Jwks
from parley_shared.errors import unavailable

_READINESS = {
    "ready": True,
    "version": "0.1.0",
    "services": {"messages": {"ready": True, "version": "0.1.0", "reasons": []}},
}


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": {"type": "object"}, "example": example}}


def _described(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "Done.", "content": _json(example)}}


router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Whether the process lives", responses=_described({"alive": True}))
async def healthz() -> Response:
    """The process lives."""
    return JSONResponse({"alive": True})


@router.get(
    "/readyz",
    summary="Whether everything is up",
    responses={
        **_described(_READINESS),
        503: {
            "description": "Something is missing; `reasons` says what.",
            "content": _json({**_READINESS, "ready": False}),
        },
    },
)
async def readyz(wired: Wired) -> Response:
    """Everything is up; otherwise what is missing."""
    state = await wired.readiness.state()
    return json_answer(state, 200 if state["ready"] else 503)


@router.get("/.well-known/jwks.json", summary="The keys that sign access tokens", **answers(Jwks))
async def jwks(wired: Wired) -> Response:
    """RFC 7517."""
    if not wired.verifier.keys:
        await wired.verifier.fetch()
    if not wired.verifier.keys:
        raise unavailable("The keys are not known at the moment; try again.")
    answer = Response(msgspec.json.encode({"keys": wired.verifier.keys}), media_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@router.get(
    "/asyncapi.json",
    summary="The WebSocket, described",
    responses=_described({"asyncapi": "3.0.0", "info": {"title": "Parley", "version": "1"}}),
)
async def asyncapi_document() -> Response:
    """The WebSocket's frames and every NATS subject."""
    return json_answer(asyncapi())


@router.get("/docs", include_in_schema=False)
async def docs() -> Response:
    html, policy = pages.page("docs.html")
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
