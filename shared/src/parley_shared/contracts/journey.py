"""What messages knows of the way of one message: committed, published, to whom, who was notified and why. Never what it says."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.base import Wire, user_rpc
from parley_shared.contracts.conversation import MessageRecipient
from parley_shared.contracts.messages import MessageRequest

Rule = Literal["mentioned", "everybody_mentioned", "direct_room", "follows_thread"]
Outcome = Literal["notified", "waiting", "not_notified", "level", "blocked", "not_a_member"]


class JourneyCommit(Wire, frozen=True, kw_only=True):
    """at: the moment that the ack tells, by the database's clock. replica: the instance of messages that committed it; null once the
    room's log no longer reaches back so far, and of a message that came before replicas were noted."""

    at: datetime
    seq: int
    n: int | None
    replica: str | None


class JourneyPublication(Wire, frozen=True, kw_only=True):
    """relayed: whether JetStream has acknowledged that the room has grown past it, which search goes by. waiting_since: since when that
    waits."""

    relayed: bool
    waiting_since: datetime | None


class JourneyDecision(Wire, frozen=True, kw_only=True):
    """Whether somebody was notified of a message, and by which rule it was for him.

    rule: of several that apply, the strongest; null if none applies any more (the message was deleted or edited, the thread is
    not followed any more). outcome, for support: `level` (his level in the room does not let it through), `blocked`, `not_a_member`,
    and `not_notified` where nothing of that holds today; for the sender these are all `not_notified`. at, read: for support alone.
    """

    user_id: UUID
    kind: Literal["mention", "direct", "reply"]
    rule: Rule | None
    outcome: Outcome
    at: datetime | None = None
    read: bool | None = None


class MessageJourney(Wire, frozen=True, kw_only=True):
    """viewer: as whom the caller sees it: its sender, or support, which is an admin with access to the room.

    members, delivered, read: as in MessageStatus; recipients and notifications are null in rooms of more than 100 members. For support they
    are as they are, whoever has switched receipts off or blocked whom. notified: how many were notified. waiting: people are still being
    notified.
    """

    message_id: UUID
    room_id: UUID
    sender_id: UUID
    viewer: Literal["sender", "support"]
    rev: int
    edited_at: datetime | None
    deleted_at: datetime | None
    committed: JourneyCommit
    published: JourneyPublication
    members: int
    delivered: int
    read: int
    recipients: list[MessageRecipient] | None
    notified: int
    waiting: bool
    notifications: list[JourneyDecision] | None


JOURNEY = user_rpc("messages", "journey", MessageRequest, MessageJourney, repeatable=True)
