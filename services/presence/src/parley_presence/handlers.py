"""Verb → use case; the only module that knows both."""

from dataclasses import dataclass

from parley_presence.usecases.connections import Connections
from parley_presence.usecases.erasure import Erasure
from parley_presence.usecases.leases import Leases
from parley_presence.usecases.people import People
from parley_shared.contracts import presence as contract
from parley_shared.contracts.erasure import ERASE_PRESENCE
from parley_shared.messaging.rpc import RpcServer


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that presence does."""

    leases: Leases
    people: People
    connections: Connections
    erasure: Erasure


def serve(server: RpcServer, do: UseCases) -> None:
    """Register every verb but READY, which the process itself answers."""
    server.serve(contract.REGISTER, do.leases.register)
    server.serve(contract.RENEW, do.leases.renew)
    server.serve(contract.REPORT, do.leases.report)
    server.serve(contract.RELEASE, do.leases.release)
    server.serve(contract.GET_PRESENCE, do.people.get)
    server.serve(contract.SET_PRESENCE, do.people.set)
    server.serve(contract.ADMIN_CONNECTIONS, do.connections.list)
    server.serve(ERASE_PRESENCE, do.erasure.erase)
