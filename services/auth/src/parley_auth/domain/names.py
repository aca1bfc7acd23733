"""Names of users: what they may look like, and when two of them are the same."""

import unicodedata

from parley_shared.errors import invalid
from parley_shared.limits import DISPLAY_NAME_CHARS, USERNAME_CHARS
from parley_shared.text import clean

USERNAME_LEAST = 2
RESERVED = frozenset({"all"})
"""`@all` mentions everybody in a room, so nobody can be called that."""

_PUNCTUATION = frozenset("._-")
# They turn the reading direction of what follows them, and so disguise other people's text.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def fold(text: str) -> str:
    """What two spellings of one name have in common: NFKC and case folded (Unicode TR 15, TR 21)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def username(text: str) -> str:
    """The username as it is shown: NFKC, 2 to 32 letters, digits, `.`, `_`, `-`.

    Raises Refused: BAD_TEXT, INVALID.
    """
    name = clean(unicodedata.normalize("NFKC", text), field="username", least=USERNAME_LEAST, most=USERNAME_CHARS)
    if not _allowed(name):
        raise invalid(username="only letters, digits, '.', '_' and '-'")
    if fold(name) in RESERVED:
        raise invalid(username="this name has a meaning of its own and cannot be taken")
    return name


def lookup_key(text: str) -> str | None:
    """The key under which a username that somebody typed would be stored; None if nobody can be called that."""
    name = unicodedata.normalize("NFKC", text)
    return fold(name) if USERNAME_LEAST <= len(name) <= USERNAME_CHARS and _allowed(name) else None


def display_name(text: str) -> str:
    """The name that others read: 1 to 80 characters on one line.

    Raises Refused: BAD_TEXT, INVALID.
    """
    name = clean(text.strip(), field="display_name", least=1, most=DISPLAY_NAME_CHARS)
    if any(character in _DIRECTION or unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise invalid(display_name="no control characters or line breaks")
    return name


def prefix(text: str) -> str:
    """The folded beginning of a name that somebody searches. Raises Refused: BAD_TEXT, INVALID."""
    return fold(clean(text.strip().removeprefix("@"), field="query", least=1, most=DISPLAY_NAME_CHARS))


def _allowed(name: str) -> bool:
    return all(character in _PUNCTUATION or character.isalpha() or character.isdecimal() for character in name)
