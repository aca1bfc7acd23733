"""Who may do what in a room, as data and two functions; and which part of a room's stream somebody may see.

Every use case asks here, so that pages, events, resumes and single messages can never disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from parley_messages.domain.rooms import RoomState, Sort
from parley_shared.contracts.base import Actor
from parley_shared.contracts.messages import RoomRole
from parley_shared.errors import Code, Refused, not_found
from parley_shared.limits import ROOM_UNDO_DAYS

Standing = Literal["outsider", "member", "moderator", "owner", "global moderator", "admin"]
"""What somebody is to a room: nothing, a role in it, or an office over it. An office holder who has joined is both."""

STANDINGS: tuple[Standing, ...] = ("outsider", "member", "moderator", "owner", "global moderator", "admin")


class Action(StrEnum):
    """What can be done with a room."""

    SEE = "see the room itself"
    READ = "read messages and events"
    LIST_MEMBERS = "list members"
    SEND = "send"
    JOIN = "join"
    LEAVE = "leave"
    INVITE = "add members"
    GIVE_ROLES = "give roles"
    KICK = "remove members"
    SLOW_MODE = "set slow mode"
    SETTINGS = "change settings"
    DELETE = "delete and restore"


def _set(*standings: Standing) -> frozenset[Standing]:
    return frozenset(standings)


_NOBODY = _set()
_ALL = frozenset(STANDINGS)
_MEMBERS = _set("member", "moderator", "owner")
_MODERATORS = _set("moderator", "owner")
_OWNERS = _set("owner")

MAY: Mapping[Action, Mapping[Sort, frozenset[Standing]]] = {
    Action.SEE: {"public": _ALL, "private": _MEMBERS, "direct": _MEMBERS},
    Action.READ: {"public": _MEMBERS, "private": _MEMBERS, "direct": _MEMBERS},
    Action.LIST_MEMBERS: {"public": _MEMBERS, "private": _MEMBERS, "direct": _MEMBERS},
    Action.SEND: {"public": _MEMBERS, "private": _MEMBERS, "direct": _MEMBERS},
    Action.JOIN: {"public": _ALL, "private": _MEMBERS, "direct": _MEMBERS},
    Action.LEAVE: {"public": _MEMBERS, "private": _MEMBERS, "direct": _NOBODY},
    Action.INVITE: {
        "public": _MEMBERS | {"global moderator", "admin"},
        # Office opens no content, so it also invites nobody, himself least of all, to where content is not public.
        "private": _MODERATORS,
        "direct": _NOBODY,
    },
    Action.GIVE_ROLES: {"public": _OWNERS, "private": _OWNERS, "direct": _NOBODY},
    Action.KICK: {
        "public": _MODERATORS | {"global moderator", "admin"},
        "private": _MODERATORS | {"admin"},
        "direct": _NOBODY,
    },
    Action.SLOW_MODE: {
        "public": _MODERATORS | {"global moderator", "admin"},
        "private": _MODERATORS | {"admin"},
        "direct": _NOBODY,
    },
    Action.SETTINGS: {"public": _OWNERS, "private": _OWNERS, "direct": _NOBODY},
    Action.DELETE: {"public": _OWNERS, "private": _OWNERS, "direct": _NOBODY},
}
"""The whole table: may(actor, action, room) is a look-up in it."""

RANK: Mapping[Standing, int] = {
    "outsider": 0,
    "member": 1,
    "moderator": 2,
    "owner": 3,
    "global moderator": 2,
    "admin": 2,
}
"""Nobody acts on an equal or higher rank."""

_FIXED = (Action.JOIN, Action.LEAVE, Action.INVITE, Action.KICK, Action.GIVE_ROLES)
_JOIN_FIRST = (Action.READ, Action.LIST_MEMBERS, Action.SEND, Action.LEAVE)


@dataclass(frozen=True, slots=True)
class Interval:
    """Membership from `from_seq` up to, not including, `to_seq` (None: until now)."""

    from_seq: int
    to_seq: int | None
    role: RoomRole


@dataclass(frozen=True, slots=True)
class Access:
    """An actor before a room: intervals are those of the actor's membership, ascending; now is the database's clock."""

    actor: Actor
    room: RoomState
    intervals: tuple[Interval, ...]
    now: datetime

    @property
    def user_id(self) -> UUID:
        return self.actor.user_id

    @property
    def current(self) -> Interval | None:
        """Today's membership."""
        last = self.intervals[-1] if self.intervals else None
        return last if last is not None and last.to_seq is None else None

    @property
    def standings(self) -> frozenset[Standing]:
        """All that the actor is to the room."""
        current = self.current
        found: set[Standing] = {"outsider" if current is None else current.role}
        if self.actor.role == "moderator":
            found.add("global moderator")
        elif self.actor.role == "admin":
            found.add("admin")
        return frozenset(found)

    @property
    def may_undo(self) -> bool:
        """Whether the room is deleted, and the actor was its owner then and may still restore it."""
        deleted_at = self.room.deleted_at
        last = self.intervals[-1] if self.intervals else None
        return (
            deleted_at is not None
            and self.now < deleted_at + timedelta(days=ROOM_UNDO_DAYS)
            and last is not None
            and last.role == "owner"
            and last.to_seq == self.room.head + 1
        )

    def may(self, action: Action) -> bool:
        """The table's answer; a deleted room is there for its owners alone, to be seen and to be restored."""
        if self.room.deleted_at is not None:
            return self.may_undo and action in (Action.SEE, Action.DELETE)
        return bool(self.standings & MAY[action][self.room.sort])

    def demand(self, action: Action) -> None:
        """Pass, or raise Refused.

        NOT_FOUND if the actor may not even see the room, exactly as if there were none; NOT_A_MEMBER for content of a public
        room that the actor has not joined; FIXED_MEMBERS for what a direct room does not know; FORBIDDEN otherwise.
        """
        if self.may(action):
            return
        if not self.may(Action.SEE):
            raise not_found("room")
        if self.room.deleted_at is not None:
            raise not_found("room")
        if self.room.sort == "direct" and action in _FIXED:
            raise Refused(Code.FIXED_MEMBERS, "The members of a direct room are fixed.")
        if self.current is None and action in _JOIN_FIRST:
            raise Refused(Code.NOT_A_MEMBER, "Join the room first.")
        raise Refused(Code.FORBIDDEN, f"Your role in this room does not allow you to {action.value}.")

    def outranks(self, role: RoomRole) -> bool:
        """Whether the actor may act on somebody of this role in this room. Raises nothing."""
        rank = max(
            RANK[standing]
            for standing in self.standings
            # An office counts where it counts for the table.
            if standing not in ("global moderator", "admin") or standing in MAY[Action.KICK][self.room.sort]
        )
        return rank > RANK[role]

    def visible(self, seq: int) -> bool:
        """See `visible`."""
        return visible(self.room, self.intervals, seq)

    def spans(self) -> list[tuple[int, int | None]]:
        """The visible part of the stream as ascending ranges [first, end)."""
        if self.current is None:
            return []
        if self.room.history == "all":
            return [(0, None)]
        return [(interval.from_seq, interval.to_seq) for interval in self.intervals]


def visible(room: RoomState, intervals: tuple[Interval, ...], seq: int) -> bool:
    """Whether somebody with this membership may see what happened in the room at `seq`.

    Only today's members see anything. With `history: all` they see everything, with `since_join` what fell into one of
    their intervals [from_seq, to_seq).
    """
    if room.deleted_at is not None or not intervals or intervals[-1].to_seq is not None:
        return False
    if room.history == "all":
        return True
    return any(
        interval.from_seq <= seq and (interval.to_seq is None or seq < interval.to_seq) for interval in intervals
    )
