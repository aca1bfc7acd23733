"""The four kinds of files that are taken, told apart by their first bytes: neither a name nor a content type decides."""

from typing import Final, Literal

Kind = Literal["JPEG", "PNG", "GIF", "WEBP"]
"""As Pillow calls them."""

CONTENT_TYPE: Final[dict[Kind, str]] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
ALLOWED: Final = tuple(CONTENT_TYPE.values())


def kind_of(data: bytes) -> Kind | None:
    """None: nothing that is taken."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return None


class Unreadable(Exception):  # noqa: N818 — what was found, not who failed
    """It begins like an image of its kind, and is none that can be read."""


class TooLarge(Exception):  # noqa: N818 — what was found, not who failed
    """More pixels or frames than are taken; the message is a sentence for people."""
