"""The parser of uploads: out come the bytes of the one file, however the body was cut on its way."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_gateway.images.multipart import FilePart, boundary_of, file_of
from parley_shared.errors import Code, Refused

BOUNDARY = b"a-boundary"


def part(name: str, data: bytes, more: str = '; filename="a.png"') -> bytes:
    head = f'--a-boundary\r\nContent-Disposition: form-data; name="{name}"{more}\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + data + b"\r\n"


END = b"--a-boundary--\r\n"


def fed(*pieces: bytes) -> bytes:
    """The file of a whole body. Raises Refused."""
    parser = FilePart(BOUNDARY)
    found = b"".join(parser.feed(piece) for piece in pieces)
    parser.finish()
    return found


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([b"\r\n", b"--a-boundary", b"-", b"\r", b"a"])).map(b"".join),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_the_file_is_the_same_however_the_body_is_cut(data: bytes, cuts: list[int]) -> None:
    if b"\r\n--a-boundary" in b"\r\n" + data:
        return  # the boundary of a body is one that its parts do not hold
    body = part("comment", b"nice", "") + part("file", data) + part("after", b"x" * 50, "") + END + b"epilogue"
    pieces, at = [], 0
    while at < len(body):
        step = cuts[len(pieces) % len(cuts)]
        pieces.append(body[at : at + step])
        at += step
    assert fed(*pieces) == data


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (part("photo", b"x") + END, "missing"),
        (END, "missing"),
        (part("file", b"x") + part("file", b"y") + END, "two"),
        (part("file", b"x") + part("file", b"", "") + END, "two"),
        (part("file", b"x"), "closing boundary"),
        (part("file", b"x") + END[:-4], "closing boundary"),
        (b"", "closing boundary"),
        (b'{"file": "no"}', "not multipart"),
        (part("file", b"x").replace(b"a-boundary", b"b-boundary"), "not multipart"),
        (b"--a-boundary\r\n" + b"X-Many: 1\r\n" * 50 + b"\r\nx\r\n" + END, "not multipart"),
        (b"--a-boundary\r\nX: " + b"y" * 10_000 + b"\r\n\r\nx\r\n" + END, "not multipart"),
        (b"--a-boundary\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, "missing"),
        (b"--a-boundary\r\n\r\nx\r\n" + END, "missing"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_holds_not_one_whole_file_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(Refused) as refused:
        fed(body)
    assert refused.value.code == Code.INVALID
    assert refused.value.errors is not None
    assert said in refused.value.errors["file"]


def test_names_are_read_in_every_spelling_that_clients_use() -> None:
    for head in (
        b"content-disposition: form-data; name=file\r\n",
        b'CONTENT-DISPOSITION: form-data; filename="name=\\"other\\""; name="file"\r\n',
        b"Content-Type: x/y\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''x.png\r\n",
    ):
        assert fed(b"--a-boundary\r\n" + head + b"\r\nabc\r\n" + END) == b"abc"


async def test_a_file_is_told_of_before_its_first_byte() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield part("file", b"")[:-2]
        raise RuntimeError("it has read on")

    assert await anext(file_of(body(), BOUNDARY)) == b""


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "image/png",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        f"multipart/form-data; boundary={'x' * 71}",
    ],
)
def test_without_a_boundary_it_is_another_media_type(content_type: str | None) -> None:
    with pytest.raises(Refused) as refused:
        boundary_of(content_type)
    assert refused.value.code == Code.UNSUPPORTED_MEDIA_TYPE


def test_a_boundary_is_found_quoted_or_not() -> None:
    assert boundary_of("multipart/form-data; boundary=a-boundary") == BOUNDARY
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a-boundary"') == BOUNDARY
