"""Whether everything still fits together, for operators: each owner compares its own, and reads only."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Calls, Token, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import verifying as contract
from parley_shared.errors import invalid

admin = APIRouter(prefix="/admin/verify", tags=["admin"], route_class=TypedRoute)

VERBS = {"rooms": contract.VERIFY_ROOMS, "people": contract.VERIFY_PEOPLE, "index": contract.VERIFY_INDEX}


@admin.get("/{what}", summary="Compare what is kept", **answers(contract.Verified, problems="forbidden"))
async def verify(
    what: Literal["rooms", "people", "index"],
    caller: Caller,
    token: Token,
    rpc: Calls,
    room_id: Annotated[UUID | None, Query(description="Of this room alone; not with people.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the step before.")] = None,
) -> Response:
    """One step of it, in the order of ids. `rooms`: log, state, unread counts and images of rooms. `people`: users' own streams and
    notifications. `index`: what search finds. Nothing is changed; `parley verify` takes all steps, and GET /admin/media/check besides."""
    if what == "people" and room_id is not None:
        raise invalid(room_id="not with people, whose streams are no room's")
    request = contract.Verify(actor=caller, token=token, room_id=room_id, cursor=cursor)
    return json_answer(await rpc.call(VERBS[what], request))
