"""What moderators do in rooms, reports, and an admin's access to a room's content."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from parley_gateway.bodies import ANY_ID, Body, TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer, nothing
from parley_gateway.reference import answers
from parley_shared.contracts import messages
from parley_shared.contracts import moderation as contract
from parley_shared.limits import ACCESS_MINUTES, SANCTION_MINUTES

router = APIRouter(tags=["moderation"], route_class=TypedRoute)


class Removal(Body):
    user_id: UUID = Field(strict=False, examples=[ANY_ID])
    reason: str | None = Field(default=None, examples=["Advertising"])


class Measure(Removal):
    """minutes: absent means without end."""

    minutes: int | None = Field(default=None, ge=1, le=SANCTION_MINUTES, examples=[60])


class NewReport(Body):
    reason: str = Field(examples=["Advertising"])


class Resolution(Body):
    resolution: str = Field(examples=["Deleted it"])


class NewAccess(Body):
    room_id: UUID = Field(strict=False, examples=[ANY_ID])
    reason: str = Field(examples=["A complaint of 24 November"])
    minutes: int = Field(ge=1, le=ACCESS_MINUTES, examples=[30])


@router.post(
    "/rooms/{room_id}/mutes",
    summary="Mute somebody",
    **answers(contract.Sanction, 201, problems="forbidden, fixed_members"),
)
async def mute(room_id: UUID, body: Measure, caller: Caller, rpc: Calls) -> Response:
    """He reads on and writes nothing, for so many minutes or until it is lifted, also after leaving and joining again."""
    return json_answer(await rpc.call(contract.MUTE, _impose(room_id, body, caller)), 201)


@router.get("/rooms/{room_id}/mutes", summary="Who is muted", **answers(contract.Sanctions, problems="forbidden"))
async def mutes(room_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    request = contract.ListSanctions(actor=caller, room_id=room_id, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_MUTES, request))


@router.delete(
    "/rooms/{room_id}/mutes/{user_id}",
    summary="Let him write again",
    **answers(None, 204, problems="forbidden, fixed_members"),
)
async def unmute(room_id: UUID, user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.UNMUTE, contract.Lift(actor=caller, room_id=room_id, user_id=user_id))
    return nothing()


@router.post(
    "/rooms/{room_id}/kicks", summary="Remove somebody", **answers(None, 204, problems="forbidden, fixed_members")
)
async def kick(room_id: UUID, body: Removal, caller: Caller, rpc: Calls) -> Response:
    """As `DELETE …/members/{user_id}`, with a reason. He may join again."""
    request = messages.RemoveMember(actor=caller, room_id=room_id, user_id=body.user_id, reason=body.reason)
    await rpc.call(messages.REMOVE_MEMBER, request)
    return nothing()


@router.post(
    "/rooms/{room_id}/bans",
    summary="Ban somebody",
    **answers(contract.Sanction, 201, problems="forbidden, fixed_members"),
)
async def ban(room_id: UUID, body: Measure, caller: Caller, rpc: Calls) -> Response:
    """He is removed and can neither join nor be added, for so many minutes or until it is lifted."""
    return json_answer(await rpc.call(contract.BAN, _impose(room_id, body, caller)), 201)


@router.get("/rooms/{room_id}/bans", summary="Who is banned", **answers(contract.Sanctions, problems="forbidden"))
async def bans(room_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    request = contract.ListSanctions(actor=caller, room_id=room_id, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_BANS, request))


@router.delete(
    "/rooms/{room_id}/bans/{user_id}",
    summary="Let him come back",
    **answers(None, 204, problems="forbidden, fixed_members"),
)
async def unban(room_id: UUID, user_id: UUID, caller: Caller, rpc: Calls) -> Response:
    await rpc.call(contract.UNBAN, contract.Lift(actor=caller, room_id=room_id, user_id=user_id))
    return nothing()


@router.post(
    "/rooms/{room_id}/messages/{message_id}/reports",
    summary="Report a message",
    **answers(contract.Reported, 201, also=200, problems="not_a_member, deleted, rate_limited"),
)
async def report(room_id: UUID, message_id: UUID, body: NewReport, caller: Caller, rpc: Calls) -> Response:
    """Moderators see it. As long as it is open, reporting the message again is the same report."""
    request = contract.ReportMessage(actor=caller, room_id=room_id, message_id=message_id, reason=body.reason)
    reported = await rpc.call(contract.REPORT_MESSAGE, request)
    return json_answer(reported, 201 if reported.created else 200)


@router.get("/rooms/{room_id}/reports", summary="Its reports", **answers(contract.Reports, problems="forbidden"))
async def room_reports(room_id: UUID, caller: Caller, rpc: Calls, page: Pages) -> Response:
    """For its moderators: open ones first, then the newest first."""
    request = contract.ListRoomReports(actor=caller, room_id=room_id, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_ROOM_REPORTS, request))


@router.get("/admin/reports", summary="Reports of all rooms", **answers(contract.Reports, problems="forbidden"))
async def reports(caller: Caller, token: Token, rpc: Calls, page: Pages) -> Response:
    """For admins; for global moderators those of public rooms. Open ones first, then the newest first."""
    request = contract.ListReports(actor=caller, token=token, limit=page.limit, cursor=page.cursor)
    return json_answer(await rpc.call(contract.LIST_REPORTS, request))


@router.patch("/admin/reports/{report_id}", summary="Resolve a report", **answers(contract.Report))
async def resolve_report(report_id: UUID, body: Resolution, caller: Caller, token: Token, rpc: Calls) -> Response:
    """By whoever may see it, the room's own moderators too. A second time it replaces what was said."""
    request = contract.ResolveReport(actor=caller, token=token, report_id=report_id, resolution=body.resolution)
    return json_answer(await rpc.call(contract.RESOLVE_REPORT, request))


@router.post(
    "/admin/access",
    summary="Read a room by office",
    **answers(contract.AccessGrant, 201, problems="forbidden, not_found"),
)
async def grant_access(body: NewAccess, caller: Caller, token: Token, rpc: Calls) -> Response:
    """For 1 to 1,440 minutes this admin reads the room's messages and events, all of them, and does nothing else there. Its
    owners are told."""
    request = contract.GrantAccess(
        actor=caller, token=token, room_id=body.room_id, reason=body.reason, minutes=body.minutes
    )
    return json_answer(await rpc.call(contract.GRANT_ACCESS, request), 201)


def _impose(room_id: UUID, body: Measure, caller: Caller) -> contract.Impose:
    return contract.Impose(
        actor=caller, room_id=room_id, user_id=body.user_id, minutes=body.minutes, reason=body.reason
    )
