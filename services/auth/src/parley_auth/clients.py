"""Typed calls to peers: auth asks nobody for anything but to erase."""

from uuid import UUID

from parley_shared.contracts.base import Rpc
from parley_shared.contracts.erasure import (
    ERASE_MEDIA,
    ERASE_MESSAGES,
    ERASE_PRESENCE,
    ERASE_SEARCH,
    Erase,
    Erased,
)
from parley_shared.messaging.rpc import RpcClient

STORES: dict[str, Rpc[Erase, Erased]] = {
    "messages": ERASE_MESSAGES,
    "presence": ERASE_PRESENCE,
    "media": ERASE_MEDIA,
    "search": ERASE_SEARCH,
}
"""Who else holds something of people."""


class Stores:
    """The other services, as places where something of a user lies."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def erase(self, store: str, user_id: UUID, saga_id: UUID) -> Erased:
        """Go on erasing there for some seconds. Raises Refused: UNAVAILABLE."""
        return await self._rpc.call(STORES[store], Erase(user_id=user_id, saga_id=saga_id))
