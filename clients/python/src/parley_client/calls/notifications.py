"""What one is told of, and whom one does not want to hear from."""

from uuid import UUID

from parley_client.http import Api
from parley_client.models import Block, NotificationPage, Page, Room


class Notifications:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def notifications(
        self, *, unread: bool | None = None, limit: int = 50, cursor: str | None = None
    ) -> NotificationPage:
        """The newest first, each with its message as it is now."""
        flag = None if unread is None else str(unread).lower()
        params = {"unread": flag, "limit": limit, "cursor": cursor}
        return await self.api.call("GET", "/notifications", params=params, shape=NotificationPage)

    async def read_notifications(self, up_to: UUID) -> None:
        """That one and all before it, on all devices."""
        await self.api.call("PUT", "/notifications/read", json={"up_to": str(up_to)})

    async def set_notify(self, room_id: UUID, level: str) -> Room:
        """all, mentions or none."""
        return await self.api.call("PATCH", f"/rooms/{room_id}/notify", json={"level": level}, shape=Room)

    async def blocks(self, *, limit: int = 50, cursor: str | None = None) -> Page[Block]:
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", "/users/me/blocks", params=params, shape=Page[Block])

    async def block(self, user_id: UUID) -> None:
        """Neither reaches the other any more, but in rooms that both are in."""
        await self.api.call("PUT", f"/users/me/blocks/{user_id}")

    async def unblock(self, user_id: UUID) -> None:
        await self.api.call("DELETE", f"/users/me/blocks/{user_id}")
