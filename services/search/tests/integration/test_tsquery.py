"""PostgreSQL finds what the highlights show, and takes whatever the analysis makes of any text."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings

from parley_search.analysis import Analysers
from parley_search.query import clauses, parse, spans, tsquery
from parley_shared.errors import Refused
from parley_shared.testing.fixtures import Postgres

from ..unit.texts import LANGUAGES, QUERIES, TEXTS

ANALYSERS = Analysers()


class Asked:
    """A connection for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, connection: asyncpg.Connection) -> None:
        self._runner = runner
        self._connection = connection

    def matches(self, vector: str, query: str) -> bool:
        return bool(
            self._runner.run(self._connection.fetchval("SELECT $1::text::tsvector @@ $2::text::tsquery", vector, query))
        )


@pytest.fixture(scope="module")
def asked(postgres: Postgres) -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres.admin_url))
        yield Asked(runner, connection)
        runner.run(connection.close())


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(q=QUERIES, text=TEXTS, language=LANGUAGES)
@example(q='"東京 tower"', text="the 東京 tower", language="simple")
@example(q="е-mail don't", text="Email: dont", language="english")
@example(q="-fox dog", text="dog", language="english")
def test_postgresql_finds_what_is_shown(asked: Asked, q: str, text: str, language: str) -> None:
    analyser = ANALYSERS.of(language)
    try:
        found = clauses(parse(q).terms, analyser)
    except Refused:
        return
    vector = analyser.vector(text, [":umark", ":image"])
    tokens = analyser.analyse(text)
    for clause in found:
        there = bool(spans([clause._replace(negative=False)], tokens))
        assert asked.matches(vector, tsquery([clause])) == (there != clause.negative)
    assert asked.matches(vector, tsquery(found, each=[[":umark", ":other"]], none=[":other"])) == all(
        asked.matches(vector, tsquery([clause])) for clause in found
    )


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS, language=LANGUAGES)
def test_a_text_is_found_by_each_of_its_words(asked: Asked, text: str, language: str) -> None:
    analyser = ANALYSERS.of(language)
    vector = analyser.vector(text)
    for token in analyser.analyse(text)[:8]:
        word = text[token.start : token.end]
        try:
            found = clauses(parse(f'"{word}"').terms, analyser)
        except Refused:
            continue
        if found:
            assert asked.matches(vector, tsquery(found)), word


@pytest.mark.parametrize(
    "text", ["a " * 4_000, "ﷺ" * 8_000, "x" * 8_000, "東" * 8_000, "a\u0301" * 4_000, "😀" * 8_000]
)
def test_postgresql_takes_the_longest_texts(asked: Asked, text: str) -> None:
    analyser = ANALYSERS.of("english")
    first = analyser.analyse(text)[0].forms[0].lexeme
    assert asked.matches(analyser.vector(text, [":mark"]), f"':mark' & '{first}':A")
