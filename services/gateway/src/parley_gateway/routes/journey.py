"""The way of one message, from its commit to the devices that have it."""

from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Wired, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts import journey as contract
from parley_shared.contracts.live import JourneyPart
from parley_shared.contracts.messages import MessageRequest

router = APIRouter(tags=["messages"], route_class=TypedRoute)


class Journey(contract.MessageJourney, frozen=True, kw_only=True):
    """gateways: those that remember something of it, by name."""

    gateways: list[JourneyPart]


@router.get(
    "/rooms/{room_id}/messages/{message_id}/journey",
    summary="The journey of a message",
    **answers(Journey, problems="not_a_member, forbidden"),
)
async def journey(room_id: UUID, message_id: UUID, caller: Caller, wired: Wired) -> Response:
    """When and by whom it was committed, whether it is published, which gateways handed it over, which devices have it and have read
    it, who was notified and by which rule. For its sender, who is told of his own devices, and for an admin with access to the room."""
    known = await wired.rpc.call(contract.JOURNEY, MessageRequest(actor=caller, room_id=room_id, message_id=message_id))
    # A sender learns nothing here of other people's devices.
    only = None if known.viewer == "support" else caller.user_id
    parts = await wired.journeys.ask(room_id, known.committed.seq, only)
    told = [part for part in parts if part.handed_over or part.devices]
    return json_answer(Journey(**msgspec.structs.asdict(known), gateways=told))
