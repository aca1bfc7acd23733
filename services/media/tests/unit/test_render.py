"""What is kept of a picture: its pixels, upright and in sRGB, in its own kind, and nothing else of the file."""

import hashlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from parley_media.images.kinds import ALLOWED, CONTENT_TYPE, Kind, kind_of
from parley_media.images.render import Part, Rendered, render
from parley_shared.limits import THUMBNAIL_SIZES

from .pictures import CANARY, KINDS, arrow, exif, opened, photo, profile, raw_png, samples, saved


def rendered(data: bytes) -> Rendered:
    kind = kind_of(data)
    assert kind is not None
    return render(data, kind)


def original(data: bytes) -> Image.Image:
    return opened(rendered(data).parts[0].data)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Of the mean pixel, 0 to 255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return max(stat.mean)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_keeps_its_kind_and_gets_its_thumbnails(kind: Kind) -> None:
    picture = photo(1600, 1000).quantize(64) if kind == "GIF" else photo(1600, 1000)
    made = rendered(saved(picture, kind))
    assert [part.name for part in made.parts] == ["original", *map(str, sorted(THUMBNAIL_SIZES, reverse=True))]
    assert (made.parts[0].content_type, made.parts[0].width, made.parts[0].height) == (CONTENT_TYPE[kind], 1600, 1000)
    for part in made.parts[1:]:
        assert part.content_type == "image/webp"
        assert (part.width, part.height) == (int(part.name), round(int(part.name) / 1.6))
    for part in made.parts:
        image = opened(part.data)
        assert kind_of(part.data) == image.format
        assert image.size == (part.width, part.height)
        assert difference(image, picture.convert("RGB").resize(image.size, reducing_gap=2)) < 10
    assert not made.animated
    assert len(made.blurhash) == 28


def test_a_small_picture_is_not_enlarged() -> None:
    made = rendered(saved(photo(100, 30), "PNG"))
    assert {part.name: (part.width, part.height) for part in made.parts} == {
        "original": (100, 30), "1280": (100, 30), "320": (100, 30), "64": (64, 19)
    }  # fmt: skip


@pytest.mark.parametrize("size", [(25_000, 1), (1, 25_000), (1, 1)])
def test_a_picture_of_one_line_has_thumbnails_too(size: tuple[int, int]) -> None:
    made = rendered(saved(Image.new("RGB", size, "teal"), "PNG"))
    assert all(part.width >= 1 and part.height >= 1 for part in made.parts)
    assert max(made.parts[1].width, made.parts[1].height) == min(1280, max(size))


@pytest.mark.parametrize("name", samples())
def test_nothing_of_the_file_is_left_but_what_is_seen(name: str) -> None:
    data = samples()[name] + CANARY
    made = rendered(data)
    for part in made.parts:
        assert CANARY not in part.data
        image = Image.open(BytesIO(part.data))
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            kept = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "version", "background", "extension", "bbox",
                    "transparency", "duration", "loop", "timestamp", "blend", "disposal", "default_image"}  # fmt: skip
            assert set(image.info) <= kept, name
        assert not image.getexif()
    assert rendered(made.parts[0].data).parts[0].width == made.parts[0].width, "it can be read again"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_however_it_was_held(kind: Kind, orientation: int) -> None:
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    # The opposite of what the orientation asks for: a quarter to the left for one to the right.
    held = arrow() if orientation == 1 else arrow().transpose(Image.Transpose(turn[orientation]))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    shown = original(saved(held, kind, exif=exif(orientation), **options))
    assert shown.size == arrow().size
    assert difference(shown, arrow()) < 3


def test_an_orientation_in_xmp_counts_as_well() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    held = arrow().transpose(Image.Transpose.ROTATE_90)
    for data in (saved(held, "JPEG", xmp=xmp), saved(held, "WEBP", xmp=xmp)):
        assert original(data).size == arrow().size


@pytest.mark.parametrize(
    "bad", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\xff" * 300, b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_a_broken_exif_says_nothing(bad: bytes) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        assert original(saved(arrow(), kind, exif=bad)).size == arrow().size


# -- colours


def test_a_wide_colour_profile_is_turned_into_srgb() -> None:
    wide = profile()
    image = Image.new("RGB", (16, 16), (120, 130, 90))
    expected = ImageCms.profileToProfile(image, BytesIO(wide), ImageCms.createProfile("sRGB"))
    assert expected is not None
    assert expected.getpixel((0, 0)) != image.getpixel((0, 0))
    for data in (saved(image, "PNG", icc_profile=wide), saved(image, "WEBP", icc_profile=wide, lossless=True)):
        assert original(data).getpixel((3, 3)) == expected.getpixel((3, 3))
    palette = image.quantize(4)
    assert original(saved(palette, "PNG", icc_profile=wide)).convert("RGB").getpixel((3, 3)) == expected.getpixel(
        (3, 3)
    )
    transparent = image.convert("RGBA")
    transparent.putalpha(77)
    found: Any = original(saved(transparent, "PNG", icc_profile=wide)).getpixel((3, 3))
    assert found == (*expected.getpixel((3, 3)), 77)  # type: ignore[misc]  # a tuple, of an RGB image


@pytest.mark.parametrize(
    "bad",
    [b"no profile", profile()[:100], ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()],
    ids=["none", "cut off", "of no screen"],
)
def test_a_profile_that_cannot_be_used_is_dropped(bad: bytes) -> None:
    for image in (arrow(), arrow().convert("L"), arrow().convert("LA"), arrow().convert("RGBA"), arrow().convert("1")):
        assert original(saved(image, "PNG", icc_profile=bad)).tobytes() == image.tobytes()


def test_a_cmyk_jpeg_has_the_colours_that_were_meant() -> None:
    for ink in ((0, 0, 0, 0), (255, 0, 0, 0), (0, 200, 200, 10)):
        image = Image.new("CMYK", (16, 16), ink)
        shown = original(saved(image, "JPEG", quality=100))
        assert shown.mode == "RGB"
        assert difference(shown, image) < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_a_png_keeps_every_pixel(mode: str) -> None:
    image = photo(50, 40, "RGBA").convert(mode) if mode != "LA" else photo(50, 40, "LA")
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    shown = original(saved(image, "PNG"))
    assert (shown.mode, shown.tobytes()) == (mode, image.tobytes())


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = Image.frombytes("I;16", (256, 1), b"".join((value * 257).to_bytes(2, "little") for value in range(256)))
    shown = original(saved(ramp, "PNG"))
    assert (shown.mode, shown.tobytes()) == ("L", bytes(range(256)))


def test_a_colour_that_stands_for_nothing_becomes_transparent() -> None:
    grey16 = raw_png(2, 1, 16, 0, b"\0\x12\x34\x12\x35", (b"tRNS", b"\x12\x35"))
    assert list(original(grey16).get_flattened_data()) == [(18, 255), (18, 0)]
    grey4 = raw_png(2, 1, 4, 0, b"\0\x3a", (b"tRNS", b"\0\x03"))
    assert list(original(grey4).get_flattened_data()) == [(51, 0), (170, 255)]
    grey1 = raw_png(2, 1, 1, 0, b"\0\x80", (b"tRNS", b"\0\x01"))
    assert list(original(grey1).get_flattened_data()) == [(255, 0), (0, 255)]
    rgb8 = raw_png(2, 1, 8, 2, b"\0\x01\x02\x03\x04\x05\x06", (b"tRNS", b"\0\x04\0\x05\0\x06"))
    assert list(original(rgb8).get_flattened_data()) == [(1, 2, 3, 255), (4, 5, 6, 0)]
    rgb16 = raw_png(
        2, 1, 16, 2, b"\0\x12\x34\x12\x34\x12\x34\x99\x00\x99\x00\x99\x00", (b"tRNS", b"\x99\0\x99\0\x99\0")
    )
    assert list(original(rgb16).get_flattened_data()) == [(18, 18, 18, 255), (153, 153, 153, 0)]


def test_a_palette_keeps_the_colours_that_are_seen_and_no_others() -> None:
    image = Image.new("P", (4, 1))
    image.putpalette(b"".join(bytes((n, n + 1, n + 2)) for n in range(250)))
    image.putdata([7, 200, 7, 100])
    shown = original(saved(image, "PNG", transparency=100))
    assert shown.mode == "P"
    assert len(shown.getpalette() or []) == 9
    assert shown.convert("RGBA").tobytes() == bytes((7, 8, 9, 255, 200, 201, 202, 255, 7, 8, 9, 255, 100, 101, 102, 0))


def test_a_palette_that_is_too_short_is_no_accident() -> None:
    rows = b"\0" + bytes((0, 1, 2, 255))
    shown = original(raw_png(4, 1, 8, 3, rows, (b"PLTE", b"\x10\x20\x30\x40\x50\x60")))
    assert shown.convert("RGB").getpixel((1, 0)) == (0x40, 0x50, 0x60)


def test_lossless_stays_lossless() -> None:
    image = photo(64, 48, "RGBA")
    shown = original(saved(image, "WEBP", lossless=True))
    assert shown.convert("RGBA").tobytes() == image.tobytes()


def test_the_same_picture_becomes_the_same_files() -> None:
    def digests(parts: list[Part]) -> list[str]:
        return [hashlib.sha256(part.data).hexdigest() for part in parts]

    for data in samples().values():
        assert digests(rendered(data).parts) == digests(rendered(data).parts)


def test_only_four_kinds_are_told_by_their_first_bytes() -> None:
    assert ALLOWED == ("image/jpeg", "image/png", "image/gif", "image/webp")
    for name, data in samples().items():
        assert kind_of(data) == name.split()[0]
    for other in (b"", b"\xff\xd8", b"BM....", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<!doctype html>", b"RIFF....WAVE",
                  b"%PDF-1.7", b"II*\0", b"MM\0*", b"GIF88a", b"\0\0\0\x20ftypavif", b"PK\x03\x04", b" \x89PNG\r\n\x1a\n"):  # fmt: skip
        assert kind_of(other) is None
