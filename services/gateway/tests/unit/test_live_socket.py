"""The bytes of RFC 6455, against a real socket: what the library does for us, and what we have changed about it."""

import asyncio
import json

import pytest

from parley_gateway.live import connection as connection_module
from parley_gateway.live import protocol
from parley_gateway.live.framing import frame_text
from parley_gateway.live.hub import Item
from parley_shared.ids import new_id
from parley_shared.limits import FRAME_BYTES, SLOW_READER_EVENTS

from .harness import until
from .live_harness import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Gateway, built


async def test_a_fragmented_text_is_one_frame_and_a_ping_may_come_in_between(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    text = '{"type":"ping","trace":"ä"}'.encode()
    cut = text.index(0xC3) + 1  # in the middle of a character
    await peer.send(TEXT, text[:cut], fin=False)
    await peer.send(PING, b"still here?")
    await peer.send(CONTINUATION, b"", fin=False)
    await peer.send(CONTINUATION, text[cut:])
    assert await peer.receive() == (PONG, b"still here?")
    assert await peer.json() == {"type": "pong"}


async def test_a_ping_is_answered_with_its_payload_and_a_pong_with_nothing(gateway: Gateway) -> None:
    peer = await gateway.connect()
    assert (await peer.json())["type"] == "hello"
    await peer.send(PONG, b"unasked")
    for payload in (b"", b"x" * 125):
        await peer.send(PING, payload)
        assert await peer.receive() == (PONG, payload)


async def test_the_closing_handshake_echoes_the_code(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    await peer.send(CLOSE, (1000).to_bytes(2, "big") + b"bye")
    assert await peer.closed() == 1000


@pytest.mark.parametrize(
    ("opcode", "payload", "code"),
    [
        (TEXT, b"\xff\xfe", 1007),
        (TEXT, b'{"type":"ping","trace":"\xc3"}', 1007),
        (TEXT, b'{"type":"\xff"}', 1007),
        (BINARY, b'{"type":"ping"}', 4501),
        (TEXT, b"", 4501),
        (TEXT, b"[]", 4501),
        (TEXT, b"hello", 4501),
        (TEXT, b"x" * (FRAME_BYTES + 1), 1009),
        (0x3, b"", 1002),
        (CONTINUATION, b"of nothing", 1002),
        (PING, b"x" * 126, 1002),
        (CLOSE, b"\x03", 1002),
    ],
)
@pytest.mark.parametrize("live", [True, False])
async def test_what_no_client_of_ours_sends_closes_with_its_code(
    gateway: Gateway, live: bool, opcode: int, payload: bytes, code: int
) -> None:
    peer = await (gateway.signed_in() if live else gateway.connect())
    await peer.send(opcode, payload)
    assert await peer.closed() == code


async def test_an_unmasked_frame_closes_with_1002(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    await peer.send(TEXT, b'{"type":"ping"}', masked=False)
    assert await peer.closed() == 1002


async def test_the_largest_frame_is_read(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    text = b'{"type":"ping","trace":"' + b"x" * (FRAME_BYTES - 26) + b'"}'
    assert len(text) == FRAME_BYTES
    await peer.send(TEXT, text)
    assert await peer.json() == {"type": "pong"}


async def test_fragments_that_together_are_too_large_close_with_1009(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    await peer.send(TEXT, b"x" * FRAME_BYTES, fin=False)
    await peer.send(CONTINUATION, b"x")
    assert await peer.closed() == 1009


async def test_endless_empty_fragments_are_not_collected(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    flood = built(TEXT, b"", fin=False) + built(CONTINUATION, b"", fin=False) * protocol.MOST_FRAGMENTS
    peer.writer.write(flood)
    assert await peer.closed() == 1009


@pytest.mark.parametrize("said", [built(PING, b""), built(PONG, b"") + built(TEXT, b'{"type":"pong"}')])
@pytest.mark.parametrize("live", [True, False])
async def test_pings_and_pongs_count_like_any_frame(gateway: Gateway, live: bool, said: bytes) -> None:
    peer = await (gateway.signed_in() if live else gateway.connect())
    peer.writer.write(said * (connection_module.FRAMES_BURST + 100))
    assert await peer.closed() == 4029


async def test_a_frame_that_comes_too_late_is_not_heeded(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    peer.writer.write(built(BINARY, b"") + built(TEXT, b'{"type":"ping"}'))
    opcode, payload = await peer.receive()
    assert (opcode, payload[:2]) == (CLOSE, (4501).to_bytes(2, "big"))
    await peer.send(CLOSE, payload)
    assert await peer.reader.read() == b""


async def test_a_reader_that_stops_is_closed_and_then_cut_off(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "ABORT_AFTER_S", 0.1)
    peer = await gateway.signed_in()
    peer.writer.transport.pause_reading()
    (connection,) = gateway.live._roster
    item = Item(1, frame_text(b'{"x":"' + b"x" * 60_000 + b'"}'))
    for _ in range(SLOW_READER_EVENTS + 1_000):
        connection.write_events("room:x", item.framed, [item])
        await asyncio.sleep(0)
        if connection.is_closed:
            break
    assert connection._socket.closed_by == (4008, "too slow: resume from your last seq", "server")
    # It never answers the close frame, and cannot even be sent it.
    await until(lambda: len(gateway.live._roster) == 0)


@pytest.mark.parametrize("how", ["close frame", "broken frame", "half-closed"])
async def test_a_peer_that_goes_without_reading_does_not_stay(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(protocol, "ABORT_AFTER_S", 0.1)
    peer = await gateway.signed_in()
    peer.writer.transport.pause_reading()
    (connection,) = gateway.live._roster
    while connection._socket.waiting_bytes < 200_000:
        connection.write_framed(frame_text(b"x" * 60_000))
        await asyncio.sleep(0)
    if how == "close frame":
        await peer.send(CLOSE, (1000).to_bytes(2, "big"))
    elif how == "broken frame":
        await peer.send(0x3, b"")
    else:
        peer.writer.write_eof()
    await until(lambda: len(gateway.live._roster) == 0)


async def test_who_asks_and_does_not_read_the_answers_is_too_slow() -> None:
    gateway = await Gateway(frames_per_second="off").start()
    try:
        peer = await gateway.signed_in()
        peer.writer.transport.pause_reading()
        (connection,) = gateway.live._roster
        asked = built(TEXT, json.dumps({"type": "delivered", "id": 1, "room_id": str(new_id()), "seq": -1}).encode())
        async with asyncio.timeout(30):
            while not connection.is_closed:
                peer.writer.write(asked * 100)
                await asyncio.sleep(0)
        assert connection._socket.closed_by == (4008, "too slow: answers are not read", "server")
    finally:
        await gateway.stop()


async def test_who_does_not_take_what_he_missed_is_given_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "STALLED_S", 0.1)
    peer = await gateway.signed_in()
    peer.writer.transport.pause_reading()
    (connection,) = gateway.live._roster
    while connection._socket.waiting_bytes < 200_000:
        connection.write_framed(frame_text(b"x" * 60_000))
        await asyncio.sleep(0)
    await connection.writable()
    assert connection.is_closed
