"""For admins: accounts and invitations. Each carries the access token, which auth verifies again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import auth as contract

router = APIRouter(prefix="/admin", tags=["admin"], route_class=TypedRoute)


class AccountChange(Body):
    """What is absent stays."""

    role: Literal["admin", "moderator", "user"] | None = Field(default=None, examples=["moderator"])
    disabled: bool | None = None


@router.get("/users", summary="All accounts", **answers(contract.AdminUsers, problems="forbidden"))
async def users(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    query: Annotated[str | None, Query(max_length=80)] = None,
) -> Response:
    request = contract.ListAdminUsers(actor=caller, token=token, query=query, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.ADMIN_USERS, request))


@router.patch(
    "/users/{user_id}", summary="Change an account", **answers(contract.AdminUser, problems="forbidden, last_admin")
)
async def update_user(user_id: UUID, body: AccountChange, caller: Caller, token: Token, rpc: Calls) -> Response:
    """Its sockets close within two seconds, on every gateway."""
    request = contract.AdminUpdateUser(
        actor=caller, token=token, user_id=user_id, role=body.role, disabled=body.disabled
    )
    return json_answer(await rpc.call(contract.ADMIN_UPDATE_USER, request))


@router.post(
    "/users/{user_id}/reset-code",
    summary="A one-use code for a new password",
    **answers(contract.OneTimeCode, 201, problems="forbidden"),
)
async def reset_code(user_id: UUID, caller: Caller, token: Token, rpc: Calls) -> Response:
    request = contract.AdminResetCode(actor=caller, token=token, user_id=user_id)
    return json_answer(await rpc.call(contract.ADMIN_RESET_CODE, request), 201)


@router.post("/invites", summary="A one-use invitation", **answers(contract.OneTimeCode, 201, problems="forbidden"))
async def invite(caller: Caller, token: Token, rpc: Calls) -> Response:
    return json_answer(await rpc.call(contract.ADMIN_INVITE, contract.AdminInvite(actor=caller, token=token)), 201)
