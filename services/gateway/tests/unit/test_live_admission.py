"""A token bucket for resumes, by a clock that is moved by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_gateway.live.admission import WINDOW_MS, Admission

from .harness import Clock


def let_in(bucket: Admission, asked: int) -> int:
    return sum(bucket.take() == 0 for _ in range(asked))


def test_a_burst_goes_through_and_then_so_many_a_second() -> None:
    clock = Clock()
    bucket = Admission(10, burst=5, clock=clock)
    assert let_in(bucket, 20) == 5
    assert bucket.take() == WINDOW_MS
    clock.now += 0.25
    assert let_in(bucket, 20) == 2
    clock.now += 3_600
    assert let_in(bucket, 20) == 5


def test_off_is_off() -> None:
    assert let_in(Admission(None, burst=1, clock=Clock()), 10_000) == 10_000


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 30)), max_size=30), st.integers(1, 20), st.integers(1, 20))
def test_never_more_than_the_burst_and_the_rate_allow(
    waves: list[tuple[float, int]], per_second: int, burst: int
) -> None:
    clock = Clock()
    begin = clock.now
    bucket = Admission(per_second, burst=burst, clock=clock)
    admitted = 0
    for pause, asked in waves:
        clock.now += pause
        admitted += let_in(bucket, asked)
    assert admitted <= burst + (clock.now - begin) * per_second + 1e-3


@pytest.mark.parametrize("refused", [1, 1_000])
def test_being_refused_costs_nothing(refused: int) -> None:
    clock = Clock()
    bucket = Admission(1, burst=1, clock=clock)
    assert let_in(bucket, 1 + refused) == 1
    clock.now += 1
    assert bucket.take() == 0
