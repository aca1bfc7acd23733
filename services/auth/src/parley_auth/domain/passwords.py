"""Which passwords are refused (NIST SP 800-63B-4, 3.1.1.2): short ones and those that are guessed first; nothing is composed.

The blocklist is zxcvbn's list of frequent passwords and words. A long passphrase that merely contains a name or a common
word is a good password, so only whole passwords are compared.
"""

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from parley_auth.domain.names import fold
from parley_shared.errors import Code, Refused
from parley_shared.limits import PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS
from parley_shared.text import clean

PRODUCT = "parley"
_BLOCK_CHARS = 5
_RUN_LEAST = 4
_RUNS_MOST = 3

# What is shorter is refused for its length; the rest of the list need not be kept in memory.
_FREQUENT = frozenset(
    word for words in FREQUENCY_LISTS.values() for word in map(str.casefold, words) if len(word) >= PASSWORD_MIN_CHARS
)


def _both_ways(*rows: str) -> tuple[str, ...]:
    return tuple(way for row in rows for way in (row, row[::-1]))


_DIGITS = "1234567890"
_RUNS = _both_ways(
    "0123456789" * 14,
    _DIGITS * 14,
    "abcdefghijklmnopqrstuvwxyz" * 6,
    (_DIGITS + "qwertyuiopasdfghjklzxcvbnm") * 4,
    "qwertyuiopasdfghjklzxcvbnm" * 6,
    "qwertzuiopasdfghjklyxcvbnm" * 6,
    "azertyuiopqsdfghjklmwxcvbn" * 6,
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p" * 4,
    "qazwsxedcrfvtgbyhnujmikolp" * 6,
)


def new_password(text: str, *, field: str, username: str) -> str:
    """The password in NFC, if it may be chosen by this user.

    Raises Refused: WEAK_PASSWORD with the reason, BAD_TEXT, INVALID above 128 characters. `field` names it in `errors`.
    """
    password = clean(text, field=field, least=0, most=PASSWORD_MAX_CHARS)
    reason = weakness(password, username)
    if reason is not None:
        raise Refused(Code.WEAK_PASSWORD, f"Choose another password: {reason}.", errors={field: reason})
    return password


def presented(text: str) -> str | None:
    """A password that somebody logs in with, in the form that was hashed; None if it cannot be anybody's."""
    try:
        return clean(text, field="password", least=1, most=PASSWORD_MAX_CHARS)
    except Refused:
        return None


def weakness(password: str, username: str) -> str | None:
    """Why it is refused, as the end of a sentence; None if it is good enough."""
    if len(password) < PASSWORD_MIN_CHARS:
        return f"at least {PASSWORD_MIN_CHARS} characters, several words for example"
    folded = fold(password)
    if not folded.strip():
        return "it is nothing but spaces"
    if folded in _FREQUENT or password.casefold() in _FREQUENT:
        return "it is one of those that are tried first"
    if len(set(folded)) <= 2 or _period(folded) <= _BLOCK_CHARS:
        return "it only repeats a few characters"
    if _is_runs(folded):
        return "it only follows the keyboard or the alphabet"
    for name in (fold(username), PRODUCT):
        if name and folded == (name * (len(folded) // len(name) + 1))[: len(folded)] and len(folded) % len(name) == 0:
            return "it is a name that everybody can guess"
    return None


def _period(text: str) -> int:
    """The length of the shortest block whose repetition begins with the text."""
    return next(length for length in range(1, len(text) + 1) if text[length:] == text[:-length])


def _is_runs(text: str) -> bool:
    """Whether the text is made of at most three straight runs of four characters or more."""
    for _ in range(_RUNS_MOST):
        length = next((n for n in range(len(text), _RUN_LEAST - 1, -1) if any(text[:n] in run for run in _RUNS)), 0)
        text = text[length:]
        if not text or length == 0:
            break
    return not text
