"""Texts become the same tokens wherever they come from, and any text becomes some."""

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley_search.analysis import (
    _ASCII_CHUNK,
    _CHUNK,
    LEXEME_CHARS,
    NO_LANGUAGE,
    POSITIONS,
    Analyser,
    Analysers,
    Form,
    Kind,
    fold,
)

from .texts import LANGUAGES, LETTERS, TEXTS, WORDS

ANALYSERS = Analysers()
ENGLISH = ANALYSERS.of("english")
SIMPLE = ANALYSERS.of(NO_LANGUAGE)


def lexemes(text: str, language: str = "english") -> set[str]:
    return {form.lexeme for token in ANALYSERS.of(language).analyse(text) for form in token.forms}


def words(text: str) -> list[str]:
    """The first form of each position."""
    return [token.forms[0].lexeme for token in SIMPLE.analyse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["hello", "world"]),
        ("**bold** _italic_ ~~gone~~ `code` # Title\n- item", ["bold", "italic", "gone", "code", "title", "item"]),
        ("[text](https://example.org/a_b?x=1)", ["text", "https", "example", "org", "a", "b", "x", "1"]),
        ("mail alice@example.org now", ["mail", "alice", "example", "org", "now"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab", "case"]),
        ("3.14 or 1,000 or v2.0.1", ["3", "14", "or", "1", "000", "or", "v2", "0", "1"]),
        ("Ångström CAFÉ naïve Łódź Øre Straße", ["angstrom", "cafe", "naive", "lodz", "ore", "strasse"]),
        ("ＡＢＣ ﬁne ½ ℃", ["abc", "fine", "1", "2", "c"]),
        ("İstanbul ISPARTA ısı", ["istanbul", "isparta", "isi"]),
        ("ещё йод їжа ґанок", ["еще", "йод", "їжа", "ґанок"]),
        ("Ἀθῆναι ΣΟΦΌΣ", ["αθηναι", "σοφοσ"]),
        ("शब्द क़लम", ["शब्द", unicodedata.normalize("NFC", "क़लम")]),
        ("סֵפֶר كِتَابٌ أحمد ــمد", ["ספר", "كتاب", "احمد", "مد"]),
        ("soft\u00adhyphen zero\u200dwidth", ["softhyphen", "zerowidth"]),
        ("👍🏽 👩‍💻 🇩🇪 1️⃣ ❤️", ["👍", "👩💻", "🇩🇪", "1", "❤"]),
        ("yes👍no", ["yes", "👍", "no"]),
        ("東京都", ["東京", "京都", "都"]),
        ("東京 iPhone電池", ["東京", "京", "iphone", "電池", "池"]),
        ("ｶﾞｷﾞ ガギ", ["ガギ", "ギ", "ガギ", "ギ"]),
        ("สวัส", ["สว", "วั", "ัส", "ส"]),
        ("한국어", ["한국", "국어", "어"]),
        ("", []),
        ("!?… — *** \u200d \u0301", []),
    ],
)
def test_what_becomes_of_a_text(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "also"),
    [
        ("@alice", "@alice"),
        ("hi @Bob.Smith!", "@bob"),
        ("#Release", "#release"),
        ("I like C++ and C#.", "c++"),
        ("I like C++ and C#.", "c#"),
        ("e-mail", "email"),
        ("don't", "dont"),
        ("don’t", "dont"),
        ("state-of-the-art", "stateoftheart"),
        ("м'ята мʼята", "мята"),
    ],
)
def test_what_a_word_is_found_by_besides(text: str, also: str) -> None:
    assert also in lexemes(text)


def test_what_is_no_sign_makes_no_other_word() -> None:
    assert not {lexeme for lexeme in lexemes("alice@example.org a#b c+ ## @ #") if not lexeme.isalnum()}
    assert lexemes("2026-11-24", "simple") == {"2026", "11", "24"}


def test_words_are_stemmed_in_the_language_of_the_room() -> None:
    assert "run" in lexemes("running")
    assert "running" in lexemes("running", "simple")
    assert "run" not in lexemes("running", "simple")
    assert lexemes("Häuser", "german") >= {"hauser", "haus"}
    assert lexemes("running", "klingon") == lexemes("running", "simple")


def test_weights_tell_words_from_their_stems() -> None:
    assert ENGLISH.vector("Running runs", [":mark"]) == "':mark' 'running':1A 'run':1 'runs':2A 'run':2"


@given(text=TEXTS, language=LANGUAGES)
@example(text="ﷺ" * 9, language="arabic")
def test_tokens_lie_in_the_text_in_its_order(text: str, language: str) -> None:
    tokens = ANALYSERS.of(language).analyse(text)
    for token in tokens:
        assert 0 <= token.start < token.end <= len(text)
        assert token.forms
        assert token.forms[0].width >= 1
    assert all((one.start, one.end) <= (next_one.start, next_one.end) for one, next_one in pairwise(tokens))


@given(text=TEXTS, language=LANGUAGES)
def test_every_lexeme_can_be_stored(text: str, language: str) -> None:
    for token in ANALYSERS.of(language).analyse(text):
        for lexeme, _kind, _width in token.forms:
            assert 0 < len(lexeme) <= LEXEME_CHARS
            assert not set(lexeme) & set("'\\: \t\n\0")
            lexeme.encode()


@given(text=TEXTS)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once) == once


@given(word=WORDS, language=LANGUAGES)
def test_a_lexeme_is_the_word_that_it_stands_for(word: str, language: str) -> None:
    """What the index holds can be asked for."""
    for token in ANALYSERS.of(language).analyse(word):
        own = token.forms[0]
        if own.kind is Kind.WORD and own.lexeme[0].isalnum():
            assert own.lexeme in words(own.lexeme) or len(own.lexeme) == LEXEME_CHARS


@given(word=LETTERS, language=LANGUAGES)
def test_accents_that_somebody_leaves_out_change_nothing(word: str, language: str) -> None:
    """In both directions: with each other's stems they have one in common."""
    analyser = ANALYSERS.of(language)

    def stems(text: str) -> list[set[str]]:
        return [
            {form.lexeme for form in token.forms if form.kind is Kind.STEM} or {token.forms[0].lexeme}
            for token in analyser.analyse(text)
            if token.forms[0].kind is Kind.WORD
        ]

    written, plain = stems(word), stems(fold(word))
    assert len(written) == len(plain)
    assert all(one & other for one, other in zip(written, plain, strict=True))


@given(text=st.text(st.characters(max_codepoint=127)))
def test_ascii_is_read_alike_by_both_patterns(text: str) -> None:
    def tokens(pattern: re.Pattern[str]) -> list[tuple[str, tuple[Form, ...]]]:
        return [
            (text[match.start() + token.start : match.start() + token.end], token.forms)
            for match in pattern.finditer(text)
            for token in Analyser("english")._tokens(match.group())
        ]

    assert tokens(_ASCII_CHUNK) == tokens(_CHUNK)


@given(text=TEXTS, language=LANGUAGES)
def test_the_vector_holds_what_the_tokens_are(text: str, language: str) -> None:
    analyser = ANALYSERS.of(language)
    expected = [
        f"'{form.lexeme}':{position}{'A' if form.exact else ''}"
        for position, token in enumerate(analyser.analyse(text), 1)
        for form in token.forms
    ]
    assert analyser.vector(text) == " ".join(expected)


def test_the_longest_texts_stay_within_what_postgresql_takes() -> None:
    for text in ("a " * 4_000, "ﷺ" * 8_000, "x" * 8_000, "東" * 8_000, "a\u0301\u0323" * 2_600, "-".join("ab" * 2_000)):
        tokens = ENGLISH.analyse(text)
        assert len(tokens) <= POSITIONS
        assert len(ENGLISH.vector(text)) < 1_000_000
