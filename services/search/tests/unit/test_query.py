"""What people type is understood, forgiven, or refused with a sentence."""

import unicodedata
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_search.analysis import Analysers
from parley_search.query import Query, Term, clauses, parse, spans, tsquery
from parley_shared.errors import Code, Refused
from parley_shared.limits import SEARCH_CHARS, SEARCH_TERMS

from .texts import LANGUAGES, QUERIES, TEXTS

ANALYSERS = Analysers()
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("two words", Query((Term("two"), Term("words")))),
        ('"a phrase" word', Query((Term("a phrase", quoted=True), Term("word")))),
        ("“smart quotes” «too»", Query((Term("smart quotes", quoted=True), Term("too", quoted=True)))),
        ("-not this", Query((Term("not", negative=True), Term("this")))),
        ('-"not this" −that', Query((Term("not this", quoted=True, negative=True), Term("that", negative=True)))),
        ("well-known", Query((Term("well-known"),))),
        ("--verbose", Query((Term("-verbose"),))),
        ("from:alice from:@bob -from:carol", Query(senders=("alice", "@bob"), not_senders=("carol",))),
        ('in:general in:"The Room" -in:#random', Query(rooms=("general", "The Room"), not_rooms=("#random",))),
        ("has:image cat", Query((Term("cat"),), image=True)),
        ("-has:images cat", Query((Term("cat"),), image=False)),
        ("FROM:alice Has:Image", Query(senders=("alice",), image=True)),
        ("before:2026-11-24", Query(before=MIDNIGHT)),
        ("after:2026-11-24T00:00", Query(after=MIDNIGHT)),
        ("after:2026-11-24t01:00+01:00", Query(after=MIDNIGHT)),
        # Forgiven.
        ('"unbalanced quote', Query((Term("unbalanced"), Term("quote")))),
        ('one "two" three"', Query((Term("one"), Term("two", quoted=True), Term("three")))),
        ("- -- word", Query((Term("word"),))),
        ("http://example.org to:alice", Query((Term("http://example.org"), Term("to:alice")))),
        ("from: alice", Query((Term("from:"), Term("alice")))),
        ('from:"" in:', Query((Term("from:"), Term("in:")))),
        ("!!! ... ???", Query()),
        ("", Query()),
        (" \t\n", Query()),
    ],
)
def test_what_is_understood(q: str, expected: Query) -> None:
    assert parse(q) == expected


@pytest.mark.parametrize(
    ("q", "code", "says"),
    [
        ("before:yesterday", Code.INVALID, "2026-11-24"),
        ("after:2026-13-01", Code.INVALID, "2026-11-24"),
        ("after:0001-01-01T00:00+14:00", Code.INVALID, "2026-11-24"),
        ("-before:2026-11-24", Code.INVALID, '"-before:"'),
        ("has:link", Code.INVALID, "image"),
        ("x" * (SEARCH_CHARS + 1), Code.INVALID, "at most 200 characters, not 201"),
        (" ".join("x" * (SEARCH_TERMS + 1)), Code.INVALID, "at most 16 words, phrases and filters, not 17"),
        ("a\0b", Code.BAD_TEXT, "U+0000"),
        ("\ud800", Code.BAD_TEXT, "surrogate"),
    ],
)
def test_what_is_refused(q: str, code: Code, says: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(q)
    assert refused.value.code == code
    assert says in (refused.value.errors or {}).get("q", refused.value.detail)


def test_what_demands_something_of_a_message() -> None:
    assert all(parse(q).demands for q in ("word", "-not word", "from:a", "in:b", "has:image", "before:2026-01-01"))
    assert not any(parse(q).demands for q in ("", "-not", "-from:a", "-in:b", "-has:image", "!?"))


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("running", "'run'"),
        ('"running"', "'running':A"),
        ('"Quick foxes"', "('quick':A <1> 'foxes':A)"),
        ("quick -foxes", "'quick' & !('fox')"),
        ("e-mail", "(('e' <1> 'mail') | 'email')"),
        ('"e-mail"', "('e':A <1> 'mail':A)"),
        ("@bob #tag c++", "'@bob' & '#tag' & 'c++'"),
        ("http://a.org", "('http' <1> 'a' <1> 'org')"),
        ("東京都", "('東京' <1> '京都')"),
        ("東", "'東':*"),
        ('"東京 tower"', "('東京' <2> 'tower':A)"),
        ("Сло́во", "'слово'"),
    ],
)
def test_what_postgresql_is_asked(q: str, expected: str) -> None:
    assert tsquery(clauses(parse(q).terms, ANALYSERS.of("english"))) == expected


def test_marks_stand_beside_the_words() -> None:
    found = clauses(parse("word").terms, ANALYSERS.of("simple"))
    assert tsquery(found, each=[[":u1", ":u2"], [":image"]], none=[":u3"]) == (
        "(':u1' | ':u2') & ':image' & !':u3' & 'word'"
    )
    assert tsquery([]) == ""


@pytest.mark.parametrize(
    ("q", "text", "expected"),
    [
        ("run", "I was running; you run.", ["running", "run"]),
        ('"run"', "I was running; you run.", ["run"]),
        ('"was running"', "I was running; you run.", ["was", "running"]),
        ("-run was", "I was running", ["was"]),
        ("email", "my e-mail", ["e", "mail"]),
        ("e-mail", "my email", ["email"]),
        ("dont", "Don’t!", ["Don", "t"]),
        ("cafe", "CAFÉ au lait", ["CAFÉ"]),
        ("@bob", "bob and @bob", ["bob"]),
        ("bob", "bob and @bob", ["bob", "bob"]),
        ("東京都", "東京都と京都", ["東京都"]),
        ("京", "東京都と京都", ["京", "京"]),
        ("👍", "good 👍🏽!", ["👍🏽"]),
        ("from:alice has:image", "alice image", []),
        ("running runs", "run", ["run"]),
    ],
)
def test_where_a_text_has_it(q: str, text: str, expected: list[str]) -> None:
    analyser = ANALYSERS.of("english")
    found = spans(clauses(parse(q).terms, analyser), analyser.analyse(text))
    assert [text[start:end] for start, end in found] == expected


def test_a_sign_is_no_part_of_what_is_shown() -> None:
    analyser = ANALYSERS.of("simple")
    assert spans(clauses(parse("@bob").terms, analyser), analyser.analyse("bob and @bob")) == [(9, 12)]


def understood(q: str) -> Query | Refused:
    try:
        return parse(q)
    except Refused as refused:
        return refused


@given(q=QUERIES)
def test_whatever_is_typed_is_understood_or_refused(q: str) -> None:
    query = understood(q)
    if not isinstance(query, Refused):
        assert all(ANALYSERS.of("simple").analyse(term.text) for term in query.terms)
    elif query.code != Code.BAD_TEXT:
        assert query.code == Code.INVALID
        assert query.errors


@given(q=QUERIES, text=TEXTS, language=LANGUAGES)
def test_what_is_shown_lies_apart_and_in_the_text(q: str, text: str, language: str) -> None:
    analyser = ANALYSERS.of(language)
    query = understood(q)
    if isinstance(query, Refused):
        return
    found = spans(clauses(query.terms, analyser), analyser.analyse(text))
    edges = [0, *(edge for span in found for edge in span), len(text)]
    assert edges == sorted(edges)
    assert all(start < end for start, end in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))


VALUES = (
    st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(ANALYSERS.of("simple").analyse)
)
MOMENTS = st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)))


@given(
    words=st.lists(VALUES, max_size=3),
    phrases=st.lists(st.lists(VALUES, min_size=1, max_size=3).map(" ".join), max_size=2),
    negative=st.booleans(),
    senders=st.lists(VALUES, max_size=2),
    rooms=st.lists(st.lists(VALUES, min_size=1, max_size=2).map(" ".join), max_size=2),
    image=st.sampled_from([None, True, False]),
    after=MOMENTS,
    before=MOMENTS,
)
def test_what_is_meant_is_understood(
    words: list[str],
    phrases: list[str],
    negative: bool,
    senders: list[str],
    rooms: list[str],
    image: bool | None,
    after: datetime | None,
    before: datetime | None,
) -> None:
    """A query that is written out says the same when it is read."""
    minus = "-" if negative else ""
    parts = [*(f"{minus}{word}" for word in words), *(f'{minus}"{phrase}"' for phrase in phrases)]
    parts += [*(f"from:{name}" for name in senders), *(f'in:"{name}"' for name in rooms)]
    parts += [] if image is None else ["has:image" if image else "-has:image"]
    parts += [] if after is None else [f"after:{after.isoformat()}"]
    parts += [] if before is None else [f"before:{before.isoformat()}"]
    q = " ".join(parts)
    try:
        found = parse(q)
    except Refused:
        assert len(q) > SEARCH_CHARS
        return
    assert [term.text for term in found.terms if not term.quoted] == words
    assert [term.text for term in found.terms if term.quoted] == phrases
    assert all(term.negative == negative for term in found.terms)
    assert (list(found.senders), list(found.rooms)) == (senders, rooms)
    assert (found.image, found.after, found.before) == (image, after, before)
