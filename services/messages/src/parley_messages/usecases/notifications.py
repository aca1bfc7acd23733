"""What a user is told of: notifications, their levels, and blocks."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand
from parley_messages.publisher import LivePublisher
from parley_messages.rendering import my_room
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.shown import shown
from parley_messages.usecases.standing import stand
from parley_shared.contracts import notifications as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.messages import MyRoom
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import invalid, not_found
from parley_shared.limits import REPLY_BYTES


class Notifications:
    """Repeating a state succeeds and writes no event."""

    def __init__(
        self, database: Database, publisher: LivePublisher, auth: AuthClient, advanced: Callable[[], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced

    async def page(self, command: contract.ListNotifications) -> contract.Notifications:
        """The newest first, each with its message as it is now. Raises Refused: BAD_CURSOR, INVALID."""
        limit = checked_limit(command.limit)
        user_id = command.actor.user_id
        scope = f"notifications:{command.unread}"
        before = None if command.cursor is None else read_cursor(command.cursor, scope, tuple[int])[0]
        async with self._database.snapshot() as store:
            rows = await store.notifications.page(user_id, unread=command.unread, before=before, limit=limit + 1)
            unread = await store.notifications.count_unread(user_id)
            seen = await self._messages(store, user_id, rows[:limit])
        items: list[contract.ListedNotification] = []
        size = 0
        for row in rows[:limit]:
            item = contract.ListedNotification(
                id=row["id"],
                kind=row["kind"],
                room_id=row["room_id"],
                message_id=row["message_id"],
                thread_root_id=row["thread_root_id"],
                actor_id=row["actor_id"],
                created_at=row["at"],
                read=row["read"],
                message=seen.get(row["message_id"]),
            )
            size += len(msgspec.json.encode(item))
            if items and size > REPLY_BYTES:
                break
            items.append(item)
        more = len(items) < len(rows)
        return contract.Notifications(
            items=items,
            unread=unread,
            next=write_cursor(scope, rows[len(items) - 1]["seq"]) if more and items else None,
        )

    async def _messages(self, store: Store, user_id: UUID, rows: list[Any]) -> dict[UUID, Any]:
        wanted = [(row["room_id"], row["message_id"]) for row in rows if row["message_id"] is not None]
        if not wanted:
            return {}
        rows = await store.timeline.seen_among(wanted, user_id, admin=False)
        return {found.id: found for found in await shown(store, rows, user_id)}

    async def read(self, command: contract.ReadNotifications) -> Empty:
        """On all devices. Raises Refused: NOT_FOUND."""
        user_id = command.actor.user_id
        async with self._database.begin() as store:
            seq = await store.notifications.seq_of(user_id, command.up_to)
            if seq is None:
                raise not_found("notification")
            changes = Changes(store, user_id)
            if await store.notifications.read_up_to(user_id, seq):
                await changes.notification_read(user_id, command.up_to)
        await self._tell(changes)
        return Empty()

    async def set_level(self, command: contract.SetNotify) -> MyRoom:
        """What a room notifies its caller of. Raises Refused: NOT_FOUND, NOT_A_MEMBER."""
        user_id = command.actor.user_id
        async with self._database.begin() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.FOLLOW)
            changes = Changes(store, user_id)
            if await store.notifications.set_level(command.room_id, user_id, command.level):
                await changes.account_updated(user_id)
            row = await store.rooms.mine(user_id, command.room_id)
            if row is None:
                raise not_found("room")
            answer = my_room(row)
        await self._tell(changes)
        return answer

    async def blocks(self, command: contract.ListBlocks) -> contract.Blocks:
        """Whom the caller has blocked, by id. Raises Refused: BAD_CURSOR, INVALID."""
        limit = checked_limit(command.limit)
        last = None if command.cursor is None else read_cursor(command.cursor, "blocks", tuple[UUID])[0]
        async with self._database.snapshot() as store:
            rows = await store.blocks.page(command.actor.user_id, limit + 1, last)
        items = [contract.Block(user_id=user, created_at=at) for user, at in rows[:limit]]
        return contract.Blocks(
            items=items, next=write_cursor("blocks", items[-1].user_id) if len(rows) > limit else None
        )

    async def block(self, command: contract.BlockUser) -> Empty:
        """Raises Refused: INVALID for oneself, NOT_FOUND for who does not exist."""
        user_id = command.actor.user_id
        if command.user_id == user_id:
            raise invalid(user_id="somebody else than yourself")
        if not await self._auth.known([command.user_id]):
            raise not_found("user")
        async with self._database.begin() as store:
            changes = Changes(store, user_id)
            if await store.blocks.add(user_id, command.user_id):
                await changes.account_updated(user_id)
        await self._tell(changes)
        return Empty()

    async def unblock(self, command: contract.BlockUser) -> Empty:
        user_id = command.actor.user_id
        async with self._database.begin() as store:
            changes = Changes(store, user_id)
            if await store.blocks.remove(user_id, command.user_id):
                await changes.account_updated(user_id)
        await self._tell(changes)
        return Empty()

    async def _tell(self, changes: Changes) -> None:
        self._advanced()
        await changes.publish(self._publisher)
