"""What messages answers to moderators: mutes, bans, reports, and an admin's way into a room's content."""

from datetime import datetime
from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Empty, Wire, user_rpc
from parley_shared.contracts.messages import MessageRequest, RoomRequest

# -- mutes and bans


class Sanction(Wire, frozen=True, kw_only=True):
    """A mute or a ban; until: null means without end."""

    user_id: UUID
    until: datetime | None
    reason: str | None
    actor_id: UUID
    at: datetime


class Sanctions(Wire, frozen=True, kw_only=True):
    items: list[Sanction]
    next: str | None = None


class Impose(RoomRequest, frozen=True, kw_only=True):
    """minutes: null means without end. A new one takes the place of the one before."""

    user_id: UUID
    minutes: int | None = None
    reason: str | None = None


class Lift(RoomRequest, frozen=True, kw_only=True):
    user_id: UUID


class ListSanctions(RoomRequest, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


# -- reports


class Report(Wire, frozen=True, kw_only=True):
    """Ids, and what the reporter says; the message itself has to be read where one may read it."""

    id: UUID
    room_id: UUID
    message_id: UUID
    message_seq: int
    sender_id: UUID
    reporter_id: UUID
    reason: str
    at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None


class Reports(Wire, frozen=True, kw_only=True):
    items: list[Report]
    next: str | None = None


class ReportMessage(MessageRequest, frozen=True, kw_only=True):
    reason: str


class Reported(Wire, frozen=True, kw_only=True):
    """created: false for who has an open report of this message already."""

    id: UUID
    created: bool


class ListRoomReports(RoomRequest, frozen=True, kw_only=True):
    """Open ones first, then the newest first."""

    limit: int = 50
    cursor: str | None = None


class ListReports(AdminRequest, frozen=True, kw_only=True):
    """As ListRoomReports, of all rooms; a global moderator sees those of public rooms."""

    limit: int = 50
    cursor: str | None = None


class ResolveReport(AdminRequest, frozen=True, kw_only=True):
    report_id: UUID
    resolution: str


# -- access


class GrantAccess(AdminRequest, frozen=True, kw_only=True):
    room_id: UUID
    reason: str
    minutes: int


class AccessGrant(Wire, frozen=True, kw_only=True):
    """Until then this admin reads the room's content, all of it, and does nothing else there."""

    id: UUID
    room_id: UUID
    user_id: UUID
    reason: str
    at: datetime
    until: datetime


MUTE = user_rpc("messages", "mute", Impose, Sanction, repeatable=True)
UNMUTE = user_rpc("messages", "unmute", Lift, Empty, repeatable=True)
LIST_MUTES = user_rpc("messages", "list_mutes", ListSanctions, Sanctions, repeatable=True)
BAN = user_rpc("messages", "ban", Impose, Sanction, repeatable=True)
UNBAN = user_rpc("messages", "unban", Lift, Empty, repeatable=True)
LIST_BANS = user_rpc("messages", "list_bans", ListSanctions, Sanctions, repeatable=True)
REPORT_MESSAGE = user_rpc("messages", "report_message", ReportMessage, Reported, repeatable=True)
LIST_ROOM_REPORTS = user_rpc("messages", "list_room_reports", ListRoomReports, Reports, repeatable=True)
LIST_REPORTS = user_rpc("messages", "list_reports", ListReports, Reports, repeatable=True)
RESOLVE_REPORT = user_rpc("messages", "resolve_report", ResolveReport, Report, repeatable=True)
GRANT_ACCESS = user_rpc("messages", "grant_access", GrantAccess, AccessGrant)
