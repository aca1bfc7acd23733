"""How often somebody may upload, and what objects are called."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parley_media.domain import PREFIXES, Budget, part_name, quarantine_name
from parley_shared.ids import new_id

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
seconds = st.floats(0, 4_000)


@given(st.integers(1, 50), st.lists(seconds, min_size=1, max_size=150))
def test_never_more_than_an_hours_worth_at_once_and_as_many_in_each_hour(per_hour: int, pauses: list[float]) -> None:
    budget, arrival, now = Budget(per_hour), BEGAN, BEGAN
    accepted: list[datetime] = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        if budget.wait_ms(arrival, now) == 0:
            arrival = budget.after(arrival, now)
            accepted.append(now)
    for start, first in enumerate(accepted):
        for number, last in enumerate(accepted[start:], start=1):
            assert number <= per_hour + (last - first) / timedelta(hours=1) * per_hour + 1e-6


@given(st.integers(1, 50), st.lists(seconds, max_size=100))
def test_who_waits_as_long_as_he_is_told_is_let_through_and_not_before(per_hour: int, pauses: list[float]) -> None:
    budget, arrival, now = Budget(per_hour), BEGAN, BEGAN
    for pause in [*pauses, 0.0]:
        wait = budget.wait_ms(arrival, now)
        if wait:
            assert budget.wait_ms(arrival, now + timedelta(milliseconds=wait - 1)) > 0
            now += timedelta(milliseconds=wait)
        assert budget.wait_ms(arrival, now) == 0
        arrival = budget.after(arrival, now)
        now += timedelta(seconds=pause / 1000)


@given(st.integers(1, 20), st.integers(0, 60))
def test_one_that_is_given_back_may_be_taken_again(per_hour: int, given_back: int) -> None:
    budget, arrival = Budget(per_hour), BEGAN
    taken = 0
    for _ in range(per_hour + given_back):
        if taken == per_hour:
            assert budget.wait_ms(arrival, BEGAN)
            arrival, taken = budget.back(arrival), taken - 1
        assert budget.wait_ms(arrival, BEGAN) == 0
        arrival, taken = budget.after(arrival, BEGAN), taken + 1


def test_names_tell_images_and_attempts_apart_and_are_ours() -> None:
    image_id = new_id()
    names = {part_name(image_id, attempt, part) for attempt in (1, 2, 11) for part in ("original", "64")}
    assert len(names | {quarantine_name(image_id)}) == 7
    assert all(name.startswith(PREFIXES) for name in names | {quarantine_name(image_id)})
