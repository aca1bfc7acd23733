"""Text that may enter the suite. PostgreSQL refuses U+0000 and lone surrogates where JSON and msgspec accept them."""

import unicodedata

from parley_shared.errors import Code, Refused


def clean(text: str, *, field: str, least: int, most: int) -> str:
    """The text in NFC, with `least` to `most` characters.

    Raises Refused: BAD_TEXT for a NUL or a lone surrogate, INVALID for a wrong length.
    """
    if "\0" in text:
        raise Refused(Code.BAD_TEXT, f"{field} contains the character U+0000, which cannot be stored.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refused(
                Code.BAD_TEXT, f"{field} contains half of a surrogate pair, which is not a character."
            ) from None
        text = unicodedata.normalize("NFC", text)
    if len(text) < least or (not text.strip() and least > 0):
        raise Refused(Code.INVALID, f"{field} is empty or too short.", errors={field: f"at least {least} characters"})
    if len(text) > most:
        raise Refused(
            Code.INVALID, f"{field} is too long.", errors={field: f"at most {most} characters, not {len(text)}"}
        )
    return text
