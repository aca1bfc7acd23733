"""Messages, events and positions."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Wired, json_answer
from parley_gateway.live.lanes import note_outcome
from parley_gateway.reference import answers
from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused
from parley_shared.limits import MESSAGE_IMAGES
from parley_shared.telemetry import current, inner

router = APIRouter(tags=["messages"], route_class=TypedRoute)

Seq = Annotated[int | None, Query(ge=0, le=2**62)]


class NewMessage(Body):
    client_msg_id: str = Field(examples=["01a20e11-bcec-751f-8862-9270028e046e"])
    body: str = Field(examples=["Hello!"])
    format: str = "markdown"
    thread_root_id: Annotated[UUID, Field(strict=False)] | None = None
    media_ids: list[Annotated[UUID, Field(strict=False)]] = Field(
        default_factory=list, description=f"Images of POST /media, at most {MESSAGE_IMAGES}."
    )


class SentMessage(contract.Message, frozen=True, kw_only=True):
    """duplicate: it was already there under this client_msg_id."""

    duplicate: bool


class ReadUpTo(Body):
    seq: int = Field(ge=0, le=2**62, examples=[12])


@router.get(
    "/rooms/{room_id}/messages", summary="A page of messages", **answers(contract.Messages, problems="not_a_member")
)
async def page(
    room_id: UUID,
    caller: Caller,
    rpc: Calls,
    paging: Pages,
    before: Seq = None,
    after: Seq = None,
    around: Seq = None,
) -> Response:
    """Top-level messages, ascending by seq: the newest, or those before, after or around a seq."""
    request = contract.Page(
        actor=caller,
        room_id=room_id,
        before=before,
        after=after,
        around=around,
        limit=paging.limit,
        cursor=paging.cursor,
    )
    return json_answer(await rpc.call(contract.PAGE, request))


@router.post(
    "/rooms/{room_id}/messages",
    summary="Send a message",
    **answers(
        SentMessage,
        201,
        also=200,
        problems="not_a_member, not_reachable, muted, slow_mode, rate_limited, deleted, idempotency_mismatch",
    ),
)
async def send(room_id: UUID, body: NewMessage, caller: Caller, wired: Wired) -> Response:
    """Committed when it is answered. A retry with the same client_msg_id answers the same message, `duplicate: true`."""
    with inner("send") as span:
        accepted = await wired.lanes.send(
            contract.Send(
                actor=caller,
                room_id=room_id,
                client_msg_id=body.client_msg_id,
                body=body.body,
                format=body.format,
                thread_root_id=body.thread_root_id,
                media_ids=body.media_ids,
                trace=current(),
            )
        )
        if span is not None:
            note_outcome(span, accepted)
    message = await wired.rpc.call(
        contract.GET_MESSAGE,
        contract.MessageRequest(actor=caller, room_id=room_id, message_id=accepted.message_id),
    )
    answer = SentMessage(**msgspec.structs.asdict(message), duplicate=accepted.duplicate)
    return json_answer(answer, 200 if accepted.duplicate else 201)


@router.get(
    "/rooms/{room_id}/messages/{message_id}",
    summary="One message",
    **answers(contract.Message, problems="not_a_member"),
)
async def get_message(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    request = contract.MessageRequest(actor=caller, room_id=room_id, message_id=message_id)
    return json_answer(await rpc.call(contract.GET_MESSAGE, request))


@router.get(
    "/rooms/{room_id}/events",
    summary="What changed in a room",
    **answers(contract.Events, problems="not_a_member, resync"),
)
async def room_events(
    room_id: UUID, caller: Caller, rpc: Calls, paging: Pages, after: Annotated[int, Query(ge=0, le=2**62)] = 0
) -> Response:
    """Events after a seq, as in `event` frames; `next` is the `after` or `cursor` of the following page."""
    request = contract.RoomEvents(actor=caller, room_id=room_id, after=_after(paging.cursor, after), limit=paging.limit)
    return json_answer(await rpc.call(contract.ROOM_EVENTS, request))


@router.get("/users/me/events", summary="What changed for me", **answers(contract.Events, problems="resync"))
async def user_events(
    caller: Caller, rpc: Calls, paging: Pages, after: Annotated[int, Query(ge=0, le=2**62)] = 0
) -> Response:
    """One's own stream: rooms joined and left."""
    request = contract.UserEvents(actor=caller, after=_after(paging.cursor, after), limit=paging.limit)
    return json_answer(await rpc.call(contract.USER_EVENTS, request))


@router.put("/rooms/{room_id}/read", summary="Read up to here", **answers(contract.ReadState, problems="not_a_member"))
async def mark_read(room_id: UUID, body: ReadUpTo, caller: Caller, wired: Wired) -> Response:
    """Positions only grow."""
    request = contract.MarkRead(actor=caller, room_id=room_id, seq=body.seq)
    state = await wired.rpc.call(contract.MARK_READ, request)
    wired.memory.noted(caller.user_id, caller.session_id, room_id, delivered=body.seq, read=body.seq)
    return json_answer(state)


def _after(cursor: str | None, after: int) -> int:
    """`next` of a page of events is a seq, good as `cursor` and as `after`. Raises Refused: BAD_CURSOR."""
    if cursor is None:
        return after
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Refused(Code.BAD_CURSOR, "The cursor is not one of ours; begin again without it.")
    return int(cursor)
