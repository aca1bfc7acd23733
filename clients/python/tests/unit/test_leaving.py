"""An export is whole or said to be cut off, wherever the answer is cut into pieces."""

import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_client import ApiError, MemoryStore, Tokens
from parley_client.client import Client
from parley_client.errors import IncompleteError

FILE = b'{"type":"header"}\n{"type":"revision","body":"\xc3\xa4 \\n"}\n{"type":"end","lines":2}\n'


class Pieces(httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def client(answer: Any) -> Client:
    store = MemoryStore(Tokens(access_token="a", refresh_token="r", expires_at=time.time() + 600))
    return Client("http://parley.example", store=store, transport=httpx2.MockTransport(answer))


async def taken(content: list[bytes]) -> list[bytes]:
    async with client(lambda _request: httpx2.Response(200, stream=Pieces(content))) as someone:
        return [line async for line in someone.export_me()]


@settings(max_examples=60, deadline=None, database=None)
@given(st.sets(st.integers(1, len(FILE) - 1)))
async def test_it_comes_in_lines_however_the_answer_was_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(FILE)]
    pieces = [FILE[start:end] for start, end in pairwise(places)]
    assert await taken(pieces) == FILE.splitlines()


@pytest.mark.parametrize("length", [0, 10, 18, len(FILE) - 1])
async def test_one_that_does_not_reach_its_end_is_said_to_be_cut_off(length: int) -> None:
    with pytest.raises(IncompleteError):
        await taken([FILE[:length]])


async def test_an_end_that_counts_other_lines_is_no_end() -> None:
    with pytest.raises(IncompleteError):
        await taken([FILE.replace(b'"lines":2', b'"lines":3')])


async def test_what_is_refused_is_refused() -> None:
    refusal = {"status": 401, "title": "No", "code": "bad_token", "detail": "Not so."}
    async with client(lambda _request: httpx2.Response(401, json=refusal)) as someone:
        with pytest.raises(ApiError) as caught:
            [line async for line in someone.export_me()]
    assert caught.value.code == "bad_token"
