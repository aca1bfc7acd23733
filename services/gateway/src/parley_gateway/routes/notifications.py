"""What one is told of: notifications, levels of a room, blocks."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import ANY_ID, Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import notifications as contract
from parley_shared.contracts.messages import MyRoom

router = APIRouter(tags=["notifications"], route_class=TypedRoute)


class ReadUpTo(Body):
    up_to: UUID = Field(strict=False, examples=[ANY_ID])


class NotifyChange(Body):
    level: Literal["all", "mentions", "none"] = Field(examples=["mentions"])


@router.get("/notifications", summary="What I was told", **answers(contract.Notifications))
async def notifications(
    caller: Caller,
    rpc: Calls,
    paging: Pages,
    unread: Annotated[bool | None, Query(description="Only unread ones, or only read ones.")] = None,
) -> Response:
    """The newest first, each with its message as it is now."""
    request = contract.ListNotifications(actor=caller, unread=unread, limit=paging.limit, cursor=paging.cursor)
    return json_answer(await rpc.call(contract.LIST_NOTIFICATIONS, request))


@router.put("/notifications/read", summary="Read notifications up to one", **answers(None, 204))
async def read_notifications(body: ReadUpTo, caller: Caller, rpc: Calls) -> Response:
    """That one and all before it, on all devices."""
    await rpc.call(contract.READ_NOTIFICATIONS, contract.ReadNotifications(actor=caller, up_to=body.up_to))
    return nothing()


@router.patch("/rooms/{room_id}/notify", summary="What a room tells me", **answers(MyRoom, problems="not_a_member"))
async def set_notify(room_id: UUID, body: NotifyChange, caller: Caller, rpc: Calls) -> Response:
    """all: mentions, direct messages and replies in threads that one follows; mentions: these only; none: nothing."""
    request = contract.SetNotify(actor=caller, room_id=room_id, level=body.level)
    return json_answer(await rpc.call(contract.SET_NOTIFY, request))


@router.get("/users/me/blocks", summary="Whom I blocked", **answers(contract.Blocks))
async def blocks(caller: Caller, rpc: Calls, paging: Pages) -> Response:
    request = contract.ListBlocks(actor=caller, limit=paging.limit, cursor=paging.cursor)
    return json_answer(await rpc.call(contract.LIST_BLOCKS, request))


@router.put("/users/me/blocks/{user_id}", summary="Block somebody", **answers(None, 204))
async def block(user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """Neither of the two reaches the other any more, but in rooms that both are in."""
    await rpc.call(contract.BLOCK_USER, contract.BlockUser(actor=caller, user_id=user_id))
    return nothing()


@router.delete("/users/me/blocks/{user_id}", summary="Unblock somebody", **answers(None, 204))
async def unblock(user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.UNBLOCK_USER, contract.BlockUser(actor=caller, user_id=user_id))
    return nothing()
