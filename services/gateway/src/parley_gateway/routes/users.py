"""People: oneself and others."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import Body, Rev, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import auth as contract
from parley_shared.errors import invalid
from parley_shared.limits import PAGE_MAX

router = APIRouter(prefix="/users", tags=["users"], route_class=TypedRoute)


class MeChange(Body):
    """What is absent stays."""

    rev: Rev
    display_name: str | None = Field(default=None, examples=["Alice"])
    read_receipts: bool | None = None


@router.get("/me", summary="Who am I", **answers(contract.Me))
async def me(caller: Caller, rpc: Calls) -> Response:
    return json_answer(await rpc.call(contract.ME, contract.OnlyActor(actor=caller)))


@router.patch("/me", summary="Change my profile", **answers(contract.Me, problems="rev_conflict"))
async def update_me(body: MeChange, caller: Caller, rpc: Calls) -> Response:
    request = contract.UpdateMe(
        actor=caller, rev=body.rev, display_name=body.display_name, read_receipts=body.read_receipts
    )
    return json_answer(await rpc.call(contract.UPDATE_ME, request))


@router.get("/{user_id}", summary="Somebody", **answers(contract.User))
async def get_user(user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    return json_answer(await rpc.call(contract.GET_USER, contract.GetUser(actor=caller, user_id=user_id)))


@router.get("", summary="Find people", **answers(contract.Users))
async def find_users(
    caller: Caller,
    rpc: Calls,
    page: Pages,
    ids: Annotated[str | None, Query(description="Up to 200 ids, separated by commas.")] = None,
    query: Annotated[str | None, Query(max_length=80, description="The beginning of a name.")] = None,
) -> Response:
    """By ids, or by the beginning of a username or display name."""
    found = contract.FindUsers(
        actor=caller,
        ids=None if ids is None else parse_ids(ids),
        query=query,
        limit=page.limit,
        cursor=page.cursor,
    )
    return json_answer(await rpc.call(contract.FIND_USERS, found))


def parse_ids(text: str, field: str = "ids") -> list[UUID]:
    """Ids separated by commas, of the parameter `field`. Raises Refused: INVALID."""
    parts = [part for part in text.split(",") if part]
    if len(parts) > PAGE_MAX:
        raise invalid(**{field: f"at most {PAGE_MAX}"})
    try:
        return [UUID(part) for part in parts]
    except ValueError:
        raise invalid(**{field: "ids separated by commas"}) from None
