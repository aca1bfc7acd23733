"""How the installation stands as a whole, for whoever runs it: `parley doctor` asks."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Calls, Wired, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts.base import Wire
from parley_shared.contracts.cluster import Replica
from parley_shared.errors import Code, Refused

admin = APIRouter(prefix="/admin/cluster", tags=["admin"], route_class=TypedRoute)

ANSWER_S = 0.5
"""Seconds in which everybody answers who is there."""


class Cluster(Wire, frozen=True, kw_only=True):
    """replicas: all processes that answered. services: what one of each says of its readiness, as /readyz."""

    replicas: list[Replica]
    services: dict[str, Any]


@admin.get("", summary="Which processes there are", **answers(Cluster, problems="forbidden"))
async def cluster(caller: Caller, rpc: Calls, wired: Wired) -> Response:
    """Every process that runs and is connected, with its version; and what is missing, if something is."""
    if caller.role != "admin":
        raise Refused(Code.FORBIDDEN, "Only an admin may do this.")
    replicas = await rpc.everybody(ANSWER_S)
    state = await wired.readiness.state()
    return json_answer(Cluster(replicas=replicas, services=state["services"]))
