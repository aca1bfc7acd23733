"""Typed calls to peers."""

from collections.abc import Sequence
from uuid import UUID

from parley_search.domain import Asked
from parley_shared.contracts.auth import CONFIRM_TOKEN, RESOLVE_NAMES, AdminRequest, ConfirmToken, UserNames
from parley_shared.contracts.base import Actor
from parley_shared.contracts.indexing import (
    INDEX_RANGES,
    INDEX_ROOMS,
    SEARCH_SCOPE,
    IndexedRooms,
    IndexRanges,
    IndexRangesAnswer,
    IndexRooms,
    IndexWant,
    ScopeRoom,
    SearchScope,
)
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient


class AuthClient:
    """Whether a token of office is good, and who is called what, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def demand_admin(self, request: AdminRequest) -> None:
        """Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        if request.actor.role != "admin":
            raise _only_admins()
        confirmed = await self._rpc.call(CONFIRM_TOKEN, ConfirmToken(actor=request.actor, token=request.token))
        if confirmed.role != "admin":
            raise _only_admins()

    async def named(self, names: Sequence[str]) -> dict[str, UUID]:
        """Whom each of these names, by the name as it was typed; nobody's are absent. Raises Refused: UNAVAILABLE."""
        return (await self._rpc.call(RESOLVE_NAMES, UserNames(names=list(names)))).ids


def _only_admins() -> Refused:
    return Refused(Code.FORBIDDEN, "Only an admin may do this.")


class MessagesClient:
    """What there is to index, and who may see what, messages knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def rooms(
        self, after: UUID | None = None, *, only: list[UUID] | None = None, limit: int = 1000
    ) -> IndexedRooms:
        """A page of all rooms, or only these. Raises Refused: UNAVAILABLE."""
        return await self._rpc.call(INDEX_ROOMS, IndexRooms(after=after, room_ids=only, limit=limit))

    async def ranges(self, asked: Sequence[Asked]) -> IndexRangesAnswer:
        """In the order asked, and perhaps not to all. Raises Refused: UNAVAILABLE."""
        wants = [IndexWant(room_id=item.room_id, after=item.after, kind=item.kind) for item in asked]
        return await self._rpc.call(INDEX_RANGES, IndexRanges(wants=wants))

    async def scope(self, actor: Actor, room_id: UUID | None) -> list[ScopeRoom]:
        """Rooms whose content the actor may read now; room_id: that one at most. Raises Refused: UNAVAILABLE."""
        found: list[ScopeRoom] = []
        after: UUID | None = None
        while True:
            page = await self._rpc.call(
                SEARCH_SCOPE,
                SearchScope(viewer_id=actor.user_id, viewer_role=actor.role, room_id=room_id, after=after),
            )
            found += page.rooms
            if page.next is None:
                return found
            after = page.next
