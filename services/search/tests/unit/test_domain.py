"""How far a room is read, answer by answer."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from parley_search.domain import Asked, Room, again, sender_mark, shortened, taken
from parley_shared.contracts.indexing import IndexPart
from parley_shared.ids import new_id

ROOM = Room(new_id(), "english", cursor=10, head=10, generation=3, paged=None)


def asked(after: int = 10, kind: Any = "log", generation: int = 3) -> Asked:
    return Asked(ROOM.room_id, after, kind, generation)


def part(**fields: Any) -> IndexPart:
    return IndexPart(
        **{
            "room_id": ROOM.room_id,
            "entries": [],
            "upto": 12,
            "head": 12,
            "complete": True,
            "language": "english",
            **fields,
        }
    )


def test_the_log_moves_the_cursor_and_only_forward() -> None:
    assert taken(ROOM, asked(), part()) == replace(ROOM, cursor=12, head=12)
    assert taken(ROOM, asked(after=4), part(upto=8)) == replace(ROOM, head=12)
    assert taken(ROOM, asked(after=11), part()) is None, "what lies between was not read"
    assert taken(replace(ROOM, cursor=None), asked(), part()) is None


def test_state_is_paged_to_its_end() -> None:
    paging = replace(ROOM, paged=0)
    assert taken(paging, asked(0, "state"), part(upto=6, complete=False)) == replace(paging, paged=6, head=12)
    assert taken(paging, asked(0, "state"), part(upto=6)) == replace(paging, paged=None, head=12)
    assert taken(paging, asked(6, "state"), part()) is None, "somebody else has come further"
    assert taken(ROOM, asked(0, "state"), part()) is None


@pytest.mark.parametrize("kind", ["log", "state"])
def test_an_answer_for_another_generation_is_stale(kind: str) -> None:
    assert taken(replace(ROOM, paged=10), asked(kind=kind, generation=2), part()) is None
    assert taken(replace(ROOM, paged=10), asked(kind=kind, generation=2), part(gone=True)) is None
    assert taken(replace(ROOM, gone=True), asked(kind=kind), part()) is None


def test_what_the_log_has_lost_is_read_as_state() -> None:
    assert taken(ROOM, asked(), part(lost=True, head=90)) == replace(again(ROOM), cursor=90, head=90)
    assert taken(ROOM, asked(), part(gone=True)) == replace(ROOM, gone=True)


def test_another_language_begins_anew_and_an_old_answer_knows_no_language() -> None:
    german = taken(ROOM, asked(), part(language="german"))
    assert german == replace(again(ROOM), language="german", cursor=12, head=12)
    assert taken(ROOM, asked(after=4), part(language="german", upto=8, head=9)) is None
    first = replace(ROOM, language=None)
    assert taken(first, asked(), part(language="german")) == replace(ROOM, language="german", cursor=12, head=12)
    # In the middle of its state: what has come is of the new generation, and the rest is read again.
    paging = replace(ROOM, paged=5)
    assert taken(paging, asked(5, "state"), part(language="german")) == replace(
        again(paging), language="german", head=12
    )


def test_a_log_that_has_become_shorter_is_not_trusted() -> None:
    assert shortened(ROOM, ROOM, 4) == replace(again(ROOM), cursor=4, head=4)
    assert shortened(replace(ROOM, generation=4), ROOM, 4) == replace(ROOM, generation=4), "it is read anew already"


def test_a_mark_is_no_word() -> None:
    mark = sender_mark(UUID(int=2**128 - 1))
    assert mark == ":u_____________________w"
