"""Where an actor stands before a room: the first thing that every use case about a room finds out."""

from typing import Any
from uuid import UUID

from parley_messages.domain.access import Standing
from parley_messages.store import Store
from parley_shared.contracts.base import Actor
from parley_shared.errors import not_found


async def stand(store: Store, actor: Actor, room_id: UUID, *, lock: bool) -> tuple[Any, Standing]:
    """The room's row and the actor's standing; lock: hold the row until the transaction ends.

    Raises Refused: NOT_FOUND if there is no such room.
    """
    row = await (store.rooms.lock(room_id) if lock else store.rooms.get(room_id))
    if row is None:
        raise not_found("room")
    member = await store.members.current(room_id, actor.user_id)
    return row, Standing(
        user_id=actor.user_id,
        global_role=actor.role,
        room_role=None if member is None else member["role"],
        public=row["visibility"] == "public",
        deleted=row["deleted_at"] is not None,
    )
