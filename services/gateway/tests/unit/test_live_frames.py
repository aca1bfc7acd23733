"""Frames out: bytes that any client reads back. Frames in: what is said about those that are no commands."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from parley_gateway.live import wrong_frames
from parley_gateway.live.framing import frame_text
from parley_gateway.live.wrong_frames import Answered, Fatal


def read_back(data: bytes) -> list[bytes]:
    """What the `websockets` library's own parser finds in it."""
    client = ClientProtocol(parse_uri("ws://chat.example"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None, client.parser_exc
    found = []
    for event in client.events_received():
        assert isinstance(event, Frame)
        assert event.fin
        assert event.opcode == 0x1
        found.append(bytes(event.data))
    return found


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 1_000_000])
def test_every_length_has_its_own_header(size: int) -> None:
    payload = b"x" * size
    framed = frame_text(payload)
    assert len(framed) - size == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert read_back(framed) == [payload]


@given(
    st.lists(st.one_of(st.binary(max_size=300), st.integers(65_500, 65_600).map(lambda size: b"x" * size)), max_size=5)
)
def test_frames_that_are_written_together_are_read_one_by_one(payloads: list[bytes]) -> None:
    assert read_back(b"".join(map(frame_text, payloads))) == payloads


def unreadable(data: bytes) -> bool:
    try:
        wrong_frames.decode(data)
    except wrong_frames.UNREADABLE:
        return True
    return False


@pytest.mark.parametrize(
    ("data", "identifier", "kind", "code"),
    [
        (b"{}", None, None, "unknown_command"),
        (b'{"type":"dance","id":4}', 4, None, "unknown_command"),
        (b'{"type":["join"],"id":4}', 4, None, "unknown_command"),
        (b'{"type":null}', None, None, "unknown_command"),
        (b'{"type":"join","id":4}', 4, "join", "invalid"),
        (b'{"type":"join","id":true}', None, "join", "invalid"),
        (b'{"type":"join","id":"4"}', None, "join", "invalid"),
        (b'{"type":"ping","trace":"\\ud800"}', None, "ping", "bad_text"),
        (b'{"type":"ping","\\udc00":1,"trace":4}', None, "ping", "bad_text"),
        (b'{"type":"read","id":1,"seq":' + b"1" * 5_000 + b"}", 1, "read", "invalid"),
    ],
)
def test_a_wrong_object_is_answered(data: bytes, identifier: int | None, kind: str | None, code: str) -> None:
    assert unreadable(data)
    found = wrong_frames.explain(data)
    assert isinstance(found, Answered)
    assert (found.id, found.kind, str(found.refusal.code)) == (identifier, kind, code)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 4501),
        (b"null", 4501),
        (b"[{}]", 4501),
        (b'{"type":"join"', 4501),
        (b'{"type":"join","id":NaN}', 4501),
        (b"[" * 60_000, 4501),
        (b'{"type":"ping","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 4501),
        (b"\xff", 1007),
    ],
)
def test_what_is_no_object_at_all_ends_the_socket(data: bytes, code: int) -> None:
    assert unreadable(data)
    found = wrong_frames.explain(data)
    assert isinstance(found, Fatal)
    assert found.code == code


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.sampled_from(["join", "send", "read"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "id", "seq"]) | st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@example(b'{"type":"join","x":' + b"[" * 990 + b"]" * 990 + b"}")
@example(b'{"type":"join","x":' + b"[" * 950 + b"]" * 950 + b"}")
def test_nothing_that_anybody_sends_is_a_surprise(data: bytes) -> None:
    if unreadable(data):
        assert isinstance(wrong_frames.explain(data), Answered | Fatal)
