"""A room as one reader follows it: what was shown to him, in order, and the copy that he keeps by events alone."""

from tests.faults.checker import DRAFT, Kept
from tests.integration.test_law import Copy
from tests.protocol_client import Frame, Person

USERS = 20
"""Of a reaction, so many people are named."""


class View:
    """since: the seq after which he follows it. position: the seq up to which he has it. removed: at which seq who was."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.stream = f"room:{room}"
        self.since = 0
        self.position = 0
        self.shown: list[tuple[int, str | None]] = []
        self.removed: dict[str, int] = {}
        self.copy = Copy(room)
        self.copy.room = {"rev": 0}

    def begin(self, head: int) -> None:
        self.since = self.position = self.copy.seq = head

    async def begin_again(self, person: Person, head: int) -> None:
        """After a `resync`: a fresh read, and events from `head` on."""
        self.since = self.position = head
        self.shown = []
        await self.copy.read(person, head)

    def take(self, frame: Frame) -> None:
        """An `event` frame of this room."""
        event = frame["event"]
        body = event["message"]["body"] if event["kind"] == "message.created" else None
        self.shown.append((frame["seq"], None if body is None or body.startswith(DRAFT) else body))
        self.position = frame["seq"]
        if event["kind"] == "member.removed":
            self.removed[event["user_id"]] = frame["seq"]
        if frame["seq"] == self.copy.seq + 1:  # otherwise the checker finds the gap
            self.copy.apply(frame)

    def kept(self) -> list[Kept]:
        return [kept(message) for message in self.copy.messages.values() if message["seq"] > self.since]


def kept(message: Frame) -> Kept:
    """A message, as a client keeps it or a page shows it."""
    reactions = tuple(
        (reaction["reaction"], reaction["count"], tuple(reaction["user_ids"][:USERS]))
        for reaction in message["reactions"]
    )
    return Kept(message["id"], message["seq"], message["rev"], message["body"], message["deleted"], reactions)
