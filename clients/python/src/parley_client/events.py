"""Positions: how far each stream has been read, so that nothing is missed and nothing is seen twice. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from parley_client.models import EventFrame, Message, StreamStanding


@dataclass(frozen=True, slots=True)
class Event:
    """One change, in its stream's order. data: the event's JSON, by kind as the protocol lists it."""

    stream: str
    seq: int
    kind: str
    data: dict[str, Any]

    @property
    def room_id(self) -> UUID | None:
        """The room, for a room's stream."""
        return UUID(self.stream[5:]) if self.stream.startswith("room:") else None

    @property
    def message(self) -> Message | None:
        """Of `message.created`."""
        found = self.data.get("message")
        return None if found is None else msgspec.convert(found, Message)


@dataclass(frozen=True, slots=True)
class Resync:
    """Too much was missed (or the history is another one): read this stream's state again; events go on after `head`."""

    stream: str
    head: int


@dataclass(frozen=True, slots=True)
class Gone:
    """One is no longer a member, or the room is no more."""

    stream: str


Notice = Event | Resync | Gone


class Positions:
    """stream → the newest seq that was passed on; what moved last is last.

    `gap` tells what to fetch before a frame can be passed on.
    """

    def __init__(self, epoch: str | None = None, at: dict[str, int] | None = None) -> None:
        self.epoch = epoch
        self.at: dict[str, int] = dict(at or {})

    def resume(self, most: int = 200) -> dict[str, Any] | None:
        """For the `auth` frame; None for a first connection."""
        if self.epoch is None:
            return None
        own = {stream: seq for stream, seq in self.at.items() if stream.startswith("user:")}
        # Those that moved last: what has been still for long is least likely to have been missed.
        rooms = [(stream, seq) for stream, seq in self.at.items() if stream not in own]
        return {"epoch": self.epoch, "at": {**own, **dict(rooms[-most:])}}

    def before(self, notices: Iterable[Notice]) -> dict[str, int]:
        """The positions as they would be without these, which were taken last: what somebody has seen who has not seen them."""
        at = dict(self.at)
        met: set[str] = set()
        for notice in notices:
            if notice.stream not in met:
                met.add(notice.stream)
                # To resume from 0 tells of a Resync or Gone once more.
                at[notice.stream] = notice.seq - 1 if isinstance(notice, Event) else 0
        return at

    def ready(self, epoch: str, streams: dict[str, StreamStanding], heads: dict[str, int]) -> list[Notice]:
        """What `ready` says: where each stream stands. heads: of the rooms listed, the most recently active first."""
        notices: list[Notice] = []
        known = self.epoch is not None
        for stream, standing in streams.items():
            if standing.status == "gone":
                if self.at.pop(stream, None) is not None:
                    notices.append(Gone(stream))
            elif standing.status == "resync":
                notices.append(self._resync(stream, standing.head))
            else:
                self.at.setdefault(stream, standing.head)
        if known and self.epoch != epoch:
            # Another history: what was not named in the resume is as worthless as what was. The next event of what is not
            # listed either is taken for its first, since its head is not told.
            for stream in [stream for stream in self.at if stream not in streams]:
                del self.at[stream]
                if stream not in heads:
                    notices.append(Resync(stream, 0))
        for stream, head in reversed(heads.items()):
            if stream in streams:
                continue
            if not known:
                self.at[stream] = head
            elif self.at.get(stream, -1) < head:
                # Not named in the resume: joined while away, which the user's own stream tells of, or one room too many.
                notices.append(self._resync(stream, head))
        self.epoch = epoch
        return notices

    def _resync(self, stream: str, head: int) -> Resync:
        self._move(stream, head)
        return Resync(stream, head)

    def _move(self, stream: str, seq: int) -> None:
        """To there, and to the end of those that moved."""
        self.at.pop(stream, None)
        self.at[stream] = seq

    def gap(self, frame: EventFrame) -> int | None:
        """The seq after which events must be fetched first, or None if the frame follows on (or is old)."""
        position = self.at.get(frame.stream)
        return position if position is not None and frame.seq > position + 1 else None

    def take(self, frame: EventFrame) -> list[Notice]:
        """The frame as an event, once; nothing if it was seen before."""
        position = self.at.get(frame.stream)
        if position is not None and frame.seq <= position:
            return []
        self._move(frame.stream, frame.seq)
        kind = frame.event.get("kind", "")
        notices: list[Notice] = [Event(frame.stream, frame.seq, kind, frame.event)]
        if kind == "room.joined":
            # A new membership begins at its own first event; what lies before is no gap. Its events, or the head that
            # `ready` told, may have come first: a position never goes back.
            stream = f"room:{frame.event['room_id']}"
            self._move(stream, max(self.at.get(stream, 0), frame.event["from_seq"] - 1))
        elif kind == "room.left":
            stream = f"room:{frame.event['room_id']}"
            standing = self.at.get(stream)
            # At or beyond to_seq it is the position of a later membership.
            if standing is not None and standing < frame.event["to_seq"]:
                del self.at[stream]
                notices.append(Gone(stream))
        return notices

    def skip(self, frame: EventFrame) -> Resync:
        """Give up what lies between the position and the frame."""
        return self._resync(frame.stream, frame.seq - 1)
