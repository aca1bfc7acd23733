"""Typed calls to peers."""

from uuid import UUID

from parley_shared.contracts.auth import KNOWN_USERS, UserIds
from parley_shared.messaging.rpc import RpcClient


class AuthClient:
    """Who exists, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def known(self, ids: list[UUID]) -> set[UUID]:
        """Which of these can be addressed. Raises Refused: UNAVAILABLE."""
        return set((await self._rpc.call(KNOWN_USERS, UserIds(ids=ids))).ids)
