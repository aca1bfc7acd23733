"""Who is there, and how connections came and went."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from parley_client.http import Api
from parley_client.models import LoggedConnection, Page, Presence


class Presences:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def presence(self, user_ids: Iterable[UUID]) -> dict[UUID, Presence]:
        """Of these (200 at most) the ones whom I may see: people I share a room with."""
        params = {"user_ids": ",".join(map(str, user_ids))}
        page = await self.api.call("GET", "/presence", params=params, shape=Page[Presence])
        return {item.user_id: item for item in page.items}

    async def set_presence(self, status: str, text: str | None = None) -> Presence:
        """online, away, busy or invisible; it counts while I am connected, and stays until I say something else."""
        return await self.api.call("PUT", "/presence/me", json={"status": status, "text": text}, shape=Presence)

    async def admin_connections(
        self,
        *,
        user_id: UUID | None = None,
        connection_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[LoggedConnection]:
        """The connection log, the newest first. since, until: open at some moment between them; with a time zone."""
        params = {
            "user_id": user_id,
            "connection_id": connection_id,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "limit": limit,
            "cursor": cursor,
        }
        return await self.api.call("GET", "/admin/connections", params=params, shape=Page[LoggedConnection])
