"""Messages as somebody sees them: with their reactions, and which of those are his."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from parley_messages.rendering import message, reactions
from parley_messages.store import Store
from parley_shared.contracts.messages import Message


async def shown(store: Store, rows: Sequence[Any], user_id: UUID) -> list[Message]:
    """rows: with timeline.COLUMNS, of any rooms. In their order."""
    living = [(row["room_id"], row["id"]) for row in rows if row["deleted_at"] is None]
    found = reactions(await store.reactions.of(living, user_id)) if living else {}
    return [message(row, found.get(row["id"], ())) for row in rows]
