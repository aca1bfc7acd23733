"""Ranges of bytes, as RFC 9110 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_gateway.images.ranges import Span, Unsatisfiable, matches, wanted

LENGTH = 1000


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-500", (500, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=999-5000", (999, 1000)),
        ("Bytes = 1-2", (1, 3)),
        # Passed over: the whole file.
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-9", None),
        ("items=0-5", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=0x1-2", None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_a_range_is_what_the_header_says(header: str | None, span: tuple[int, int] | None) -> None:
    assert wanted(header, LENGTH) == span


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=5000-", "bytes=-0"])
def test_bytes_that_are_not_there_cannot_be_had(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        wanted(header, LENGTH)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_a_span_is_never_empty_and_lies_within(first: int, last: int, length: int) -> None:
    for header in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            span = wanted(header, length)
        except Unsatisfiable:
            continue
        if span is not None:
            assert 0 <= span.start < span.stop <= length
            assert isinstance(span, Span)


def test_an_etag_is_found_among_those_that_one_has() -> None:
    assert matches('"abc"', '"abc"')
    assert matches('"x", W/"abc"', '"abc"')
    assert matches("*", '"abc"')
    assert not matches('"abcd"', '"abc"')
    assert not matches("abc", '"abc"')
    assert not matches(None, '"abc"')
