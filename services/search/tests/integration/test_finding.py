"""Each way of searching finds the same: the newest of what matches, and nothing else."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from parley_search.app import Parts
from parley_search.store import finding
from parley_search.store.finding import Found, Place, TooBroadError, Wanted
from parley_shared.ids import new_id

from .harness import Message, Room, World, settle

WORDS = ["common"] * 30 + ["often"] * 6 + ["sometimes"] * 2 + ["seldom"]
EVERYTHING = ((0, None),)


class Filled:
    """Rooms of unequal age and size, in which words are unequally common."""

    def __init__(self, world: World, parts: Parts) -> None:
        self.parts = parts
        chance = random.Random(1)
        self.rooms = [world.chat.room() for _ in range(8)]
        self.senders = [new_id() for _ in range(3)]
        at = datetime(2020, 1, 1, tzinfo=UTC)
        for number in range(1_500):
            # Bursts, silences of months, and equal moments.
            at += timedelta(seconds=chance.choice([0, 0, 1, 60, 3_600, 86_400])) * (1 + 9 * (number % 100 == 0))
            room = self.rooms[min(chance.randrange(12), 7)]
            body = " ".join(chance.choices(WORDS, k=3)) + ("" if number % 700 else " unique")
            world.chat.send(room, body, chance.choice(self.senders), at=at, has_image=number % 40 == 0)
        self.newest = at

    def expected(self, wanted: Wanted, word: str | None) -> list[UUID]:
        def fits(room: Room, message: Message, place: Place) -> bool:
            key = (message.created_at, message.id)
            return (
                (word is None or word in (message.body or "").split())
                and any(
                    since <= message.seq and (upto is None or message.seq < upto) for since, upto in place.intervals
                )
                and (wanted.after is None or message.created_at >= wanted.after)
                and (wanted.before is None or message.created_at < wanted.before)
                and (wanted.than is None or key < wanted.than)
            )

        places = {place.room_id: place for place in wanted.places}
        keys = [
            (message.created_at, message.id)
            for room in self.rooms
            if room.id in places
            for message in room.messages.values()
            if fits(room, message, places[room.id])
        ]
        return [message_id for _, message_id in sorted(keys, reverse=True)][: wanted.limit]

    async def find(self, wanted: Wanted) -> list[UUID]:
        return [found.message_id for found in await find(self.parts, wanted)]


async def find(parts: Parts, wanted: Wanted) -> list[Found]:
    async with parts.use_cases.searching._finder.begin() as finding:
        return await finding.find(wanted)


@pytest.fixture
async def filled(world: World) -> Filled:
    parts = await world.replica()
    made = Filled(world, parts)
    await settle(parts)
    await world.database.execute("ANALYZE search.messages")
    return made


@pytest.mark.parametrize("way", ["as it likes", "words", "both", "walk", "walk, then both", "words, both, walk"])
async def test_all_ways_find_the_same(filled: Filled, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {
        "as it likes": {},
        "words": {"COMMON": 10**9, "RARE": 10**9, "WORDS_ROWS": 10**9},
        "both": {"COMMON": 10**9, "RARE": 0, "BOTH_ROWS": 10**9},
        "walk": {"COMMON": 0, "WALK_ROWS": 10**9},
        "walk, then both": {"COMMON": 0, "WALK_ROWS": 20},
        "words, both, walk": {"COMMON": 10**9, "RARE": 10**9, "WORDS_ROWS": 5, "BOTH_ROWS": 10, "WALK_ROWS": 50},
    }
    for name, value in limits[way].items():
        monkeypatch.setattr(finding, name, value)
    chance = random.Random(2)
    for _ in range(60):
        word = chance.choice(["common", "often", "sometimes", "seldom", "unique", "never", None])
        query = None if word is None else f"'{word}'"
        intervals = [EVERYTHING, ((0, 50),), ((20, 40), (90, None)), ((10_000, None),)]
        some = chance.sample(filled.rooms, chance.randint(0, 8))
        chosen = chance.choice([message for room in filled.rooms for message in room.messages.values()])
        wanted = Wanted(
            places=[Place(room.id, query, chance.choice(intervals)) for room in some],
            words=query,
            after=chance.choice([None, None, chosen.created_at - timedelta(days=chance.randrange(400))]),
            before=chance.choice([None, None, chosen.created_at, datetime(1, 1, 1, tzinfo=UTC)]),
            than=chance.choice([None, (chosen.created_at, chosen.id)]),
            limit=chance.choice([1, 5, 51, 10_000]),
        )
        assert await filled.find(wanted) == filled.expected(wanted, word), wanted


async def test_rooms_of_different_languages_are_asked_differently(filled: Filled) -> None:
    one, other = filled.rooms[0], filled.rooms[7]
    wanted = Wanted(
        places=[Place(one.id, "'seldom'", EVERYTHING), Place(other.id, "'sometimes'", EVERYTHING)],
        words="('seldom') | ('sometimes')",
        after=None, before=None, than=None, limit=10_000,
    )  # fmt: skip
    found = set(await filled.find(wanted))
    assert found == {
        message.id
        for room, word in ((one, "seldom"), (other, "sometimes"))
        for message in room.messages.values()
        if word in (message.body or "").split()
    }


async def test_moments_at_the_edges_of_time_are_no_obstacle(filled: Filled) -> None:
    places = [Place(room.id, None, EVERYTHING) for room in filled.rooms]
    for than in (
        (datetime(1, 1, 1, tzinfo=UTC), new_id()),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), new_id()),
    ):
        for after, before in ((datetime(1, 1, 1, tzinfo=UTC), None), (None, datetime(9999, 12, 31, tzinfo=UTC))):
            wanted = Wanted(places, None, after, before, than, 3)
            assert await filled.find(wanted) == filled.expected(wanted, None)


async def test_a_search_that_takes_too_long_is_given_up_and_holds_up_nobody(
    filled: Filled, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = await world.replica(query_seconds=0.5, pool_size=2)
    monkeypatch.setattr(
        finding, "_EXPECTED", finding._EXPECTED.replace("EXPLAIN (FORMAT JSON) SELECT", "SELECT pg_sleep(1)")
    )
    wanted = Wanted([Place(filled.rooms[0].id, "'common'", EVERYTHING)], "'common'", None, None, None, 5)
    outcomes = await asyncio.gather(*(find(parts, wanted) for _ in range(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TooBroadError] * 2
    monkeypatch.undo()
    assert len(await find(parts, wanted)) == 5
