"""What moderators and admins do in rooms, and reports."""

from uuid import UUID

from parley_client.http import Api
from parley_client.models import AccessGrant, Page, Report, Sanction


class Moderation:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def mute(
        self, room_id: UUID, user_id: UUID, *, minutes: int | None = None, reason: str | None = None
    ) -> Sanction:
        """minutes: None means until it is lifted."""
        return await self._impose("mutes", room_id, user_id, minutes, reason)

    async def unmute(self, room_id: UUID, user_id: UUID) -> None:
        await self.api.call("DELETE", f"/rooms/{room_id}/mutes/{user_id}")

    async def mutes(self, room_id: UUID, *, limit: int = 50, cursor: str | None = None) -> Page[Sanction]:
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", f"/rooms/{room_id}/mutes", params=params, shape=Page[Sanction])

    async def kick(self, room_id: UUID, user_id: UUID, reason: str | None = None) -> None:
        """Somebody who is kicked may join again."""
        await self.api.call("POST", f"/rooms/{room_id}/kicks", json={"user_id": str(user_id), "reason": reason})

    async def ban(
        self, room_id: UUID, user_id: UUID, *, minutes: int | None = None, reason: str | None = None
    ) -> Sanction:
        """minutes: None means until it is lifted."""
        return await self._impose("bans", room_id, user_id, minutes, reason)

    async def unban(self, room_id: UUID, user_id: UUID) -> None:
        await self.api.call("DELETE", f"/rooms/{room_id}/bans/{user_id}")

    async def bans(self, room_id: UUID, *, limit: int = 50, cursor: str | None = None) -> Page[Sanction]:
        params = {"limit": limit, "cursor": cursor}
        return await self.api.call("GET", f"/rooms/{room_id}/bans", params=params, shape=Page[Sanction])

    async def report(self, room_id: UUID, message_id: UUID, reason: str) -> UUID:
        """The report's id: the same one again as long as it is open."""
        path = f"/rooms/{room_id}/messages/{message_id}/reports"
        made = await self.api.call("POST", path, json={"reason": reason}, shape=dict[str, UUID | bool])
        return UUID(str(made["id"]))

    async def reports(self, room_id: UUID | None = None, *, limit: int = 50, cursor: str | None = None) -> Page[Report]:
        """Of a room, for its moderators; without one of all rooms, by office. Open ones first, then the newest first."""
        path = "/admin/reports" if room_id is None else f"/rooms/{room_id}/reports"
        return await self.api.call("GET", path, params={"limit": limit, "cursor": cursor}, shape=Page[Report])

    async def resolve_report(self, report_id: UUID, resolution: str) -> Report:
        body = {"resolution": resolution}
        return await self.api.call("PATCH", f"/admin/reports/{report_id}", json=body, shape=Report)

    async def grant_access(self, room_id: UUID, reason: str, minutes: int) -> AccessGrant:
        """For an admin: to read the room for so long. Its owners are told."""
        body = {"room_id": str(room_id), "reason": reason, "minutes": minutes}
        return await self.api.call("POST", "/admin/access", json=body, shape=AccessGrant)

    async def _impose(
        self, verb: str, room_id: UUID, user_id: UUID, minutes: int | None, reason: str | None
    ) -> Sanction:
        body = {"user_id": str(user_id), "minutes": minutes, "reason": reason}
        return await self.api.call("POST", f"/rooms/{room_id}/{verb}", json=body, shape=Sanction)
