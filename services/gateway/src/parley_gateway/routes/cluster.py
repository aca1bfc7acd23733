"""How the installation stands as a whole, for whoever runs it: `parley doctor` asks."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from parley_gateway.bodies import TypedRoute
from parley_gateway.deps import Caller, Wired, json_answer
from parley_gateway.reference import answers
from parley_shared.contracts.base import Wire
from parley_shared.contracts.cluster import Replica
from parley_shared.errors import Code, Refused

admin = APIRouter(prefix="/admin/cluster", tags=["admin"], route_class=TypedRoute)


class Cluster(Wire, frozen=True, kw_only=True):
    """replicas: all processes that answered. services: what the first of each says of its readiness, as /readyz."""

    replicas: list[Replica]
    services: dict[str, Any]


@admin.get("", summary="Which processes there are", **answers(Cluster, problems="forbidden"))
async def cluster(caller: Caller, wired: Wired) -> Response:
    """Every process that runs and is connected, with its version; and what each of them misses, if something is missing."""
    if caller.role != "admin":
        raise Refused(Code.FORBIDDEN, "Only an admin may do this.")
    replicas, state = await asyncio.gather(wired.readiness.replicas(), wired.readiness.state())
    return json_answer(Cluster(replicas=replicas, services=state["services"]))
