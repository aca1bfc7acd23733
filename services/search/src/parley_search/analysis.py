"""How a text becomes tokens, and tokens an entry of the index. Pure: the same for what is indexed, asked for and highlighted.

A token is one position of a text with its forms, the lexemes under which it is found:

    word      folded (NFKC, case, accents and the like), so that `Ångström` and `angstrom` are the same
    stem      of that word, in the language of the room
    signed    with the sign that makes it another word: `@name`, `#tag`, `c++`, `c#`
    joined    of a compound, at its first part: `e-mail` is found as `email` too, `don't` as `dont`
    pair      where nobody writes spaces (Chinese, Japanese, Korean, Thai, …): a character and the next one
    single    the last character of such a run

All but stems are exact, and carry another weight in the index, so that a phrase can mean its words as they stand. Who changes what
is made here raises `ANALYSIS`: every index is then built again.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import chain, pairwise
from typing import Any, Final, NamedTuple

import Stemmer

ANALYSIS: Final = 1
"""The version of what this module makes."""
NO_LANGUAGE: Final = "simple"
LEXEME_CHARS: Final = 64
"""Characters of a lexeme; what is longer is found by its beginning."""
POSITIONS: Final = 16_383
"""Positions that PostgreSQL can tell apart in a text."""
JOINED_PARTS: Final = 4
CHUNKS_KEPT: Final = 20_000
CHUNK_KEPT_CHARS: Final = 40


class Kind(IntEnum):
    """Of a form. Those before `STEM` are exact."""

    WORD = 0
    SIGNED = 1
    JOINED = 2
    PAIR = 3
    SINGLE = 4
    STEM = 5
    JOINED_STEM = 6


class Form(NamedTuple):
    """width: how many positions it covers."""

    lexeme: str
    kind: Kind
    width: int = 1

    @property
    def exact(self) -> bool:
        return self.kind < Kind.STEM


class Token(NamedTuple):
    """[start, end) in characters (code points) of the text."""

    start: int
    end: int
    forms: tuple[Form, ...]


# -- which characters belong together


def _class(points: Iterable[int]) -> str:
    """The inside of a character class of a regular expression."""
    ranges: list[list[int]] = []
    for point in sorted(points):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _ranges(*ranges: tuple[int, int]) -> str:
    return _class(chain.from_iterable(range(first, last + 1) for first, last in ranges))


def _of_category(*categories: str) -> set[int]:
    # Marks and symbols lie in the planes 0, 1 and 14.
    points = chain(range(0x20000), range(0xE0000, 0xE1000))
    return {point for point in points if unicodedata.category(chr(point)) in categories}


_MARKS = _class(_of_category("Mn", "Mc", "Me"))
# Soft hyphen, zero width (non-)joiner, word joiner and byte order mark: what they stand in is one word all the same.
_JOINERS = "\u00ad\u200c\u200d\u2060\ufeff"
_FLAGS = "\U0001f1e6-\U0001f1ff"
_TONES = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff"
# What is not assigned yet among the pictographs is an emoji of a later Unicode.
_SYMBOLS = _class(
    (_of_category("So") | set(range(0x1F300, 0x1FB00))) - set(range(0x1F1E6, 0x1F200)) - set(range(0x1F3FB, 0x1F400))
)
_UNSPACED = _ranges(
    # Thai, Lao, Burmese, Khmer, Tai
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19FF), (0x1A20, 0x1AAF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F),
    # Hangul
    (0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA0, 0xFFDC),
    # Kana
    (0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F),
    # Han, Bopomofo
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B), (0x3100, 0x312F), (0x31A0, 0x31BF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip

# A chunk is what stands together: a word or a compound with its sign, a run without spaces, an emoji. In ASCII both patterns
# find the same words.
_ASCII_CHUNK = re.compile(r"(?:(?<!\w)[@#])?[0-9A-Za-z]+(?:['_-][0-9A-Za-z]+)*(?:\+\+|#(?!\w))?", re.ASCII)
_INNER = rf"\w{_MARKS}{_JOINERS}"
_CHUNK = re.compile(
    rf"(?:(?<!\w)[@#](?!_))?[{_INNER}]+(?:['-][{_INNER}]+)*(?:(?<!_)(?:\+\+|#(?!\w)))?"
    rf"|[{_FLAGS}]{{2}}"
    rf"|[{_SYMBOLS}{_FLAGS}][{_TONES}\U000e0020-\U000e007f]*(?:\u200d[{_SYMBOLS}][{_TONES}]*)*"
)
_SYMBOL = re.compile(f"[{_SYMBOLS}{_FLAGS}]")
_PIECE = re.compile(rf"(?P<run>[{_UNSPACED}]+)|(?P<word>(?:(?![{_UNSPACED}_])[{_INNER}])+)")
_DIGIT = re.compile(r"\d")
# As many characters as before: places in the text stay what they are.
_ALIKE = str.maketrans({"’": "'", "ʼ": "'", "＇": "'", "‐": "-", "‑": "-", "＠": "@", "＃": "#", "＋": "+"})

# -- folding

_DROPPED = re.compile(f"[{_JOINERS}{_TONES}\u0640ʼ\0'\\\\]")
# Marks of Indian scripts and their like are vowels, not accents, and й, ї, ў, ѓ, ќ are letters of their own.
_ACCENT = re.compile(
    "(?!(?<=[иу])\u0306|(?<=і)\u0308|(?<=[гк])\u0301)"
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]"
)
_LETTERS = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ŋ": "n", "ĸ": "k", "æ": "ae", "œ": "oe", "þ": "th",
        "ß": "ss",
    }
)  # fmt: skip


def _lower(text: str) -> str:
    """What Unicode calls NFKC_Casefold, without what cannot be seen."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _DROPPED.sub("", text)


def _plain(text: str) -> str:
    """Without accents."""
    if text.isascii():
        return text
    text = _ACCENT.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFKC", text).translate(_LETTERS)


def fold(text: str) -> str:
    """What the spellings of one word, or of one name, have in common."""
    return _plain(_lower(text))


# -- analysing

_STEMMED: Final = frozenset(Stemmer.algorithms())


def _pattern(text: str) -> tuple[re.Pattern[str], str]:
    """What finds its chunks, and the text to find them in."""
    return (_ASCII_CHUNK, text) if text.isascii() else (_CHUNK, text.translate(_ALIKE))


class _Chunk(NamedTuple):
    """places: for each token, what stands before and behind its position in a vector, by form."""

    tokens: tuple[Token, ...]
    places: tuple[tuple[tuple[str, str], ...], ...]


class Analyser:
    """Of one language: a name of PyStemmer's, or none.

    People use the same words, so chunks are remembered: those that were met lately, and of those before them the ones that
    were met again since.
    """

    def __init__(self, language: str) -> None:
        known = language != NO_LANGUAGE
        self._stem: Any = Stemmer.Stemmer(language, 0).stemWord if known else None  # Any: PyStemmer has no types
        self._chunks: dict[str, _Chunk] = {}
        self._older: dict[str, _Chunk] = {}

    def analyse(self, text: str) -> list[Token]:
        """The tokens of a text; their positions are 1, 2, 3, …"""
        tokens: list[Token] = []
        pattern, text = _pattern(text)
        for match in pattern.finditer(text):
            at = match.start()
            tokens += [Token(at + start, at + end, forms) for start, end, forms in self._chunk(match.group()).tokens]
        return tokens[:POSITIONS]

    def vector(self, text: str, marks: Iterable[str] = ()) -> str:
        """What PostgreSQL reads as a tsvector: it gathers the places of a lexeme by itself, and keeps 255 of them. marks: lexemes
        without a place, which stand for what is no text."""
        entries = [f"'{mark}'" for mark in marks]
        position = 0
        pattern, text = _pattern(text)
        for chunk in pattern.findall(text):
            for places in (self._chunks.get(chunk) or self._chunk(chunk)).places:
                position += 1
                for before, behind in places:
                    entries.append(f"{before}{position}{behind}")
            if position >= POSITIONS:
                # PostgreSQL takes everything behind for one and the same position; what is left of a chunk does no harm.
                break
        return " ".join(entries)

    def _chunk(self, chunk: str) -> _Chunk:
        """As if it were the whole text."""
        known = self._chunks.get(chunk) or self._older.get(chunk)
        if known is None:
            tokens = tuple(self._tokens(chunk))
            places = tuple(
                tuple((f"'{form.lexeme}':", "A" if form.exact else "") for form in token.forms) for token in tokens
            )
            known = _Chunk(tokens, places)
        if len(chunk) <= CHUNK_KEPT_CHARS:
            if len(self._chunks) >= CHUNKS_KEPT:
                self._older, self._chunks = self._chunks, {}
            self._chunks[chunk] = known
        return known

    def _tokens(self, chunk: str) -> list[Token]:
        if chunk.isascii() and chunk.isalnum():
            lower = chunk.lower()
            return [Token(0, len(chunk), self._forms(lower, lower, Kind.WORD, Kind.STEM, 1))]
        if _SYMBOL.match(chunk):
            return self._symbol(chunk)
        pieces = list(_PIECE.finditer(chunk))
        tokens: list[Token] = []
        for piece in pieces:
            if piece.lastgroup == "run":
                tokens += _pairs(_characters(piece.group(), piece.start()))
            else:
                tokens += self._word(piece.group(), piece.start())
        if tokens and len(tokens) == len(pieces) and all(piece.lastgroup == "word" for piece in pieces):
            self._compound(chunk, tokens)
        return tokens

    def _symbol(self, chunk: str) -> list[Token]:
        """An emoji, or a sign like `℃` that stands for letters."""
        text = fold(chunk)
        return self._spread(text, 0, len(chunk)) or (
            [Token(0, len(chunk), (Form(_cut(text), Kind.WORD),))] if text else []
        )

    def _word(self, piece: str, start: int) -> list[Token]:
        lower = _lower(piece)
        plain = _plain(lower)
        end = start + len(piece)
        found = _PIECE.fullmatch(plain)
        if found is not None and found.lastgroup == "word":
            return [Token(start, end, self._forms(lower, plain, Kind.WORD, Kind.STEM, 1))]
        # `½` is three characters when it is folded, and one of them no letter.
        return self._spread(plain, start, end)

    def _spread(self, folded: str, start: int, end: int) -> list[Token]:
        """Several tokens where the text has but one character for them."""
        tokens: list[Token] = []
        for piece in _PIECE.finditer(folded):
            text = piece.group()
            if piece.lastgroup == "run":
                tokens += _pairs([(character, start, end) for character in text])
            else:
                tokens.append(Token(start, end, self._forms(text, text, Kind.WORD, Kind.STEM, 1)))
        return tokens

    def _compound(self, chunk: str, tokens: list[Token]) -> None:
        """Add what its words are together."""
        if 1 < len(tokens) <= JOINED_PARTS and "_" not in chunk and chunk[0] not in "@#" and chunk[-1] not in "+#":
            lower = _lower(chunk.replace("'", "").replace("-", ""))
            plain = _plain(lower)
            if not plain.isdecimal():
                _add(tokens, 0, self._forms(lower, plain, Kind.JOINED, Kind.JOINED_STEM, len(tokens)))
        if chunk[0] in "@#":
            _add(tokens, 0, (Form(_cut(chunk[0] + tokens[0].forms[0].lexeme), Kind.SIGNED),))
        if chunk[-1] in "+#":
            sign = "#" if chunk[-1] == "#" else "++"
            _add(tokens, -1, (Form(_cut(tokens[-1].forms[0].lexeme + sign), Kind.SIGNED),))

    def _forms(self, lower: str, plain: str, word: Kind, stem: Kind, width: int) -> tuple[Form, ...]:
        """The word, and its stems unless it is its own. One is that of the plain word, so that it means nothing whether somebody
        writes the accents; stemmers know more of the word with them."""
        lexeme = _cut(plain)
        if self._stem is None or _DIGIT.search(lexeme):
            return (Form(lexeme, word, width),)
        stems = {_cut(_plain(self._stem(text))): None for text in ((plain,) if plain == lower else (plain, lower))}
        if len(stems) == 1 and lexeme in stems:
            return (Form(lexeme, word, width),)
        return (Form(lexeme, word, width), *[Form(text, stem, width) for text in stems if text])


def _cut(lexeme: str) -> str:
    return lexeme[:LEXEME_CHARS]


def _add(tokens: list[Token], at: int, forms: tuple[Form, ...]) -> None:
    token = tokens[at]
    tokens[at] = token._replace(forms=(*token.forms, *forms))


Character = tuple[str, int, int]
"""Folded, with the [start, end) of where it stands."""


def _characters(run: str, start: int) -> list[Character]:
    """What is written as several and is one character stays together: `ｶﾞ` is `ガ`."""
    clusters: list[tuple[str, int]] = []
    for at, character in enumerate(run, start):
        if clusters and _composed(clusters[-1][0], character):
            clusters[-1] = (clusters[-1][0] + character, clusters[-1][1])
        else:
            clusters.append((character, at))
    return [(folded, at, at + len(text)) for text, at in clusters for folded in fold(text)]


def _composed(before: str, character: str) -> bool:
    apart = unicodedata.normalize("NFKC", before) + unicodedata.normalize("NFKC", character)
    return unicodedata.normalize("NFKC", before + character) != apart


def _pairs(characters: Sequence[Character]) -> list[Token]:
    tokens = [
        Token(start, end, (Form(first + second, Kind.PAIR, 2),))
        for (first, start, end), (second, _, _) in pairwise(characters)
    ]
    if characters:
        last, start, end = characters[-1]
        tokens.append(Token(start, end, (Form(last, Kind.SINGLE),)))
    return tokens


class Analysers:
    """One of each language, made when it is first wanted."""

    def __init__(self) -> None:
        self._made: dict[str, Analyser] = {}

    def of(self, language: str) -> Analyser:
        """What is no language of ours is not stemmed."""
        language = language if language in _STEMMED else NO_LANGUAGE
        made = self._made.get(language)
        if made is None:
            made = self._made[language] = Analyser(language)
        return made
