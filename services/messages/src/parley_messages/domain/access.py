"""Who may do what in a room, and who sees what. One table, one predicate; every use case asks here."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from parley_shared.errors import Code, Refused, not_found

RANK = {"member": 1, "moderator": 2, "owner": 3}


class Action(StrEnum):
    READ = "read"
    SEND = "send"
    LIST_MEMBERS = "list members"
    INVITE = "add members"
    REMOVE_MEMBER = "remove members"
    UPDATE = "change settings"
    SLOW_MODE = "set slow mode"
    SET_ROLE = "give roles"
    DELETE = "delete the room"
    RESTORE = "restore the room"


@dataclass(frozen=True, slots=True)
class Rule:
    """public, private: the least room role that it takes. office: whether a global moderator (in public rooms) or an admin
    (in any room) may do it without being a member."""

    public: str
    private: str
    office: bool = False


MAY: dict[Action, Rule] = {
    Action.READ: Rule("member", "member"),
    Action.SEND: Rule("member", "member"),
    Action.LIST_MEMBERS: Rule("member", "member"),
    Action.INVITE: Rule("member", "moderator"),
    Action.REMOVE_MEMBER: Rule("moderator", "moderator", office=True),
    Action.UPDATE: Rule("owner", "owner"),
    Action.SLOW_MODE: Rule("moderator", "moderator", office=True),
    Action.SET_ROLE: Rule("owner", "owner"),
    Action.DELETE: Rule("owner", "owner"),
    Action.RESTORE: Rule("owner", "owner"),
}
"""The whole table: may(actor, action, room) is a look-up in it."""

CONTENT = frozenset((Action.READ, Action.SEND, Action.LIST_MEMBERS, Action.INVITE))
"""What takes having joined; everything else is a matter of office, and who has none is told `forbidden`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An actor before a room. room_role: None for who is no member."""

    user_id: UUID
    global_role: str
    room_role: str | None
    public: bool
    deleted: bool = False

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


def may(standing: Standing, action: Action) -> bool:
    """One cell of the table. In a deleted room its owners may still read, and restore it."""
    rule = MAY[action]
    if standing.deleted and (
        standing.room_role != "owner" or action not in (Action.READ, Action.LIST_MEMBERS, Action.RESTORE)
    ):
        return False
    needed = RANK[rule.public if standing.public else rule.private]
    return standing.rank >= needed or (rule.office and standing.office_rank >= needed)


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


def demand_higher(standing: Standing, other_role: str) -> None:
    """Nobody acts on an equal or higher role. Raises Refused: FORBIDDEN."""
    if max(standing.rank, standing.office_rank) <= RANK[other_role]:
        raise Refused(Code.FORBIDDEN, "You cannot do that to somebody whose role equals or exceeds yours.")


def visible(history: str, intervals: list[tuple[int, int | None]], seq: int) -> bool:
    """Whether somebody with these intervals `[from_seq, to_seq)`, ascending, sees what happened at `seq`.

    Only present members see anything: with `all` everything, with `since_join` what fell into one of their intervals.
    """
    if not intervals or intervals[-1][1] is not None:
        return False
    return history == "all" or any(start <= seq and (end is None or seq < end) for start, end in intervals)
