"""The tail cache against a plain list: it may forget, but it never answers wrongly."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from parley_messages.tail import TailCache
from parley_shared.ids import new_id

ROOMS = [new_id(), new_id(), new_id()]

operations = st.lists(
    st.tuples(
        st.sampled_from(ROOMS),
        # Committed here; committed by another replica; committed here, but not replayable; forgotten on purpose.
        st.sampled_from(["here", "here", "here", "elsewhere", "unreplayable", "drop"]),
        st.integers(1, 60),
    ),
    max_size=60,
)


@given(operations=operations, per_room=st.integers(1, 6), most_bytes=st.integers(50, 400), swap=st.booleans())
def test_what_it_answers_is_what_the_log_says(
    operations: list[tuple[UUID, str, int]], per_room: int, most_bytes: int, swap: bool
) -> None:
    tail = TailCache(events_per_room=per_room, most_bytes=most_bytes)
    logs: dict[UUID, list[bytes]] = {room: [] for room in ROOMS}
    waiting: list[tuple[UUID, int, bytes, bool]] = []
    for room, what, size in operations:
        if what == "drop":
            tail.drop(room)
            continue
        logs[room].append(b"%d" % len(logs[room]) + b"x" * size)
        if what != "elsewhere":
            waiting.append((room, len(logs[room]), logs[room][-1], what == "here"))
        # Two commits of one replica may be told in the wrong order.
        if len(waiting) == 2 or not swap:
            for told in reversed(waiting):
                tail.append(*told[:3], (), (), told[3])
            waiting.clear()
        for each, log in logs.items():
            for after in range(len(log) + 1):
                answer = tail.after(each, after, len(log))
                if answer is not None:
                    assert [(event.seq, event.frame) for event in answer] == [
                        (seq, frame) for seq, frame in enumerate(log, start=1) if seq > after
                    ]


def test_it_answers_from_what_this_replica_committed() -> None:
    tail = TailCache()
    room = new_id()
    for seq in range(1, 300):
        tail.append(room, seq, b"%d" % seq, (), (), True)
    answer = tail.after(room, 290, 299)
    assert answer is not None
    assert [event.seq for event in answer] == list(range(291, 300))
    assert tail.after(room, 10, 299) is None, "that was forgotten"
    assert tail.after(room, 290, 300) is None, "another replica knows more"
    assert tail.after(new_id(), 0, 0) is None


def test_it_keeps_to_its_size_and_forgets_the_least_recently_used_room() -> None:
    tail = TailCache(most_bytes=1_000)
    first, second, third = ROOMS
    for room in (first, second):
        tail.append(room, 1, b"x" * 400, (), (), True)
    assert tail.after(first, 0, 1) is not None
    tail.append(third, 1, b"x" * 400, (), (), True)
    assert tail.after(second, 0, 1) is None
    assert tail.after(first, 0, 1) is not None
    assert tail.after(third, 0, 1) is not None


def test_after_a_change_of_the_epoch_nothing_is_left() -> None:
    tail = TailCache()
    tail.append(ROOMS[0], 1, b"x", (), (), True)
    tail.clear()
    assert tail.after(ROOMS[0], 0, 1) is None
