"""What people ask: words, "phrases", -not, from:name, in:room, before:, after:, has:image. Pure.

The grammar forgives: a quote without its partner, a lone minus and a prefix that is none of ours are text like any other. What
cannot be meant (a date that is none, nothing to look for) is refused with a sentence that helps.

A term becomes a clause in the language of each room: words by their stems, phrases by the words as they stand. What a clause
finds is said here twice, as a tsquery for PostgreSQL and as places in a text for highlights; a test holds the two together.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from parley_search.analysis import NO_LANGUAGE, Analyser, Form, Kind, Token
from parley_shared.errors import Refused, invalid
from parley_shared.limits import SEARCH_CHARS, SEARCH_TERMS
from parley_shared.text import clean

_ITEM: Final = re.compile(
    r"""
    (?P<minus>[-−]?)
    (?:(?P<key>from|in|before|after|has):(?=[^\s"]|"[^"]+"))?
    (?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_words_in: Final = Analyser(NO_LANGUAGE).analyse


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a compound, or a phrase in quotes; negative: that it must not be there."""

    text: str
    quoted: bool = False
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """senders, rooms: as they were typed; any of them, and none of not_…. image: with one, or without. Within [after, before)."""

    terms: tuple[Term, ...] = ()
    senders: tuple[str, ...] = ()
    not_senders: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    not_rooms: tuple[str, ...] = ()
    image: bool | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def demands(self) -> bool:
        """Whether it says anything that a message must have."""
        return self.says_words or bool(self.senders or self.rooms or self.image or self.after or self.before)

    @property
    def says_words(self) -> bool:
        """Whether there are words that a message must have."""
        return any(not term.negative for term in self.terms)


def parse(q: str) -> Query:
    """Raises Refused: INVALID, BAD_TEXT."""
    text = clean(q, field="q", least=0, most=SEARCH_CHARS).translate(_QUOTES)
    terms: list[Term] = []
    names: dict[tuple[str, bool], list[str]] = {}
    image: bool | None = None
    moments: dict[str, datetime] = {}
    items = [match for match in _ITEM.finditer(text) if match.group().strip('-−" \t\n')]
    if len(items) > SEARCH_TERMS:
        raise invalid(q=f"at most {SEARCH_TERMS} words, phrases and filters, not {len(items)}")
    for match in items:
        key, quoted, bare = (match.group(2) or "").lower(), match.group(3), match.group(4)
        value = (bare if quoted is None else quoted).strip()
        # `--verbose` is what somebody looks for.
        negative = bool(match.group(1)) and not (bare or "").startswith(("-", "−"))
        match key:
            case "from" | "in":
                names.setdefault((key, negative), []).append(value)
            case "has":
                if value.lower() not in ("image", "images"):
                    raise invalid(q='"has:" takes "image"')
                image = not negative
            case "before" | "after":
                if negative:
                    raise invalid(q=f'there is no "-{key}:"; "before:" and "after:" say it the other way round')
                moments[key] = _instant(key, value)
            case _:
                if _words_in(value):
                    terms.append(Term(value, quoted is not None, negative))
    return Query(
        terms=tuple(terms),
        senders=tuple(names.get(("from", False), ())),
        not_senders=tuple(names.get(("from", True), ())),
        rooms=tuple(names.get(("in", False), ())),
        not_rooms=tuple(names.get(("in", True), ())),
        image=image,
        after=moments.get("after"),
        before=moments.get("before"),
    )


def _instant(key: str, value: str) -> datetime:
    """A day is its midnight; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(value.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_instant(key) from None


def _no_instant(key: str) -> Refused:
    return invalid(q=f'"{key}:" takes a day (2026-11-24) or an instant (2026-11-24T18:30Z)')


# -- clauses


class Leaf(NamedTuple):
    """One position: any of these lexemes. exact: the word itself, not its stem. prefix: whatever begins so."""

    lexemes: tuple[str, ...]
    exact: bool = False
    prefix: bool = False


class Step(NamedTuple):
    """gap: positions from the step before."""

    gap: int
    leaf: Leaf


class Clause(NamedTuple):
    """Any of these ways, each a sequence of positions."""

    ways: tuple[tuple[Step, ...], ...]
    negative: bool


def clauses(terms: Iterable[Term], analyser: Analyser) -> list[Clause]:
    """What each term means in the analyser's language."""
    return [
        Clause(tuple(_ways(tokens, term.quoted)), term.negative)
        for term in terms
        if (tokens := analyser.analyse(term.text))
    ]


def _ways(tokens: Sequence[Token], quoted: bool) -> Iterator[tuple[Step, ...]]:
    steps: list[Step] = []
    before = 0
    for at, token in enumerate(tokens):
        if at and token.forms[0].kind is Kind.SINGLE and tokens[at - 1].forms[0].kind is Kind.PAIR:
            # The pair before it has said that it is there.
            continue
        steps.append(Step(at - before, _leaf(token.forms, quoted)))
        before = at
    yield tuple(steps)
    whole = [form for form in tokens[0].forms if form.kind in (Kind.JOINED, Kind.JOINED_STEM)]
    if whole and whole[0].width == len(tokens) and not quoted:
        yield (Step(0, Leaf(_stems(whole, Kind.JOINED_STEM))),)


def _leaf(forms: Sequence[Form], quoted: bool) -> Leaf:
    own = forms[0]
    if own.kind is Kind.SINGLE:
        return Leaf((own.lexeme,), prefix=True)
    signed = tuple(form.lexeme for form in forms if form.kind is Kind.SIGNED)
    if signed:
        return Leaf(signed)
    if own.kind is Kind.PAIR:
        return Leaf((own.lexeme,))
    return Leaf((own.lexeme,), exact=True) if quoted else Leaf(_stems(forms, Kind.STEM))


def _stems(forms: Sequence[Form], kind: Kind) -> tuple[str, ...]:
    """A word that is its own stem has no other form."""
    return tuple(form.lexeme for form in forms if form.kind is kind) or (forms[0].lexeme,)


# -- for PostgreSQL


def tsquery(found: Iterable[Clause], *, each: Iterable[Sequence[str]] = (), none: Iterable[str] = ()) -> str:
    """As PostgreSQL reads it. each: of each of these groups a mark; none: no such mark. Empty if nothing is demanded."""
    parts = [_any([f"'{mark}'" for mark in marks]) for marks in each]
    parts += [f"!'{mark}'" for mark in none]
    parts += [
        ("!" if clause.negative else "") + _any([_way(way) for way in clause.ways], wrap=clause.negative)
        for clause in found
    ]
    return " & ".join(parts)


def _any(items: Sequence[str], *, wrap: bool = False) -> str:
    return f"({' | '.join(items)})" if len(items) > 1 or wrap else items[0]


def _way(way: Sequence[Step]) -> str:
    text = _place(way[0].leaf)
    for gap, leaf in way[1:]:
        text += f" <{gap}> {_place(leaf)}"
    return f"({text})" if len(way) > 1 else text


def _place(leaf: Leaf) -> str:
    suffix = ":*" if leaf.prefix else ":A" if leaf.exact else ""
    return _any([f"'{lexeme}'{suffix}" for lexeme in leaf.lexemes])


# -- for highlights

Span = tuple[int, int]


def spans(found: Iterable[Clause], tokens: Sequence[Token]) -> list[Span]:
    """Where a text has what is asked for: [start, end), ascending, each apart from the next."""
    ways: dict[str, list[tuple[Step, ...]]] = {}
    beginnings: dict[str, list[tuple[Step, ...]]] = {}
    for clause in found:
        for way in () if clause.negative else clause.ways:
            first = way[0].leaf
            for lexeme in first.lexemes:
                (beginnings if first.prefix else ways).setdefault(lexeme, []).append(way)
    places: list[Span] = []
    for at, token in enumerate(tokens):
        for form in token.forms:
            for way in (*ways.get(form.lexeme, ()), *beginnings.get(form.lexeme[:1], ())):
                places += _follow(way, tokens, at)
    return _merged(places)


def _follow(way: Sequence[Step], tokens: Sequence[Token], at: int) -> list[Span]:
    """The places of all its steps from this position on; none if one is missing."""
    places: list[Span] = []
    for gap, leaf in way:
        at += gap
        width = _width(leaf, tokens[at].forms) if at < len(tokens) else 0
        if not width:
            return []
        places += [(token.start, token.end) for token in tokens[at : at + width]]
    return places


def _width(leaf: Leaf, forms: Iterable[Form]) -> int:
    for form in forms:
        if leaf.prefix and form.lexeme.startswith(leaf.lexemes):
            return 1
        if form.lexeme in leaf.lexemes and (form.exact or not leaf.exact):
            return form.width
    return 0


def _merged(places: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
