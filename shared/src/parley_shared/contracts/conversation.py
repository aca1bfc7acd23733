"""What messages answers about one message: edits, deletion, reactions, pins, revisions, its thread, how far it has come."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.base import Empty, Wire, user_rpc
from parley_shared.contracts.messages import Message, MessageRequest, Messages, RoomRequest

ReceiptState = Literal["sent", "delivered", "read"]


class EditMessage(MessageRequest, frozen=True, kw_only=True):
    """rev: that of the message which the change was made from. Its format stays."""

    rev: int
    body: str


class DeleteMessage(MessageRequest, frozen=True, kw_only=True):
    reason: str | None = None


class ReactTo(MessageRequest, frozen=True, kw_only=True):
    """reaction: `like`, `dislike`, or one emoji."""

    reaction: str


class ListPins(RoomRequest, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


class ListRevisions(MessageRequest, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


class Revision(Wire, frozen=True, kw_only=True):
    """A version of a message's text. The last one of a deleted message has no body; reason: why a moderator deleted it."""

    rev: int
    body: str | None
    format: str
    actor_id: UUID
    reason: str | None
    at: datetime


class Revisions(Wire, frozen=True, kw_only=True):
    """Ascending by rev."""

    items: list[Revision]
    next: str | None = None


class GetThread(MessageRequest, frozen=True, kw_only=True):
    """Of a reply: the thread that it is in."""

    limit: int = 50
    cursor: str | None = None


class Thread(Wire, frozen=True, kw_only=True):
    """A root and its replies, ascending. following: whether the caller is told of replies. unread: replies behind his read
    position, none for who does not follow."""

    root: Message
    items: list[Message]
    next: str | None = None
    following: bool
    unread: int


class MessageRecipient(Wire, frozen=True, kw_only=True):
    user_id: UUID
    state: ReceiptState


class MessageStatus(Wire, frozen=True, kw_only=True):
    """How far a message has come: of the present members that it was sent to, its sender not counted, how many have it
    (delivered) and how many of those have read it.

    recipients: null in rooms of more than 100 members.
    """

    members: int
    delivered: int
    read: int
    recipients: list[MessageRecipient] | None


EDIT_MESSAGE = user_rpc("messages", "edit_message", EditMessage, Message)
DELETE_MESSAGE = user_rpc("messages", "delete_message", DeleteMessage, Empty, repeatable=True)
ADD_REACTION = user_rpc("messages", "add_reaction", ReactTo, Empty, repeatable=True)
REMOVE_REACTION = user_rpc("messages", "remove_reaction", ReactTo, Empty, repeatable=True)
PIN_MESSAGE = user_rpc("messages", "pin_message", MessageRequest, Empty, repeatable=True)
UNPIN_MESSAGE = user_rpc("messages", "unpin_message", MessageRequest, Empty, repeatable=True)
LIST_PINS = user_rpc("messages", "list_pins", ListPins, Messages, repeatable=True)
LIST_REVISIONS = user_rpc("messages", "list_revisions", ListRevisions, Revisions, repeatable=True)
GET_THREAD = user_rpc("messages", "get_thread", GetThread, Thread, repeatable=True)
FOLLOW_THREAD = user_rpc("messages", "follow_thread", MessageRequest, Empty, repeatable=True)
UNFOLLOW_THREAD = user_rpc("messages", "unfollow_thread", MessageRequest, Empty, repeatable=True)
MESSAGE_STATUS = user_rpc("messages", "message_status", MessageRequest, MessageStatus, repeatable=True)
