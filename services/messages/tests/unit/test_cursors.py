"""Cursors as the lists of this service use them."""

import base64
import contextlib
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id


def test_a_cursor_comes_back_as_it_was_made() -> None:
    room_id = new_id()
    assert read_cursor(write_cursor("messages:x", "before", 7), "messages:x", tuple[str, int]) == ("before", 7)
    assert read_cursor(write_cursor("members:x", room_id), "members:x", tuple[UUID]) == (room_id,)


def test_a_cursor_of_one_room_is_refused_for_another() -> None:
    cursor = write_cursor(f"messages:{new_id()}", "before", 7)
    with pytest.raises(Refused) as caught:
        read_cursor(cursor, f"messages:{new_id()}", tuple[str, int])
    assert caught.value.code == Code.BAD_CURSOR


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_a_client_makes_up_is_refused_as_a_bad_cursor(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        read_cursor(cursor, "messages:x", tuple[str, int])
    assert caught.value.code == Code.BAD_CURSOR


@given(
    st.lists(
        st.none() | st.integers(-(2**70), 2**70) | st.text(max_size=5) | st.lists(st.none(), max_size=2), max_size=4
    )
)
def test_the_right_list_with_the_wrong_values_is_refused(values: list[object]) -> None:
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(["messages:x", *values])).decode()
    if len(values) == 2 and isinstance(values[0], str) and isinstance(values[1], int) and abs(values[1]) < 2**63:
        assert read_cursor(cursor, "messages:x", tuple[str, int]) == tuple(values)
        return
    with contextlib.suppress(Refused):
        # Large numbers are taken or not, as JSON's reader sees fit; nothing else than a refusal may come of them.
        direction, seq = read_cursor(cursor, "messages:x", tuple[str, int])
        assert isinstance(direction, str)
        assert isinstance(seq, int)
