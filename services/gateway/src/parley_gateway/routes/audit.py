"""The audit trail, for admins: of accounts, which auth keeps, and of rooms, which messages keeps."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Calls, Pages, Token, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import audit as contract
from parley_shared.contracts.base import Empty
from parley_shared.errors import invalid

router = APIRouter(prefix="/admin/audit", tags=["admin"], route_class=TypedRoute)

AREAS = ("accounts", "rooms")
Area = Annotated[Literal["accounts", "rooms"], Query(description="Whose trail: that of accounts, or of rooms.")]
OfRoom = Annotated[UUID | None, Query(description="In the area `rooms`: of this one alone.")]
Since = Annotated[AwareDatetime | None, Query(description="From then on; with its offset from UTC.")]
Until = Annotated[AwareDatetime | None, Query(description="Before then; with its offset from UTC.")]


@router.get("", summary="The audit trail", **answers(contract.AuditEntries, problems="forbidden"))
async def audit(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    area: Area,
    room_id: OfRoom = None,
    user_id: Annotated[UUID | None, Query(description="Who did it, or to whom it was done.")] = None,
    action: Annotated[str | None, Query(max_length=60, description="Such as `member.removed`.")] = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """The newest entries first. Actions are named like the kinds of events, besides `account.…` and `access.granted`."""
    asked = contract.ListAudit(
        actor=caller,
        token=token,
        room_id=room_id,
        user_id=user_id,
        action=action,
        since=since,
        until=until,
        limit=page.limit,
        cursor=page.cursor,
    )
    verb = contract.ROOMS_AUDIT if area == "rooms" else contract.ACCOUNTS_AUDIT
    return json_answer(await rpc.call(verb, asked))


@router.get("/key", summary="The key that signs exports", **answers(contract.AuditKey))
async def audit_key(caller: Caller, rpc: Calls) -> Response:
    """Its public half. Keep a copy where nobody who can write into the database can change it."""
    return json_answer(await rpc.call(contract.AUDIT_KEY, Empty()))


@router.get("/heads", summary="Where chains end, signed", **answers(contract.SignedHeads, problems="forbidden"))
async def audit_heads(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    area: Area,
    export: Annotated[UUID, Query(description="A new id, the same for all pages of one export.")],
    areas: Annotated[str, Query(description="All areas of the export, separated by a comma.")] = "accounts,rooms",
    room_id: OfRoom = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """For exports: what `parley audit export` writes first. See docs/audit.md."""
    wanted = areas.split(",")
    if not set(wanted) <= set(AREAS) or area not in wanted or wanted != sorted(set(wanted)):
        raise invalid(areas="accounts, rooms or accounts,rooms, and among them the area")
    asked = contract.AuditHeads(
        actor=caller,
        token=token,
        export=export,
        areas=wanted,
        room_id=room_id,
        since=since,
        until=until,
        limit=page.limit,
        cursor=page.cursor,
    )
    verb = contract.ROOMS_HEADS if area == "rooms" else contract.ACCOUNTS_HEADS
    return json_answer(await rpc.call(verb, asked))


@router.get("/entries", summary="Entries with their proofs", **answers(contract.ExportedEntries, problems="forbidden"))
async def audit_entries(
    caller: Caller,
    token: Token,
    rpc: Calls,
    page: Pages,
    area: Area,
    room_id: OfRoom = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """For exports: in the order of chains, ascending."""
    asked = contract.AuditRequest(
        actor=caller,
        token=token,
        room_id=room_id,
        since=since,
        until=until,
        limit=page.limit,
        cursor=page.cursor,
    )
    verb = contract.ROOMS_ENTRIES if area == "rooms" else contract.ACCOUNTS_ENTRIES
    return json_answer(await rpc.call(verb, asked))
