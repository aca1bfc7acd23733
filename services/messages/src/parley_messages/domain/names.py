"""What rooms may be called, and the other values that a client chooses for them."""

import unicodedata
from uuid import UUID

from parley_shared.errors import invalid
from parley_shared.limits import DIRECT_MEMBERS, PAGE_MAX, ROOM_NAME_CHARS, ROOM_TOPIC_CHARS
from parley_shared.text import clean

LANGUAGES = frozenset(
    [
        "simple",
        "arabic",
        "armenian",
        "basque",
        "catalan",
        "danish",
        "dutch",
        "english",
        "estonian",
        "finnish",
        "french",
        "german",
        "greek",
        "hindi",
        "hungarian",
        "indonesian",
        "irish",
        "italian",
        "lithuanian",
        "nepali",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "serbian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
        "yiddish",
    ]
)
"""PostgreSQL's own text search configurations; `simple` is none."""

SLOW_MODE_MOST_S = 21_600
REASON_CHARS = 500
SEQ_MOST = 2**62
"""No stream gets there; beyond it PostgreSQL's bigint would end."""


def room_name(name: str) -> str:
    """The name in NFC, without white space around it.

    Raises Refused: BAD_TEXT, or INVALID if it is empty, too long, or holds control characters.
    """
    cleaned = clean(name.strip(), field="name", least=1, most=ROOM_NAME_CHARS)
    if any(unicodedata.category(character) == "Cc" for character in cleaned):
        raise invalid(name="no control characters or line breaks")
    return cleaned


def room_topic(topic: str) -> str:
    """The topic in NFC; may be empty. Raises Refused: BAD_TEXT, INVALID."""
    return clean(topic, field="topic", least=0, most=ROOM_TOPIC_CHARS)


def room_language(language: str) -> str:
    """A language that search can stem. Raises Refused: INVALID."""
    if language not in LANGUAGES:
        raise invalid(language=f"one of {', '.join(sorted(LANGUAGES))}")
    return language


def slow_mode(seconds: int) -> int:
    """Seconds between two messages of one member. Raises Refused: INVALID."""
    if not 0 <= seconds <= SLOW_MODE_MOST_S:
        raise invalid(slow_mode_s=f"0 to {SLOW_MODE_MOST_S}")
    return seconds


def reason_text(reason: str | None) -> str | None:
    """A moderator's reason. Raises Refused: BAD_TEXT, INVALID."""
    return None if not reason else clean(reason, field="reason", least=0, most=REASON_CHARS)


def page_limit(limit: int) -> int:
    """Items in a page. Raises Refused: INVALID."""
    if not 1 <= limit <= PAGE_MAX:
        raise invalid(limit=f"1 to {PAGE_MAX}")
    return limit


def seq_of(value: int, field: str) -> int:
    """A seq that a client named; one beyond every head is as good as any other. Raises Refused: INVALID if it is negative."""
    if value < 0:
        raise invalid(**{field: "not negative"})
    return min(value, SEQ_MOST)


def direct_members(caller: UUID, others: list[UUID]) -> list[UUID]:
    """The people of a direct room, each once, sorted, the caller included. Raises Refused: INVALID."""
    people = sorted({caller, *others})
    if not others or len(people) > DIRECT_MEMBERS:
        raise invalid(user_ids=f"1 to {DIRECT_MEMBERS} people, yourself included")
    return people


def direct_key(people: list[UUID]) -> str:
    """The same people always give the same key."""
    return ",".join(map(str, people))


def like_pattern(query: str) -> str:
    """A pattern for LIKE … ESCAPE '\\' that finds `query` anywhere, and takes none of its characters for a wildcard."""
    escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
