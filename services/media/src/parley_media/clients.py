"""Typed calls to peers."""

from uuid import UUID

from parley_shared.contracts.auth import CONFIRM_TOKEN, AdminRequest, ConfirmToken
from parley_shared.contracts.base import Actor
from parley_shared.contracts.images import (
    IMAGES_IN_USE,
    MAY_SEE_IMAGE,
    ImagesInUse,
    ImageUse,
    MaySeeImage,
    MaySeeImageAnswer,
)
from parley_shared.errors import Code, Refused
from parley_shared.messaging.rpc import RpcClient


class AuthClient:
    """Whether a token of office is good, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def demand_admin(self, request: AdminRequest) -> None:
        """Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        if request.actor.role == "admin":
            confirmed = await self._rpc.call(CONFIRM_TOKEN, ConfirmToken(actor=request.actor, token=request.token))
            if confirmed.role == "admin":
                return
        raise Refused(Code.FORBIDDEN, "Only an admin may do this.")


class MessagesClient:
    """Which messages carry an image, and who sees them, messages knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def may_see(self, viewer: Actor, image_id: UUID, room_ids: list[UUID]) -> MaySeeImageAnswer:
        """Raises Refused: UNAVAILABLE."""
        question = MaySeeImage(viewer_id=viewer.user_id, viewer_role=viewer.role, image_id=image_id, room_ids=room_ids)
        return await self._rpc.call(MAY_SEE_IMAGE, question)

    async def in_use(self, rooms: dict[UUID, list[UUID]]) -> set[UUID]:
        """Which of these images some message carries now; rooms: by image, at most 1,000. Raises Refused: UNAVAILABLE."""
        if not rooms:
            return set()
        uses = [ImageUse(image_id=image_id, room_ids=room_ids) for image_id, room_ids in rooms.items()]
        return set((await self._rpc.call(IMAGES_IN_USE, ImagesInUse(images=uses))).image_ids)
