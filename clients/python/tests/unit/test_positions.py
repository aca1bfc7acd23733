"""Positions: whatever arrives, in whatever order, each stream comes out dense, in order and once."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parley_client.events import Event, Gone, Notice, Positions, Resync
from parley_client.models import EventFrame, StreamStanding

ROOM = "room:01890000-0000-7000-8000-00000000000a"
OTHER = "room:01890000-0000-7000-8000-00000000000c"
OWN = "user:01890000-0000-7000-8000-00000000000b"

seqs = st.integers(min_value=1, max_value=30)


def frame(seq: int, stream: str = ROOM, kind: str = "test", **data: Any) -> EventFrame:
    return EventFrame(stream=stream, seq=seq, event={"kind": kind, **data})


def joined(seq: int, from_seq: int) -> EventFrame:
    return frame(seq, OWN, "room.joined", room_id=ROOM[5:], from_seq=from_seq)


def left(seq: int, to_seq: int) -> EventFrame:
    return frame(seq, OWN, "room.left", room_id=ROOM[5:], to_seq=to_seq, reason="left")


def standing(status: str, head: int) -> StreamStanding:
    return StreamStanding(status=status, head=head)


def follow(positions: Positions, arriving: EventFrame) -> list[Notice]:
    """What the client does with a frame, with a log that has everything."""
    out: list[Notice] = []
    while (after := positions.gap(arriving)) is not None:
        out += positions.take(frame(after + 1, arriving.stream))
    return out + positions.take(arriving)


@given(st.integers(min_value=0, max_value=10), st.lists(st.tuples(st.sampled_from([ROOM, OTHER]), seqs)))
def test_holes_repetitions_and_old_frames_come_out_dense_and_once(start: int, arriving: list[tuple[str, int]]) -> None:
    positions = Positions("e", {ROOM: start, OTHER: start})
    shown: dict[str, list[int]] = {ROOM: [], OTHER: []}
    for stream, seq in arriving:
        for notice in follow(positions, frame(seq, stream)):
            assert isinstance(notice, Event)
            shown[notice.stream].append(notice.seq)
    for stream, got in shown.items():
        highest = max([seq for other, seq in arriving if other == stream], default=0)
        assert got == list(range(start + 1, max(start, highest) + 1))
        assert positions.at[stream] == max(start, highest)


@given(seqs, seqs)
def test_the_first_frame_of_an_unknown_stream_is_no_gap(first: int, later: int) -> None:
    positions = Positions("e")
    assert positions.gap(frame(first)) is None
    assert [notice.stream for notice in positions.take(frame(first))] == [ROOM]
    assert (positions.gap(frame(later)) is not None) == (later > first + 1)


def test_a_first_connection_resumes_nothing_and_a_later_one_names_every_stream() -> None:
    positions = Positions()
    assert positions.resume() is None
    positions.ready("e", {OWN: standing("current", 4)}, {ROOM: 9})
    assert positions.resume() == {"epoch": "e", "at": {OWN: 4, ROOM: 9}}
    assert positions.take(frame(9)) == []
    assert len(positions.take(frame(10))) == 1


def test_at_most_200_rooms_are_named_and_the_own_stream_always() -> None:
    positions = Positions("e", {OWN: 1, **{f"room:{number}": number for number in range(300)}})
    named = positions.resume()
    assert named is not None
    assert len(named["at"]) == 201
    assert named["at"][OWN] == 1


@given(st.sampled_from(["recovered", "current", "resync", "gone"]), seqs, seqs)
def test_ready_says_where_each_stream_stands(status: str, at: int, head: int) -> None:
    positions = Positions("e", {ROOM: at, OWN: 0})
    notices = positions.ready("e", {ROOM: standing(status, head), OWN: standing("current", 0)}, {})
    if status == "resync":
        assert notices == [Resync(ROOM, head)]
        assert positions.at[ROOM] == head
    elif status == "gone":
        assert notices == [Gone(ROOM)]
        assert ROOM not in positions.at
    else:
        # The missed events follow, and move the position themselves.
        assert notices == []
        assert positions.at[ROOM] == at
    assert positions.resume() == {"epoch": "e", "at": positions.at}


def test_what_is_gone_is_told_once() -> None:
    positions = Positions("e", {ROOM: 3, OWN: 0})
    assert positions.ready("e", {ROOM: standing("gone", 0)}, {}) == [Gone(ROOM)]
    # The own stream's replay tells it once more.
    assert [type(notice) for notice in positions.take(left(1, 4))] == [Event]


def test_another_epoch_forgets_what_was_not_named() -> None:
    positions = Positions("old", {ROOM: 5, OTHER: 7, OWN: 2})
    notices = positions.ready("new", {ROOM: standing("resync", 1), OWN: standing("resync", 1)}, {ROOM: 1, OTHER: 3})
    assert notices == [Resync(ROOM, 1), Resync(OWN, 1), Resync(OTHER, 3)]
    assert positions.at == {ROOM: 1, OWN: 1, OTHER: 3}
    assert positions.epoch == "new"


def test_a_room_joined_while_away_is_to_be_read() -> None:
    positions = Positions("e", {OWN: 0})
    assert positions.ready("e", {OWN: standing("recovered", 1)}, {ROOM: 20}) == [Resync(ROOM, 20)]
    # The own stream replays the joining; the room goes on after its head, as the Resync said.
    assert [type(notice) for notice in positions.take(joined(1, 5))] == [Event]
    assert positions.gap(frame(21)) is None


@given(st.integers(min_value=1, max_value=50))
def test_a_new_membership_begins_before_its_first_event(from_seq: int) -> None:
    positions = Positions("e", {OWN: 0})
    positions.take(joined(1, from_seq))
    assert positions.gap(frame(from_seq)) is None
    assert [notice.seq for notice in follow(positions, frame(from_seq + 2)) if isinstance(notice, Event)] == [
        from_seq,
        from_seq + 1,
        from_seq + 2,
    ]


def test_an_interval_that_one_was_not_there_for_is_no_gap() -> None:
    positions = Positions("e", {OWN: 0, ROOM: 10})
    assert [type(notice) for notice in positions.take(left(1, 12))] == [Event, Gone]
    positions.take(joined(2, 30))
    assert positions.gap(frame(30)) is None
    assert len(positions.take(frame(30))) == 1


@given(st.permutations(["joined", "first", "second"]))
def test_a_rooms_events_that_overtake_the_joining_are_not_shown_twice(order: list[str]) -> None:
    frames = {"joined": joined(1, 7), "first": frame(7), "second": frame(8)}
    positions = Positions("e", {OWN: 0})
    out = [notice for name in order for notice in follow(positions, frames[name])]
    room = [notice.seq for notice in out if isinstance(notice, Event) and notice.stream == ROOM]
    assert len(room) == len(set(room))
    assert room == sorted(room)
    assert room[-1] == 8


def test_an_old_leaving_does_not_end_a_newer_membership() -> None:
    # Left at 12 and joined again at 15 while away; `ready` knew the head of the newer membership already.
    positions = Positions("e", {OWN: 0, ROOM: 10})
    assert positions.ready("e", {ROOM: standing("resync", 20), OWN: standing("recovered", 2)}, {}) == [Resync(ROOM, 20)]
    assert [type(notice) for notice in positions.take(left(1, 12))] == [Event]
    assert [type(notice) for notice in positions.take(joined(2, 15))] == [Event]
    assert positions.at[ROOM] == 20


def test_what_cannot_be_had_any_more_is_skipped_and_said() -> None:
    positions = Positions("e", {ROOM: 3})
    assert positions.skip(frame(9)) == Resync(ROOM, 8)
    assert [notice.seq for notice in positions.take(frame(9)) if isinstance(notice, Event)] == [9]


@given(st.integers(0, 5), st.lists(seqs, max_size=15), st.integers(0, 30))
def test_positions_of_who_has_not_seen_the_last_are_before_them(start: int, arriving: list[int], unseen: int) -> None:
    positions = Positions("e", {ROOM: start, OTHER: 1})
    notices = [notice for seq in arriving for notice in follow(positions, frame(seq))]
    seen, waiting = notices[: len(notices) - unseen], notices[max(0, len(notices) - unseen) :]
    if unseen > len(notices):
        seen = []
    assert positions.before(waiting) == {ROOM: start + len(seen), OTHER: 1}


def test_a_notice_that_was_not_seen_is_told_again_after_a_resume() -> None:
    positions = Positions("e", {OTHER: 4})
    assert positions.before([Resync(ROOM, 9), Gone(OTHER)]) == {ROOM: 0, OTHER: 0}
