"""The process that decodes one image: `python -I -m parley_media.images.decoder MEMORY SECONDS`.

It shuts itself off (`sandbox.py`), says `+` when it stands behind its walls, reads the file from its standard input up to the end, and
writes what became of it to its standard output: the length of a header in four bytes, the header as JSON, then the bytes of the parts
in the header's order. It ends with its image: what one image does to its decoder cannot touch the next.
"""

import json
import os
import sys
import traceback
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from parley_media.images.kinds import Kind, TooLarge, Unreadable, kind_of
from parley_media.images.protocol import NO_WALLS, OUTPUT_BYTES, READY
from parley_media.images.render import Rendered, render
from parley_media.images.sandbox import NoWalls, close_off


def rehearse() -> None:
    """Decode small images of every kind. Pillow imports as it goes, and behind the walls nothing can be imported; there, it shows
    that what the system libraries of this machine call is let through."""
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"X\0R\0G\0B")
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        _rehearse(kind)
        if kind != "GIF":
            _rehearse(kind, exif=exif, icc_profile=profile)
        if kind != "JPEG":
            _rehearse(kind, save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")])


def _rehearse(kind: Kind, **options: Any) -> None:
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind, **options)
    render(file.getvalue(), kind)


def answer(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header, and the parts. Never raises: what goes wrong is an outcome."""
    try:
        kind = kind_of(data)
        if kind is None:
            raise Unreadable("no kind of image")
        return _done(render(data, kind))
    except Unreadable as error:
        return {"outcome": "unreadable", "detail": str(error)}, []
    except TooLarge as error:
        return {"outcome": "too_large", "detail": str(error)}, []
    except MemoryError:
        return {"outcome": "too_large", "detail": "The image takes more memory to decode than one image is given."}, []
    except Exception:  # noqa: BLE001 — a bug of ours, told to who can log it
        return {"outcome": "broken", "detail": traceback.format_exc()}, []


def _done(rendered: Rendered) -> tuple[dict[str, Any], list[bytes]]:
    parts = rendered.parts
    if sum(len(part.data) for part in parts) > OUTPUT_BYTES:
        raise TooLarge("The image becomes too large when it is written anew.")
    header = {
        "outcome": "done",
        "blurhash": rendered.blurhash,
        "animated": rendered.animated,
        "parts": [
            {
                "name": part.name,
                "content_type": part.content_type,
                "width": part.width,
                "height": part.height,
                "bytes": len(part.data),
            }
            for part in parts
        ],
    }
    return header, [part.data for part in parts]


def main() -> None:
    memory, seconds = map(int, sys.argv[1:])
    rehearse()
    try:
        close_off(memory=memory, seconds=seconds)
    except NoWalls as reason:
        sys.stderr.write(str(reason))
        raise SystemExit(NO_WALLS) from None
    rehearse()
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    header, parts = answer(sys.stdin.buffer.read())
    encoded = json.dumps(header).encode()
    out.write(len(encoded).to_bytes(4, "big") + encoded)
    for part in parts:
        out.write(part)
    out.flush()
    # Python's own end looks at files and modules once more; there is nothing left to do.
    os._exit(0)


if __name__ == "__main__":
    main()
