"""Sealed objects: what was sealed piece by piece is read from anywhere, and nothing else is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_shared.crypto.stream import (
    CHUNK,
    KEY_BYTES,
    TAG,
    BadSeal,
    Opener,
    Sealer,
    Window,
    open_sealed,
    seal,
    sealed_length,
)

KEY = bytes(range(KEY_BYTES))
LENGTHS = st.one_of(st.integers(0, 3), st.integers(CHUNK - 2, CHUNK + 2), st.integers(2 * CHUNK - 2, 2 * CHUNK + 70))


def _file(length: int) -> bytes:
    return bytes(at * 31 % 251 for at in range(length))


@given(length=LENGTHS, padding=LENGTHS, cuts=st.lists(st.integers(0, 3 * CHUNK), max_size=6))
def test_what_is_sealed_in_pieces_is_opened_as_a_whole(length: int, padding: int, cuts: list[int]) -> None:
    data = _file(length)
    at = sorted({0, length, *(cut for cut in cuts if cut <= length)})
    sealer = Sealer(KEY, "images/a", length + padding)
    sealed = b"".join(sealer.update(data[start:stop]) for start, stop in pairwise(at)) + b"".join(sealer.finish())
    assert len(sealed) == sealed_length(length + padding)
    assert open_sealed(KEY, "images/a", length + padding, sealed) == data + bytes(padding)


@given(length=st.integers(1, 2 * CHUNK + 70), data=st.data())
def test_a_window_fetches_what_it_must_and_no_more_than_a_chunk_beside(length: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    sealed = seal(KEY, "images/a", _file(length))
    window = Window(start, stop, length)
    part = sealed[window.sealed_start : window.sealed_stop]
    opener = Opener(KEY, "images/a", length)
    step = CHUNK + TAG
    opened = b"".join(
        opener.chunk(window.first + index, part[at : at + step]) for index, at in enumerate(range(0, len(part), step))
    )
    assert opened[window.skip : window.skip + window.take] == _file(length)[start:stop]
    assert len(part) < (stop - start) + 2 * step + TAG * (2 + (stop - start) // CHUNK)


def test_more_than_was_announced_is_not_sealed() -> None:
    sealer = Sealer(KEY, "images/a", 10)
    sealer.update(bytes(10))
    with pytest.raises(ValueError, match="more than"):
        sealer.update(b"x")


@pytest.mark.parametrize("length", [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 5])
def test_nothing_can_be_changed_left_out_added_or_moved(length: int) -> None:
    sealed = seal(KEY, "images/a", _file(length))
    step = CHUNK + TAG
    parts = [sealed[at : at + step] for at in range(0, len(sealed), step)]
    wrong = {
        "another name": ("images/b", length, sealed),
        "a flipped bit": ("images/a", length, sealed[:-1] + bytes((sealed[-1] ^ 1,))),
        "a chunk less": ("images/a", max(0, length - CHUNK), b"".join(parts[:-1])),
        "cut short": ("images/a", length, sealed[:-1]),
        "more behind": ("images/a", length, sealed + b"x"),
    }
    if len(parts) > 2:
        wrong["swapped"] = ("images/a", length, b"".join([parts[1], parts[0], *parts[2:]]))
    for name, said, lies in wrong.values():
        with pytest.raises(BadSeal):
            open_sealed(KEY, name, said, lies)
    with pytest.raises(BadSeal):
        open_sealed(bytes(KEY_BYTES), "images/a", length, sealed)
