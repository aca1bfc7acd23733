"""GIF (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

What a pixel is here is an index into a table of colours. Indices are decoded and encoded, tables are kept as far as their colours are
in use, and so every frame stays what it was, without a colour being chosen anew.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from PIL import Image

from parley_media.images.frames import CLEAR, KEEP, RESTORE, Canvas, Dispose, Frame, demand_frames
from parley_media.images.kinds import Unreadable
from parley_media.images.pixels import demand_size

_TABLE, _INTERLACED, _TABLE_BITS = 0x80, 0x40, 0x07
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_GREYS: Final = bytes(value for grey in range(256) for value in (grey, grey, grey))
_DISPOSE: Final[dict[int, Dispose]] = {0: KEEP, 1: KEEP, 2: CLEAR, 3: RESTORE}
_CODE: Final[dict[Dispose, int]] = {KEEP: 1, CLEAR: 2, RESTORE: 3}


class _Picture(NamedTuple):
    """One frame. colours: a table of its own. transparent: the index that lets through what is there. delay: in hundredths of a
    second. pixels: its indices, as they are written."""

    left: int
    top: int
    width: int
    height: int
    colours: bytes | None
    transparent: int | None
    delay: int
    dispose: Dispose
    interlaced: bool
    pixels: bytes

    def file(self) -> bytes:
        """Its indices alone, as a file of greys."""
        size = _pair(self.width) + _pair(self.height)
        place = bytes(4) + size + bytes((_INTERLACED if self.interlaced else 0,))
        return b"".join((b"GIF89a", size, bytes(3), bytes((_IMAGE,)), place, self.pixels, bytes((_END,))))


class Parts(NamedTuple):
    """colours: the table of frames that have none. plays: what the file says of repeating, None if nothing."""

    canvas: tuple[int, int]
    colours: bytes | None
    plays: int | None
    pictures: list[_Picture]


class _Reader:
    """Raises Unreadable where the file ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 6

    def take(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        if len(found) < count:
            raise Unreadable("the file ends too early")
        self.at += count
        return found

    def more(self) -> bool:
        return self.at < len(self._data)

    def skip_blocks(self) -> None:
        while size := self.take(1)[0]:
            self.take(size)

    def since(self, start: int) -> bytes:
        return self._data[start : self.at]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _pair(number: int) -> bytes:
    return number.to_bytes(2, "little")


def parse(data: bytes) -> Parts:
    """Raises Unreadable, TooLarge."""
    reader = _Reader(data)
    screen = reader.take(7)
    canvas = (_number(screen[0:2]), _number(screen[2:4]))
    colours = reader.take(3 << ((screen[4] & _TABLE_BITS) + 1)) if screen[4] & _TABLE else None
    plays: int | None = None
    control = bytes(4)
    pictures: list[_Picture] = []
    # Some writers leave the end out; what is complete counts.
    while reader.more() and (block := reader.take(1)[0]) != _END:
        if block == _EXTENSION:
            label = reader.take(1)[0]
            start = reader.at
            reader.skip_blocks()
            content = reader.since(start)
            if label == _CONTROL and content[0] == 4:
                control = content[1:5]
            elif label == _APPLICATION and content[1:12] == b"NETSCAPE2.0" and content[12:14] == b"\x03\x01":
                plays = _number(content[14:16])
        elif block == _IMAGE:
            picture = _picture(reader, control)
            control = bytes(4)
            # A screen that is too small grows with its pictures.
            canvas = (max(canvas[0], picture.left + picture.width), max(canvas[1], picture.top + picture.height))
            demand_size(*canvas)
            pictures.append(picture)
            demand_frames(len(pictures), canvas)
        else:
            raise Unreadable("there is something in it that no GIF has")
    if not pictures:
        raise Unreadable("it has no picture")
    return Parts(canvas, colours, plays, pictures)


def _picture(reader: _Reader, control: bytes) -> _Picture:
    place = reader.take(9)
    left, top, width, height = (_number(place[at : at + 2]) for at in (0, 2, 4, 6))
    if not width or not height:
        raise Unreadable("a picture is empty")
    flags = place[8]
    colours = reader.take(3 << ((flags & _TABLE_BITS) + 1)) if flags & _TABLE else None
    start = reader.at
    reader.take(1)
    reader.skip_blocks()
    pixels = reader.since(start)
    transparent = control[3] if control[0] & 1 else None
    dispose = _DISPOSE.get(control[0] >> 2 & 7, KEEP)
    delay = _number(control[1:3])
    return _Picture(
        left, top, width, height, colours, transparent, delay, dispose, bool(flags & _INTERLACED), pixels
    )  # fmt: skip


class Rebuilt(NamedTuple):
    """first: the first frame on its canvas."""

    data: bytes
    first: Image.Image


def rebuild(parts: Parts, read: Callable[[bytes], Image.Image], encode: Callable[[Image.Image], bytes]) -> Rebuilt:
    """read: an image of indices from a file of one picture. encode: such a file again. Raises what `read` raises."""
    shared = bytes(256)
    made: list[bytes] = []
    first: Image.Image | None = None
    for picture in parts.pictures:
        indices = read(picture.file())
        used = bytes(map(bool, indices.histogram()))
        colours = picture.colours or parts.colours or _GREYS
        if first is None:
            first = _shown(parts.canvas, picture, indices, colours)
        if picture.colours is None:
            shared = bytes(map(max, shared, used))
        own = b"" if picture.colours is None else _table(colours, used, picture.transparent)
        [written] = parse(encode(indices)).pictures
        made.append(_assembled(picture, own, written.pixels))
    assert first is not None  # noqa: S101 — parse() demands a picture
    table = _table(parts.colours or _GREYS, shared, None)
    screen = b"GIF89a" + _pair(parts.canvas[0]) + _pair(parts.canvas[1]) + bytes((_TABLE | _bits(table), 0, 0)) + table
    plays = b"" if parts.plays is None else b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + _pair(parts.plays) + b"\0"
    return Rebuilt(b"".join((screen, plays, *made, b"\x3b")), first)


def _shown(canvas: tuple[int, int], picture: _Picture, indices: Image.Image, colours: bytes) -> Image.Image:
    image = Image.frombytes("P", indices.size, indices.tobytes())
    image.putpalette(colours)
    if picture.transparent is not None:
        image.info["transparency"] = picture.transparent
    frame = Frame(picture.left, picture.top, picture.width, picture.height, 0, KEEP, True, b"")
    return Canvas(canvas).show(frame, image)


def _table(colours: bytes, used: bytes, transparent: int | None) -> bytes:
    """Only the colours that pixels have; others could say anything. Its length is a power of two, up to the last one in use."""
    last = used.rfind(1)
    size = max(2, 1 << last.bit_length())
    entries = (
        colours[at * 3 : at * 3 + 3].ljust(3, b"\0") if used[at] and at != transparent else bytes(3)
        for at in range(size)
    )
    return b"".join(entries)


def _bits(table: bytes) -> int:
    return (len(table) // 3).bit_length() - 2


def _assembled(picture: _Picture, table: bytes, pixels: bytes) -> bytes:
    seen_through = picture.transparent is not None
    control = bytes(
        (
            _EXTENSION,
            _CONTROL,
            4,
            _CODE[picture.dispose] << 2 | seen_through,
            *_pair(picture.delay),
            picture.transparent or 0,
            0,
        )
    )
    place = b"".join(map(_pair, (picture.left, picture.top, picture.width, picture.height)))
    flags = _TABLE | _bits(table) if table else 0
    return b"".join((control, bytes((_IMAGE,)), place, bytes((flags,)), table, pixels))
