"""The checker itself, on good histories with planted errors: it finds each, and finds nothing in what is good."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker import DRAFT, Draft, Glimpse, Kept, Records, Send, Shown, check, visible

REACTIONS = ("dislike", "like", "👍")


@st.composite
def good(draw: st.DrawFn) -> Records:
    """Three senders, two readers, some unacknowledged sends, drafts, some events that are no messages; one who was removed."""
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
            records.fresh.append(Kept(f"id {seq}", seq, 1, body, False, draw(reactions())))
            events.append((seq, body))
        elif draw(st.booleans()):
            draft = Draft(f"id {seq}", draw(st.sampled_from((None, f"{DRAFT}{number}"))))
            records.drafts.append(draft)
            gone = draft.body is None
            kept = () if gone else draw(reactions())
            records.fresh.append(Kept(draft.id, seq, draw(st.integers(1, 5)), draft.body, gone, kept))
            events.append((seq, None))
        else:
            events.append((seq, None))
    records.sends.append(Send("a", "never arrived", None))
    for reader in ("x", "y"):
        skip = draw(st.integers(0, 2))
        records.since[reader] = start + skip
        records.shown[reader] = events[skip:]
        records.copies[reader] = [kept for kept in records.fresh if kept.seq > records.since[reader]]
    records.found = visible(records)
    records.head = seq
    end = draw(st.integers(start + 2, seq))
    records.ended = {"removed": end, "never in": 0}
    records.told = {"removed": end}
    records.glimpses = [Glimpse("removed", at, "an event") for at in range(start + 1, end)]
    return records


@st.composite
def reactions(draw: st.DrawFn) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """A message's."""
    chosen = sorted(draw(st.sets(st.sampled_from(REACTIONS))))
    people = [tuple(draw(st.permutations("xyz"))[: draw(st.integers(1, 3))]) for _ in chosen]
    return tuple((name, len(users), users) for name, users in zip(chosen, people, strict=True))


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


@given(good(), st.data())
def test_a_copy_that_differs_in_anything_is_stale(records: Records, data: st.DataObject) -> None:
    copy = records.copies["x"]
    index = data.draw(st.integers(0, len(copy) - 1))
    kept = copy[index]
    changed = data.draw(
        st.sampled_from(
            (
                replace(kept, body="what it said before"),
                replace(kept, rev=kept.rev + 1),
                replace(kept, deleted=not kept.deleted),
                replace(kept, reactions=(*kept.reactions, ("🙂", 1, ("x",)))),
                replace(kept, reactions=(("like", 7, ("z",)),)),
            )
        )
    )
    records.copies["x"] = [*copy[:index], changed, *copy[index + 1 :]]
    assert kinds(records) == {"stale"}


@given(good())
def test_people_of_a_reaction_in_another_order_are_stale(records: Records) -> None:
    several = Kept("one more", records.head, 1, "a0", False, (("like", 2, ("x", "y")),))
    records.fresh.append(several)
    records.copies["x"].append(several)
    records.copies["y"].append(replace(several, reactions=(("like", 2, ("y", "x")),)))
    assert kinds(records) == {"stale"}


@given(good(), st.data(), st.booleans())
def test_an_index_that_has_not_what_readers_see_is_stale(records: Records, data: st.DataObject, kept: bool) -> None:
    at = data.draw(st.integers(0, len(records.found) - 1))
    identifier, rev, body = records.found.pop(at)
    if kept:
        records.found.insert(at, (identifier, rev - 1, body))
    assert kinds(records) == {"stale"}


@given(good(), st.data())
def test_a_message_that_a_copy_has_not_or_alone_has_is_stale(records: Records, data: st.DataObject) -> None:
    copy = records.copies["y"]
    missing = data.draw(st.sampled_from(copy))
    records.copies["y"] = [kept for kept in copy if kept is not missing]
    assert kinds(records) == {"stale"}
    records.copies["y"] = [*copy, replace(missing, id="nobody knows it")]
    assert kinds(records) == {"stale"}


@given(good())
def test_an_acknowledged_edit_or_deletion_that_did_not_happen_is_lost(records: Records) -> None:
    kept = Kept("edited", records.head, 2, f"{DRAFT}of before", False)
    records.fresh.append(kept)
    records.copies, records.found = {}, visible(records)
    records.drafts.append(Draft("edited", f"{DRAFT}of now"))
    assert kinds(records) == {"lost"}
    records.drafts[-1] = Draft("edited", None)
    assert kinds(records) == {"lost"}
    records.drafts[-1] = Draft("edited", kept.body)
    assert kinds(records) == set()


@given(good(), st.booleans())
def test_a_draft_that_is_gone_is_lost_and_one_that_nobody_wrote_is_a_phantom(records: Records, deleted: bool) -> None:
    body = None if deleted else f"{DRAFT}out of the blue"
    records.copies = {}
    records.drafts.append(Draft("gone", body))
    assert kinds(records) == {"lost"}
    records.drafts.pop()
    records.fresh.append(Kept("nobody's", records.head, 1, body, deleted))
    records.found = visible(records)
    assert kinds(records) == {"phantom"}


@given(good(), st.integers(0, 10))
def test_what_is_shown_from_the_removal_on_is_a_leak(records: Records, after: int) -> None:
    records.glimpses.append(Glimpse("removed", records.ended["removed"] + after, "an event"))
    assert kinds(records) == {"leak"}


@given(good(), st.data())
def test_what_is_shown_to_who_was_removed_or_never_let_in_is_a_leak_however_old(
    records: Records, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(0, records.head))
    good_ones = list(records.glimpses)
    records.glimpses = [*good_ones, Glimpse("never in", seq, "a page")]
    assert kinds(records) == {"leak"}
    records.glimpses = [*good_ones, Glimpse("removed", seq, "a page", late=True)]
    assert kinds(records) == {"leak"}


@given(good(), st.one_of(st.none(), st.just(-1)))
def test_who_was_not_told_of_his_removal_has_lost_it(records: Records, told: int | None) -> None:
    records.told["removed"] = told
    assert kinds(records) == {"lost"}
