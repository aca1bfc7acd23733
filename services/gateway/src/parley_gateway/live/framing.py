"""WebSocket frames as bytes (RFC 6455, section 5.2): built once, written to every reader."""

import struct

import msgspec

_encode = msgspec.json.Encoder().encode
_medium = struct.Struct("!BBH")
_large = struct.Struct("!BBQ")


def frame_text(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return _medium.pack(0x81, 126, size) + payload
    return _large.pack(0x81, 127, size) + payload


def frame(message: msgspec.Struct) -> bytes:
    """A server frame of the protocol as one text frame."""
    return frame_text(_encode(message))
