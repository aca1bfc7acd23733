"""Erasing an account: what somebody wrote becomes tombstones, what was his goes, and everybody's copies follow by events."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from parley_messages.publisher import LivePublisher
from parley_messages.store import Database, Store
from parley_messages.usecases.message_changes import MessageChanges
from parley_shared.contracts.erasure import Erase, Erased

SLICE_S = 3.0
"""After so many seconds a call answers how far it has come."""
BATCH = 50
"""Events in one transaction: for so long nobody else writes in the room."""

WIPED = 2_000
"""Rows in one transaction of what goes without events."""


class Erasure:
    """Each transaction leaves the database so that the next call, of whatever replica, goes on from there."""

    def __init__(self, database: Database, publisher: LivePublisher, advanced: Callable[[], None]) -> None:
        self._database = database
        self._publisher = publisher
        self._advanced = advanced

    async def erase(self, command: Erase) -> Erased:
        """Go on for a few seconds; done when nothing is left."""
        until = time.monotonic() + SLICE_S
        user_id = command.user_id
        async with self._database.begin() as store:
            await store.erasure.begin(user_id, command.saga_id)
            done, counts = await store.erasure.state(user_id)
            if done:
                # Asked once more: what was under way at the end of it, such as a notification, goes, too.
                await self._forget_user(store, user_id)
        while not done and time.monotonic() < until:
            async with self._database.begin() as store:
                changes = MessageChanges(store, user_id)
                room_id = await store.erasure.next_room(user_id)
                if room_id is not None:
                    await self._step(changes, user_id, room_id)
                else:
                    await self._forget_user(store, user_id)
                    await store.erasure.finish(user_id)
                done, counts = await store.erasure.state(user_id)
            self._advanced()
            await changes.publish(self._publisher)
        return Erased(done=done, counts=counts)

    async def _step(self, changes: MessageChanges, user_id: UUID, room_id: UUID) -> None:
        """One transaction's worth of one room: membership first, so that nothing more can come; then messages, reactions, the
        rest."""
        store = changes.store
        row = await store.rooms.lock(room_id)
        if row is None:
            await store.erasure.room_done(user_id, room_id)
            return
        if row["deleted_at"] is not None:
            # Its log has ended. Whoever restores it reads the room anew.
            silent = await store.erasure.tombstones(room_id, user_id, WIPED)
            await store.erasure.count(user_id, "messages", silent)
            if silent == WIPED:
                return
            await store.erasure.count(user_id, "reactions", await store.erasure.unreact(room_id, user_id))
        else:
            if await store.members.current(room_id, user_id) is not None:
                await self._leave(changes, row, user_id)
                return
            messages = await store.erasure.written(room_id, user_id, BATCH)
            if messages:
                for message in messages:
                    await changes.deleted(room_id, message["id"], message["rev"] + 1)
                await store.erasure.count(user_id, "messages", len(messages))
                return
            reactions = await store.erasure.reacted(room_id, user_id, BATCH)
            if reactions:
                # Two of them may be of one message: each is counted without those that go before it, which is none of his.
                for reaction in reactions:
                    await changes.unreacted(
                        room_id, reaction["message_id"], reaction["reaction"], user_id, reaction["others"]
                    )
                await store.erasure.count(user_id, "reactions", len(reactions))
                return
        await self._forget(store, user_id, room_id)

    async def _forget_user(self, store: Store, user_id: UUID) -> None:
        for what, number in (await store.erasure.forget(user_id)).items():
            await store.erasure.count(user_id, what, number)

    async def _forget(self, store: Store, user_id: UUID, room_id: UUID) -> None:
        versions, messages = await store.erasure.wipe(room_id, user_id, WIPED)
        await store.erasure.count(user_id, "revisions", versions)
        if WIPED in (versions, messages):
            return
        for what, number in (await store.erasure.forget_in(room_id, user_id)).items():
            await store.erasure.count(user_id, what, number)
        await store.erasure.count(user_id, "rooms", await store.erasure.room_done(user_id, room_id))

    async def _leave(self, changes: MessageChanges, row: Any, user_id: UUID) -> None:
        """The last owner's office goes to who has been there for longest; a room that nobody is left in is deleted."""
        store, room_id = changes.store, row["id"]
        heir = await store.erasure.heir(room_id, user_id)
        if row["kind"] == "room" and heir is not None and await store.members.owners(room_id) == [user_id]:
            await store.members.set_role(room_id, heir, "owner")
            found = await store.members.current(room_id, heir)
            await changes.updated_member(room_id, heir, "owner", None if found is None else found["muted_until"])
            await changes.audit(room_id, "member.updated", heir, "The last owner's account was erased.", new="owner")
        await changes.gone(room_id, user_id, removed=False)
        if heir is None:
            await store.rooms.set_deleted(room_id, deleted=True)
            await changes.room_deleted(room_id)
            await changes.audit(room_id, "room.deleted", None, "The last member's account was erased.")
        await store.erasure.count(user_id, "memberships", 1)
