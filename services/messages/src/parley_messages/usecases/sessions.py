"""Opening a session, resuming, and what gateways' hubs need."""

from typing import Any
from uuid import UUID

import msgspec

from parley_messages.epoch import Epoch
from parley_messages.rendering import membership_change, my_room
from parley_messages.store import Database, Store
from parley_messages.tail import TailCache
from parley_messages.usecases.timeline import frames_between
from parley_shared.contracts import messages as contract
from parley_shared.contracts.messages import StreamState
from parley_shared.errors import invalid
from parley_shared.ids import room_stream, user_stream
from parley_shared.limits import (
    READY_ROOMS,
    REPLY_BYTES,
    RESUME_EVENTS,
    RESUME_EVENTS_PER_STREAM,
    RESUME_STREAMS,
)

CHUNK = 256
"""Events read in one statement."""


class Sessions:
    """The mechanism behind everything that returns: {stream: seq}, fetch what follows."""

    def __init__(self, database: Database, epoch: Epoch, tail: TailCache) -> None:
        self._database = database
        self._epoch = epoch
        self._tail = tail

    async def open(self, command: contract.OpenSession) -> contract.SessionOpened:
        """Everything of one moment: rooms, memberships, and how far each stream of a resume can be replayed.

        Raises Refused: INVALID for more than 200 streams.
        """
        user_id = command.actor.user_id
        own = user_stream(user_id)
        resume = command.resume
        if resume is not None and len(resume.at) - (own in resume.at) > RESUME_STREAMS:
            raise invalid(resume=f"at most {RESUME_STREAMS} streams")
        async with self._database.snapshot() as store:
            memberships = await store.rooms.memberships(user_id)
            rows = await store.rooms.page_of_mine(user_id, READY_ROOMS, None)
            head, floor = await store.streams.user_head(user_id)
        rooms: list[contract.MyRoom] = []
        size = 0
        for row in rows:
            item = my_room(row)
            size += len(msgspec.json.encode(item))
            if size > REPLY_BYTES // 2:
                break
            rooms.append(item)
        known = {room_stream(row["room_id"]): row for row in memberships}
        return contract.SessionOpened(
            epoch=self._epoch.value,
            rooms=rooms,
            more_rooms=len(memberships) > len(rooms),
            streams=_standing(
                resume, own, head, floor, known, same=resume is not None and resume.epoch == self._epoch.value
            ),
            memberships=[
                contract.Membership(room_id=row["room_id"], from_seq=row["from_seq"], head=row["head"])
                for row in memberships
            ],
        )

    async def replay(self, command: contract.Replay) -> contract.Replayed:
        """The frames of several streams, as many as fit one answer."""
        parts: list[contract.ReplayPart] = []
        size = 0
        own = user_stream(command.actor.user_id)
        async with self._database.snapshot() as store:
            for want in command.wants:
                part = await self._replay_one(store, command.actor.user_id, own, want, REPLY_BYTES - size)
                parts.append(part)
                size += sum(len(bytes(frame)) for frame in part.frames)
                if not part.gone and not part.complete:
                    break
        return contract.Replayed(parts=parts)

    async def _replay_one(
        self, store: Store, user_id: UUID, own: str, want: contract.ReplayWant, room_left: int
    ) -> contract.ReplayPart:
        room: Any | None = None
        after = want.after
        if want.stream == own:
            head, _ = await store.streams.user_head(user_id)
        else:
            room_id = _room_id(want.stream)
            room = None if room_id is None else await store.rooms.mine(user_id, room_id)
            if room is None:
                return contract.ReplayPart(stream=want.stream, frames=[], last=after, complete=True, gone=True)
            head = room["head"]
            after = max(after, room["from_seq"] - 1)
        upto = min(want.upto, head)
        frames: list[msgspec.Raw] = []
        size = 0
        cached = None if room is None or upto != head else self._tail.after(room["id"], after, head)
        while after < upto:
            if cached is not None:
                found = [(event.seq, event.frame) for event in cached]
            else:
                chunk = await frames_between(store, want.stream, room, after, upto, CHUNK)
                found = [(seq, frame) for seq, frame, _ in chunk]
            if not found:
                break
            for seq, frame in found:
                size += len(frame) + 1
                if size > room_left:
                    # One frame is far smaller than an empty answer has room for, so somebody's next question gets on.
                    return contract.ReplayPart(stream=want.stream, frames=frames, last=after, complete=False)
                frames.append(msgspec.Raw(frame))
                after = seq
        return contract.ReplayPart(stream=want.stream, frames=frames, last=after, complete=True)

    async def hub_range(self, command: contract.HubRange) -> contract.HubEvents:
        """For a gateway's hub, which applies membership itself."""
        async with self._database.snapshot() as store:
            room: Any | None = None
            room_id = _room_id(command.stream)
            if room_id is not None:
                room = await store.rooms.get(room_id)
                head, floor = (0, 0) if room is None else (room["head"], room["floor"])
            else:
                user_id = _user_id(command.stream)
                head, floor = (0, 0) if user_id is None else await store.streams.user_head(user_id)
            if command.after < floor:
                return contract.HubEvents(epoch=self._epoch.value, head=head, lost=True, events=[])
            cached = None if room_id is None else self._tail.after(room_id, command.after, head)
            if cached is not None:
                found = [(event.seq, event.frame, event.joined, event.left) for event in cached]
            else:
                found = [
                    (seq, frame, *membership_change(row))
                    for seq, frame, row in await frames_between(store, command.stream, room, command.after, head, CHUNK)
                ]
        events: list[contract.HubEvent] = []
        size = 0
        for seq, frame, joined, left in found:
            size += len(frame) + 100
            if events and size > REPLY_BYTES:
                break
            events.append(contract.HubEvent(seq=seq, frame=msgspec.Raw(frame), joined=list(joined), left=list(left)))
        return contract.HubEvents(epoch=self._epoch.value, head=head, lost=False, events=events)

    async def heads(self, command: contract.StreamHeads) -> contract.StreamHeadsAnswer:
        """Straight from PostgreSQL."""
        rooms = [room for stream in command.streams if (room := _room_id(stream)) is not None]
        users = [user for stream in command.streams if (user := _user_id(stream)) is not None]
        async with self._database.snapshot() as store:
            found = await store.streams.heads(rooms, users)
        return contract.StreamHeadsAnswer(
            epoch=self._epoch.value, heads={stream: found.get(stream, 0) for stream in command.streams}
        )


def _standing(
    resume: contract.ResumeFrom | None,
    own: str,
    own_head: int,
    own_floor: int,
    known: dict[str, Any],
    *,
    same: bool,
) -> list[StreamState]:
    """The user's own stream first, then the resume's in its order: each whole, and from the first that does not fit in the
    whole all that have missed something are `resync`."""
    at = {} if resume is None else resume.at
    states = []
    left = RESUME_EVENTS
    full = False
    for stream in [own, *(name for name in at if name != own)]:
        if stream == own:
            head, floor = own_head, own_floor
        elif stream in known:
            head, floor = known[stream]["head"], known[stream]["floor"]
        else:
            states.append(StreamState(stream=stream, status="gone", head=0, after=0))
            continue
        if stream not in at:
            states.append(StreamState(stream=stream, status="current", head=head, after=head))
            continue
        after = at[stream]
        if not same or after > head or after < 0:
            states.append(StreamState(stream=stream, status="resync", head=head, after=head))
            continue
        if stream != own:
            # A new membership begins at its own first event; an interval that was missed is no gap.
            after = max(after, known[stream]["from_seq"] - 1)
        missed = head - after
        if missed == 0:
            states.append(StreamState(stream=stream, status="current", head=head, after=head))
        elif after < floor or missed > RESUME_EVENTS_PER_STREAM:
            states.append(StreamState(stream=stream, status="resync", head=head, after=head))
        elif full or missed > left:
            full = True
            states.append(StreamState(stream=stream, status="resync", head=head, after=head))
        else:
            left -= missed
            states.append(StreamState(stream=stream, status="recovered", head=head, after=after))
    return states


def _room_id(stream: str) -> UUID | None:
    return _identifier(stream, "room")


def _user_id(stream: str) -> UUID | None:
    return _identifier(stream, "user")


def _identifier(stream: str, kind: str) -> UUID | None:
    found, _, identifier = stream.partition(":")
    if found != kind:
        return None
    try:
        return UUID(identifier)
    except ValueError:
        return None
