"""What one may react with: `like` and `dislike`, which exclude each other, and any one emoji of the Unicode list."""

from typing import Final

import emoji

from parley_shared.errors import invalid
from parley_shared.limits import REACTION_KINDS

OPPOSITE: Final = {"like": "dislike", "dislike": "like"}

_VARIATION: Final = "\ufe0f"
_MOST_CHARS: Final = 32
"""More than the longest sequence of the list has, with a variation selector behind each character."""

# Fully qualified, as keyboards write them; a sequence that leaves variation selectors out is the same emoji.
_EMOJI: Final = {
    found.replace(_VARIATION, ""): found
    for found, about in emoji.EMOJI_DATA.items()
    if about["status"] <= emoji.STATUS["fully_qualified"]
}


def checked_reaction(text: str) -> str:
    """The reaction, an emoji fully qualified: one written in two ways is still one reaction. Raises Refused: INVALID."""
    if text in OPPOSITE:
        return text
    found = _EMOJI.get(text.replace(_VARIATION, "")) if len(text) <= _MOST_CHARS else None
    if found is None:
        raise invalid(reaction="like, dislike, or one emoji")
    return found


def demand_room_for(kinds: int) -> None:
    """kinds: different reactions that the message has already, without the new one. Raises Refused: INVALID."""
    if kinds >= REACTION_KINDS:
        raise invalid(reaction=f"a message has at most {REACTION_KINDS} different reactions, and this one has them")
