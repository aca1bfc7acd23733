"""Files that are broken, made to do harm, or something else in disguise: a clean refusal or a clean picture, never anything else."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from parley_media.images import decoder
from parley_media.images.kinds import kind_of
from parley_shared.limits import IMAGE_PIXELS

from .pictures import CANARY, animated, frames, opened, photo, png, png_chunks, raw_png, samples, saved

GIF_SCREEN = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6)


def outcome(data: bytes) -> str:
    """What the decoder makes of it. A picture must be one."""
    header, parts = decoder.answer(data)
    assert header["outcome"] in ("done", "unreadable", "too_large"), header["detail"]
    if header["outcome"] == "done":
        assert len(parts) == len(header["parts"]) == 4
        for said, part in zip(header["parts"], parts, strict=True):
            image = opened(part)
            assert image.size == (said["width"], said["height"])
            assert len(part) == said["bytes"]
            assert CANARY not in part
        assert kind_of(parts[0]) == kind_of(data)
    else:
        assert parts == []
    return str(header["outcome"])


@pytest.mark.parametrize("name", samples())
def test_a_file_that_was_cut_off_anywhere_is_refused_or_a_picture(name: str) -> None:
    data = samples()[name]
    outcomes = [outcome(data[: len(data) * percent // 100]) for percent in range(100)]
    assert outcome(data) == "done"
    assert outcomes.count("unreadable") >= 80, "pictures are not made up from nothing"


@pytest.mark.parametrize("name", samples())
def test_a_file_with_a_wrong_byte_anywhere_is_refused_or_a_picture(name: str) -> None:
    data = samples()[name]
    for step in range(50):
        at = len(data) * step // 50
        for wrong in (0xFF, data[at] ^ 0x80):
            outcome(data[:at] + bytes((wrong,)) + data[at + 1 :])


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that want to become large ones."""
    side = 50_000
    yield "PNG pixels", raw_png(side, side, 1, 0, bytes(1000))
    yield "PNG pixels in 16 bits", raw_png(IMAGE_PIXELS // 1000 + 1, 1000, 16, 6, bytes(1000))
    yield "PNG no pixels", raw_png(0, 5, 8, 2, b"")
    yield "PNG negative", raw_png(0x8000_0001, 1, 8, 2, bytes(100))
    for kind in ("JPEG", "GIF", "WEBP"):
        data = bytearray(samples()[kind])
        if kind == "JPEG":
            at = data.index(b"\xff\xc0") + 5
            data[at : at + 4] = b"\xff\xdc\xff\xdc"
        elif kind == "GIF":
            at = data.index(b"\x2c") if data[10] & 0x80 == 0 else 13 + 3 * (2 << (data[10] & 7))
            at = data.index(b"\x2c\0\0\0\0", at) + 5
            data[at : at + 4] = b"\xff\xff\xff\xff"
        else:
            at = data.index(b"VP8X") + 12
            data[at : at + 6] = b"\xff\x3f\0\xff\x3f\0"
        yield f"{kind} pixels", bytes(data)
    screen = bytearray(samples()["GIF"])
    screen[6:10] = b"\xff\xff\xff\xff"
    yield "GIF screen", bytes(screen)


@pytest.mark.parametrize(("name", "data"), [pytest.param(*bomb, id=bomb[0]) for bomb in bombs()])
def test_a_bomb_does_not_go_off(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("it was decoded"))
    header, _ = decoder.answer(data)
    assert header["outcome"] in ("too_large", "unreadable"), name
    if "no pixels" not in name:
        assert header["outcome"] == "too_large", header


def test_bombs_in_chunks_do_not_go_off() -> None:
    header, *rest = png_chunks(samples()["PNG"])
    huge = zlib.compress(bytes(60_000_000))
    for kind, data in (
        (b"zTXt", b"Comment\0\0" + huge),
        (b"iTXt", b"Comment\0\1\0\0\0" + huge),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + huge),
        (b"iCCP", b"profile\0\0" + huge),
        (b"eXIf", b"MM\0*\0\0\0\x08" + b"\xff" * 100_000),
    ):
        assert outcome(png(header[1], (kind, data), *rest[:-1])) in ("done", "unreadable")
    many = png(header[1], *[(b"tEXt", b"k\0v")] * 100_000, *[(b"IDAT", b"")] * 100_000, *rest[:-1])
    assert outcome(many) == "done"
    # Pixels without end: what stands behind the last one is never unpacked.
    too_much = raw_png(4, 4, 8, 2, bytes(60_000_000))
    assert outcome(too_much) in ("done", "unreadable")


def test_a_gif_of_endless_blocks_ends() -> None:
    assert outcome(GIF_SCREEN + b"\x21\xfe\x01a\0" * 200_000) == "unreadable"
    empty = b"\x2c" + bytes(4) + b"\x08\0\x08\0\0" + b"\x02\0"
    assert outcome(GIF_SCREEN + empty * 200_000 + b"\x3b") == "too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_of_two_files_in_one_only_the_picture_is_left(kind: str) -> None:
    """Polyglots: archives, scripts and pages behind or inside of a picture."""
    data = samples()[kind]
    for other in (
        b"PK\x03\x04" + CANARY,
        b"<html><script>alert(1)</script>" + CANARY,
        b"%PDF-1.7\n" + CANARY,
        b"\0" * 1000 + CANARY,
    ):
        assert outcome(data + other) == "done"
    header, parts = decoder.answer(data + b"PK\x03\x04" + CANARY)
    assert header["outcome"] == "done"
    assert not any(b"PK\x03\x04" in part for part in parts)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff<html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a/*<svg/onload=alert(1)>*/=1;",
        b"RIFF\x1c\0\0\0WEBPVP8 <script>alert(1)</script>",
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        b"RIFF\x0c\0\0\0WEBP",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\0\x03" + bytes(20),
        b"\x89PNG\r\n\x1a\n",
        b"GIF87a",
    ],
)
def test_a_disguise_does_not_help(data: bytes) -> None:
    assert outcome(data) == "unreadable"


def oddities() -> Iterator[tuple[str, bytes, str]]:
    """Rare, but right or nearly so."""
    yield "a palette without colours", raw_png(2, 1, 8, 3, b"\0\0\1"), "any"
    yield "a palette of one colour", raw_png(2, 1, 1, 3, b"\0\x40", (b"PLTE", b"\1\2\3")), "any"
    yield (
        "more transparency than colours",
        raw_png(2, 1, 8, 3, b"\0\0\1", (b"PLTE", b"\1\2\3\4\5\6"), (b"tRNS", b"\0" * 200)),
        "done",
    )
    yield "transparency in vain", raw_png(2, 1, 8, 6, b"\0" + bytes(8), (b"tRNS", b"\0\0")), "any"
    yield "a transparent colour of half its length", raw_png(1, 1, 8, 2, bytes(4), (b"tRNS", b"\0")), "any"
    yield "two bits of grey", raw_png(4, 1, 2, 0, b"\0\x1b"), "done"
    yield "four bits of grey", raw_png(2, 1, 4, 0, b"\0\x0f"), "done"
    yield "four bits of palette", raw_png(2, 1, 4, 3, b"\0\x01", (b"PLTE", b"\1\2\3\4\5\6")), "done"
    yield "16 bits of colour", raw_png(2, 1, 16, 2, bytes(13)), "done"
    yield "16 bits of colour and alpha", raw_png(2, 1, 16, 6, bytes(17)), "done"
    yield "16 bits of grey and alpha", raw_png(2, 1, 16, 4, bytes(9)), "done"
    yield "three bits of grey", raw_png(2, 1, 3, 0, bytes(2)), "unreadable"
    yield "a colour type of 7", raw_png(2, 1, 8, 7, bytes(20)), "unreadable"
    yield "a filter of 9", raw_png(2, 1, 8, 0, b"\x09\0\0"), "unreadable"
    yield "too few pixels", raw_png(9, 9, 8, 0, bytes(20)), "any"
    yield "no grain of compression", png(struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), (b"IDAT", b"\0")), "unreadable"
    yield "JPEG in CMYK", saved(photo(40, 30, "CMYK"), "JPEG"), "done"
    yield "JPEG in CMYK without Adobe's word", without_segment(saved(photo(40, 30, "CMYK"), "JPEG"), 0xEE), "done"
    yield "JPEG without JFIF", without_segment(saved(photo(40, 30), "JPEG"), 0xE0), "done"
    yield "JPEG with restarts", saved(photo(64, 64), "JPEG", restart_marker_blocks=1), "done"
    yield "JPEG without its end", saved(photo(40, 30), "JPEG")[:-2], "any"
    yield "JPEG without tables", without_segment(saved(photo(40, 30), "JPEG"), 0xDB), "unreadable"
    yield (
        "JPEG in 12 bits",
        saved(photo(40, 30), "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
        "unreadable",
    )
    yield "two JPEGs in one (MPO)", mpo(), "done"
    yield "GIF of an old version", saved(photo(20, 20).quantize(8), "GIF").replace(b"GIF89a", b"GIF87a"), "done"
    yield "GIF of greys", saved(photo(20, 20, "L"), "GIF"), "done"
    yield "GIF without frames' times", animated("GIF", frames(3), duration=0), "done"


def without_segment(data: bytes, marker: int) -> bytes:
    """A JPEG without its segments of this kind."""
    made, at = bytearray(data[:2]), 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != marker:
            made += data[at:end]
        at = end
    return bytes(made + data[at:])


def mpo() -> bytes:
    options: dict[str, Any] = {"save_all": True, "append_images": [photo(40, 30)]}
    file = BytesIO()
    photo(60, 40).save(file, "MPO", **options)
    return file.getvalue()


@pytest.mark.parametrize(("name", "data", "expected"), [pytest.param(*odd, id=odd[0]) for odd in oddities()])
def test_an_oddity_is_a_picture_or_refused(name: str, data: bytes, expected: str) -> None:
    found = outcome(data)
    assert expected in ("any", found), name


def test_of_two_pictures_in_a_jpeg_the_first_is_kept() -> None:
    header, _ = decoder.answer(mpo())
    assert (header["parts"][0]["width"], header["parts"][0]["height"], header["animated"]) == (60, 40, False)


def test_what_becomes_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "OUTPUT_BYTES", 1000)
    assert outcome(saved(photo(300, 300), "PNG")) == "too_large"


def test_a_bug_of_ours_is_told_with_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(decoder, "render", broken)
    header, parts = decoder.answer(samples()["PNG"])
    assert (header["outcome"], parts) == ("broken", [])
    assert "KeyError: 'ours'" in header["detail"]


def test_running_out_of_memory_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoder, "render", greedy)
    assert decoder.answer(samples()["PNG"])[0]["outcome"] == "too_large"
