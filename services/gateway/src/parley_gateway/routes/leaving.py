"""Taking one's things along, and leaving for good."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from parley_gateway.bodies import Body, TypedRoute
from parley_gateway.deps import Caller, Calls, bearer, json_answer
from parley_gateway.deps import caller as calling
from parley_gateway.reference import answers
from parley_shared.contracts import erasure, export
from parley_shared.contracts.auth import OnlyActor
from parley_shared.contracts.base import Actor, Rpc
from parley_shared.contracts.media import EXPORT_IMAGES
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient

router = APIRouter(tags=["users"], route_class=TypedRoute)

NDJSON = "application/x-ndjson"
FORMAT = "parley-export/1"
ATTEMPTS = 10
PAUSE_S = 1.0

ExportVerb = Rpc[export.ExportPage, export.Exported]


class Erasing(Body):
    password: str = Field(examples=["a long enough passphrase"])


@router.get(
    "/users/me/export",
    summary="Take my things along",
    response_class=StreamingResponse,
    **answers(export.ExportLine, media=NDJSON),
)
async def export_me(caller: Caller, rpc: Calls) -> Response:
    """One JSON object a line: `header`, `profile`, `session`, `sign_in`, `membership`, `message`, `revision`, `reaction`, `follow`,
    `notification`, `block`, `image`; at last `end` with the number of lines before it. A file without it was cut off."""
    # Whatever is refused is refused before the answer has begun.
    account = await rpc.call(export.EXPORT_ACCOUNT, OnlyActor(actor=caller))
    firsts = [
        (verb, await rpc.call(verb, export.ExportPage(actor=caller)))
        for verb in (export.EXPORT_MESSAGES, EXPORT_IMAGES)
    ]
    name = f"parley-{account.profile.id}.ndjson"
    return StreamingResponse(
        _export(rpc, caller, account, firsts),
        media_type=NDJSON,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _export(
    rpc: RpcClient, caller: Actor, account: export.ExportedAccount, firsts: list[tuple[ExportVerb, export.Exported]]
) -> AsyncIterator[bytes]:
    header = {"type": "header", "format": FORMAT, "at": datetime.now(UTC), "user_id": caller.user_id}
    lines: list[dict[str, Any]] = [
        header,
        _line("profile", account.profile),
        *(_line("session", session) for session in account.sessions),
        *(_line("sign_in", found) for found in account.sign_ins),
    ]
    count = len(lines)
    yield _written(lines)
    for verb, first in firsts:
        page = first
        while True:
            count += len(page.items)
            yield _written(page.items)
            if page.next is None:
                break
            page = await _page(rpc, verb, export.ExportPage(actor=caller, cursor=page.next))
    yield _written([{"type": "end", "lines": count}])


def _written(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


async def _page(rpc: RpcClient, verb: ExportVerb, request: export.ExportPage) -> export.Exported:
    """A service that is away for some seconds does not spoil an export that is half done."""
    for _ in range(ATTEMPTS):
        try:
            return await rpc.call(verb, request)
        except Refused as refusal:
            if refusal.code != Code.UNAVAILABLE:
                raise
            await asyncio.sleep(PAUSE_S)
    return await rpc.call(verb, request)


def _line(kind: str, value: msgspec.Struct) -> dict[str, Any]:
    return {"type": kind, **msgspec.structs.asdict(value)}


@router.delete(
    "/users/me",
    summary="Erase my account",
    **answers(erasure.ErasureBegun, 202, problems="bad_credentials, rate_limited, last_admin"),
)
async def erase_me(body: Erasing, caller: Caller, rpc: Calls) -> Response:
    """At once and for good: all sessions end, and what the account has written becomes empty places. The code is told only here; with
    it GET /erasures/{id} tells how far it has come."""
    request = erasure.EraseMe(actor=caller, password=body.password)
    return json_answer(await rpc.call(erasure.ERASE_ME, request), 202)


@router.get("/erasures/{erasure_id}", summary="How far an erasure has come", **answers(erasure.Erasure))
async def erasure_state(
    erasure_id: UUID,
    request: Request,
    rpc: Calls,
    code: Annotated[
        str | None, Header(alias="Parley-Erasure-Code", max_length=200, description="That DELETE /users/me told.")
    ] = None,
) -> Response:
    """For who has its code; and, with an access token instead, for admins."""
    if code is not None:
        return json_answer(await rpc.call(erasure.ERASURE, erasure.GetErasure(id=erasure_id, code=code)))
    asked = erasure.AdminGetErasure(actor=await calling(request), token=bearer(request), id=erasure_id)
    return json_answer(await rpc.call(erasure.ADMIN_ERASURE, asked))
