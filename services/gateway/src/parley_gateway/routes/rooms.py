"""Rooms and their members."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from msgspec import UNSET
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import ANY_ID, Body, Rev, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Wire
from parley_shared.limits import RETENTION_DAYS

router = APIRouter(tags=["rooms"], route_class=TypedRoute)

RoleName = Literal["owner", "moderator", "member"]


class NewRoom(Body):
    name: str = Field(examples=["Kitchen"])
    topic: str = ""
    visibility: Literal["public", "private"] = "private"
    encryption: Literal["plain", "sealed"] = "plain"
    history: Literal["all", "since_join"] | None = None
    language: str = "english"


class RoomChange(Body):
    """What is absent stays."""

    rev: Rev
    name: str | None = Field(default=None, examples=["Kitchen and garden"])
    topic: str | None = None
    visibility: Literal["public", "private"] | None = None
    history: Literal["all", "since_join"] | None = None
    language: str | None = None
    slow_mode_s: int | None = Field(default=None, ge=0, le=2**31 - 1)
    retention_days: int | None = Field(
        default=None, ge=1, le=RETENTION_DAYS, description="Days that messages are kept; null means for ever."
    )


class NewMember(Body):
    # Ids are text in JSON; strictness would demand Python's own type.
    user_id: UUID = Field(strict=False, examples=[ANY_ID])
    role: RoleName = "member"


class MemberChange(Body):
    role: RoleName = Field(examples=["moderator"])


class People(Body):
    user_ids: list[Annotated[UUID, Field(strict=False)]] = Field(max_length=64, examples=[[ANY_ID]])


def _room(answer: contract.RoomAnswer, status: int = 200) -> Response:
    found: Wire | None = answer.room if answer.room is not None else answer.directory
    return json_answer(found, status)


@router.post(
    "/rooms", summary="Create a room", **answers(contract.MyRoom, 201, also=200, problems="idempotency_mismatch")
)
async def create_room(
    body: NewRoom,
    caller: Caller,
    rpc: Calls,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Response:
    """The caller is its owner. With the same Idempotency-Key, within 24 hours, the same room."""
    answer = await rpc.call(
        contract.CREATE_ROOM,
        contract.CreateRoom(
            actor=caller,
            name=body.name,
            topic=body.topic,
            visibility=body.visibility,
            encryption=body.encryption,
            history=body.history,
            language=body.language,
            idempotency_key=idempotency_key,
        ),
    )
    return _room(answer, 201 if answer.created else 200)


@router.get("/rooms", summary="My rooms", **answers(contract.MyRooms))
async def list_rooms(caller: Caller, rpc: Calls, page: Pages) -> Response:
    """Most recently active first."""
    return json_answer(
        await rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=caller, limit=page.limit, cursor=page.cursor))
    )


@router.get("/rooms/directory", summary="Public rooms", **answers(contract.DirectoryRooms))
async def directory(
    caller: Caller, rpc: Calls, page: Pages, query: Annotated[str | None, Query(max_length=80)] = None
) -> Response:
    request = contract.Directory(actor=caller, query=query, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.DIRECTORY, request))


@router.get("/rooms/{room_id}", summary="A room", **answers(contract.MyRoom))
async def get_room(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """With what is the caller's own about it, if he is a member."""
    return _room(await rpc.call(contract.GET_ROOM, contract.RoomRequest(actor=caller, room_id=room_id)))


@router.patch(
    "/rooms/{room_id}",
    summary="Change a room",
    **answers(contract.MyRoom, problems="forbidden, fixed_members, rev_conflict"),
)
async def update_room(room_id: UUID, body: RoomChange, caller: Caller, rpc: Calls) -> Response:
    request = contract.UpdateRoom(
        actor=caller,
        room_id=room_id,
        rev=body.rev,
        name=body.name,
        topic=body.topic,
        visibility=body.visibility,
        history=body.history,
        language=body.language,
        slow_mode_s=body.slow_mode_s,
        retention_days=body.retention_days if "retention_days" in body.model_fields_set else UNSET,
    )
    return _room(await rpc.call(contract.UPDATE_ROOM, request))


@router.delete("/rooms/{room_id}", summary="Delete a room", **answers(None, 204, problems="forbidden, fixed_members"))
async def delete_room(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    """Gone for everybody at once; its owners may restore it for seven days."""
    await rpc.call(contract.DELETE_ROOM, contract.RoomRequest(actor=caller, room_id=room_id))
    return nothing()


@router.post("/rooms/{room_id}/restore", summary="Undo its deletion", **answers(contract.MyRoom))
async def restore_room(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    return _room(await rpc.call(contract.RESTORE_ROOM, contract.RoomRequest(actor=caller, room_id=room_id)))


@router.post("/rooms/{room_id}/join", summary="Join a public room", **answers(contract.MyRoom))
async def join(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    return _room(await rpc.call(contract.JOIN, contract.RoomRequest(actor=caller, room_id=room_id)))


@router.post("/rooms/{room_id}/leave", summary="Leave", **answers(None, 204, problems="fixed_members, last_owner"))
async def leave(room_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.LEAVE, contract.RoomRequest(actor=caller, room_id=room_id))
    return nothing()


@router.get("/rooms/{room_id}/members", summary="Its members", **answers(contract.Members, problems="not_a_member"))
async def list_members(room_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    request = contract.ListMembers(actor=caller, room_id=room_id, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_MEMBERS, request))


@router.post(
    "/rooms/{room_id}/members",
    summary="Add somebody",
    **answers(contract.Member, 201, problems="not_a_member, forbidden, fixed_members"),
)
async def add_member(room_id: UUID, body: NewMember, caller: Caller, rpc: Calls) -> Response:
    """At once; he is told."""
    request = contract.AddMember(actor=caller, room_id=room_id, user_id=body.user_id, role=body.role)
    return json_answer(await rpc.call(contract.ADD_MEMBER, request), 201)


@router.patch(
    "/rooms/{room_id}/members/{user_id}",
    summary="Give a role",
    **answers(contract.Member, problems="forbidden, fixed_members, last_owner"),
)
async def update_member(room_id: UUID, user_id: UUID, body: MemberChange, caller: Caller, rpc: Calls) -> Response:
    request = contract.UpdateMember(actor=caller, room_id=room_id, user_id=user_id, role=body.role)
    return json_answer(await rpc.call(contract.UPDATE_MEMBER, request))


@router.delete(
    "/rooms/{room_id}/members/{user_id}",
    summary="Remove somebody",
    **answers(None, 204, problems="forbidden, fixed_members"),
)
async def remove_member(room_id: UUID, user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.REMOVE_MEMBER, contract.RemoveMember(actor=caller, room_id=room_id, user_id=user_id))
    return nothing()


@router.post(
    "/direct", summary="The room of these people", **answers(contract.MyRoom, 201, also=200, problems="not_reachable")
)
async def direct(body: People, caller: Caller, rpc: Calls) -> Response:
    """The same people, the same room; at most eight with the caller."""
    answer = await rpc.call(contract.CREATE_DIRECT, contract.CreateDirect(actor=caller, user_ids=body.user_ids))
    return _room(answer, 201 if answer.created else 200)
