"""The flood limit of a room: never more than it says, and the wait that it names is true."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parley_messages.domain.rates import FloodLimit

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.integers(1, 50),
    st.integers(1, 100),
    st.lists(st.integers(0, 2_000), max_size=200),
)
def test_a_refusal_names_a_wait_after_which_it_succeeds(per_second: int, burst: int, pauses: list[int]) -> None:
    limit = FloodLimit(per_second, burst)
    now, arrival = START, None
    passed: list[datetime] = []
    for pause in pauses:
        now += timedelta(milliseconds=pause)
        wait = limit.wait_ms(arrival, now)
        if wait:
            assert limit.wait_ms(arrival, now + timedelta(milliseconds=wait)) == 0
            assert limit.wait_ms(arrival, now + timedelta(milliseconds=wait - 1)) > 0
            continue
        passed.append(now)
        arrival = limit.after(arrival, now)
    for index, at in enumerate(passed):
        # In any stretch of time: what the burst holds, and what has flowed in meanwhile.
        for later in range(index, len(passed)):
            allowed = burst + (passed[later] - at).total_seconds() * per_second
            assert later - index + 1 <= allowed + 1
