"""Texts and queries that nobody would think of, for as long as PARLEY_FUZZ_SECONDS says (30), shared out among these tests."""

import os
import random
import sys
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parley_search.analysis import LEXEME_CHARS, POSITIONS, Analysers, fold
from parley_search.query import Query, clauses, parse, spans, tsquery
from parley_shared.errors import Code, Refused

from .texts import LANGUAGES, QUERIES, TEXTS

SECONDS = float(os.environ.get("PARLEY_FUZZ_SECONDS", "30")) / 3
ANALYSERS = Analysers()
settled = settings(
    max_examples=400,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def for_long(test: Callable[[], None]) -> int:
    """Again and again; how often."""
    until, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < until or not rounds:
        test()
        rounds += 1
    return rounds


def check(q: str, text: str, language: str) -> None:
    """All that parser, analyser, tsquery and highlights promise of any query and text."""
    analyser = ANALYSERS.of(language)
    tokens = analyser.analyse(text)
    assert len(tokens) <= POSITIONS
    for token in tokens:
        assert 0 <= token.start < token.end <= len(text)
        for form in token.forms:
            assert 0 < len(form.lexeme) <= LEXEME_CHARS
            assert not set(form.lexeme) & set("'\\:\0")
            form.lexeme.encode()
    vector = analyser.vector(text)
    assert len(vector.encode()) < 1_048_576
    assert fold(fold(text)) == fold(text)
    query = understood(q)
    if isinstance(query, Query):
        found = clauses(query.terms, analyser)
        tsquery(found).encode()
        shown = spans(found, tokens)
        edges = [edge for span in shown for edge in span]
        assert edges == sorted(set(edges))
        assert not edges or edges[-1] <= len(text)


def understood(q: str) -> Query | None:
    try:
        return parse(q)
    except Refused as refused:
        if refused.code not in (Code.INVALID, Code.BAD_TEXT):
            raise
        return None


def test_queries_and_texts_as_hypothesis_makes_them() -> None:
    @settled
    @given(q=QUERIES, text=TEXTS, language=LANGUAGES)
    def once(q: str, text: str, language: str) -> None:
        check(q, text, language)

    for_long(once)


def test_texts_of_one_script_and_of_all_together() -> None:
    """Neighbouring characters, which share their rules: there hypothesis, which draws from all of Unicode alike, seldom comes."""
    blocks = st.integers(0, sys.maxunicode - 255).flatmap(
        lambda first: st.text(st.characters(min_codepoint=first, max_codepoint=first + 255), max_size=40)
    )

    @settled
    @given(q=blocks, text=st.lists(blocks, max_size=3).map(" ".join), language=LANGUAGES)
    def once(q: str, text: str, language: str) -> None:
        check(q, text, language)

    for_long(once)


@pytest.mark.parametrize("seed", [int(time.time())], ids=["of now"])
def test_long_texts_of_few_different_characters(seed: int) -> None:
    """Where something grows faster than the text, it shows here: a mark on a mark, a sign on a sign, one word for ever."""
    chance = random.Random(seed)
    everything = [
        chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) not in ("Cn", "Co")
    ]

    def once() -> None:
        few = [*chance.sample(everything, 3), *chance.sample(" -'@#+_\"\u0301\u200da\u6771", 2)]
        text = "".join(chance.choices(few, k=chance.choice([200, 2_000, 8_000])))
        began = time.process_time()
        check(text[:200], text, chance.choice(["simple", "english", "arabic"]))
        assert time.process_time() - began < 20, (seed, few)

    for_long(once)
