"""Text that may enter: in NFC, without NUL and half characters, of a sensible length."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_shared.errors import Code, Refused
from parley_shared.text import clean


def code(text: str, least: int = 1, most: int = 10) -> str:
    with pytest.raises(Refused) as caught:
        clean(text, field="body", least=least, most=most)
    return str(caught.value.code)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "a\udfffb", "é\udc00"])
def test_what_postgresql_refuses_is_refused_before(text: str) -> None:
    assert code(text) == Code.BAD_TEXT


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u2003", "x" * 11])
def test_a_wrong_length_is_told_with_its_field(text: str) -> None:
    with pytest.raises(Refused) as caught:
        clean(text, field="body", least=1, most=10)
    assert caught.value.code == Code.INVALID
    assert set(caught.value.errors or {}) == {"body"}


def test_lengths_count_characters_after_composition() -> None:
    decomposed = "e\u0301" * 10
    assert clean(decomposed, field="body", least=1, most=10) == "é" * 10
    assert clean("🙂" * 10, field="body", least=10, most=10) == "🙂" * 10


def test_nothing_is_enough_where_nothing_is_asked() -> None:
    assert clean("", field="topic", least=0, most=10) == ""
    assert clean("  ", field="topic", least=0, most=10) == "  "


@given(st.text(max_size=30))
def test_what_comes_in_can_be_stored_and_stays_as_it_is(text: str) -> None:
    try:
        cleaned = clean(text, field="body", least=1, most=100)
    except Refused:
        assert "\0" in text or not text.strip() or text.encode(errors="replace").decode() != text
        return
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean(cleaned, field="body", least=1, most=100) == cleaned
