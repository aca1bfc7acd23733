"""Keys of sealed rooms and of images, the bucket, and whether all that is kept fits together; for admins."""

from typing import Any
from uuid import UUID

from parley_client.http import LONG_WAIT_S, Api
from parley_client.models import Keys, KeysDestroyed, Rewrapped, RoomKey, StoreChecked, Verified


class KeyOffice:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def keys(self, room_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None) -> Keys:
        """Which there are and what each is wrapped under; never a key itself."""
        params = {"room_id": room_id, "limit": limit, "cursor": cursor}
        return await self.api.call("GET", "/admin/keys", params=params, shape=Keys)

    async def rotate_room_key(self, room_id: UUID) -> RoomKey:
        """A new key for what is said from now on; what was said stays readable."""
        body = {"room_id": str(room_id)}
        answer = await self.api.call("POST", "/admin/keys/rotate", json=body, shape=dict[str, RoomKey])
        return answer["key"]

    async def rewrap_keys(self, service: str, cursor: str | None = None) -> Rewrapped:
        """One step of wrapping the keys of `messages` or `media` under today's wrapping key; go on with its `next`."""
        body: dict[str, Any] = {"service": service, "cursor": cursor}
        answer = await self.api.call("POST", "/admin/keys/rotate", json=body, shape=dict[str, Rewrapped])
        return answer["rewrapped"]

    async def destroy_room_keys(self, room_id: UUID, reason: str) -> KeysDestroyed:
        """For good: nobody reads what was said in the room so far. What is said from now on has a new key."""
        body = {"room_id": str(room_id), "reason": reason}
        return await self.api.call("POST", "/admin/keys/destroy", json=body, shape=KeysDestroyed)

    async def check_media(self, cursor: str | None = None) -> StoreChecked:
        """One step of comparing database and bucket; go on with its `next`."""
        return await self.api.call("GET", "/admin/media/check", params={"cursor": cursor}, shape=StoreChecked)

    async def verify(self, part: str, *, room_id: UUID | str | None = None, cursor: str | None = None) -> Verified:
        """One step of comparing `rooms`, `people` or `index`; go on with its `next`. Nothing is changed."""
        params = {"room_id": room_id, "cursor": cursor}
        return await self.api.call("GET", f"/admin/verify/{part}", params=params, shape=Verified, wait_s=LONG_WAIT_S)
