"""Finding messages. Search knows which ones match, and messages what is in them and whether the caller still sees them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import search as contract
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Actor, Wire
from parley_shared.contracts.messages import RENDER_MESSAGES, Message, MessageRef, RenderMessages
from parley_shared.limits import SEARCH_CHARS, SEARCH_PAGE
from parley_shared.messaging.rpc import RpcClient

router = APIRouter(prefix="/search", tags=["search"], route_class=TypedRoute)
admin = APIRouter(prefix="/admin/search", tags=["admin"], route_class=TypedRoute)

HIGHLIGHT_BYTES = 65_536
"""Bytes of texts in one question for highlights: the answer, with a pair of numbers for every other character at worst, has to fit
into a message of NATS."""


class FoundMessage(Wire, frozen=True, kw_only=True):
    """highlights: where its words are in `message.body`, as [start, end) in code points, ascending and apart."""

    message: Message
    highlights: list[tuple[int, int]]


class FoundMessages(Wire, frozen=True, kw_only=True):
    """The newest first. A page may be shorter than `limit`, even empty, with `next` all the same."""

    items: list[FoundMessage]
    next: str | None = None


@router.get("", summary="Search messages", **answers(FoundMessages))
async def search(
    caller: Caller,
    rpc: Calls,
    page: Pages,
    q: Annotated[
        str,
        Query(
            max_length=SEARCH_CHARS,
            description='Words, "phrases", -not, from:username, in:room, before:2026-11-24, after:2026-11-24, has:image.',
        ),
    ] = "",
    room_id: Annotated[UUID | None, Query(description="In this room.")] = None,
    sender_id: Annotated[UUID | None, Query(description="Written by this person.")] = None,
    after: Annotated[
        AwareDatetime | None, Query(description="Written then or later; with its offset from UTC.")
    ] = None,
    before: Annotated[AwareDatetime | None, Query(description="Written before then; with its offset from UTC.")] = None,
    has: Annotated[Literal["image"] | None, Query(description="With an image.")] = None,
) -> Response:
    """What one may read now, the newest first; sealed rooms are not searched. What is written is found within two seconds, and what is
    deleted not found any more."""
    asked = contract.Search(
        actor=caller,
        q=q,
        room_id=room_id,
        sender_id=sender_id,
        after=after,
        before=before,
        has=has,
        limit=min(page.limit, SEARCH_PAGE),
        cursor=page.cursor,
    )
    hits = await rpc.call(contract.SEARCH, asked)
    messages = await _rendered(
        rpc, caller, [MessageRef(room_id=hit.room_id, message_id=hit.message_id) for hit in hits.items]
    )
    # What was indexed a moment ago may be out of sight by now.
    seen = [(hit, message) for hit, message in zip(hits.items, messages, strict=True) if message is not None]
    spans = await _highlights(
        rpc, q, [contract.Text(language=hit.language, body=message.body or "") for hit, message in seen]
    )
    items = [FoundMessage(message=message, highlights=found) for (_, message), found in zip(seen, spans, strict=True)]
    return json_answer(FoundMessages(items=items, next=hits.next))


async def _rendered(rpc: RpcClient, caller: Actor, wanted: list[MessageRef]) -> list[Message | None]:
    """As the caller sees them now, in this order."""
    found: list[Message | None] = []
    while len(found) < len(wanted):
        answer = await rpc.call(RENDER_MESSAGES, RenderMessages(actor=caller, wanted=wanted[len(found) :]))
        if not answer.items:
            raise RuntimeError("messages renders none of what is wanted, and would for ever")
        found += answer.items
    return found


async def _highlights(rpc: RpcClient, q: str, texts: list[contract.Text]) -> list[list[tuple[int, int]]]:
    """Of each text, where the words of `q` are."""
    if not q:
        return [[] for _ in texts]
    spans: list[list[tuple[int, int]]] = []
    while len(spans) < len(texts):
        batch: list[contract.Text] = []
        size = 0
        for text in texts[len(spans) :]:
            size += len(text.body.encode())
            if batch and size > HIGHLIGHT_BYTES:
                break
            batch.append(text)
        answer = await rpc.call(contract.HIGHLIGHT, contract.Highlight(q=q, texts=batch))
        if len(answer.spans) != len(batch):
            raise RuntimeError("search answers for another number of texts than it was asked about")
        spans += answer.spans
    return spans


@admin.get("", summary="How the index stands", **answers(contract.IndexState, problems="forbidden"))
async def index_state(caller: Caller, token: Token, rpc: Calls) -> Response:
    return json_answer(await rpc.call(contract.INDEX_STATE, AdminRequest(actor=caller, token=token)))


@admin.post("/rebuild", summary="Build the index anew", **answers(contract.IndexState, 202, problems="forbidden"))
async def rebuild_index(caller: Caller, token: Token, rpc: Calls) -> Response:
    """It goes on by itself; GET /admin/search says how far it has come. Searching works meanwhile. While one is under way it is that one."""
    return json_answer(await rpc.call(contract.REBUILD_INDEX, AdminRequest(actor=caller, token=token)), 202)
