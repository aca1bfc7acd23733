"""What a returning client is told of each stream, without a database."""

from typing import Any

from parley_messages.usecases.sessions import _standing
from parley_shared.contracts.messages import ResumeFrom, StreamState

OWN = "user:me"


def room(head: int, floor: int = 0, from_seq: int = 1) -> dict[str, int]:
    return {"head": head, "floor": floor, "from_seq": from_seq}


def states(
    at: dict[str, int] | None, known: dict[str, Any], *, own: tuple[int, int] = (0, 0), same: bool = True
) -> dict[str, StreamState]:
    resume = None if at is None else ResumeFrom(epoch="e", at=at)
    found = _standing(resume, OWN, *own, known, same=same)
    assert found[0].stream == OWN
    return {state.stream: state for state in found}


def status(at: dict[str, int], known: dict[str, Any], **rest: Any) -> dict[str, str]:
    return {stream: state.status for stream, state in states(at, known, **rest).items() if stream != OWN}


def test_ones_own_stream_is_always_there_and_current_unless_named() -> None:
    found = states(None, {}, own=(7, 0))
    assert list(found) == [OWN]
    assert (found[OWN].status, found[OWN].head, found[OWN].after) == ("current", 7, 7)
    assert states({"room:a": 1}, {"room:a": room(1)}, own=(7, 0))[OWN].status == "current"


def test_the_order_is_ones_own_first_then_as_listed() -> None:
    known = {f"room:{letter}": room(3) for letter in "abc"}
    found = _standing(ResumeFrom(epoch="e", at={"room:c": 1, OWN: 1, "room:a": 1}), OWN, 2, 0, known, same=True)
    assert [state.stream for state in found] == [OWN, "room:c", "room:a"]


def test_each_status_has_its_reason() -> None:
    known = {"room:a": room(10), "room:floored": room(10, floor=5)}
    assert status({"room:a": 10}, known) == {"room:a": "current"}
    assert status({"room:a": 4}, known) == {"room:a": "recovered"}
    assert status({"room:a": 11}, known) == {"room:a": "resync"}, "beyond the head"
    assert status({"room:a": -1}, known) == {"room:a": "resync"}, "nobody was ever there"
    assert status({"room:floored": 4}, known) == {"room:floored": "resync"}, "below the floor"
    assert status({"room:floored": 5}, known) == {"room:floored": "recovered"}, "exactly at it"
    assert status({"room:b": 4, "user:somebody": 1, "nonsense": 0}, known) == {
        "room:b": "gone",
        "user:somebody": "gone",
        "nonsense": "gone",
    }


def test_another_epoch_means_resync_whatever_the_seq() -> None:
    known = {"room:a": room(10)}
    found = states({OWN: 3, "room:a": 10}, known, own=(3, 0), same=False)
    assert {state.status for state in found.values()} == {"resync"}


def test_a_room_joined_again_begins_at_its_newest_joining() -> None:
    known = {"room:a": room(900, from_seq=895)}
    found = states({"room:a": 10}, known)["room:a"]
    assert (found.status, found.after, found.head) == ("recovered", 894, 900)
    assert states({"room:a": 897}, known)["room:a"].after == 897


def test_five_hundred_missed_events_are_replayed_and_one_more_is_not() -> None:
    assert status({"room:a": 0}, {"room:a": room(500)}) == {"room:a": "recovered"}
    assert status({"room:a": 0}, {"room:a": room(501)}) == {"room:a": "resync"}


def test_from_the_first_stream_that_does_not_fit_in_two_thousand_all_that_missed_something_are_resync() -> None:
    known = {f"room:{index}": room(450) for index in range(5)} | {"room:small": room(1), "room:still": room(9)}
    at = {f"room:{index}": 0 for index in range(5)} | {"room:small": 0, "room:still": 9}
    assert status(at, known) == {
        "room:0": "recovered",
        "room:1": "recovered",
        "room:2": "recovered",
        "room:3": "recovered",
        "room:4": "resync",
        "room:small": "resync",
        "room:still": "current",
    }


def test_a_stream_that_missed_too_much_by_itself_takes_nothing_from_those_after_it() -> None:
    for missed in (501, 1_999, 2_001, 100_000):
        known = {"room:busy": room(missed), "room:quiet": room(3)}
        assert status({"room:busy": 0, "room:quiet": 1}, known) == {
            "room:busy": "resync",
            "room:quiet": "recovered",
        }, missed
