"""Rooms and who is in them."""

from typing import Any
from uuid import UUID

from parley_client.http import Api
from parley_client.models import Member, Page, Room, RoomPrivacy


class Rooms:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def create_room(self, name: str, *, idempotency_key: str | None = None, **more: Any) -> Room:
        """topic, visibility (public or private), encryption (plain or sealed), history (all or since_join), language.

        idempotency_key: called again with the same one within a day, after a lost answer, it returns the same room.
        """
        key = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return await self.api.call("POST", "/rooms", json={"name": name, **more}, headers=key, shape=Room)

    async def rooms(self, *, limit: int = 50, cursor: str | None = None) -> Page[Room]:
        """One's own, most recently active first."""
        return await self.api.call("GET", "/rooms", params={"limit": limit, "cursor": cursor}, shape=Page[Room])

    async def directory(self, query: str | None = None, *, limit: int = 50, cursor: str | None = None) -> Page[Room]:
        params = {"query": query, "limit": limit, "cursor": cursor}
        return await self.api.call("GET", "/rooms/directory", params=params, shape=Page[Room])

    async def room(self, room_id: UUID) -> Room:
        return await self.api.call("GET", f"/rooms/{room_id}", shape=Room)

    async def room_privacy(self, room_id: UUID) -> RoomPrivacy:
        """Who can read what in it, in plain words."""
        return await self.api.call("GET", f"/rooms/{room_id}/privacy", shape=RoomPrivacy)

    async def update_room(self, room_id: UUID, rev: int, **changes: Any) -> Room:
        """name, topic, visibility, history, language, slow_mode_s, retention_days (None for ever)."""
        return await self.api.call("PATCH", f"/rooms/{room_id}", json={"rev": rev, **changes}, shape=Room)

    async def delete_room(self, room_id: UUID) -> None:
        await self.api.call("DELETE", f"/rooms/{room_id}")

    async def restore_room(self, room_id: UUID) -> Room:
        return await self.api.call("POST", f"/rooms/{room_id}/restore", shape=Room)

    async def join(self, room_id: UUID) -> Room:
        return await self.api.call("POST", f"/rooms/{room_id}/join", shape=Room)

    async def leave(self, room_id: UUID) -> None:
        await self.api.call("POST", f"/rooms/{room_id}/leave")

    async def direct(self, user_ids: list[UUID]) -> Room:
        """The room of these people and oneself; always the same one."""
        return await self.api.call("POST", "/direct", json={"user_ids": list(map(str, user_ids))}, shape=Room)

    async def members(self, room_id: UUID, *, limit: int = 200, cursor: str | None = None) -> Page[Member]:
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", f"/rooms/{room_id}/members", params=params, shape=Page[Member])

    async def add_member(self, room_id: UUID, user_id: UUID, role: str = "member") -> Member:
        body = {"user_id": str(user_id), "role": role}
        return await self.api.call("POST", f"/rooms/{room_id}/members", json=body, shape=Member)

    async def set_role(self, room_id: UUID, user_id: UUID, role: str) -> Member:
        return await self.api.call("PATCH", f"/rooms/{room_id}/members/{user_id}", json={"role": role}, shape=Member)

    async def remove_member(self, room_id: UUID, user_id: UUID) -> None:
        await self.api.call("DELETE", f"/rooms/{room_id}/members/{user_id}")
