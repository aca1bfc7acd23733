"""What finding costs, and keeping what is to be found: 500,000 messages in 1,000 rooms, and somebody who is in 50 of them.

    .venv/bin/python tests/benchmarks/search.py [--quick] [--page docs/performance.md]

The index is filled by the service's own code, as from JetStream: rounds of what rooms have grown by in a quarter of a second, each
answer decoded as from NATS. messages is a stand-in with everything in memory, since its own work is measured elsewhere. Searches
are whole calls of the use case, from parsing to the last row. The same bodies lie in a table beside it for `ILIKE`, with the index
that whoever would search so has anyway: by room and time.

Words are drawn as in human languages (Zipf): few of them make most of a text, and most of them are hardly ever used.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec
import psutil

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parley_search.app import Parts, pools, wire
from parley_search.settings import Settings
from parley_shared import embedded
from parley_shared.contracts import indexing as contract
from parley_shared.contracts.auth import NamedUsers
from parley_shared.contracts.base import Actor
from parley_shared.contracts.live import Advanced
from parley_shared.contracts.search import Search
from parley_shared.db.bootstrap import OWNERS, Passwords, bootstrap
from parley_shared.db.migrate import migrate
from parley_shared.ids import new_id, room_stream
from parley_shared.limits import REPLY_BYTES
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from tests.benchmarks.machine import described, put_figures

ROOMS, MINE = 1_000, 50
PEOPLE = 2_000
SENT_PER_S, TURN_S = 3_600, 0.25
SPAN = timedelta(days=365)
WORDS, RARE = 60_000, 20_000
COMMON = [
    "the",
    "i",
    "to",
    "and",
    "a",
    "you",
    "it",
    "of",
    "is",
    "in",
    "that",
    "for",
    "on",
    "this",
    "with",
    "but",
    "have",
    "be",
    "was",
    "so",
    "my",
    "at",
    "not",
    "just",
    "if",
    "are",
    "do",
    "or",
    "can",
    "what",
    "we",
    "all",
    "they",
    "me",
    "like",
    "as",
    "no",
    "your",
    "there",
    "out",
    "one",
    "up",
    "don't",
    "about",
    "get",
    "when",
    "it's",
    "from",
    "know",
    "would",
    "people",
    "time",
    "think",
    "how",
    "will",
    "more",
    "good",
    "really",
]
SYLLABLES = [
    "ba",
    "be",
    "bi",
    "bo",
    "bu",
    "ca",
    "ce",
    "ci",
    "co",
    "cu",
    "da",
    "de",
    "di",
    "do",
    "du",
    "fa",
    "fe",
    "fi",
    "fo",
    "ga",
    "ge",
    "go",
    "la",
    "le",
    "li",
    "lo",
    "lu",
    "ma",
    "me",
    "mi",
    "mo",
    "mu",
    "na",
    "ne",
    "ni",
    "no",
    "pa",
    "pe",
    "pi",
    "po",
    "ra",
    "re",
    "ri",
    "ro",
    "sa",
    "se",
    "si",
    "so",
    "ta",
    "te",
    "ti",
    "to",
    "va",
    "ve",
    "vi",
    "vo",
    "za",
    "ze",
    "sta",
    "tre",
    "pri",
    "con",
    "ter",
]
ENDINGS = ["", "", "", "", "s", "ing", "ed", "er", "ly", "ation", "ness", "'s"]


class Language:
    """rank 0 is the commonest word."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        words = dict.fromkeys(COMMON)
        while len(words) < WORDS:
            stem = "".join(chance.choices(SYLLABLES, k=chance.randint(1, 4)))
            words[stem + chance.choice(ENDINGS)] = None
        self.words = list(words)
        self._weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(WORDS)))

    def text(self) -> str:
        """Some are long, most are short."""
        length = max(1, min(400, int(self._chance.lognormvariate(2.4, 0.8))))
        words = self._chance.choices(self.words, cum_weights=self._weights, k=length)
        return " ".join(words).capitalize() + self._chance.choice([".", "!", "?", "", " 👍"])


class Peers:
    """Stands in for messages and auth. rooms: each with its entries in the order of their seqs; heads: how far each has grown.
    scope: what the searcher may see. elsewhere: seconds of CPU that the peers would have spent."""

    def __init__(self) -> None:
        self.rooms: dict[UUID, list[contract.IndexEntry]] = {}
        self.heads: dict[UUID, int] = {}
        self.scope: list[contract.ScopeRoom] = []
        self.people: dict[str, UUID] = {}
        self.elsewhere = 0.0
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(contract.IndexRangesAnswer).decode

    async def call(self, verb: Any, request: Any) -> Any:  # Any: as many types as there are verbs
        if verb is contract.INDEX_RANGES:
            began = time.process_time()
            wire_form = self._encode(self._ranges(request))
            self.elsewhere += time.process_time() - began
            return self._decode(wire_form)
        if verb is contract.SEARCH_SCOPE:
            return contract.SearchScopeAnswer(rooms=self.scope)
        if verb is contract.INDEX_ROOMS:
            return contract.IndexedRooms(epoch="bench", rooms=[])
        return NamedUsers(ids={name: self.people[name] for name in request.names})

    def _ranges(self, request: contract.IndexRanges) -> contract.IndexRangesAnswer:
        parts: list[contract.IndexPart] = []
        size = 0
        for want in request.wants:
            entries = self.rooms[want.room_id][want.after : self.heads[want.room_id]]
            upto = want.after + len(entries)
            parts.append(
                contract.IndexPart(
                    room_id=want.room_id, entries=entries, upto=upto, head=upto, complete=True, language="english"
                )
            )
            size += sum(200 + len(entry.body or "") for entry in entries)
            if size > REPLY_BYTES:
                break
        return contract.IndexRangesAnswer(epoch="bench", parts=parts)


@dataclass
class Corpus:
    """turns: what rooms have grown by in a quarter of a second each, [from_seq, to_seq]. mine: the searcher's rooms."""

    peers: Peers
    language: Language
    turns: list[dict[UUID, tuple[int, int]]]
    mine: list[UUID]
    count: int


def make(count: int) -> Corpus:
    """The same for everybody who runs it."""
    chance = random.Random(1)
    language, peers = Language(chance), Peers()
    rooms = [new_id() for _ in range(ROOMS)]
    people = [new_id() for _ in range(PEOPLE)]
    peers.rooms = {room_id: [] for room_id in rooms}
    peers.heads = dict.fromkeys(rooms, 0)
    peers.people = {f"user{number}": user_id for number, user_id in enumerate(people)}
    mine = rooms[:: ROOMS // MINE]
    peers.scope = [
        contract.ScopeRoom(room_id=room_id, name=None, intervals=None, language="english") for room_id in sorted(mine)
    ]
    turns: list[dict[UUID, tuple[int, int]]] = [{}]
    start = datetime.now(UTC) - SPAN
    for number in range(count):
        room_id = chance.choice(rooms)
        entries = peers.rooms[room_id]
        entries.append(
            contract.IndexEntry(
                message_id=new_id(),
                seq=len(entries) + 1,
                rev=1,
                sender_id=chance.choice(people),
                created_at=start + SPAN * (number / count),
                body=language.text(),
                format="markdown",
                has_image=chance.random() < 0.03,
            )
        )
        if number % int(SENT_PER_S * TURN_S) == 0:
            turns.append({})
        since, _ = turns[-1].get(room_id, (len(entries), 0))
        turns[-1][room_id] = (since, len(entries))
    return Corpus(peers, language, turns, mine, count)


# -- measuring


class Server:
    """A PostgreSQL of our own in a temporary folder, set like the launcher's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="parley-bench-"))
        self.folder.chmod(0o711)
        embedded.prepare_postgres(self.folder / "data", "bench")
        port = embedded.free_port()
        self.admin_url = embedded.postgres_url(port, "bench", embedded.ADMIN)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                embedded.postgres_command(self.folder / "data", port),
                stdout=log,
                stderr=log,
                cwd="/",
                **embedded.identity(embedded.postgres_user()),
            )

    async def ready(self) -> str:
        """The URL of search's working role, its schema in place."""
        while not await embedded.postgres_answers(self.admin_url):
            await asyncio.sleep(0.05)
        secrets = {service: Passwords("bench", "bench") for service in OWNERS}
        await bootstrap(self.admin_url, secrets)
        await migrate("search", self._as("parley_search_owner"))
        return self._as("parley_search")

    def _as(self, role: str) -> str:
        return self.admin_url.replace(f"{embedded.ADMIN}:bench", f"{role}:bench")

    def cpu(self) -> float:
        """Seconds, of all its processes."""
        parent = psutil.Process(self._process.pid)
        total = 0.0
        for process in (parent, *parent.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def remove(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Times:
    """Milliseconds. found: results, in the middle of all searches. cpu: of search and PostgreSQL together, for one."""

    what: str
    each: list[float]
    found: int
    cpu: float

    def at(self, share: float) -> float:
        return sorted(self.each)[min(len(self.each) - 1, int(share * len(self.each)))]

    def row(self) -> str:
        return f"| {self.what} | {len(self.each)} | {self.found} | {self.at(0.5):.1f} | {self.at(0.95):.1f} | {self.cpu:.1f} |"


@dataclass
class Filled:
    """µs a message."""

    rate: float
    search_us: float
    postgres_us: float


class Bench:
    def __init__(
        self, server: Server, corpus: Corpus, parts: Parts, database: asyncpg.Connection, searches: int
    ) -> None:
        self.server = server
        self.corpus = corpus
        self.parts = parts
        self.database = database
        self.searches = searches
        self.me = Actor(user_id=new_id(), session_id=new_id(), role="user")
        self.chance = random.Random(2)
        self.ranks = {word: rank for rank, word in enumerate(corpus.language.words)}

    async def fill(self) -> Filled:
        """Turn by turn, as fast as it goes."""
        peers = self.corpus.peers
        cpu, own, began = self.server.cpu(), time.process_time(), time.perf_counter()
        for turn in self.corpus.turns:
            peers.heads |= {room_id: upto for room_id, (_, upto) in turn.items()}
            await self.parts.indexing.follow(
                Advanced(
                    epoch="bench", stream=room_stream(room_id), from_seq=since, to_seq=upto, kinds=["message.created"]
                )
                for room_id, (since, upto) in turn.items()
            )
        took, count = time.perf_counter() - began, self.corpus.count
        return Filled(
            rate=count / took,
            search_us=(time.process_time() - own - peers.elsewhere) / count * 1e6,
            postgres_us=(self.server.cpu() - cpu) / count * 1e6,
        )

    async def copy_bodies(self) -> None:
        """For ILIKE."""
        await self.database.execute("CREATE TABLE public.bodies (room_id uuid, created_at timestamptz, body text)")
        await self.database.copy_records_to_table(
            "bodies",
            schema_name="public",
            records=sorted(
                (
                    (room_id, entry.created_at, entry.body)
                    for room_id, entries in self.corpus.peers.rooms.items()
                    for entry in entries
                ),
                key=lambda record: record[1],
            ),
        )
        await self.database.execute("CREATE INDEX ON public.bodies (room_id, created_at)")
        # What autovacuum does within its minute; until then whoever reads a page first also writes it, with the hint that its
        # rows are committed.
        for table in ("public.bodies", "search.messages", "search.rooms"):
            await self.database.execute(f"VACUUM (ANALYZE) {table}")

    def sizes(self) -> Awaitable[Any]:
        """Bytes a message: entries, their key, words."""
        return self.database.fetchrow(
            "SELECT pg_relation_size('search.messages')::float / $1, pg_relation_size('search.pk_messages')::float / $1,"
            " pg_relation_size('search.ix_messages_vector')::float / $1",
            self.corpus.count,
        )

    async def time(self, what: str, ask: Callable[[], Awaitable[int]], times: int) -> Times:
        for _ in range(5):
            await ask()
        each, found = [], []
        cpu = time.process_time() + self.server.cpu()
        for _ in range(times):
            began = time.perf_counter()
            found.append(await ask())
            each.append((time.perf_counter() - began) * 1e3)
        cpu = time.process_time() + self.server.cpu() - cpu
        return Times(what, each, sorted(found)[times // 2], cpu / times * 1e3)

    async def search(self, what: str, q: Callable[[], str], **fields: Any) -> Times:
        async def ask() -> int:
            hits = await self.parts.use_cases.searching.search(Search(actor=self.me, q=q(), **fields))
            return len(hits.items)

        return await self.time(what, ask, self.searches)

    async def ilike(self, what: str, words: Callable[[], str], *, everywhere: bool) -> Times:
        where = "" if everywhere else "room_id = ANY($2) AND "
        statement = f"SELECT * FROM public.bodies WHERE {where}body ILIKE $1 ORDER BY created_at DESC LIMIT 51"

        async def ask() -> int:
            return len(
                await self.database.fetch(statement, f"%{words()}%", *([] if everywhere else [self.corpus.mine]))
            )

        return await self.time(what, ask, max(10, self.searches // 10))

    def word(self, first: int, last: int) -> Callable[[], str]:
        """One of these ranks."""
        words = self.corpus.language.words
        return lambda: words[self.chance.randrange(first, last)]

    def rare(self) -> str:
        """A word that hardly anybody uses, and somebody in one of the rooms has."""
        while True:
            entries = self.corpus.peers.rooms[self.chance.choice(self.corpus.mine)]
            word = self.chance.choice((self.chance.choice(entries).body or "").split()).lower().strip(".!?")
            if self.ranks.get(word, 0) >= RARE:
                return word

    def phrase(self) -> str:
        """Some words that somebody has written in one of the rooms."""
        while True:
            entries = self.corpus.peers.rooms[self.chance.choice(self.corpus.mine)]
            words = (self.chance.choice(entries).body or "").split()
            if len(words) > 4:
                at = self.chance.randrange(len(words) - 3)
                return '"' + " ".join(words[at : at + 3]) + '"'


async def measure(count: int, searches: int) -> str:
    """The figures, as Markdown."""
    print(f"Making {count:,} messages …", flush=True)
    corpus = make(count)
    server = Server()
    try:
        settings = Settings(postgres_url=await server.ready())
        database = await asyncpg.connect(server.admin_url)
        try:
            async with pools(settings) as connections:
                parts = wire(
                    settings, connections, Bus("", name="", user="", password=""), cast("RpcClient", corpus.peers)
                )
                await parts.indexing.renew()
                bench = Bench(server, corpus, parts, database, searches)
                print("Indexing them …", flush=True)
                filled = await bench.fill()
                await bench.copy_bodies()
                print("Searching …", flush=True)
                return await _tell(bench, filled)
        finally:
            await database.close()
    finally:
        server.remove()


async def _tell(bench: Bench, filled: Filled) -> str:
    rare, common = bench.rare, bench.word(0, 20)
    day = (datetime.now(UTC) - SPAN / 2).date()
    found = await bench.search("rare word", rare)
    often = await bench.search("common word", common)
    times = [
        found,
        often,
        await bench.search("word that some use", bench.word(200, 2_000)),
        await bench.search("two common words", lambda: f"{common()} {common()}"),
        await bench.search("two words that some use", lambda: f"{bench.word(50, 500)()} {bench.word(50, 500)()}"),
        await bench.search("phrase of three words", bench.phrase),
        await bench.search("common word without another", lambda: f"{common()} -{bench.word(20, 60)()}"),
        await bench.search(
            "common word by one person", lambda: f"{common()} from:user{bench.chance.randrange(PEOPLE)}"
        ),
        await bench.search("images", lambda: "has:image"),
        await bench.search("common word, half a year ago", lambda: f"{common()} before:{day}"),
        await bench.search("rare word in one room", rare, room_id=bench.corpus.mine[0]),
    ]
    mine = await bench.ilike("`ILIKE`, rare word, in the 50 rooms", rare, everywhere=False)
    everywhere = await bench.ilike("`ILIKE`, rare word, whole table", rare, everywhere=True)
    entry, key, words = await bench.sizes()
    total = (filled.search_us + filled.postgres_us) / 1e6
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {described()}.",
        "",
        "| goal | wanted | found | |",
        "|---|--:|--:|---|",
        _goal("rare word: p95", "≤ 10 ms", f"{found.at(0.95):.1f} ms", found.at(0.95) <= 10),
        _goal(
            "rare word: p95, times `ILIKE` in the 50 rooms",
            "≤ 0.02",
            f"{found.at(0.95) / mine.at(0.95):.3f}",
            found.at(0.95) / mine.at(0.95) <= 0.02,
        ),
        _goal(
            "rare word: p95, times `ILIKE` over the whole table",
            "≤ 0.02",
            f"{found.at(0.95) / everywhere.at(0.95):.4f}",
            found.at(0.95) / everywhere.at(0.95) <= 0.02,
        ),
        _goal("common word: p95", "≤ 100 ms", f"{often.at(0.95):.1f} ms", often.at(0.95) <= 100),
        _goal("indexing", f"≥ {SENT_PER_S:,} msg/s", f"{filled.rate:,.0f} msg/s", filled.rate >= SENT_PER_S),
        "",
        f"| {bench.corpus.count:,} messages in {ROOMS:,} rooms, searched in {MINE} | searches | found | p50 ms | p95 ms | CPU ms |",
        "|---|--:|--:|--:|--:|--:|",
        *(item.row() for item in (*times, mine, everywhere)),
        "",
        "| indexing | |",
        "|---|--:|",
        f"| CPU of search, µs a message | {filled.search_us:.0f} |",
        f"| CPU of PostgreSQL, µs a message | {filled.postgres_us:.0f} |",
        f"| messages that one core of both together would index in a second | {1 / total:,.0f} |",
        f"| bytes a message: entry | {entry:.0f} |",
        f"| bytes a message: key | {key:.0f} |",
        f"| bytes a message: words | {words:.0f} |",
        f"| bytes a message: its text, for comparison | {_mean_size(bench.corpus):.0f} |",
    ]
    return "\n".join(lines) + "\n"


def _goal(what: str, wanted: str, found: str, met: bool) -> str:
    return f"| {what} | {wanted} | {found} | {'met' if met else '**missed**'} |"


def _mean_size(corpus: Corpus) -> float:
    sizes = [len((entry.body or "").encode()) for entries in corpus.peers.rooms.values() for entry in entries]
    return sum(sizes) / len(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the messages: shows that it works, and not much more"
    )
    parser.add_argument("--page", type=Path, help="put the figures into this page")
    chosen = parser.parse_args()
    figures = asyncio.run(measure(50_000 if chosen.quick else 500_000, 50 if chosen.quick else 300))
    print(figures)
    if chosen.page is not None:
        put_figures(chosen.page, "figures of search", figures)


if __name__ == "__main__":
    main()
