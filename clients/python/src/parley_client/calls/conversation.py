"""What one does to a message."""

from urllib.parse import quote
from uuid import UUID

from parley_client.http import Api
from parley_client.models import Journey, Message, MessageStatus, Page, Revision, Thread


class Conversation:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def edit(self, room_id: UUID, message_id: UUID, rev: int, body: str) -> Message:
        """rev: of the message that the change was made from. Raises ApiError `rev_conflict` if it has changed since."""
        content = {"rev": rev, "body": body}
        return await self.api.call("PATCH", _path(room_id, message_id), json=content, shape=Message)

    async def delete_message(self, room_id: UUID, message_id: UUID, reason: str | None = None) -> None:
        await self.api.call("DELETE", _path(room_id, message_id), json=None if reason is None else {"reason": reason})

    async def react(self, room_id: UUID, message_id: UUID, reaction: str) -> None:
        """`like`, `dislike` or one emoji."""
        await self.api.call("PUT", _path(room_id, message_id, "reactions", reaction))

    async def unreact(self, room_id: UUID, message_id: UUID, reaction: str) -> None:
        await self.api.call("DELETE", _path(room_id, message_id, "reactions", reaction))

    async def pin(self, room_id: UUID, message_id: UUID) -> None:
        await self.api.call("PUT", _path(room_id, message_id, "pin"))

    async def unpin(self, room_id: UUID, message_id: UUID) -> None:
        await self.api.call("DELETE", _path(room_id, message_id, "pin"))

    async def pins(self, room_id: UUID, *, limit: int = 50, cursor: str | None = None) -> Page[Message]:
        """The newest pin first."""
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", f"/rooms/{room_id}/pins", params=params, shape=Page[Message])

    async def revisions(
        self, room_id: UUID, message_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Revision]:
        """For its author and moderators; the first version first."""
        params = {"limit": limit, "cursor": cursor}
        path = _path(room_id, message_id, "revisions")
        return await self.api.call("GET", path, params=params, shape=Page[Revision])

    async def thread(self, room_id: UUID, message_id: UUID, *, limit: int = 50, cursor: str | None = None) -> Thread:
        """Of a reply: the thread that it is in."""
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", _path(room_id, message_id, "thread"), params=params, shape=Thread)

    async def follow_thread(self, room_id: UUID, message_id: UUID) -> None:
        await self.api.call("PUT", _path(room_id, message_id, "follow"))

    async def unfollow_thread(self, room_id: UUID, message_id: UUID) -> None:
        await self.api.call("DELETE", _path(room_id, message_id, "follow"))

    async def message_status(self, room_id: UUID, message_id: UUID) -> MessageStatus:
        return await self.api.call("GET", _path(room_id, message_id, "status"), shape=MessageStatus)

    async def journey(self, room_id: UUID, message_id: UUID) -> Journey:
        """From its commit to the devices that have it; for its sender, and for an admin with access to the room."""
        return await self.api.call("GET", _path(room_id, message_id, "journey"), shape=Journey)


def _path(room_id: UUID, message_id: UUID, *rest: str) -> str:
    return "/".join([f"/rooms/{room_id}/messages/{message_id}", *(quote(part, safe="") for part in rest)])
