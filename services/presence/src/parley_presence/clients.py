"""Typed calls to peers."""

from uuid import UUID

from parley_shared.contracts.auth import CONFIRM_TOKEN, AdminRequest, ConfirmToken
from parley_shared.contracts.visibility import MAY_SEE, MaySee
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient


class AuthClient:
    """Whether a token of office is good, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def demand_admin(self, request: AdminRequest) -> None:
        """Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        confirmed = await self._rpc.call(CONFIRM_TOKEN, ConfirmToken(actor=request.actor, token=request.token))
        if confirmed.role != "admin":
            raise Refused(Code.FORBIDDEN, "Only an admin may do this.")


class MessagesClient:
    """Who shares a room with whom, messages knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def may_see(self, viewer: UUID, user_ids: list[UUID]) -> list[UUID]:
        """Which of them he may see, in the order asked for. Raises Refused: UNAVAILABLE."""
        return (await self._rpc.call(MAY_SEE, MaySee(viewer=viewer, user_ids=user_ids))).user_ids
