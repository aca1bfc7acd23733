from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parley_auth.domain.throttles import Guard, Verdict, ip_key, judge, milliseconds, network

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GUARD = Guard("login_account", b"key", 3, timedelta(minutes=15))


def ago(*minutes: float) -> list[datetime]:
    return [NOW - timedelta(minutes=number) for number in sorted(minutes)]


def test_below_the_limit_one_is_let_in() -> None:
    assert judge(GUARD, ago(1, 2), 0, NOW) == Verdict()


def test_at_the_limit_one_waits_until_the_oldest_leaves_the_window() -> None:
    assert judge(GUARD, ago(1, 2, 10), 0, NOW) == Verdict(retry_after=timedelta(minutes=5))


def test_above_a_lowered_limit_the_oldest_that_counts_decides() -> None:
    assert judge(GUARD, ago(1, 2, 3, 4, 5), 0, NOW) == Verdict(retry_after=timedelta(minutes=12))


def test_those_under_way_may_still_fail_but_refuse_nobody() -> None:
    assert judge(GUARD, ago(1), 2, NOW) == Verdict(busy=True)
    assert judge(GUARD, [], 3, NOW) == Verdict(busy=True)
    assert judge(GUARD, ago(1), 1, NOW) == Verdict()


@given(st.lists(st.floats(min_value=0, max_value=1200), max_size=12))
def test_waiting_as_long_as_told_is_enough(seconds: list[float]) -> None:
    settled = sorted((NOW - timedelta(seconds=number) for number in seconds), reverse=True)
    verdict = judge(GUARD, settled, 0, NOW)
    if verdict.retry_after is not None:
        later = NOW + timedelta(milliseconds=milliseconds(verdict.retry_after))
        assert judge(GUARD, settled, 0, later) == Verdict()


def test_milliseconds_are_rounded_up() -> None:
    assert milliseconds(timedelta(microseconds=1)) == 1
    assert milliseconds(timedelta(microseconds=1001)) == 2
    assert milliseconds(timedelta(seconds=1)) == 1000


def test_an_ipv6_customer_has_a_network_and_an_ipv4_one_an_address() -> None:
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ff::9") == "2001:db8:1:2::/64"
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") == "192.0.2.1"
    assert ip_key("192.0.2.1") != ip_key("192.0.2.2")
    assert network("unknown") == "unknown"
