"""An animation looks afterwards as it did before: frame by frame, as long, as often."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageOps

from parley_media.images import gif
from parley_media.images.kinds import Kind, TooLarge, Unreadable, kind_of
from parley_media.images.render import Rendered, render
from parley_shared.limits import ANIMATION_FRAMES

from .pictures import animated, canvases, exif, frames, opened, png, png_chunks, profile, saved


def rendered(data: bytes) -> Rendered:
    kind = kind_of(data)
    assert kind is not None
    return render(data, kind)


def original(data: bytes) -> bytes:
    return rendered(data).parts[0].data


LOSSLESS: list[tuple[Kind, str, dict[str, Any]]] = [
    ("GIF", "RGB", {}),
    ("GIF", "RGB", {"disposal": 2}),
    ("GIF", "RGB", {"disposal": 3}),
    ("GIF", "RGBA", {"disposal": 2}),
    ("GIF", "RGB", {"interlace": 1}),
    ("PNG", "RGB", {}),
    ("PNG", "L", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "RGBA", {"disposal": 1, "blend": 1}),
    ("PNG", "RGBA", {"disposal": 2, "blend": 0}),
    ("PNG", "RGB", {"default_image": True}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True, "minimize_size": True}),
]


@pytest.mark.parametrize(("kind", "mode", "options"), LOSSLESS)
def test_every_frame_is_what_it_was(kind: Kind, mode: str, options: dict[str, Any]) -> None:
    data = animated(kind, frames(6, mode=mode), **options)
    made = rendered(data)
    before, after = canvases(data), canvases(made.parts[0].data)
    # A picture for viewers that know no animations is no frame.
    assert after == before[-len(after) :]
    assert len(after) == (5 if options.get("default_image") else 6)
    assert Image.open(BytesIO(made.parts[0].data)).info["loop"] == 3
    assert made.animated
    assert (made.parts[0].width, made.parts[0].height) == (48, 32)
    assert not hasattr(opened(made.parts[1].data), "n_frames") or opened(made.parts[1].data).n_frames == 1  # type: ignore[attr-defined]  # WebP's has it


def test_a_lossy_animation_keeps_its_frames() -> None:
    data = animated("WEBP", frames(6), quality=90, duration=[10, 20, 30, 40, 50, 60])
    before, after = canvases(data), canvases(original(data))
    assert [ms for _, ms in after] == [ms for _, ms in before] == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [2, 6, 7, 8])
def test_an_animation_that_was_held_otherwise_is_turned(kind: Kind, orientation: int) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"disposal": 1}
    size = (47, 33)
    data = animated(kind, frames(4, size, "RGBA"), exif=exif(orientation), **options)
    shown = canvases(original(data))
    upright = (47, 33) if orientation == 2 else (33, 47)
    for (before, ms), (after, new_ms) in zip(canvases(data), shown, strict=True):
        image = Image.frombytes("RGBA", size, before)
        image.getexif()[0x0112] = orientation
        assert ImageOps.exif_transpose(image).tobytes() == after
        assert (ms, Image.frombytes("RGBA", upright, after).size) == (new_ms, upright)


def test_the_colours_of_a_profile_are_turned_into_srgb_in_every_frame() -> None:
    for kind in ("PNG", "WEBP"):
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        plain = animated(kind, frames(3), **options)
        wide = animated(kind, frames(3), icc_profile=profile(), **options)
        before, after = canvases(original(plain)), canvases(original(wide))
        assert all(one != other for one, other in zip(before, after, strict=True))


def test_frames_may_have_tables_of_their_own_and_see_through_each_other() -> None:
    images = [image.quantize(colours) for image, colours in zip(frames(4), (4, 16, 64, 200), strict=True)]
    data = saved(images[0], "GIF", save_all=True, append_images=images[1:], duration=30, optimize=True)
    assert canvases(original(data)) == canvases(data)


def test_colours_that_no_pixel_has_are_gone() -> None:
    image = Image.new("P", (8, 8))
    image.putpalette(bytes(range(30)) + b"a secret table of colours".ljust(738, b"!"))
    image.putdata([1, 2] * 32)
    data = saved(image, "GIF", optimize=False)
    assert b"a secret table" in data
    assert b"secret" not in original(data)
    assert canvases(original(data)) == canvases(data)


def _gif(*blocks: bytes, size: tuple[int, int] = (4, 4)) -> bytes:
    screen = struct.pack("<HHBBB", *size, 0x80, 0, 0)
    return b"GIF89a" + screen + b"\x10\x20\x30\xe0\xd0\xc0" + b"".join(blocks)


def _picture(left: int, top: int, width: int, height: int, index: int = 1) -> bytes:
    file = saved(Image.new("L", (width, height), index), "GIF", optimize=False, interlace=0)
    return b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0) + gif.parse(file).pictures[0].pixels


def test_a_gif_without_its_end_counts_as_far_as_it_is_whole() -> None:
    whole = _gif(_picture(0, 0, 4, 4), _picture(1, 1, 2, 2, 0))
    assert len(canvases(original(whole))) == 2
    with pytest.raises(Unreadable):
        rendered(whole[:-1])


def test_a_picture_that_sticks_out_of_its_gif_makes_it_larger() -> None:
    made = rendered(_gif(_picture(0, 0, 4, 4), _picture(2, 2, 9, 4), b"\x3b"))
    assert (made.parts[0].width, made.parts[0].height) == (11, 6)


def test_comments_and_foreign_blocks_of_a_gif_stay_behind() -> None:
    foreign = (
        b"\x21\xff\x0bXMP DataXMP\x07a secret\0",
        b"\x21\xfe\x08a secret\0",
        b"\x21\x01\x0c" + bytes(12) + b"\x08a secret\0",
    )
    assert b"secret" not in original(
        _gif(foreign[0].replace(b"\x07", b"\x08"), *foreign[1:], _picture(0, 0, 4, 4), b"\x3b")
    )


@pytest.mark.parametrize(
    "blocks",
    [
        (),
        (b"\x3b",),
        (b"\x99",),
        (b"\x21\xf9\x04\0\0\0\0\0",),
        (b"\x2c" + struct.pack("<HHHHB", 0, 0, 0, 4, 0) + b"\x08\0", b"\x3b"),
        (b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x08\0", b"\x3b"),
        (b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x0d\x02\x01\x02\0", b"\x3b"),
        (b"\x2c\0\0",),
        (b"\x21",),
        (b"\x21\xf9\xff\0",),
    ],
)
def test_a_broken_gif_is_refused(blocks: tuple[bytes, ...]) -> None:
    with pytest.raises(Unreadable):
        rendered(_gif(*blocks))


def test_an_animated_png_with_wrong_frames_is_refused() -> None:
    good = png_chunks(animated("PNG", frames(3, mode="RGBA")))
    header = good[0][1]
    controls = [number for number, (kind, _) in enumerate(good) if kind == b"fcTL"]

    def with_control(at: int, control: bytes) -> list[tuple[bytes, bytes]]:
        return [*good[1 : controls[at]], (b"fcTL", control), *good[controls[at] + 1 : -1]]

    last = good[controls[2]][1]
    for broken in (
        with_control(2, last[:8]),
        with_control(2, last[:4] + struct.pack(">IIII", 48, 32, 1, 0) + last[20:]),
        with_control(2, last[:4] + struct.pack(">IIII", 0, 32, 0, 0) + last[20:]),
        with_control(2, last[:24] + b"\x07" + last[25:]),
        [chunk for chunk in good[1:-1] if chunk[0] != b"fdAT"],
        [(kind, struct.pack(">II", 9, 0) if kind == b"acTL" else data) for kind, data in good[1:-1]],
        [(kind, zlib.compress(b"short") if kind == b"IDAT" else data) for kind, data in good[1:-1]],
    ):
        with pytest.raises(Unreadable):
            rendered(png(header, *broken))


def test_a_picture_with_one_frame_is_a_still_one() -> None:
    # What Pillow writes for one frame is no animation, so a table of frames is put before it.
    still = png_chunks(saved(frames(1)[0], "PNG"))
    control = struct.pack(">IIIIIHHBB", 0, 48, 32, 0, 0, 7, 100, 0, 0)
    made = rendered(png(still[0][1], (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", control), *still[1:-1]))
    assert not made.animated
    assert b"acTL" not in made.parts[0].data
    assert not rendered(saved(frames(1)[0].quantize(9), "GIF")).animated


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_too_many_frames_are_refused_before_one_is_decoded(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [Image.new("RGB", (4, 4), (number // 256, number % 256, 40)) for number in range(ANIMATION_FRAMES + 1)]
    whole = animated(kind, images[:-1], **({"lossless": True} if kind == "WEBP" else {}))
    assert rendered(whole).animated
    too_many = animated(kind, images, **({"lossless": True} if kind == "WEBP" else {}))
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("something was decoded"))
    with pytest.raises(TooLarge, match="300 frames"):
        rendered(too_many)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_too_many_pixels_of_all_frames_are_refused_before_one_is_decoded(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [Image.new("RGB", (4, 4), (number, 40, 40)) for number in range(7)]
    small = animated(kind, images, **({"lossless": True} if kind == "WEBP" else {}))
    assert rendered(small).animated
    # The same frames on a canvas of 16 million pixels.
    if kind == "GIF":
        large = small[:6] + struct.pack("<HH", 4_000, 4_000) + small[10:]
    elif kind == "PNG":
        (_, header), *chunks = png_chunks(small)
        large = png(struct.pack(">II", 4_000, 4_000) + header[8:], *chunks[:-1])
    else:
        at = small.index(b"VP8X") + 12
        large = small[:at] + b"\x9f\x0f\0" * 2 + small[at + 6 :]
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("something was decoded"))
    with pytest.raises(TooLarge, match="100 million"):
        rendered(large)
