"""Who may do what in a room, and who sees what. One table, one predicate; every use case asks here."""

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from parley_shared.errors import Code, Refused, not_found

RANK = {"member": 1, "moderator": 2, "owner": 3}


class Action(StrEnum):
    READ = "read"
    SEND = "send"
    REACT = "react"
    FOLLOW = "mark as read, and follow threads"
    REPORT = "report messages"
    EDIT_OWN = "edit your messages"
    DELETE_OWN = "delete your messages"
    DELETE_OTHERS = "delete other people's messages"
    PIN = "pin messages"
    SEE_REVISIONS = "see other people's revisions"
    LIST_MEMBERS = "list members"
    INVITE = "add members"
    SEE_REPORTS = "see reports"
    MUTE = "mute members"
    REMOVE_MEMBER = "remove members"
    BAN = "ban people"
    SLOW_MODE = "set slow mode"
    UPDATE = "change settings"
    SET_ROLE = "give roles"
    DELETE = "delete the room"
    RESTORE = "restore the room"


class Office(StrEnum):
    """What a global role is worth: that of a room moderator, to a global moderator in public rooms, to an admin in any.
    It opens no content: what shows any takes having joined all the same."""

    NONE = "none"
    JOINED = "once joined"
    PUBLIC = "in public rooms"
    ANY = "in any room"


@dataclass(frozen=True, slots=True)
class Rule:
    """public, private: the least room role that it takes. office: where a global role will do instead."""

    public: str
    private: str
    office: Office = Office.NONE


MAY: dict[Action, Rule] = {
    Action.READ: Rule("member", "member"),
    Action.SEND: Rule("member", "member"),
    Action.REACT: Rule("member", "member"),
    Action.FOLLOW: Rule("member", "member"),
    Action.REPORT: Rule("member", "member"),
    Action.EDIT_OWN: Rule("member", "member"),
    Action.DELETE_OWN: Rule("member", "member"),
    Action.DELETE_OTHERS: Rule("moderator", "moderator", Office.ANY),
    Action.PIN: Rule("moderator", "moderator", Office.JOINED),
    Action.SEE_REVISIONS: Rule("moderator", "moderator", Office.JOINED),
    Action.LIST_MEMBERS: Rule("member", "member"),
    # Who could add people to a private room by office alone could add himself.
    Action.INVITE: Rule("member", "moderator", Office.PUBLIC),
    Action.SEE_REPORTS: Rule("moderator", "moderator", Office.ANY),
    Action.MUTE: Rule("moderator", "moderator", Office.ANY),
    Action.REMOVE_MEMBER: Rule("moderator", "moderator", Office.ANY),
    Action.BAN: Rule("moderator", "moderator", Office.ANY),
    Action.SLOW_MODE: Rule("moderator", "moderator", Office.ANY),
    Action.UPDATE: Rule("owner", "owner"),
    Action.SET_ROLE: Rule("owner", "owner"),
    Action.DELETE: Rule("owner", "owner"),
    Action.RESTORE: Rule("owner", "owner"),
}
"""The whole table: may(actor, action, room) is a look-up in it. A direct room's members are all plain members, and fixed."""

CONTENT = frozenset(
    (
        Action.READ,
        Action.SEND,
        Action.REACT,
        Action.FOLLOW,
        Action.REPORT,
        Action.EDIT_OWN,
        Action.DELETE_OWN,
        Action.DELETE_OTHERS,
        Action.PIN,
        Action.SEE_REVISIONS,
        Action.LIST_MEMBERS,
        Action.INVITE,
    )
)
"""About messages and members: who has not joined is told `not_a_member`. The rest is a matter of office: `forbidden`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An actor before a room. room_role: None for who is no member. granted: an admin who may read it for some minutes."""

    user_id: UUID
    global_role: str
    room_role: str | None
    public: bool
    deleted: bool = False
    granted: bool = False

    @property
    def rank(self) -> int:
        """0 for who is no member."""
        return 0 if self.room_role is None else RANK[self.room_role]

    @property
    def office_rank(self) -> int:
        """What the global role is worth in this room. It opens no content."""
        if self.global_role == "admin" or (self.global_role == "moderator" and self.public):
            return RANK["moderator"]
        return 0

    @property
    def visible(self) -> bool:
        """Whether the room exists for this actor at all. A deleted one does for its owners only."""
        if self.deleted:
            return self.room_role == "owner"
        return self.public or self.room_role is not None


def moderates(room_role: str | None, global_role: str, *, public: bool) -> bool:
    """Whether a member counts as a moderator of the room, by his role in it or by office: slow mode does not slow him down, and
    he may mention everybody."""
    return room_role in ("owner", "moderator") or global_role == "admin" or (global_role == "moderator" and public)


def may(standing: Standing, action: Action) -> bool:
    """One cell of the table. In a deleted room its owners may still read, and restore it."""
    rule = MAY[action]
    if standing.deleted and (
        standing.room_role != "owner" or action not in (Action.READ, Action.LIST_MEMBERS, Action.RESTORE)
    ):
        return False
    if standing.granted and action is Action.READ:
        return True
    needed = RANK[rule.public if standing.public else rule.private]
    return standing.rank >= needed or (_holds_office(standing, rule.office) and standing.office_rank >= needed)


def _holds_office(standing: Standing, office: Office) -> bool:
    match office:
        case Office.NONE:
            return False
        case Office.JOINED:
            return standing.rank > 0
        case Office.PUBLIC:
            return standing.public
        case Office.ANY:
            return True


def demand(standing: Standing, action: Action) -> None:
    """Pass, or raise Refused.

    NOT_FOUND if the room does not exist for the actor, NOT_A_MEMBER in a public room that he has not joined, FORBIDDEN if his
    role does not suffice, DELETED for an owner's deleted room.
    """
    if may(standing, action):
        return
    if not standing.visible:
        raise not_found("room")
    if standing.deleted:
        raise Refused(Code.DELETED, "The room has been deleted; restore it first.")
    if standing.room_role is None and action in CONTENT:
        raise Refused(Code.NOT_A_MEMBER, "You are not a member of this room; join it first.")
    raise Refused(Code.FORBIDDEN, f"Your role in this room does not let you {action.value}.")


def demand_higher(standing: Standing, other_role: str | None, other_global: str = "user") -> None:
    """Nobody acts on an equal or higher role. other_role: in the room, None for no member. Raises Refused: FORBIDDEN."""
    other = replace(standing, room_role=other_role, global_role=other_global)
    if max(standing.rank, standing.office_rank) <= max(other.rank, other.office_rank):
        raise Refused(Code.FORBIDDEN, "You cannot do that to somebody whose role equals or exceeds yours.")


def visible(history: str, intervals: list[tuple[int, int | None]], seq: int) -> bool:
    """Whether somebody with these intervals `[from_seq, to_seq)`, ascending, sees what happened at `seq`.

    Only present members see anything: with `all` everything, with `since_join` what fell into one of their intervals.
    """
    if not intervals or intervals[-1][1] is not None:
        return False
    return history == "all" or any(start <= seq and (end is None or seq < end) for start, end in intervals)
