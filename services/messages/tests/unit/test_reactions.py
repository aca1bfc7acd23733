"""What is a reaction."""

import emoji
import pytest

from parley_messages.domain.reactions import OPPOSITE, checked_reaction, demand_room_for
from parley_shared.errors import Refused


def test_every_fully_qualified_emoji_is_a_reaction_as_it_is() -> None:
    wanted = [text for text, about in emoji.EMOJI_DATA.items() if about["status"] == emoji.STATUS["fully_qualified"]]
    assert len(wanted) > 3_700
    assert [checked_reaction(text) for text in wanted] == wanted


def test_every_other_spelling_of_the_list_is_the_fully_qualified_one() -> None:
    for text in emoji.EMOJI_DATA:
        found = checked_reaction(text)
        assert emoji.EMOJI_DATA[found]["status"] <= emoji.STATUS["fully_qualified"]
        assert found.replace("\ufe0f", "") == text.replace("\ufe0f", "")


@pytest.mark.parametrize("text", ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏳️‍🌈", "❤️‍🔥", "☺️"])
def test_a_sequence_counts_as_one(text: str) -> None:
    assert checked_reaction(text) == text


@pytest.mark.parametrize("text", ["", "x", "LIKE", "like ", "👍👍", "👍x", "1", "🇩", "‍", "\ufe0f", "\0", "👍" * 40])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(Refused) as caught:
        checked_reaction(text)
    assert list(caught.value.errors or ()) == ["reaction"]


def test_what_excludes_each_other_does_so_both_ways() -> None:
    assert all(OPPOSITE[other] == one for one, other in OPPOSITE.items())
    assert {checked_reaction(text) for text in OPPOSITE} == {"like", "dislike"}


def test_the_twenty_first_kind_has_no_room() -> None:
    demand_room_for(19)
    with pytest.raises(Refused):
        demand_room_for(20)
