"""Pictures for tests, made as they are needed: of every kind and mode, animated, upside down, and with things to hide."""

import random
import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageDraw

from parley_media.images.kinds import Kind

KINDS: tuple[Kind, ...] = ("JPEG", "PNG", "GIF", "WEBP")
ORIENTATION = 0x0112
CANARY = b"parley-canary-4711"


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Soft colours with some grain: compresses like a photograph. The same each time."""
    rng = random.Random(width * 10_007 + height)
    coarse = Image.frombytes("RGB", (8, 8), rng.randbytes(192)).resize((width, height), Image.Resampling.BICUBIC)
    grain = Image.frombytes("L", (64, 64), rng.randbytes(4096)).resize((width, height))
    return Image.blend(coarse, grain.convert("RGB"), 0.08).convert(mode)


def arrow(width: int = 160, height: int = 96) -> Image.Image:
    """Four quarters of different colours, so that every way of turning it shows."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=(30, 200, 30))
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=(30, 30, 200))
    draw.rectangle((width // 2, height // 2, width, height), fill=(220, 220, 40))
    return image


def saved(image: Image.Image, kind: Kind, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    """Decoded, wholly."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def exif(orientation: int, comment: str = "") -> Image.Exif:
    found = Image.Exif()
    found[ORIENTATION] = orientation
    if comment:
        found[0x010E] = comment
        # GPS: 48° 8' 0" N
        found[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
    return found


def profile() -> bytes:
    """Of a screen whose red shines where others' blue does, and the other way round."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # A table of tags, each with its name, offset and length (ICC.1:2022, 7.3).
    places = {bytes(made[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(made[128:132], "big"), 12)}
    red, blue = places[b"rXYZ"] + 4, places[b"bXYZ"] + 4
    made[red : red + 8], made[blue : blue + 8] = made[blue : blue + 8], made[red : red + 8]
    return bytes(made).replace(b"s\0R\0G\0B", b"o\0d\0d\0!")


def frames(count: int = 5, size: tuple[int, int] = (48, 32), mode: str = "RGB") -> list[Image.Image]:
    """Something moves over a background."""
    made = []
    for number in range(count):
        image = photo(*size).convert(mode)
        left = number * 5
        colour: Any = 20 * number if mode == "L" else (250, 20 * number, 90) + ((120,) if mode == "RGBA" else ())
        image.paste(colour, (left, 6, left + 12, 20))
        if mode == "RGBA":
            image.paste((0, 0, 0, 0), (0, 0, 6 + number, 6))
        made.append(image)
    return made


def animated(kind: Kind, images: list[Image.Image], **options: Any) -> bytes:
    if kind == "GIF":
        images = [image.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE) for image in images]
    return saved(
        images[0], kind, **{"save_all": True, "append_images": images[1:], "duration": 70, "loop": 3, **options}
    )


def canvases(data: bytes) -> list[tuple[bytes, int]]:
    """What a viewer sees, frame by frame, and for how many ms."""
    image = Image.open(BytesIO(data))
    seen = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        rgba = image.convert("RGBA")
        # The colour of what cannot be seen says nothing.
        clean = Image.new("RGBA", rgba.size)
        clean.paste(rgba, mask=rgba.getchannel("A").point(lambda value: 255 if value else 0))
        seen.append((clean.tobytes(), round(image.info.get("duration", 0))))
    return seen


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Of these chunks, with right checksums."""
    made = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        made.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(made)


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """rows: each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return png(header, *chunks, (b"IDAT", zlib.compress(rows)))


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


@cache
def samples() -> dict[str, bytes]:
    """A valid file of every sort that is taken, small, by what it is."""
    base = photo(60, 44)
    hidden: dict[str, Any] = {"exif": exif(6, CANARY.decode()), "icc_profile": profile()}
    return {
        "JPEG": saved(base, "JPEG", **hidden, comment=CANARY),
        "JPEG progressive": saved(base, "JPEG", progressive=True),
        "JPEG grey": saved(base.convert("L"), "JPEG"),
        "JPEG CMYK": saved(base.convert("CMYK"), "JPEG"),
        "PNG": saved(base, "PNG", **hidden),
        "PNG transparent": saved(photo(60, 44, "RGBA"), "PNG"),
        "PNG palette": saved(base.quantize(40), "PNG"),
        "PNG 16 bits": saved(base.convert("L").convert("I;16"), "PNG"),
        "PNG animated": animated("PNG", frames()),
        "GIF": saved(base.quantize(40), "GIF", comment=CANARY),
        "GIF animated": animated("GIF", frames(), comment=CANARY),
        "WEBP": saved(base, "WEBP", **hidden),
        "WEBP lossless": saved(photo(60, 44, "RGBA"), "WEBP", lossless=True),
        "WEBP animated": animated("WEBP", frames()),
        "WEBP animated transparent": animated("WEBP", frames(mode="RGBA")),
    }  # fmt: skip
