"""Verb → use case; the only module that knows both."""

from dataclasses import dataclass

from parley_search.usecases.erasure import Erasure
from parley_search.usecases.rebuilding import Rebuilding
from parley_search.usecases.searching import Searching
from parley_search.usecases.verifying import Verifying
from parley_shared.contracts import search as contract
from parley_shared.contracts.erasure import ERASE_SEARCH
from parley_shared.contracts.verifying import VERIFY_INDEX
from parley_shared.messaging.rpc import RpcServer


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that search is asked for."""

    searching: Searching
    rebuilding: Rebuilding
    erasure: Erasure
    verifying: Verifying


def serve(server: RpcServer, do: UseCases) -> None:
    """Register every verb but READY, which the process itself answers."""
    server.serve(contract.SEARCH, do.searching.search)
    server.serve(contract.HIGHLIGHT, do.searching.highlight)
    server.serve(contract.REBUILD_INDEX, do.rebuilding.rebuild)
    server.serve(contract.INDEX_STATE, do.rebuilding.state)
    server.serve(VERIFY_INDEX, do.verifying.verify)
    server.serve(ERASE_SEARCH, do.erasure.erase)
