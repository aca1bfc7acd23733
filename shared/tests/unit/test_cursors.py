"""Cursors are opaque, belong to one list, and survive whatever a client sends instead."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1), st.text().filter(lambda text: "\0" not in text))
def test_a_cursor_comes_back_as_it_was_made(number: int, text: str) -> None:
    try:
        cursor = write_cursor("list", number, text)
    except UnicodeEncodeError:
        return  # half of a surrogate pair never becomes a sort key: PostgreSQL would not have stored it
    assert read_cursor(cursor, "list", tuple[int, str]) == (number, text)
    assert cursor.isascii()
    assert not set("+/= ") & set(cursor)


def test_ids_come_back_as_ids() -> None:
    room_id = new_id()
    assert read_cursor(write_cursor("list", room_id), "list", tuple[UUID]) == (room_id,)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read_cursor(write_cursor("rooms", 1), "members", tuple[int])
    assert caught.value.code == Code.BAD_CURSOR


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_else_is_refused_and_nothing_worse(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        read_cursor(cursor, "list", tuple[int])
    assert caught.value.code == Code.BAD_CURSOR


@pytest.mark.parametrize("values", [["list"], ["list", "1"], ["list", 1, 2], ["list", None], ["list", "a\0b"], [], {}])
def test_json_of_another_shape_is_refused(values: object) -> None:
    import base64

    cursor = base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()
    with pytest.raises(Refused) as caught:
        read_cursor(cursor, "list", tuple[int])
    assert caught.value.code == Code.BAD_CURSOR


def test_a_limit_is_from_one_to_two_hundred() -> None:
    assert [checked_limit(1), checked_limit(200)] == [1, 200]
    for number in (0, -1, 201):
        with pytest.raises(Refused) as caught:
            checked_limit(number)
        assert caught.value.errors == {"limit": "from 1 to 200"}


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_is_no_instant_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        read_cursor(write_cursor("list", text), "list", tuple[datetime])
    assert caught.value.code == Code.BAD_CURSOR


def test_an_instant_comes_back_as_it_was() -> None:
    now = datetime.now(UTC)
    assert read_cursor(write_cursor("list", now), "list", tuple[datetime]) == (now,)
