"""Rooms: made, found, changed, deleted, restored."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand
from parley_messages.keys import RoomKey, RoomKeys, reached
from parley_messages.publisher import LivePublisher
from parley_messages.rendering import directory_room, my_room, room
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.shown import shown
from parley_messages.usecases.standing import stand
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Actor, Empty
from parley_shared.crypto.wrapping import Wrapped
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, invalid, not_found
from parley_shared.ids import new_id
from parley_shared.limits import (
    DIRECT_MEMBERS,
    REPLY_BYTES,
    RETENTION_DAYS,
    ROOM_NAME_CHARS,
    ROOM_TOPIC_CHARS,
    ROOM_UNDO_DAYS,
)
from parley_shared.text import clean

LANGUAGES = frozenset(
    (
        "simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "estonian", "finnish", "french",
        "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian",
        "portuguese", "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
    )
)  # fmt: skip
"""For search: how words are stemmed; `simple` not at all."""
SLOWEST_S = 6 * 3600


class Rooms:
    """advanced: called after each commit that wrote to the outbox."""

    def __init__(
        self,
        database: Database,
        publisher: LivePublisher,
        auth: AuthClient,
        advanced: Callable[[], None],
        keys: RoomKeys,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced
        self._keys = keys

    async def create(self, command: contract.CreateRoom) -> contract.RoomAnswer:
        """A new room; the caller is its owner.

        Raises Refused: INVALID, BAD_TEXT, IDEMPOTENCY_MISMATCH, UNAVAILABLE.
        """
        room_id = new_id()
        sealed = await self._first_key(room_id) if command.encryption == "sealed" else None
        values: dict[str, Any] = {
            "id": room_id,
            "kind": "room",
            "name": _name(command.name),
            "topic": clean(command.topic, field="topic", least=0, most=ROOM_TOPIC_CHARS),
            "visibility": command.visibility,
            "encryption": command.encryption,
            "history": command.history or ("all" if command.visibility == "public" else "since_join"),
            "language": _language(command.language),
            "created_by": command.actor.user_id,
            "direct_key": None,
            "key_version": 0 if sealed is None else 1,
        }
        actor = command.actor.user_id
        async with self._database.begin() as store:
            if command.idempotency_key is not None:
                known = await self._known(store, command, room_id)
                if known is not None:
                    return contract.RoomAnswer(room=await self._mine(store, command.actor, known), created=False)
            changes = Changes(store, actor)
            await store.rooms.insert(values)
            if sealed is not None:
                await store.keys.add(room_id, 1, sealed[1])
            from_seq = await changes.joined(room_id, actor, "owner")
            await changes.tell_joined(room_id, {actor: from_seq})
            answer = await self._mine(store, command.actor, room_id)
        if sealed is not None:
            self._keys.remember(sealed[0])
        await self._tell(changes)
        return contract.RoomAnswer(room=answer, created=True)

    async def _first_key(self, room_id: UUID) -> tuple[RoomKey, Wrapped]:
        """Of a sealed room. Raises Refused: INVALID where there are none, UNAVAILABLE."""
        if not self._keys.available:
            raise invalid(encryption="this installation has no wrapping key, so there are no sealed rooms")
        return await reached(self._keys.new(room_id, 1))

    async def _known(self, store: Store, command: contract.CreateRoom, room_id: UUID) -> UUID | None:
        key = clean(command.idempotency_key or "", field="Idempotency-Key", least=1, most=255)
        payload = msgspec.json.encode(
            [command.name, command.topic, command.visibility, command.encryption, command.history, command.language]
        )
        digest = int.from_bytes(blake2b(payload, digest_size=8).digest(), signed=True)
        found = await store.rooms.remember_key(command.actor.user_id, key, digest, room_id)
        if found is None:
            return None
        if found[1] != digest:
            raise Refused(Code.IDEMPOTENCY_MISMATCH, "Another room was created under this Idempotency-Key.")
        return found[0]

    async def direct(self, command: contract.CreateDirect) -> contract.RoomAnswer:
        """The room of exactly these people and the caller: the same people, the same room.

        Raises Refused: INVALID for too many, NOT_FOUND if somebody does not exist, cannot be addressed, or there is a block.
        """
        actor = command.actor.user_id
        people = sorted({*command.user_ids, actor})
        if len(people) > DIRECT_MEMBERS:
            raise invalid(user_ids=f"at most {DIRECT_MEMBERS} people with you")
        others = [user for user in people if user != actor]
        known = await self._auth.known(others)
        key = ",".join(str(user) for user in people)
        room_id = new_id()
        async with self._database.begin() as store:
            if set(others) - known or await store.blocks.between(actor, others):
                raise Refused(Code.NOT_FOUND, "Somebody of these is not reachable.")
            made = await store.rooms.insert(
                {
                    "id": room_id,
                    "kind": "direct",
                    "name": None,
                    "topic": "",
                    "visibility": "private",
                    "encryption": "plain",
                    "history": "all",
                    "language": "simple",
                    "created_by": actor,
                    "direct_key": key,
                    "key_version": 0,
                }
            )
            changes = Changes(store, actor)
            if made:
                seqs = {user: await changes.joined(room_id, user, "member") for user in [actor, *others]}
                await changes.tell_joined(room_id, seqs)
            else:
                found = await store.rooms.by_direct_key(key)
                if found is None:
                    raise not_found("room")
                room_id = found
            answer = await self._mine(store, command.actor, room_id)
        await self._tell(changes)
        return contract.RoomAnswer(room=answer, created=made)

    async def get(self, command: contract.RoomRequest) -> contract.RoomAnswer:
        """The room as the caller may see it. Raises Refused: NOT_FOUND."""
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            if not standing.visible:
                raise not_found("room")
            if standing.room_role is None:
                return contract.RoomAnswer(room=None, directory=directory_room(row, joined=False))
            return contract.RoomAnswer(room=await self._mine(store, command.actor, command.room_id))

    async def list_mine(self, command: contract.ListRooms) -> contract.MyRooms:
        """The caller's rooms, most recently active first, with their last message. Raises Refused: BAD_CURSOR."""
        last: Any = None
        if command.cursor is not None:
            last = read_cursor(command.cursor, "rooms", tuple[datetime, UUID])
        async with self._database.snapshot() as store:
            rows = await store.rooms.page_of_mine(command.actor.user_id, command.limit + 1, last)
            last_rows = await store.timeline.last_of_each(
                command.actor.user_id, [row["id"] for row in rows[: command.limit]]
            )
            newest = {found.room_id: found for found in await shown(store, last_rows, command.actor.user_id)}
        items: list[contract.MyRoom] = []
        size = 0
        for row in rows[: command.limit]:
            item = my_room(row, newest.get(row["id"]))
            size += len(msgspec.json.encode(item))
            if items and size > REPLY_BYTES:
                break
            items.append(item)
        more = len(items) < len(rows)
        final = rows[len(items) - 1] if items else None
        return contract.MyRooms(
            items=items,
            next=write_cursor("rooms", final["last_at"], final["id"]) if more and final is not None else None,
        )

    async def directory(self, command: contract.Directory) -> contract.DirectoryRooms:
        """Public rooms by name. Raises Refused: BAD_CURSOR, BAD_TEXT, INVALID."""
        query = clean(command.query or "", field="query", least=0, most=ROOM_NAME_CHARS)
        last: Any = None
        if command.cursor is not None:
            last = read_cursor(command.cursor, f"directory:{query}", tuple[str, UUID])
        async with self._database.snapshot() as store:
            rows = await store.rooms.directory(command.actor.user_id, query, command.limit + 1, last)
        items = [directory_room(row, joined=row["joined"]) for row in rows[: command.limit]]
        more = len(rows) > command.limit
        return contract.DirectoryRooms(
            items=items,
            next=write_cursor(f"directory:{query}", rows[len(items) - 1]["folded"], items[-1].id) if more else None,
        )

    async def update(self, command: contract.UpdateRoom) -> contract.RoomAnswer:
        """Settings. Raises Refused: FORBIDDEN, REV_CONFLICT with the room as it is, INVALID."""
        values: dict[str, Any] = {}
        if command.name is not None:
            values["name"] = _name(command.name)
        if command.topic is not None:
            values["topic"] = clean(command.topic, field="topic", least=0, most=ROOM_TOPIC_CHARS)
        if command.visibility is not None:
            values["visibility"] = command.visibility
        if command.history is not None:
            values["history"] = command.history
        if command.language is not None:
            values["language"] = _language(command.language)
        if command.slow_mode_s is not None:
            if not 0 <= command.slow_mode_s <= SLOWEST_S:
                raise invalid(slow_mode_s=f"between 0 and {SLOWEST_S} seconds")
            values["slow_mode_s"] = command.slow_mode_s
        if command.retention_days is not msgspec.UNSET:
            if command.retention_days is not None and not 1 <= command.retention_days <= RETENTION_DAYS:
                raise invalid(retention_days=f"between 1 and {RETENTION_DAYS}, or null for ever")
            values["retention_days"] = command.retention_days
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            if (standing.visible or standing.office_rank) and row["kind"] == "direct":
                raise Refused(Code.FIXED_MEMBERS, "A direct room has no settings.")
            demand(standing, Action.SLOW_MODE if values.keys() == {"slow_mode_s"} else Action.UPDATE)
            if row["rev"] != command.rev:
                raise Refused(
                    Code.REV_CONFLICT, "The room has changed since; here is how it is now.", current=room(row)
                )
            changes = Changes(store, command.actor.user_id)
            if any(row[name] != value for name, value in values.items()):
                await store.rooms.update(command.room_id, values)
                await changes.audit(command.room_id, "room.updated", changed=_changed(row, values))
                await changes.room_updated(command.room_id, room(await store.rooms.get(command.room_id)))
            # Who sets slow mode by office need not be a member.
            mine = await store.rooms.mine(command.actor.user_id, command.room_id)
            answer = contract.RoomAnswer(
                room=None if mine is None else my_room(mine),
                directory=None if mine else directory_room(await store.rooms.get(command.room_id), joined=False),
            )
        await self._tell(changes)
        return answer

    async def delete(self, command: contract.RoomRequest) -> Empty:
        """`room.deleted` is its last event; owners may restore it for seven days. Raises Refused: FORBIDDEN, NOT_FOUND."""
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            if standing.visible and standing.deleted:
                return Empty()
            if standing.visible and row["kind"] == "direct":
                raise Refused(Code.FIXED_MEMBERS, "A direct room cannot be deleted.")
            demand(standing, Action.DELETE)
            changes = Changes(store, command.actor.user_id)
            await delete_room(store, changes, command.room_id)
        await self._tell(changes)
        return Empty()

    async def restore(self, command: contract.RoomRequest) -> contract.RoomAnswer:
        """Undo the deletion: everybody is back with the same role. Raises Refused: NOT_FOUND, FORBIDDEN."""
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            demand(standing, Action.RESTORE)
            if standing.deleted and datetime.now(UTC) >= row["deleted_at"] + timedelta(days=ROOM_UNDO_DAYS):
                # From here on the room may be half purged at any moment.
                raise not_found("room")
            changes = Changes(store, command.actor.user_id)
            if standing.deleted:
                await store.rooms.set_deleted(command.room_id, deleted=False)
                from_seq, back = await changes.room_restored(command.room_id)
                await changes.audit(command.room_id, "room.restored")
                await changes.tell_joined(command.room_id, dict.fromkeys(back, from_seq))
            answer = await self._mine(store, command.actor, command.room_id)
        await self._tell(changes)
        return contract.RoomAnswer(room=answer)

    async def _mine(self, store: Store, actor: Actor, room_id: UUID) -> contract.MyRoom:
        row = await store.rooms.mine(actor.user_id, room_id)
        if row is None:
            raise not_found("room")
        return my_room(row)

    async def _tell(self, changes: Changes) -> None:
        self._advanced()
        await changes.publish(self._publisher)


async def delete_room(store: Store, changes: Changes, room_id: UUID) -> None:
    """Inside the caller's transaction, which holds the room's row."""
    await store.rooms.set_deleted(room_id, deleted=True)
    to_seq, ended = await changes.room_deleted(room_id)
    await changes.audit(room_id, "room.deleted")
    await changes.tell_left(room_id, ended, to_seq, "deleted")


def _changed(row: Any, values: dict[str, Any]) -> dict[str, list[Any] | None]:
    """For the audit trail: old and new; of what people wrote in words only that it changed."""
    return {
        name: None if name in ("name", "topic") else [row[name], value]
        for name, value in values.items()
        if row[name] != value
    }


def _name(name: str) -> str:
    return clean(name, field="name", least=1, most=ROOM_NAME_CHARS).strip()


def _language(language: str) -> str:
    if language not in LANGUAGES:
        raise invalid(language=f"one of {', '.join(sorted(LANGUAGES))}")
    return language
