"""One message: edits, deletion, reactions, pins, revisions, its thread, how far it has come."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import Body, Rev, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import conversation as contract
from parley_shared.contracts.messages import Message, MessageRequest, Messages

router = APIRouter(tags=["messages"], route_class=TypedRoute)

MESSAGE = "/rooms/{room_id}/messages/{message_id}"

Reaction = Annotated[
    str, Path(max_length=64, description="like, dislike, or one emoji, percent-encoded.", examples=["like"])
]


class Edit(Body):
    rev: Rev
    body: str = Field(examples=["Hello, everybody!"])


class Deletion(Body):
    reason: str | None = Field(default=None, examples=["off topic"])


_NO_REASON = Deletion()


@router.patch(
    MESSAGE,
    summary="Edit a message",
    **answers(Message, problems="not_a_member, forbidden, not_reachable, muted, rev_conflict, deleted, rate_limited"),
)
async def edit_message(room_id: UUID, message_id: UUID, body: Edit, caller: Caller, rpc: Calls) -> Response:
    """Its author may, for 24 hours (a setting). `rev` is that of the message which the change was made from."""
    request = contract.EditMessage(actor=caller, room_id=room_id, message_id=message_id, rev=body.rev, body=body.body)
    return json_answer(await rpc.call(contract.EDIT_MESSAGE, request))


@router.delete(MESSAGE, summary="Delete a message", **answers(None, 204, problems="not_a_member, forbidden, deleted"))
async def delete_message(
    room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls, body: Deletion = _NO_REASON
) -> Response:
    """Its author at any time, and moderators; again, nothing more happens. Its place in the room stays."""
    request = contract.DeleteMessage(actor=caller, room_id=room_id, message_id=message_id, reason=body.reason)
    await rpc.call(contract.DELETE_MESSAGE, request)
    return nothing()


@router.put(
    MESSAGE + "/reactions/{reaction}",
    summary="React to a message",
    **answers(None, 204, problems="not_a_member, not_reachable, muted, deleted, rate_limited"),
)
async def add_reaction(room_id: UUID, message_id: UUID, reaction: Reaction, caller: Caller, rpc: Calls) -> Response:
    """`like` and `dislike` exclude each other. A message takes 20 different reactions."""
    request = contract.ReactTo(actor=caller, room_id=room_id, message_id=message_id, reaction=reaction)
    await rpc.call(contract.ADD_REACTION, request)
    return nothing()


@router.delete(
    MESSAGE + "/reactions/{reaction}",
    summary="Take a reaction back",
    **answers(None, 204, problems="not_a_member, deleted, rate_limited"),
)
async def remove_reaction(room_id: UUID, message_id: UUID, reaction: Reaction, caller: Caller, rpc: Calls) -> Response:
    request = contract.ReactTo(actor=caller, room_id=room_id, message_id=message_id, reaction=reaction)
    await rpc.call(contract.REMOVE_REACTION, request)
    return nothing()


@router.put(
    MESSAGE + "/pin",
    summary="Pin a message",
    **answers(None, 204, problems="not_a_member, forbidden, deleted, rate_limited"),
)
async def pin(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """Moderators and owners; in a direct room everybody."""
    await rpc.call(contract.PIN_MESSAGE, MessageRequest(actor=caller, room_id=room_id, message_id=message_id))
    return nothing()


@router.delete(
    MESSAGE + "/pin",
    summary="Unpin a message",
    **answers(None, 204, problems="not_a_member, forbidden, deleted, rate_limited"),
)
async def unpin(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.UNPIN_MESSAGE, MessageRequest(actor=caller, room_id=room_id, message_id=message_id))
    return nothing()


@router.get("/rooms/{room_id}/pins", summary="What is pinned", **answers(Messages, problems="not_a_member"))
async def pins(room_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    """The newest pin first."""
    request = contract.ListPins(actor=caller, room_id=room_id, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_PINS, request))


@router.get(
    MESSAGE + "/revisions",
    summary="The versions of a message",
    **answers(contract.Revisions, problems="not_a_member, forbidden"),
)
async def revisions(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    """For its author and moderators, the first version first; those of a deleted message too."""
    request = contract.ListRevisions(
        actor=caller, room_id=room_id, message_id=message_id, limit=page.limit, cursor=page.cursor
    )
    return json_answer(await rpc.call(contract.LIST_REVISIONS, request))


@router.get(MESSAGE + "/thread", summary="A thread", **answers(contract.Thread, problems="not_a_member"))
async def thread(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    """A message and its replies, ascending; of a reply, the thread that it is in."""
    request = contract.GetThread(
        actor=caller, room_id=room_id, message_id=message_id, limit=page.limit, cursor=page.cursor
    )
    return json_answer(await rpc.call(contract.GET_THREAD, request))


@router.put(MESSAGE + "/follow", summary="Follow a thread", **answers(None, 204, problems="not_a_member, deleted"))
async def follow(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """From now on its replies count as unread, and are notified."""
    await rpc.call(contract.FOLLOW_THREAD, MessageRequest(actor=caller, room_id=room_id, message_id=message_id))
    return nothing()


@router.delete(
    MESSAGE + "/follow", summary="Follow a thread no more", **answers(None, 204, problems="not_a_member, deleted")
)
async def unfollow(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """Until one writes in it again."""
    await rpc.call(contract.UNFOLLOW_THREAD, MessageRequest(actor=caller, room_id=room_id, message_id=message_id))
    return nothing()


@router.get(
    MESSAGE + "/status",
    summary="How far a message has come",
    **answers(contract.MessageStatus, problems="not_a_member"),
)
async def status(room_id: UUID, message_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """Sent, delivered or read, of each member that it was sent to; in rooms of more than 100 members the counts alone."""
    request = MessageRequest(actor=caller, room_id=room_id, message_id=message_id)
    return json_answer(await rpc.call(contract.MESSAGE_STATUS, request))
