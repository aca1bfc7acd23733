"""What messages answers about what a user is told of: notifications, levels, blocks."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.base import Empty, UserRequest, Wire, user_rpc
from parley_shared.contracts.frames import NotificationKind
from parley_shared.contracts.messages import Message, MyRoom, RoomRequest

NotifyLevel = Literal["all", "mentions", "none"]


class ListedNotification(Wire, frozen=True, kw_only=True):
    """As frames.Notification, with the message as it is now; null if the caller may not see it any more, or there is none."""

    id: UUID
    kind: NotificationKind
    room_id: UUID
    message_id: UUID | None
    thread_root_id: UUID | None
    actor_id: UUID | None
    created_at: datetime
    read: bool
    message: Message | None


class Notifications(Wire, frozen=True, kw_only=True):
    """The newest first. unread: how many there are in all."""

    items: list[ListedNotification]
    unread: int
    next: str | None = None


class ListNotifications(UserRequest, frozen=True, kw_only=True):
    """unread: true for unread ones only, false for read ones only, null for all."""

    unread: bool | None = None
    limit: int = 50
    cursor: str | None = None


class ReadNotifications(UserRequest, frozen=True, kw_only=True):
    """All up to this one, itself included."""

    up_to: UUID


class SetNotify(RoomRequest, frozen=True, kw_only=True):
    level: NotifyLevel


class Block(Wire, frozen=True, kw_only=True):
    user_id: UUID
    created_at: datetime


class Blocks(Wire, frozen=True, kw_only=True):
    items: list[Block]
    next: str | None = None


class ListBlocks(UserRequest, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


class BlockUser(UserRequest, frozen=True, kw_only=True):
    user_id: UUID


LIST_NOTIFICATIONS = user_rpc("messages", "list_notifications", ListNotifications, Notifications, repeatable=True)
READ_NOTIFICATIONS = user_rpc("messages", "read_notifications", ReadNotifications, Empty, repeatable=True)
SET_NOTIFY = user_rpc("messages", "set_notify", SetNotify, MyRoom, repeatable=True)
LIST_BLOCKS = user_rpc("messages", "list_blocks", ListBlocks, Blocks, repeatable=True)
BLOCK_USER = user_rpc("messages", "block_user", BlockUser, Empty, repeatable=True)
UNBLOCK_USER = user_rpc("messages", "unblock_user", BlockUser, Empty, repeatable=True)
