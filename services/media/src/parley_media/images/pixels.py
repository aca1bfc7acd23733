"""Pixels: what a reader makes of a file becomes an image of eight bits a channel that knows nothing else.

Everything returned here is a new image. Pillow carries a file's metadata (`info`) along from image to image and hands some of it to
the next writer, so that only an image that never had any can be trusted to have none.
"""

from io import BytesIO
from typing import Final

from PIL import Image, ImageChops, ImageCms

from parley_media.images.kinds import TooLarge
from parley_shared.limits import IMAGE_PIXELS

_SRGB: Final = ImageCms.createProfile("sRGB")
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What an EXIF orientation asks for; 1 is upright."""


def demand_size(width: int, height: int) -> None:
    """Before anything is decoded. Raises TooLarge."""
    if width * height > IMAGE_PIXELS:
        raise TooLarge(
            f"The image has {width} × {height} pixels; at most {IMAGE_PIXELS / 1_000_000:g} million are taken."
        )


def has_alpha(image: Image.Image) -> bool:
    """Whether anything of it may be transparent."""
    return image.mode in ("LA", "RGBA") or (image.palette is not None and image.palette.mode == "RGBA")


def fresh(image: Image.Image) -> Image.Image:
    """The same pixels and, of a palette, the colours that are in use; nothing else of what the image knew."""
    if image.mode == "P":
        return _fresh_palette(image)
    new = Image.new(image.mode, image.size)
    new.paste(image)
    return new


def _fresh_palette(image: Image.Image) -> Image.Image:
    alpha = has_alpha(image)
    step = 4 if alpha else 3
    colours = bytes(image.getpalette("RGBA" if alpha else "RGB") or b"")
    indices = Image.frombytes("L", image.size, image.tobytes())
    used = [index for index, count in enumerate(indices.histogram()) if count]
    # Colours that no pixel has could say anything.
    table = [0] * 256
    kept = bytearray()
    for new, old in enumerate(used):
        table[old] = new
        kept += colours[old * step : old * step + step].ljust(step, b"\0")
    made = Image.frombytes("P", image.size, indices.point(table).tobytes())
    made.putpalette(bytes(kept), "RGBA" if alpha else "RGB")
    return made


def plain(image: Image.Image, profile: bytes | None) -> Image.Image:
    """In one of the modes 1, L, LA, P, RGB, RGBA, in sRGB as far as its colour profile can be understood.

    The transparent colour of a file without an alpha channel becomes one.
    """
    mode = image.mode
    if mode == "I;16":
        image = _eight_bits(image)
    elif mode == "P":
        image.apply_transparency()
    elif mode in ("1", "L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if mode == "RGB" else "LA")
    if profile:
        image = _in_srgb(image, profile)
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper half of each pixel; Pillow's own conversion would clip it to 255."""
    data = image.tobytes()
    low, high = (Image.frombytes("L", image.size, data[start::2]) for start in (0, 1))
    transparent = image.info.get("transparency")
    if transparent is None:
        return high
    # Compared as it was, before the lower half is lost.
    differs = (half.point(_differs_from(value)) for half, value in ((low, transparent & 255), (high, transparent >> 8)))
    return Image.merge("LA", (high, ImageChops.lighter(*differs)))


def _differs_from(value: int) -> list[int]:
    return [0 if other == value else 255 for other in range(256)]


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A profile that cannot be used is dropped like any other: the pixels then stand for themselves."""
    if b"sRGB" in profile or b"s\0R\0G\0B" in profile:
        return image
    mode = image.mode
    try:
        if mode == "1":
            return image
        if mode == "P":
            return _palette_in_srgb(image, profile)
        if mode == "LA":
            grey, alpha = image.split()
            return Image.merge("LA", (_converted(grey, profile, "RGB").convert("L"), alpha))
        if mode == "L":
            return _converted(image, profile, "RGB").convert("L")
        return _converted(image, profile, "RGBA" if mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, ValueError, TypeError, OSError):
        return image


def _converted(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    made = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
    if made is None:
        raise ValueError("nothing was converted")
    return made


def _palette_in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    mode = "RGBA" if has_alpha(image) else "RGB"
    colours = bytes(image.getpalette(mode) or b"")
    strip = Image.frombytes(mode, (len(colours) // len(mode), 1), colours)
    image.putpalette(_converted(strip, profile, mode).tobytes(), mode)
    return image


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Upright, if it says how it was held."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
