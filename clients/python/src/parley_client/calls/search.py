"""Finding messages, and the index for admins."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from parley_client.http import Api
from parley_client.models import FoundMessage, IndexState, Page


class Searches:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def search(
        self,
        q: str = "",
        *,
        room_id: UUID | None = None,
        sender_id: UUID | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        has: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[FoundMessage]:
        """A page of what one may read now, the newest first. It may be shorter than limit, even empty, with `next` all the same.

        q: words, "phrases", -not, from:username, in:room, before:, after:, has:image. after, before: with a time zone. has: image.
        """
        params = {
            "q": q or None,
            "room_id": room_id,
            "sender_id": sender_id,
            "after": None if after is None else after.isoformat(),
            "before": None if before is None else before.isoformat(),
            "has": has,
            "limit": limit,
            "cursor": cursor,
        }
        return await self.api.call("GET", "/search", params=params, shape=Page[FoundMessage])

    async def search_pages(self, q: str = "", **which: Any) -> AsyncIterator[Page[FoundMessage]]:
        """All pages of `search`, one after the other, as they are asked for."""
        cursor: str | None = None
        while True:
            page = await self.search(q, **which, cursor=cursor)
            yield page
            cursor = page.next
            if cursor is None:
                return

    async def index_state(self) -> IndexState:
        """For admins."""
        return await self.api.call("GET", "/admin/search", shape=IndexState)

    async def rebuild_index(self) -> IndexState:
        """For admins. It goes on by itself, and `index_state` says how far it is; while one is under way it is that one."""
        return await self.api.call("POST", "/admin/search/rebuild", shape=IndexState)
