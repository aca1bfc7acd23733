"""WebP's animations (https://developers.google.com/speed/webp/docs/riff_container); a still one is left to the decoder."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from PIL import Image

from parley_media.images.frames import CLEAR, KEEP, Frame, demand_frames, demand_place
from parley_media.images.kinds import Unreadable
from parley_media.images.pixels import demand_size

_ANIMATED, _ALPHA = 0x02, 0x10
_CLEARED, _REPLACES = 0x01, 0x02
_MS_MAX: Final = 0xFFFFFF


class Parts(NamedTuple):
    """lossless: no pixel was changed by the format, so none should be. plays: None for a still image."""

    canvas: tuple[int, int]
    alpha: bool
    lossless: bool
    plays: int | None
    frames: list[Frame]
    exif: bytes | None
    xmp: bytes | None
    profile: bytes | None


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) & 1)


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks


def _header(canvas: tuple[int, int], flags: int) -> bytes:
    width, height = canvas
    return _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + _three(width - 1) + _three(height - 1))


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Raises Unreadable."""
    at = 0
    while at + 8 <= len(data):
        kind, end = data[at : at + 4], at + 8 + _number(data[at + 4 : at + 8])
        if end > len(data):
            raise Unreadable("the file ends too early")
        yield kind, data[at + 8 : end]
        at = end + (end & 1)


def parse(data: bytes) -> Parts:
    """Raises Unreadable, TooLarge."""
    if 8 + _number(data[4:8]) > len(data):
        raise Unreadable("the file ends too early")
    # What follows the container is no part of the image.
    chunks = _chunks(data[12 : 8 + _number(data[4:8])])
    kind, content = next(chunks, (b"", b""))
    if kind != b"VP8X" or len(content) < 10:
        return Parts((0, 0), False, kind == b"VP8L", None, [], None, None, None)
    canvas = (_number(content[4:7]) + 1, _number(content[7:10]) + 1)
    demand_size(*canvas)
    plays: int | None = None
    lossless = False
    frames: list[Frame] = []
    others: dict[bytes, bytes] = {}
    animated = bool(content[0] & _ANIMATED)
    alpha = bool(content[0] & _ALPHA)
    for kind, content in chunks:
        if kind == b"ANMF" and animated:
            demand_frames(len(frames) + 1, canvas)
            frame, unchanged = _frame(content, canvas)
            frames.append(frame)
            lossless = unchanged
        elif kind == b"ANIM" and len(content) >= 6:
            plays = _number(content[4:6])
        elif kind == b"VP8L":
            lossless = True
        else:
            others.setdefault(kind, content)
    if animated and (plays is None or not frames):
        raise Unreadable("it has no frames")
    return Parts(
        canvas, alpha, lossless, plays if animated else None, frames, others.get(b"EXIF"), others.get(b"XMP "), others.get(b"ICCP")
    )  # fmt: skip


def _frame(content: bytes, canvas: tuple[int, int]) -> tuple[Frame, bool]:
    if len(content) < 16:
        raise Unreadable("a frame's header is broken")
    left, top = _number(content[0:3]) * 2, _number(content[3:6]) * 2
    width, height = _number(content[6:9]) + 1, _number(content[9:12]) + 1
    demand_place(left, top, width, height, canvas)
    pixels = {kind: data for kind, data in _chunks(content[16:]) if kind in (b"ALPH", b"VP8 ", b"VP8L")}
    dispose = CLEAR if content[15] & _CLEARED else KEEP
    over = not content[15] & _REPLACES
    frame = Frame(
        left, top, width, height, _number(content[12:15]), dispose, over, _single((width, height), pixels)
    )  # fmt: skip
    return frame, b"VP8L" in pixels


def _single(size: tuple[int, int], pixels: dict[bytes, bytes]) -> bytes:
    """A frame as a file of its own."""
    if b"VP8L" in pixels:
        return _riff(_chunk(b"VP8L", pixels[b"VP8L"]))
    if b"VP8 " not in pixels:
        raise Unreadable("a frame has no pixels")
    if b"ALPH" not in pixels:
        return _riff(_chunk(b"VP8 ", pixels[b"VP8 "]))
    return _riff(_header(size, _ALPHA) + _chunk(b"ALPH", pixels[b"ALPH"]) + _chunk(b"VP8 ", pixels[b"VP8 "]))


def assemble(plays: int, frames: Iterable[tuple[Frame, Image.Image]], encode: Callable[[Image.Image], bytes]) -> bytes:
    """An animation of these frames, the first of which fills the canvas. All of them have the same mode."""
    made: list[bytes] = []
    for frame, image in frames:
        if not made:
            flags = _ANIMATED | (_ALPHA if image.mode == "RGBA" else 0)
            made = [_header(image.size, flags), _chunk(b"ANIM", bytes(4) + plays.to_bytes(2, "little"))]
        pixels = b"".join(
            _chunk(kind, data) for kind, data in _chunks(encode(image)[12:]) if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        flags = (_CLEARED if frame.dispose == CLEAR else 0) | (0 if frame.over else _REPLACES)
        place = (frame.left // 2, frame.top // 2, frame.width - 1, frame.height - 1, min(frame.ms, _MS_MAX))
        made.append(_chunk(b"ANMF", b"".join(map(_three, place)) + bytes((flags,)) + pixels))
    return _riff(b"".join(made))
