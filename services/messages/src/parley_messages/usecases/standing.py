"""Where an actor stands before a room: the first thing that every use case about a room finds out."""

from typing import Any
from uuid import UUID

from parley_messages.domain.access import Action, Standing, demand
from parley_messages.domain.sending import refuse_blocked, refuse_muted
from parley_messages.store import Store
from parley_shared.contracts.base import Actor
from parley_shared.errors import Code, Refused, not_found


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
        granted=actor.role == "admin" and await store.grants.granted(room_id, actor.user_id),
    )


def opens_history(row: Any, standing: Standing) -> bool:
    """Whether who may read the room sees all of it, and not only what fell into his memberships."""
    return row["history"] == "all" or standing.granted


async def demand_not_banned(store: Store, room_id: UUID, user_id: UUID, who: str) -> None:
    """Raises Refused: BANNED, with retry_after_ms where it ends by itself. who: begins the sentence, as in `You are`."""
    current = await store.sanctions.current(room_id, user_id, "ban")
    if current is not None:
        until = "" if current["until"] is None else f" until {current['until']:%Y-%m-%d %H:%M:%S} UTC"
        raise Refused(Code.BANNED, f"{who} banned from this room{until}.", retry_after_ms=current["left_ms"])


async def seen(store: Store, row: Any, standing: Standing, message_id: UUID) -> Any:
    """The message as the actor may see it, with timeline.COLUMNS. Raises Refused: NOT_FOUND, NOT_A_MEMBER."""
    demand(standing, Action.READ)
    found = await store.timeline.get(row["id"], opens_history(row, standing), standing.user_id, message_id)
    if found is None:
        raise not_found("message")
    return found


async def demand_voice(store: Store, row: Any, user_id: UUID) -> None:
    """What holds a send holds an edit and a reaction. The row is locked. Raises Refused: MUTED, NOT_REACHABLE."""
    muted = await store.conversation.muted_until(row["id"], user_id)
    if muted is not None:
        raise refuse_muted(*muted)
    if row["kind"] == "direct" and row["member_count"] == 2:
        people = [UUID(identifier) for identifier in row["direct_key"].split(",")]
        if await store.blocks.between(user_id, people):
            raise refuse_blocked()
