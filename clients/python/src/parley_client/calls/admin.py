"""For admins."""

from typing import Any
from uuid import UUID

from parley_client.http import Api
from parley_client.models import AdminUser, Cluster, OneTimeCode, Page


class Admin:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def admin_users(self, query: str | None = None, cursor: str | None = None) -> Page[AdminUser]:
        params = {"query": query, "cursor": cursor, "limit": 200}
        return await self.api.call("GET", "/admin/users", params=params, shape=Page[AdminUser])

    async def admin_update_user(self, user_id: UUID, **changes: Any) -> AdminUser:
        """role, disabled."""
        return await self.api.call("PATCH", f"/admin/users/{user_id}", json=changes, shape=AdminUser)

    async def admin_reset_code(self, user_id: UUID) -> OneTimeCode:
        return await self.api.call("POST", f"/admin/users/{user_id}/reset-code", shape=OneTimeCode)

    async def admin_invite(self) -> OneTimeCode:
        return await self.api.call("POST", "/admin/invites", shape=OneTimeCode)

    async def cluster(self) -> Cluster:
        """Which processes there are."""
        return await self.api.call("GET", "/admin/cluster", shape=Cluster)
