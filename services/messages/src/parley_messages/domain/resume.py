"""What a returning client is told of each of its streams (protocol.md, *Resume*)."""

from collections.abc import Mapping
from uuid import UUID

from parley_messages.domain.streams import parse_stream
from parley_shared.contracts.messages import Membership, ResumeFrom, StreamState
from parley_shared.errors import invalid
from parley_shared.ids import user_stream
from parley_shared.limits import RESUME_EVENTS, RESUME_EVENTS_PER_STREAM, RESUME_STREAMS


def check_resume(resume: ResumeFrom | None, user_id: UUID) -> None:
    """Raises Refused: INVALID if it names more streams than a resume may."""
    if resume is not None and len(resume.at.keys() - {user_stream(user_id)}) > RESUME_STREAMS:
        raise invalid(resume=f"at most {RESUME_STREAMS} streams besides your own")


def plan(
    resume: ResumeFrom | None,
    *,
    epoch: str,
    user_id: UUID,
    own: tuple[int, int],
    memberships: Mapping[UUID, tuple[Membership, int]],
) -> list[StreamState]:
    """The user's own stream first, then those of the resume in their order.

    own: (head, floor) of the user's stream. memberships: by room, with the room's floor.
    """
    own_name = user_stream(user_id)
    at = {} if resume is None else dict(resume.at)
    own_at = at.pop(own_name, None)
    same_epoch = resume is not None and resume.epoch == epoch
    left = RESUME_EVENTS
    full = False

    def standing(stream: str, after: int, start: int, head: int, floor: int) -> StreamState:
        nonlocal left, full
        missed = head - start
        if not same_epoch or after > head or start < floor or missed > RESUME_EVENTS_PER_STREAM:
            return StreamState(stream=stream, status="resync", head=head, after=head)
        if missed <= 0:
            return StreamState(stream=stream, status="current", head=head, after=head)
        # Each stream whole, and from the first that does not fit none: a client that sees one recovered may rely on
        # everything that it listed before it.
        full = full or missed > left
        if full:
            return StreamState(stream=stream, status="resync", head=head, after=head)
        left -= missed
        return StreamState(stream=stream, status="recovered", head=head, after=start)

    own_head, own_floor = own
    if own_at is None:
        states = [StreamState(stream=own_name, status="current", head=own_head, after=own_head)]
    else:
        states = [standing(own_name, own_at, own_at, own_head, own_floor)]
    for stream, after in at.items():
        parsed = parse_stream(stream)
        found = memberships.get(parsed[1]) if parsed is not None and parsed[0] == "room" else None
        if found is None:
            states.append(StreamState(stream=stream, status="gone", head=0, after=0))
            continue
        member, floor = found
        states.append(standing(stream, after, max(after, member.from_seq - 1), member.head, floor))
    return states
