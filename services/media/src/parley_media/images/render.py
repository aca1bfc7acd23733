"""From a file that somebody sent to the files that are kept: the image itself and its thumbnails, made anew from pixels alone.

The image keeps its kind. Everything else that was in the file stays behind: EXIF with its places and times, colour profiles, comments,
previews, and whatever stood behind its end.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final, NamedTuple

from blurhash_rs import blurhash_encode
from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from parley_media.images import gif, png, webp
from parley_media.images.frames import Frame, Played
from parley_media.images.kinds import CONTENT_TYPE, Kind, TooLarge, Unreadable
from parley_media.images.pixels import demand_size, fresh, has_alpha, plain, turned
from parley_media.images.protocol import ORIGINAL
from parley_shared.limits import IMAGE_PIXELS, THUMBNAIL_SIZES

JPEG_QUALITY: Final = 90
WEBP_QUALITY: Final = 85
THUMBNAIL_QUALITY: Final = 80
PNG_LEVEL: Final = 4
"""Of zlib-ng: level 6 takes twice as long, for a file that is hardly smaller."""
LARGE: Final = 4_000_000
"""Pixels above which WebP is written with less effort, so that no image takes longer than a few seconds."""
_READERS: Final[dict[Kind, type[ImageFile.ImageFile]]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "GIF": GifImageFile,
    "WEBP": WebPImageFile,
}
_ORIENTATION: Final = 0x0112
_XMP_ORIENTATION: Final = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')

Image.MAX_IMAGE_PIXELS = IMAGE_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False


class Part(NamedTuple):
    """name: `original`, or the size of a thumbnail."""

    name: str
    content_type: str
    width: int
    height: int
    data: bytes


class Rendered(NamedTuple):
    parts: list[Part]
    blurhash: str
    animated: bool


class _Original(NamedTuple):
    """shown: what thumbnails are made of."""

    data: bytes
    size: tuple[int, int]
    shown: Image.Image
    animated: bool


def render(data: bytes, kind: Kind) -> Rendered:
    """Raises Unreadable, TooLarge; MemoryError where there is not enough of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _rendered(data, kind)


def _rendered(data: bytes, kind: Kind) -> Rendered:
    original = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "WEBP": _webp}[kind](data)
    parts = [Part(ORIGINAL, CONTENT_TYPE[kind], *original.size, original.data)]
    image = original.shown
    if image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGBA" if has_alpha(image) else "RGB")
    for size in sorted(THUMBNAIL_SIZES, reverse=True):
        image = _shrunk(image, size)
        parts.append(Part(str(size), CONTENT_TYPE["WEBP"], *image.size, _encode_webp(image, THUMBNAIL_QUALITY)))
    return Rendered(parts, _blurhash(image), original.animated)


# -- reading


@contextmanager
def _reading() -> Iterator[None]:
    """Raises Unreadable, TooLarge, MemoryError, whatever a reader raises."""
    try:
        yield
    except (TooLarge, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLarge("The image has more pixels than are taken.") from None
    except Exception as error:
        # Readers of hostile files fail in every way there is: SyntaxError, struct.error, IndexError, OverflowError, …
        raise Unreadable(repr(error)) from error


def _opened(data: bytes, kind: Kind) -> ImageFile.ImageFile:
    """Its header, by the one reader of its kind. Raises Unreadable, TooLarge."""
    with _reading():
        image = _READERS[kind](BytesIO(data))
        demand_size(*image.size)
    return image


def _read(data: bytes, kind: Kind) -> Image.Image:
    """Decoded. Raises Unreadable, TooLarge."""
    image = _opened(data, kind)
    with _reading():
        image.load()
    return image


def _orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """1 if nothing is said, or nothing that can be understood."""
    if exif:
        try:
            found = Image.Exif()
            found.load(exif if exif.startswith(b"Exif\0\0") else b"Exif\0\0" + exif)
            value = found.get(_ORIENTATION)
        except Exception:  # noqa: BLE001 — whatever is wrong with it, it says nothing then
            value = None
        if isinstance(value, int) and 1 <= value <= 8:
            return value
    in_xmp = _XMP_ORIENTATION.search(xmp or b"")
    return int(in_xmp[1]) if in_xmp else 1


def _upright(image: Image.Image, exif: bytes | None, xmp: bytes | None, profile: bytes | None) -> Image.Image:
    return fresh(turned(plain(image, profile), _orientation(exif, xmp)))


def _still(data: bytes, kind: Kind) -> Image.Image:
    image = _read(data, kind)
    info = image.info
    return _upright(image, info.get("exif"), info.get("xmp"), info.get("icc_profile"))


def _jpeg(data: bytes) -> _Original:
    image = _still(data, "JPEG")
    return _Original(_encode_jpeg(image), image.size, image, animated=False)


def _png(data: bytes) -> _Original:
    parts = png.parse(data)
    if parts.plays is None or len(parts.frames) < 2:
        image = _still(parts.file(), "PNG")
        return _Original(_encode_png(image), image.size, image, animated=False)
    info = _opened(parts.file(), "PNG").info
    orientation = _orientation(info.get("exif"), info.get("xmp"))
    frames = _frames(parts.frames, "PNG", info.get("icc_profile"))
    played = Played(frames, parts.canvas, orientation, alpha=parts.alpha or not parts.frames[0].fills(parts.canvas))
    made = png.assemble(parts.plays, len(parts.frames), played, _encode_png)
    return _animation(made, played)


def _webp(data: bytes) -> _Original:
    parts = webp.parse(data)

    def encode(image: Image.Image) -> bytes:
        return _encode_webp(image, WEBP_QUALITY, lossless=parts.lossless)

    if parts.plays is None:
        image = _still(data, "WEBP")
        return _Original(encode(image), image.size, image, animated=False)
    orientation = _orientation(parts.exif, parts.xmp)
    frames = _frames(parts.frames, "WEBP", parts.profile)
    played = Played(frames, parts.canvas, orientation, alpha=parts.alpha or not parts.frames[0].fills(parts.canvas))
    made = webp.assemble(parts.plays, played, encode)
    return _animation(made, played, animated=len(parts.frames) > 1)


def _gif(data: bytes) -> _Original:
    parts = gif.parse(data)
    made = gif.rebuild(parts, lambda file: _read(file, "GIF"), _encode_gif)
    return _Original(made.data, parts.canvas, made.first, animated=len(parts.pictures) > 1)


def _frames(frames: list[Frame], kind: Kind, profile: bytes | None) -> Iterable[tuple[Frame, Image.Image]]:
    for frame in frames:
        image = _read(frame.file, kind)
        if image.size != (frame.width, frame.height):
            raise Unreadable("a frame is not as large as it says")
        yield frame, fresh(plain(image, profile))


def _animation(made: bytes, played: Played, *, animated: bool = True) -> _Original:
    assert played.first is not None  # noqa: S101 — animations without frames were refused
    return _Original(made, played.first.size, played.first, animated=animated)


# -- writing: options of the writers are all given, and images know nothing that could be one


def _encode_jpeg(image: Image.Image) -> bytes:
    out = BytesIO()
    image.convert("L" if image.mode in ("1", "L") else "RGB").save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _encode_png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", compress_level=PNG_LEVEL)
    return out.getvalue()


def _encode_gif(image: Image.Image) -> bytes:
    """Indices, as greys: the writer must not choose others."""
    out = BytesIO()
    Image.frombytes("L", image.size, image.tobytes()).save(out, "GIF", interlace=0, optimize=False)
    return out.getvalue()


def _encode_webp(image: Image.Image, quality: int, *, lossless: bool = False) -> bytes:
    out = BytesIO()
    large = image.width * image.height > LARGE
    if lossless:
        image.save(out, "WEBP", lossless=True, quality=50, method=0 if large else 2)
    else:
        image.save(out, "WEBP", quality=quality, method=1 if large else 3)
    return out.getvalue()


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    """With its longer side at most so long; never enlarged."""
    longer = max(image.size)
    if longer <= size:
        return image
    width, height = (max(1, round(side * size / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _blurhash(image: Image.Image) -> str:
    """Four parts of the longer side by three of the shorter; what is transparent is white."""
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    across, down = (4, 3) if image.width >= image.height else (3, 4)
    return blurhash_encode(image, across, down)
