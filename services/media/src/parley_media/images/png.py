"""PNG and its animations (https://www.w3.org/TR/png-3/).

A file is taken apart into the few chunks that say what is seen, and put together from these alone before a decoder gets it: text, a
million empty chunks and whatever a later version invents are left behind here.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from PIL import Image

from parley_media.images.frames import CLEAR, KEEP, RESTORE, Dispose, Frame, demand_frames, demand_place
from parley_media.images.kinds import Unreadable
from parley_media.images.pixels import demand_size

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_XMP: Final = b"XML:com.adobe.xmp\0"
_GREY, _PALETTE = 0, 3
_DISPOSE: Final[dict[int, Dispose]] = {0: KEEP, 1: CLEAR, 2: RESTORE}
_CODE: Final[dict[Dispose, int]] = {mode: code for code, mode in _DISPOSE.items()}
_OVER: Final = 1
_MS_MAX: Final = 65_535


class Parts(NamedTuple):
    """extras: what stands between header and pixels and says how these are to be understood. plays: None for a still image."""

    header: bytes
    canvas: tuple[int, int]
    alpha: bool
    extras: dict[bytes, bytes]
    pixels: bytes
    plays: int | None
    frames: list[Frame]

    def file(self) -> bytes:
        """The still image, as decoders read it."""
        return _file(self.header, self.extras, self.pixels)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _file(header: bytes, extras: dict[bytes, bytes], pixels: bytes) -> bytes:
    chunks = (_chunk(kind, data) for kind, data in extras.items())
    return b"".join((_SIGNATURE, _chunk(b"IHDR", header), *chunks, _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Up to IEND; what follows it is no part of the image. Raises Unreadable."""
    view = memoryview(data)
    at = len(_SIGNATURE)
    while True:
        if at + 8 > len(data):
            raise Unreadable("the file ends too early")
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            raise Unreadable("the file ends too early")
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise Unreadable("a checksum is wrong")
        if kind == b"IEND":
            return
        yield kind, view[at + 8 : end]
        at = end + 4


def parse(data: bytes) -> Parts:
    """Raises Unreadable, TooLarge."""
    chunks = _chunks(data)
    kind, content = next(chunks, (b"", memoryview(b"")))
    if kind != b"IHDR" or len(content) != 13:
        raise Unreadable("it does not begin with its header")
    header = bytes(content)
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    demand_size(width, height)
    extras: dict[bytes, bytes] = {}
    pixels: list[memoryview] = []
    animated: tuple[int, int] | None = None
    frames: list[tuple[bytes, list[memoryview]]] = []
    for kind, content in chunks:
        if kind == b"IDAT":
            pixels.append(content)
            if frames:
                # It is the first frame, too, where a frame's header came before it.
                frames[0][1].append(content)
        elif kind == b"fdAT" and frames:
            frames[-1][1].append(content[4:])
        elif kind == b"fcTL" and animated is not None:
            frames.append((bytes(content), []))
            demand_frames(len(frames), (width, height))
        elif kind == b"acTL" and len(content) == 8 and not pixels:
            animated = struct.unpack(">II", content)
        elif kind in (b"PLTE", b"tRNS", b"iCCP", b"eXIf") or (kind == b"iTXt" and bytes(content[: len(_XMP)]) == _XMP):
            extras.setdefault(kind, bytes(content))
    if not pixels:
        raise Unreadable("it has no pixels")
    if b"tRNS" in extras and colour == _PALETTE:
        # Pillow takes an alpha of a colour that is not there for one of its own mistakes.
        extras[b"tRNS"] = extras[b"tRNS"][: len(extras.get(b"PLTE", b"")) // 3]
    elif b"tRNS" in extras:
        extras[b"tRNS"] = _transparent(extras[b"tRNS"], depth, colour)
    alpha = colour in (4, 6) or b"tRNS" in extras
    parts = Parts(header, (width, height), alpha, extras, b"".join(pixels), None, [])
    if animated is None:
        return parts
    count, plays = animated
    if count != len(frames):
        raise Unreadable("frames are missing, or too many")
    return parts._replace(plays=plays, frames=[_frame(parts, *frame) for frame in frames])


def _transparent(values: bytes, depth: int, colour: int) -> bytes:
    """The transparent colour in eight bits, which is what Pillow compares it with; of 16-bit grey it compares all 16."""
    if colour == _GREY and depth == 16:
        return values
    numbers = [value for (value,) in struct.iter_unpack(">H", values[: len(values) // 2 * 2])]
    if depth == 16:
        numbers = [number >> 8 for number in numbers]
    elif depth in (2, 4):
        most = (1 << depth) - 1
        numbers = [(number & most) * 255 // most for number in numbers]
    return struct.pack(f">{len(numbers)}H", *numbers)


def _frame(parts: Parts, control: bytes, pixels: list[memoryview]) -> Frame:
    try:
        width, height, left, top, delay, unit, dispose, blend = struct.unpack(">4xIIIIHHBB", control)
        kept = _DISPOSE[dispose]
    except (struct.error, KeyError):
        raise Unreadable("a frame's header is broken") from None
    demand_place(left, top, width, height, parts.canvas)
    header = struct.pack(">II", width, height) + parts.header[8:]
    extras = {kind: content for kind, content in parts.extras.items() if kind in (b"PLTE", b"tRNS")}
    ms = delay * 1000 // (unit or 100)
    return Frame(left, top, width, height, ms, kept, blend == _OVER, _file(header, extras, b"".join(pixels)))


def assemble(
    plays: int, count: int, frames: Iterable[tuple[Frame, Image.Image]], encode: Callable[[Image.Image], bytes]
) -> bytes:
    """An animation of these frames, the first of which fills the canvas. All of them have the same mode."""
    made: list[bytes] = []
    sequence = 0
    for frame, image in frames:
        (_, header), *chunks = _chunks(encode(image))
        if not made:
            control = struct.pack(">II", count, plays)
            made = [_SIGNATURE, _chunk(b"IHDR", bytes(header)), _chunk(b"acTL", control)]
        place = (frame.width, frame.height, frame.left, frame.top)
        delay = (min(frame.ms, _MS_MAX), 1000)
        control = struct.pack(">IIIIIHHBB", sequence, *place, *delay, _CODE[frame.dispose], frame.over)
        made.append(_chunk(b"fcTL", control))
        first = sequence == 0
        sequence += 1
        for kind, content in chunks:
            if kind == b"IDAT" and first:
                made.append(_chunk(b"IDAT", bytes(content)))
            elif kind == b"IDAT":
                made.append(_chunk(b"fdAT", sequence.to_bytes(4, "big") + content))
                sequence += 1
    return b"".join((*made, _chunk(b"IEND", b"")))
