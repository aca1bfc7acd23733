"""Who is there, and what one wants to be shown as."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from parley_gateway.bodies import Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer
from parley_gateway.reference import answers
from parley_gateway.routes.users import parse_ids
from parley_shared.contracts import presence as contract
from parley_shared.limits import PRESENCE_TEXT_CHARS

router = APIRouter(prefix="/presence", tags=["presence"], route_class=TypedRoute)
admin = APIRouter(prefix="/admin", tags=["admin"], route_class=TypedRoute)


class Choice(Body):
    """Without a text there is none any more."""

    status: Literal["online", "away", "busy", "invisible"] = Field(examples=["busy"])
    text: str | None = Field(
        default=None, examples=["in a meeting"], description=f"At most {PRESENCE_TEXT_CHARS} characters."
    )


@router.get("", summary="Who is there", **answers(contract.Presences))
async def get_presence(
    caller: Caller,
    rpc: Calls,
    user_ids: Annotated[str, Query(description="Up to 200 ids, separated by commas.")],
) -> Response:
    """People whom one shares a room with. Others are absent, like who does not exist."""
    request = contract.GetPresence(actor=caller, user_ids=parse_ids(user_ids, "user_ids"))
    seen = await rpc.call(contract.GET_PRESENCE, request)
    return json_answer(contract.Presences(items=[item.presence for item in seen.items]))


@router.put("/me", summary="What others see of me", **answers(contract.Presence))
async def set_presence(body: Choice, caller: Caller, rpc: Calls) -> Response:
    """It counts while I am connected, and stays until I say something else. Who is invisible is offline to others."""
    request = contract.SetPresence(actor=caller, status=body.status, text=body.text)
    return json_answer(await rpc.call(contract.SET_PRESENCE, request))


@admin.get("/connections", summary="How sockets came and went", **answers(contract.Connections, problems="forbidden"))
async def connections(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    user_id: UUID | None = None,
    connection_id: UUID | None = None,
    since: Annotated[AwareDatetime | None, Query(description="Still open then, or opened later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Opened before then.")] = None,
) -> Response:
    """The newest first; kept for 30 days."""
    request = contract.ListConnections(
        actor=caller,
        token=token,
        user_id=user_id,
        connection_id=connection_id,
        since=since,
        until=until,
        limit=page.limit,
        cursor=page.cursor,
    )
    return json_answer(await rpc.call(contract.ADMIN_CONNECTIONS, request))
