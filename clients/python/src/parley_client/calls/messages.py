"""What is said in a room."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from parley_client.http import Api
from parley_client.models import EventFrame, Message, Page, ReadState
from parley_client.traces import fresh


class Messages:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api
    trace: bool

    async def messages(self, room_id: UUID, **where: Any) -> Page[Message]:
        """before, after or around a seq; limit; cursor. Ascending."""
        return await self.api.call("GET", f"/rooms/{room_id}/messages", params=where, shape=Page[Message])

    async def message(self, room_id: UUID, message_id: UUID) -> Message:
        return await self.api.call("GET", f"/rooms/{room_id}/messages/{message_id}", shape=Message)

    async def post(
        self,
        room_id: UUID,
        body: str,
        *,
        client_msg_id: str | None = None,
        thread_root_id: UUID | None = None,
        media_ids: Iterable[UUID] = (),
    ) -> Message:
        """Send over HTTP, without a socket. thread_root_id: what it replies to. media_ids: of `upload`."""
        content: dict[str, Any] = {"client_msg_id": client_msg_id or str(uuid4()), "body": body}
        if thread_root_id is not None:
            content["thread_root_id"] = str(thread_root_id)
        if named := [str(media_id) for media_id in media_ids]:
            content["media_ids"] = named
        headers = {"traceparent": fresh()} if self.trace else None
        return await self.api.call("POST", f"/rooms/{room_id}/messages", json=content, headers=headers, shape=Message)

    async def events_after(self, stream: str, after: int, limit: int = 200) -> Page[EventFrame]:
        """A page of a stream's log. Raises ApiError `resync` below the log's floor."""
        path = f"/rooms/{stream[5:]}/events" if stream.startswith("room:") else "/users/me/events"
        params = {"after": after, "limit": limit}
        return await self.api.call("GET", path, params=params, shape=Page[EventFrame])

    async def mark_read(self, room_id: UUID, seq: int) -> ReadState:
        return await self.api.call("PUT", f"/rooms/{room_id}/read", json={"seq": seq}, shape=ReadState)
