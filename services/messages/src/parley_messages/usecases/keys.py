"""Sealed rooms' keys: who can read what, new versions, another wrapping key, and destruction."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand
from parley_messages.domain.privacy import describe
from parley_messages.keys import RoomKey, RoomKeys, reached
from parley_messages.publisher import LivePublisher
from parley_messages.rendering import room as as_room
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.standing import stand
from parley_shared.contracts import keys as contract
from parley_shared.contracts.messages import RoomRequest
from parley_shared.crypto.wrapping import CannotUnwrap, Wrapped
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Refused, invalid, not_found
from parley_shared.limits import REASON_CHARS
from parley_shared.text import clean

log = structlog.get_logger(__name__)

REWRAPPED = 100
"""Keys in one step: with a wrapping key far away each takes two questions."""
QUESTION = "rewrap"


class Keys:
    """backup_days: how long backups of the database are kept."""

    def __init__(
        self,
        database: Database,
        publisher: LivePublisher,
        auth: AuthClient,
        advanced: Callable[[], None],
        keys: RoomKeys,
        backup_days: int,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced
        self._keys = keys
        self._backups = timedelta(days=backup_days)

    async def privacy(self, command: RoomRequest) -> contract.RoomPrivacy:
        """For its members, and in a public room for everybody. Raises Refused: NOT_FOUND."""
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            if not standing.visible:
                demand(standing, Action.READ)
            key = await store.keys.get(row["id"], row["key_version"]) if row["key_version"] else None
        told = describe(row["encryption"], public=standing.public, history=row["history"])
        return contract.RoomPrivacy(
            encryption=row["encryption"],
            summary=told.summary,
            searchable=told.searchable,
            can_read=list(told.can_read),
            cannot_read=list(told.cannot_read),
            not_protected=list(told.not_protected),
            key_version=None if key is None else key["version"],
            key_since=None if key is None else key["created_at"],
            unreadable_before=row["unreadable_before"],
        )

    async def page(self, command: contract.ListRoomKeys) -> contract.RoomKeys:
        """For admins, by room and version. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE."""
        limit = checked_limit(command.limit)
        question = f"keys:{command.room_id}"
        last = None if command.cursor is None else read_cursor(command.cursor, question, tuple[UUID, int])
        await self._auth.demand_admin(command)
        current = await self._wrapping_key() if self._keys.available else None
        async with self._database.snapshot() as store:
            rows = await store.keys.page(command.room_id, limit + 1, last)
            counts = await store.keys.counts(command.room_id)
        items = [self._shown(row) for row in rows[:limit]]
        following = write_cursor(question, items[-1].room_id, items[-1].version) if len(rows) > limit else None
        return contract.RoomKeys(items=items, current=current, counts=counts, next=following)

    async def rotate(self, command: contract.RotateRoomKey) -> contract.RoomKey:
        """For admins: what is said from now on is sealed under a new version. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED,
        NOT_FOUND, INVALID for a plain room, UNAVAILABLE."""
        await self._auth.demand_admin(command)
        async with self._database.begin() as store:
            row = await self._sealed(store, command.room_id)
            changes = Changes(store, command.actor.user_id)
            key, added = await self._next_version(store, row, await store.sealing.current(command.room_id))
            await store.rooms.update(command.room_id, {"key_version": added["version"]})
            await changes.audit(command.room_id, "room.key_rotated", version=added["version"])
            await changes.room_updated(command.room_id, as_room(await store.rooms.get(command.room_id)))
        self._keys.remember(key)
        await self._tell(changes)
        return self._shown(added)

    async def destroy(self, command: contract.DestroyRoomKeys) -> contract.KeysDestroyed:
        """For admins: nothing that was said so far can be read any more; what is said from now on has a new key. Raises Refused:
        FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, NOT_FOUND, INVALID for a plain room, UNAVAILABLE."""
        await self._auth.demand_admin(command)
        reason = clean(command.reason, field="reason", least=1, most=REASON_CHARS)
        async with self._database.begin() as store:
            row = await self._sealed(store, command.room_id)
            changes = Changes(store, command.actor.user_id)
            before = await self._readable(store, command.room_id)
            destroyed = await store.keys.destroy(command.room_id)
            key, added = await self._next_version(store, row, before)
            await store.rooms.update(
                command.room_id, {"key_version": added["version"], "unreadable_before": added["from_seq"]}
            )
            await changes.audit(command.room_id, "room.key_destroyed", None, reason, versions=destroyed)
            await changes.room_updated(command.room_id, as_room(await store.rooms.get(command.room_id)))
        self._keys.forget(command.room_id, row["key_version"])
        self._keys.remember(key)
        await self._tell(changes)
        log.warning("keys.destroyed", room_id=str(command.room_id), versions=destroyed)
        return contract.KeysDestroyed(
            destroyed=destroyed,
            backups_forget_at=added["created_at"] + self._backups,
            key=self._shown(added),
        )

    async def rewrap(self, command: contract.Rewrap) -> contract.Rewrapped:
        """For admins: one step of bringing all keys under today's wrapping key; nothing that they seal is touched. Repeating it does
        no harm. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE."""
        await self._auth.demand_admin(command)
        last = None if command.cursor is None else read_cursor(command.cursor, QUESTION, tuple[UUID, int])
        current = await self._wrapping_key()
        async with self._database.begin() as store:
            rows = await store.keys.lock_others(current, REWRAPPED, last)
            rewrapped = 0
            for row in rows:
                wrapped = Wrapped(row["wrapping_key"], row["wrapped"])
                try:
                    again = await reached(self._keys.rewrapped(row["room_id"], wrapped))
                except CannotUnwrap as error:
                    # One key that is lost does not keep the others; it is counted among those that are left.
                    log.error("keys.cannot_unwrap", room_id=str(row["room_id"]), error=str(error))
                    continue
                await store.keys.rewrap(row["room_id"], row["version"], again)
                rewrapped += 1
            counts = await store.keys.counts(None)
        following = None
        if len(rows) == REWRAPPED:
            following = write_cursor(QUESTION, rows[-1]["room_id"], rows[-1]["version"])
        left = sum(number for name, number in counts.items() if name != current)
        return contract.Rewrapped(rewrapped=rewrapped, left=left, wrapping_key=current, next=following)

    async def bring(self, room_id: UUID) -> None:
        """Today's key of a sealed room into memory, for the writer. Raises Refused: UNAVAILABLE."""
        async with self._database.snapshot() as store:
            await store.sealing.current(room_id)

    async def _sealed(self, store: Store, room_id: UUID) -> Any:
        row = await store.rooms.lock(room_id)
        if row is None or row["deleted_at"] is not None:
            raise not_found("room")
        if not row["key_version"]:
            raise invalid(room_id="a sealed room; a plain one has no key")
        return row

    async def _readable(self, store: Store, room_id: UUID) -> RoomKey | None:
        """The key of today, if it can still be unwrapped: destroying works without."""
        try:
            return await store.sealing.current(room_id)
        except Refused:
            return None

    async def _next_version(self, store: Store, row: Any, before: RoomKey | None) -> tuple[RoomKey, Any]:
        """The key, to be remembered after the commit, and its row."""
        version = row["key_version"] + 1
        key, wrapped = await reached(self._keys.new(row["id"], version, before))
        return key, await store.keys.add(row["id"], version, wrapped)

    async def _wrapping_key(self) -> str:
        return await reached(self._keys.wrapper.current())

    def _shown(self, row: Any) -> contract.RoomKey:
        destroyed = row["destroyed_at"]
        return contract.RoomKey(
            room_id=row["room_id"],
            version=row["version"],
            wrapping_key=row["wrapping_key"],
            created_at=row["created_at"],
            destroyed_at=destroyed,
            backups_forget_at=None if destroyed is None else destroyed + self._backups,
        )

    async def _tell(self, changes: Changes) -> None:
        self._advanced()
        await changes.publish(self._publisher)
