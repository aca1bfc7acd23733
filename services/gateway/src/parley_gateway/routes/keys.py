"""Sealed rooms: who can read what in a room, and the keys that decide it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import ANY_ID, Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import keys as contract
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Wire
from parley_shared.contracts.media import IMAGE_KEYS, REWRAP_IMAGES, WrappedKeys
from parley_shared.contracts.messages import RoomRequest
from parley_shared.errors import Code, Refused, invalid
from parley_shared.limits import REASON_CHARS
from parley_shared.messaging.rpc import RpcClient

router = APIRouter(tags=["rooms"], route_class=TypedRoute)
admin = APIRouter(prefix="/admin/keys", tags=["admin"], route_class=TypedRoute)


class Keys(contract.RoomKeys, frozen=True, kw_only=True):
    """images: how many images' keys are wrapped under which key. Null with a room_id or a cursor, and while media cannot tell."""

    images: WrappedKeys | None = None


class KeysRotated(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """key: the room's new one. rewrapped: one step of wrapping a service's keys anew."""

    key: contract.RoomKey | None = None
    rewrapped: contract.Rewrapped | None = None


class Rotation(Body):
    room_id: UUID | None = Field(
        default=None,
        strict=False,
        examples=[ANY_ID],
        description="A new key for what is said in this room from now on.",
    )
    service: Literal["messages", "media"] | None = Field(
        default=None, description="Without a room: one step of wrapping this service's keys under today's wrapping key."
    )
    cursor: str | None = Field(default=None, max_length=500, description="`next` of the step before.")


class Destruction(Body):
    room_id: UUID = Field(strict=False, examples=[ANY_ID])
    reason: str = Field(min_length=1, max_length=REASON_CHARS, examples=["asked for by its owner, 2026-11-24"])


@router.get("/rooms/{room_id}/privacy", summary="Who can read what in a room", **answers(contract.RoomPrivacy))
async def room_privacy(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """In plain words, for people; and what this kind of room does not protect against."""
    return json_answer(await rpc.call(contract.ROOM_PRIVACY, RoomRequest(actor=caller, room_id=room_id)))


@admin.get("", summary="Keys of sealed rooms and images", **answers(Keys, problems="forbidden"))
async def list_keys(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    room_id: Annotated[UUID | None, Query(description="Of this room alone.")] = None,
) -> Response:
    """Never the keys themselves: which there are, since when, and what each is wrapped under."""
    asked = contract.ListRoomKeys(actor=caller, token=token, room_id=room_id, limit=page.limit, cursor=page.cursor)
    about_images = room_id is None and page.cursor is None
    rooms = await rpc.call(contract.LIST_ROOM_KEYS, asked)
    images = await _image_keys(rpc, AdminRequest(actor=caller, token=token)) if about_images else None
    return json_answer(
        Keys(items=rooms.items, current=rooms.current, counts=rooms.counts, next=rooms.next, images=images)
    )


async def _image_keys(rpc: RpcClient, asked: AdminRequest) -> WrappedKeys | None:
    try:
        return await rpc.call(IMAGE_KEYS, asked)
    except Refused as refusal:
        if refusal.code != Code.UNAVAILABLE:
            raise
        return None


@admin.post(
    "/rotate", summary="A new key, or a step of wrapping all anew", **answers(KeysRotated, problems="forbidden")
)
async def rotate_keys(body: Rotation, caller: Caller, token: Token, rpc: Calls) -> Response:
    """With `room_id`: a new key for that room; what was said stays readable. With `service`: keys wrapped under another key than today's are
    wrapped under that, some hundred in a step; go on with `next` as `cursor` until it is null."""
    if body.room_id is not None:
        rotate = contract.RotateRoomKey(actor=caller, token=token, room_id=body.room_id)
        return json_answer(KeysRotated(key=await rpc.call(contract.ROTATE_ROOM_KEY, rotate)))
    if body.service is None:
        raise invalid(room_id="this, or service", service="this, or room_id")
    verb = contract.REWRAP_ROOM_KEYS if body.service == "messages" else REWRAP_IMAGES
    step = contract.Rewrap(actor=caller, token=token, cursor=body.cursor)
    return json_answer(KeysRotated(rewrapped=await rpc.call(verb, step)))


@admin.post("/destroy", summary="Destroy a room's keys", **answers(contract.KeysDestroyed, problems="forbidden"))
async def destroy_keys(body: Destruction, caller: Caller, token: Token, rpc: Calls) -> Response:
    """All of them, for good: nobody reads what was said in the room so far, once the last backup has forgotten them
    (`backups_forget_at`). What is said from now on has a new key."""
    request = contract.DestroyRoomKeys(actor=caller, token=token, room_id=body.room_id, reason=body.reason)
    return json_answer(await rpc.call(contract.DESTROY_ROOM_KEYS, request))
