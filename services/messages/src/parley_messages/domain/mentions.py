"""Who is named in a text: `@username` and `@all`."""

import re
from dataclasses import dataclass

from parley_shared.limits import MENTIONS, USERNAME_CHARS

EVERYBODY = "all"

# A name begins where no word, address or path goes on; what lies in code is not addressed to anybody.
_NAMED = re.compile(rf"(?<![\w@./-])@(\w[\w.-]{{0,{USERNAME_CHARS - 1}}})(?![\w@])")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_TAIL = "._-"


@dataclass(frozen=True, slots=True)
class Mentions:
    """names: each as its possible readings, the longest first, since a full stop may end the name or the sentence.
    everybody: `@all` is among them."""

    names: tuple[tuple[str, ...], ...] = ()
    everybody: bool = False


NOBODY = Mentions()


def mentions_in(body: str, body_format: str) -> Mentions:
    """The names in a text, each once, case folded, at most as many as a message may mention."""
    if "@" not in body:
        return NOBODY
    if body_format == "markdown" and "`" in body:
        body = _CODE.sub(" ", body)
    found: dict[tuple[str, ...], None] = {}
    everybody = False
    for match in _NAMED.finditer(body):
        readings = _readings(match.group(1).casefold())
        if readings[-1] == EVERYBODY:
            everybody = True
        elif len(found) < MENTIONS:
            found[readings] = None
    return Mentions(tuple(found), everybody)


def _readings(name: str) -> tuple[str, ...]:
    readings = [name]
    while name[-1] in _TAIL and len(name) > 1:
        name = name[:-1]
        readings.append(name)
    return tuple(readings)
