"""The checker itself, on good histories with planted errors: it finds each, and finds nothing in what is good."""

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker import Records, Send, Shown, check


@st.composite
def good(draw: st.DrawFn) -> Records:
    """Three senders, two readers, some unacknowledged sends, some events that are no messages."""
    records = Records()
    seq = draw(st.integers(0, 3))
    start = seq
    events: list[tuple[int, str | None]] = []
    for number in range(draw(st.integers(4, 25))):
        seq += 1
        if draw(st.booleans()) or number < 4:
            sender = draw(st.sampled_from("abc"))
            body = f"{sender}{number}"
            known = number < 4 or draw(st.booleans())
            records.sends.append(Send(sender, body, seq if known else None))
            records.history.append(Shown(seq, body))
            events.append((seq, body))
        else:
            events.append((seq, None))
    records.sends.append(Send("a", "never arrived", None))
    for reader in ("x", "y"):
        skip = draw(st.integers(0, 2))
        records.since[reader] = start + skip
        records.shown[reader] = events[skip:]
    records.head = seq
    return records


def kinds(records: Records) -> set[str]:
    return {finding.kind for finding in check(records)}


@given(good())
def test_nothing_is_wrong_with_what_is_good(records: Records) -> None:
    assert check(records) == []


@given(good())
def test_an_acknowledged_message_that_is_gone_is_lost(records: Records) -> None:
    victim = next(send for send in records.sends if send.seq is not None)
    records.history = [shown for shown in records.history if shown.body != victim.body]
    assert "lost" in kinds(records)


@given(good())
def test_a_reader_who_saw_no_end_has_lost(records: Records) -> None:
    records.shown["x"] = records.shown["x"][:-1]
    assert kinds(records) == {"lost"}


@given(good())
def test_a_message_in_the_history_twice_is_doubled(records: Records) -> None:
    last = records.history[-1]
    records.history.append(Shown(last.seq + 100, last.body))
    assert "doubled" in kinds(records)


@given(good(), st.data())
def test_a_reader_shown_something_again_is_doubled(records: Records, data: st.DataObject) -> None:
    events = records.shown["y"]
    records.shown["y"] = [*events, data.draw(st.sampled_from(events))]
    assert kinds(records) == {"doubled"}


@given(good(), st.data())
def test_a_hole_in_what_a_reader_saw_is_a_gap(records: Records, data: st.DataObject) -> None:
    events = records.shown["x"]
    index = data.draw(st.integers(0, len(events) - 2))
    records.shown["x"] = events[:index] + events[index + 1 :]
    assert kinds(records) == {"gap"}


@given(good())
def test_two_acknowledgements_the_wrong_way_round_are_reordered(records: Records) -> None:
    first, second = (index for index, send in enumerate(records.sends[:2]))
    one, two = records.sends[first], records.sends[second]
    records.sends[first] = Send("same", one.body, two.seq)
    records.sends[second] = Send("same", two.body, one.seq)
    assert "reordered" in kinds(records)


@given(good())
def test_swapped_events_are_noticed(records: Records) -> None:
    events = records.shown["x"]
    events[0], events[1] = events[1], events[0]
    assert kinds(records) == {"gap", "reordered"}


@given(good())
def test_another_text_or_a_text_that_nobody_sent_is_a_phantom(records: Records) -> None:
    seq = next(seq for seq, body in records.shown["x"] if body is not None)
    records.shown["x"] = [(at, "something else" if at == seq else body) for at, body in records.shown["x"]]
    assert kinds(records) == {"phantom"}
    records.history.append(Shown(records.head, "out of the blue"))
    assert "phantom" in kinds(records)
