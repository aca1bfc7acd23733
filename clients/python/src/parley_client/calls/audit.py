"""The audit trail, for admins."""

from typing import Any

from parley_client.http import Api
from parley_client.models import AuditEntry, Page


class Audit:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def audit(self, area: str, **which: Any) -> Page[AuditEntry]:
        """The trail of `accounts` or `rooms`, the newest first: room_id, user_id, action, since, until, limit, cursor."""
        return await self.api.call("GET", "/admin/audit", params={"area": area, **which}, shape=Page[AuditEntry])

    async def audit_key(self) -> str:
        """The public key that exports are signed with, 64 hex digits."""
        found = await self.api.call("GET", "/admin/audit/key", shape=dict[str, str])
        return found["public_key"]

    async def audit_heads(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]:
        """For `parley_client.audit.export`: signed statements on where chains end, and the next page's cursor."""
        params = {"area": area, **which}
        page = await self.api.call("GET", "/admin/audit/heads", params=params, shape=Page[dict[str, Any]])
        return page.items, page.next

    async def audit_entries(self, area: str, **which: Any) -> tuple[list[dict[str, Any]], str | None]:
        """For `parley_client.audit.export`: entries with their proofs, and the next page's cursor."""
        params = {"area": area, **which}
        page = await self.api.call("GET", "/admin/audit/entries", params=params, shape=Page[dict[str, Any]])
        return page.items, page.next
