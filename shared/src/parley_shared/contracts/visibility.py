"""What messages says of who may see whom: people who share a room, unless one of them blocked the other."""

from uuid import UUID

from parley_shared.contracts.base import Wire, svc_rpc


class MaySee(Wire, frozen=True, kw_only=True):
    """Which of these people the viewer may see: at most 200."""

    viewer: UUID
    user_ids: list[UUID]


class MaySeeAnswer(Wire, frozen=True, kw_only=True):
    """In the order asked for; oneself is always among them."""

    user_ids: list[UUID]


class MayType(Wire, frozen=True, kw_only=True):
    user_id: UUID
    room_id: UUID


class MayTypeAnswer(Wire, frozen=True, kw_only=True):
    """allowed: a member, not muted, in a room of at most 100. hidden_from: members who blocked him, or whom he blocked."""

    allowed: bool
    hidden_from: list[UUID]


MAY_SEE = svc_rpc("messages", "may_see", MaySee, MaySeeAnswer, callers={"presence"})
MAY_TYPE = svc_rpc("messages", "may_type", MayType, MayTypeAnswer, callers={"gateway"})
