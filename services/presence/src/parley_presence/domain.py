"""Who is there, as a state machine without I/O.

Somebody is online from the opening of his first socket until a grace after the end of his last one. What he has chosen to be
shown as (busy, invisible) is his own affair, and outlives his sockets.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from parley_shared.contracts.presence import Chosen, Presence, PresenceChanged


@dataclass(frozen=True, slots=True)
class Person:
    """offline_at: he has no socket any more, and is offline from then on unless another one opens. rev grows with whatever
    can be seen. last_seen: when he was last there, as far as others may know it."""

    user_id: UUID
    rev: int = 0
    chosen: Chosen = "online"
    text: str = ""
    online: bool = False
    offline_at: datetime | None = None
    last_seen: datetime | None = None

    @property
    def visible(self) -> bool:
        """Whether his coming and going may be seen."""
        return self.chosen != "invisible"


def connected(person: Person) -> Person:
    """He has a socket."""
    if person.online:
        return replace(person, offline_at=None)
    return replace(person, online=True, rev=person.rev + person.visible)


def disconnected(person: Person, left_at: datetime | None, now: datetime, grace: timedelta) -> Person:
    """He has no socket. left_at: when the last one that was reported ended, by a gateway's clock."""
    seen = person.last_seen
    if left_at is not None and person.visible:
        seen = max(min(left_at, now), seen or min(left_at, now))
    if person.online:
        return replace(person, offline_at=person.offline_at or now + grace, last_seen=seen)
    return replace(person, last_seen=seen, rev=person.rev + (seen != person.last_seen))


def gone(person: Person) -> Person:
    """The grace is over."""
    return replace(person, online=False, offline_at=None, rev=person.rev + person.visible)


def choose(person: Person, chosen: Chosen, text: str, now: datetime) -> Person:
    """What he wants to be shown as. Becoming invisible looks like going."""
    if (person.chosen, person.text) == (chosen, text):
        return person
    vanishes = chosen == "invisible" and person.visible and person.online
    seen = now if vanishes else person.last_seen
    return replace(person, chosen=chosen, text=text, last_seen=seen, rev=person.rev + 1)


def shown(person: Person) -> Presence:
    """To others."""
    if person.online and person.visible:
        return Presence(user_id=person.user_id, status=person.chosen, text=person.text or None)
    return Presence(user_id=person.user_id, status="offline", last_seen=person.last_seen)


def own(person: Person) -> Presence:
    """To himself: what he has chosen."""
    return Presence(user_id=person.user_id, status=person.chosen, text=person.text or None)


def changed(person: Person) -> PresenceChanged:
    """What is told on the bus."""
    return PresenceChanged(rev=person.rev, shown=shown(person), own=own(person))
