"""How far a room is read, as a state machine without I/O.

The log of a room is followed after its `cursor`. What was there before is paged as state, after `paged`, from a moment on that is
later than the cursor; both write the same entries, and of two versions of a message the greater (generation, rev) stays. So it
does not matter in which order answers come, how often, or whether they come while the other way is under way. An answer that was
asked for under another generation is stale: it changes nothing, and is asked for again.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from parley_shared.contracts.indexing import IndexPart

RELEVANT = frozenset(("message.created", "message.edited", "message.deleted", "room.updated"))
"""Kinds of events that change what is found: texts, and the language that they are analysed in."""
IMAGE = ":image"
"""Marks stand in an entry for what is no text; no word begins with a colon."""


def sender_mark(user_id: UUID) -> str:
    return f":u{urlsafe_b64encode(user_id.bytes).rstrip(b'=').decode()}"


@dataclass(frozen=True, slots=True)
class Room:
    """language: null until it was heard. paged: null when all state is there. gone: it is being forgotten."""

    room_id: UUID
    language: str | None
    cursor: int | None
    head: int
    generation: int
    paged: int | None
    gone: bool = False


Reading = Literal["log", "state"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is to, and the room's generation at that time."""

    room_id: UUID
    after: int
    kind: Reading
    generation: int


def again(room: Room) -> Room:
    """All its entries are to be replaced; those that are there are found meanwhile."""
    return replace(room, generation=room.generation + 1, paged=0)


def shortened(room: Room, known: Room, head: int) -> Room:
    """known: the same room as it was before messages was asked for its head, which is below what was read then. That cannot be
    within an epoch, so what was read is not to be trusted."""
    if room.gone or room.generation != known.generation:
        return room
    return again(replace(room, cursor=head, head=head))


def _speaking(room: Room, head: int, language: str) -> Room | None:
    """With its language. None: whoever says another one does not know the newest."""
    if language == room.language:
        return room
    if room.language is None:
        return replace(room, language=language)
    return None if head < room.head else again(replace(room, language=language))


def taken(room: Room, asked: Asked, part: IndexPart) -> Room | None:
    """The room after an answer, whose entries belong to the generation that it then has. None: it is stale."""
    if room.gone or asked.generation != room.generation:
        return None
    if part.gone:
        return replace(room, gone=True)
    if part.lost:
        return again(replace(room, cursor=part.head, head=part.head))
    speaking = _speaking(room, part.head, part.language)
    if speaking is None:
        return None
    head = max(room.head, part.head)
    if asked.kind == "log":
        if room.cursor is None or asked.after > room.cursor:
            return None
        return replace(speaking, head=head, cursor=max(room.cursor, part.upto))
    if asked.after == speaking.paged:
        return replace(speaking, head=head, paged=None if part.complete else part.upto)
    # Somebody else has come further; but if it had to begin anew, then this is what it begins with.
    return None if speaking.generation == asked.generation else replace(speaking, head=head)
