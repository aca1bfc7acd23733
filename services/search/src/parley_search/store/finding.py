"""Finding the newest entries that match, among the rooms and intervals of a scope.

Three ways lead there, and none is good for everything. Costs are rows that are looked at:

    words   all entries with these words, whoever's they are: a rare word has few of them
    both    the entries of the scope with these words, by both indexes: as many as match
    walk    the entries of the scope from the newest back, until enough have matched: few of them have to, if the word is common

PostgreSQL knows from its statistics about how many will match; that decides which way is tried first. Since it may be wrong (words
that never stand together, a word that nobody has used for a year), a way that turns out longer than was thought is given up.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from prometheus_client import Histogram

COMMON: Final = 500
"""Expected matches in the scope, from which on walking is tried first."""
RARE: Final = 20
"""Expected matches in the scope, below which the words alone are tried first."""
WORDS_ROWS: Final = 500
BOTH_ROWS: Final = 20_000
WALK_ROWS: Final = 20_000
FIRST_WINDOW: Final = timedelta(hours=1)
LEAST_WINDOW: Final = timedelta(seconds=1)
LAST_WINDOW: Final = timedelta(days=400)
GROWTH: Final = 8.0
ALL_ROWS: Final = 2**62
BEGINNING: Final = datetime(1, 1, 2, tzinfo=UTC)
END: Final = datetime(9999, 12, 30, tzinfo=UTC)
OPEN: Final = 2**63 - 1
"""The end of an interval that has none."""

_seconds = Histogram(
    "parley_search_seconds",
    "Time of the parts of a search: scope, plan, words, both, walk",
    ["part"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

_NEWEST = """
    WITH found AS MATERIALIZED (
        SELECT room_id, message_id, created_at, seq, vector FROM search.messages WHERE {where} LIMIT $10)
    (SELECT f.room_id, f.message_id, f.created_at, NULL::bigint
    FROM found AS f JOIN unnest($1::uuid[], $2::text[]::tsquery[], $3::bigint[], $4::bigint[])
        AS s (room_id, query, from_seq, to_seq) USING (room_id)
    WHERE f.seq >= s.from_seq AND f.seq < s.to_seq AND (s.query IS NULL OR f.vector @@ s.query)
        AND f.created_at >= $5 AND f.created_at < $6 AND (f.created_at, f.message_id) < ($7::timestamptz, $8::uuid)
    ORDER BY f.created_at DESC, f.message_id DESC LIMIT $9)
    UNION ALL (SELECT NULL, NULL, NULL, count(*) FROM found)
"""
_SCOPE = "room_id = ANY($1) AND created_at >= $5 AND created_at < $6 AND vector IS NOT NULL"
_WORDS = _NEWEST.format(where="vector @@ $11::text::tsquery")
_BOTH = _NEWEST.format(where=f"{_SCOPE} AND vector @@ $11::text::tsquery")
_WALK = _NEWEST.format(where=_SCOPE)
_EXPECTED = (
    "EXPLAIN (FORMAT JSON) SELECT FROM search.messages"
    " WHERE room_id = ANY($1::uuid[]) AND created_at >= $2::timestamptz AND created_at < $3::timestamptz"
)

Key = tuple[datetime, UUID]
"""Of a message, in the order of results."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where is searched, and for what. query: a tsquery; none: everything. intervals: [from_seq, to_seq)."""

    room_id: UUID
    query: str | None
    intervals: Sequence[tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """words: what has to be somewhere in each match, so that it can be looked up; none if nothing has. [after, before).
    than: only what is older."""

    places: Sequence[Place]
    words: str | None
    after: datetime | None
    before: datetime | None
    than: Key | None
    limit: int


@dataclass(frozen=True, slots=True)
class Found:
    room_id: UUID
    message_id: UUID
    created_at: datetime


class _LongerError(Exception):
    """The way turned out longer than was thought."""


class Finder:
    """On a pool of its own, so that searching and indexing do not wait for each other."""

    def __init__(self, pool: asyncpg.Pool, within: float) -> None:
        self._pool = pool
        self._within = within

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Finding"]:
        """A search, from its first statement to its last. Raises TooBroadError when it has taken too long, and TimeoutError if there
        is no connection for it."""
        async with self._pool.acquire(timeout=self._within) as connection:
            try:
                async with asyncio.timeout(self._within):
                    yield Finding(connection)
            except (TimeoutError, asyncpg.QueryCanceledError):
                raise TooBroadError from None


class Finding:
    """On one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def find(self, wanted: Wanted) -> list[Found]:
        """The newest first."""
        return await _Search(self._connection, wanted).run()


class TooBroadError(Exception):
    """What is asked for takes more time than a search may take."""


@contextmanager
def part(name: str) -> Iterator[None]:
    """Measures a part of a search."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _seconds.labels(name).observe(time.perf_counter() - began)


class _Search:
    def __init__(self, connection: asyncpg.Connection, wanted: Wanted) -> None:
        self._connection = connection
        self._wanted = wanted
        self._than = wanted.than or (END, UUID(int=2**128 - 1))
        self._after = max(wanted.after or BEGINNING, BEGINNING)
        self._before = min(wanted.before or END, min(self._than[0], END) + timedelta(microseconds=1))
        rows = [
            (place.room_id, place.query, from_seq, OPEN if to_seq is None else to_seq)
            for place in wanted.places
            for from_seq, to_seq in place.intervals
        ]
        self._scope = [list(column) for column in zip(*rows, strict=True)]

    async def run(self) -> list[Found]:
        if self._after >= self._before or not self._scope:
            return []
        expected = await self._expected()
        common = expected >= COMMON
        ways: list[Callable[[], Awaitable[list[Found]]]]
        if self._wanted.words is None:
            ways = [partial(self._walk, WALK_ROWS), self._scan] if common else [self._scan]
        elif common:
            ways = [partial(self._walk, WALK_ROWS), partial(self._both, ALL_ROWS)]
        else:
            ways = [partial(self._both, BOTH_ROWS), partial(self._walk, ALL_ROWS)]
            if expected < RARE:
                ways.insert(0, self._words)
        for way in ways:
            try:
                return await way()
            except _LongerError:
                continue
        raise TooBroadError

    async def _expected(self) -> float:
        """How many matches there are in the scope, as far as PostgreSQL knows."""
        with part("plan"):
            words = self._wanted.words
            condition = " AND vector IS NOT NULL" if words is None else " AND vector @@ $4::text::tsquery"
            plan = await self._connection.fetchval(
                _EXPECTED + condition, self._scope[0], self._after, self._before, *([] if words is None else [words])
            )
        return float(msgspec.json.decode(plan)[0]["Plan"]["Plan Rows"])

    async def _words(self) -> list[Found]:
        with part("words"):
            return await self._within(_WORDS, WORDS_ROWS, self._wanted.words)

    async def _both(self, most: int) -> list[Found]:
        with part("both"):
            return await self._within(_BOTH, most, self._wanted.words)

    async def _scan(self) -> list[Found]:
        """All of the scope."""
        with part("walk"):
            return await self._within(_WALK, ALL_ROWS)

    async def _within(self, statement: str, most: int, *words: str | None) -> list[Found]:
        found, rows = await self._fetch(statement, self._after, self._before, most, *words)
        if rows > most:
            raise _LongerError
        return found

    async def _walk(self, most: int) -> list[Found]:
        """Back in time, in windows that grow as long as little is in them."""
        with part("walk"):
            found: list[Found] = []
            looked = 0
            window, upto = FIRST_WINDOW, self._before
            edge = min(upto, datetime.now(UTC))
            while True:
                last = window > LAST_WINDOW or edge - self._after <= window
                since = self._after if last else edge - window
                most_here = WALK_ROWS if window > LEAST_WINDOW else ALL_ROWS
                matched, rows = await self._fetch(_WALK, since, upto, most_here)
                looked += rows
                if rows > most_here:
                    window /= GROWTH
                else:
                    found += matched
                    if len(found) >= self._wanted.limit or last:
                        return found[: self._wanted.limit]
                    # As much further as the rest is likely to take, going by what was here.
                    missing = self._wanted.limit - len(found)
                    window *= min(GROWTH, max(1 / GROWTH, 1.5 * missing / len(matched))) if matched else GROWTH
                    upto = edge = since
                if looked > most:
                    raise _LongerError

    async def _fetch(
        self, statement: str, after: datetime, before: datetime, most: int, *words: str | None
    ) -> tuple[list[Found], int]:
        """The newest matches within [after, before), and how many rows were looked at, at most one more than `most`."""
        rows = await self._connection.fetch(
            statement, *self._scope, after, before, *self._than, self._wanted.limit, most + 1, *words
        )
        [rows_looked_at] = [row[3] for row in rows if row[0] is None]
        return [Found(row[0], row[1], row[2]) for row in rows if row[0] is not None], rows_looked_at
