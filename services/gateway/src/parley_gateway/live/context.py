"""What every connection of a gateway shares."""

from dataclasses import dataclass
from typing import Protocol

from parley_gateway.live.admission import Admission
from parley_gateway.live.hubs import Hubs
from parley_gateway.live.lanes import Lanes
from parley_gateway.live.positions import Positions
from parley_gateway.revocations import Revocations
from parley_gateway.tokens import TokenVerifier
from parley_shared.messaging.rpc import RpcClient


class Roster(Protocol):
    """Who is connected; keeps the limit of connections a user."""

    def admit(self, connection: object) -> bool: ...
    def forget(self, connection: object) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveContext:
    rpc: RpcClient
    hubs: Hubs
    lanes: Lanes
    positions: Positions
    resumes: Admission
    verifier: TokenVerifier
    revocations: Revocations
    roster: Roster
    frames_per_second: int | None
