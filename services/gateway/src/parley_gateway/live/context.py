"""What every connection of a gateway shares."""

from dataclasses import dataclass
from typing import Any

from parley_gateway.live.admission import Admission
from parley_gateway.live.hubs import Hubs
from parley_gateway.live.journeys import Memory
from parley_gateway.live.lanes import Lanes
from parley_gateway.live.lease import Lease
from parley_gateway.live.positions import Positions
from parley_gateway.live.presence import Watches
from parley_gateway.live.roster import Roster
from parley_gateway.live.typing import Typing
from parley_gateway.revocations import Revocations
from parley_gateway.tokens import TokenVerifier
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import HeadSampler


@dataclass(frozen=True, slots=True)
class LiveContext:
    rpc: RpcClient
    hubs: Hubs
    lanes: Lanes
    positions: Positions
    memory: Memory
    lease: Lease
    watches: Watches
    typing: Typing
    resumes: Admission
    verifier: TokenVerifier
    revocations: Revocations
    roster: Roster[Any]  # of connections, which are defined in terms of this
    frames_per_second: int | None
    sampler: HeadSampler
