"""The hub's promise, against a plain model: each reader gets what follows its position exactly once, in order, and nothing
from the seq on at which its membership ends."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parley_gateway.live import hub as hub_module
from parley_gateway.live.hub import Hub, Item

USERS = [UUID(int=number) for number in range(1, 5)]


class Reader:
    """Remembers what it was sent. ends: what it does at the next write, as a connection that has become too slow."""

    def __init__(self, user_id: UUID, position: int) -> None:
        self.user_id = user_id
        self.position = position
        self.got: list[int] = []
        self.detached = False
        self.ends: Callable[[], None] = lambda: None

    def write_events(self, stream: str, framed: bytes, items: list[Item]) -> None:
        assert framed == b"".join(item.framed for item in items)
        self.got += [item.seq for item in items]
        self.ends()

    def write_hint(self, framed: bytes) -> None:
        raise AssertionError("no hints here")

    def on_detached(self, stream: str) -> None:
        self.detached = True


class HubMachine(RuleBasedStateMachine):
    """The log is the truth; the live path loses, delays, doubles and swaps; fetches are whatever the log holds then."""

    @initialize()
    def begin(self) -> None:
        self.log: list[Item] = []
        self.members: dict[UUID, bool] = dict.fromkeys(USERS, False)
        self.left_at: dict[UUID, list[int]] = {user: [] for user in USERS}
        self.joined_at: dict[UUID, list[int]] = {user: [] for user in USERS}
        self.behind = False
        self.in_flight: list[list[Item]] = []
        self.readers: list[Reader] = []
        self.hub = Hub("room:x", 0, self.on_behind)

    def on_behind(self, hub: Hub, urgent: bool) -> None:
        self.behind = True

    def commit(self, *, joined: tuple[UUID, ...] = (), left: tuple[UUID, ...] = ()) -> Item:
        seq = len(self.log) + 1
        item = Item(seq, b"<%d>" % seq, joined, left)
        self.log.append(item)
        return item

    # -- what messages does

    @rule(count=st.integers(1, 5))
    def say(self, count: int) -> None:
        self.in_flight.append([self.commit() for _ in range(count)])

    @rule(user=st.sampled_from(USERS))
    def join(self, user: UUID) -> None:
        if not self.members[user]:
            self.members[user] = True
            item = self.commit(joined=(user,))
            self.joined_at[user].append(item.seq)
            self.in_flight.append([item])

    @rule(user=st.sampled_from(USERS))
    def kick(self, user: UUID) -> None:
        if self.members[user]:
            self.members[user] = False
            item = self.commit(left=(user,))
            self.left_at[user].append(item.seq)
            self.in_flight.append([item])

    # -- what the network does

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), twice=st.booleans())
    def deliver(self, data: st.DataObject, twice: bool) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        items = self.in_flight[index] if twice else self.in_flight.pop(index)
        self.hub.offer(list(items))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))

    @rule()
    def heads(self) -> None:
        self.hub.head(len(self.log))

    @rule(limit=st.integers(1, 4))
    def fetch(self, limit: int) -> None:
        self.hub.offer(self.log[self.hub.last : self.hub.last + limit])

    # -- what clients do

    @rule(user=st.sampled_from(USERS), back=st.integers(0, 6))
    def open(self, user: UUID, back: int) -> None:
        if not self.members[user]:
            return
        position = max(self.joined_at[user][-1] - 1, len(self.log) - back)
        reader = Reader(user, position)
        # What is older than the hub remembers a connection reads from the log until the hub takes it.
        while not self.hub.attach(reader, position):
            upto = min(self.hub.last, position + 2)
            for item in self.log[position:upto]:
                if user in item.left:
                    return
                reader.got.append(item.seq)
            position = upto
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        self.hub.detach(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def become_too_slow(self, data: st.DataObject) -> None:
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        reader.ends = lambda: self.hub.detach(reader)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def told_by_own_stream(self, data: st.DataObject) -> None:
        """`room.left`, and perhaps `room.joined`, may overtake the room's own events."""
        reader = data.draw(st.sampled_from(self.readers))
        ends = [seq for seq in self.left_at[reader.user_id] if seq > reader.position]
        if ends:
            self.hub.leave(reader, ends[0])

    # -- the promise

    @invariant()
    def nobody_misses_or_sees_too_much(self) -> None:
        for reader in getattr(self, "readers", []):
            end = next((seq for seq in self.left_at[reader.user_id] if seq > reader.position), None)
            expected = range(reader.position + 1, len(self.log) + 1 if end is None else end)
            assert reader.got == list(expected[: len(reader.got)]), (reader.got, list(expected))

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        self.hub.head(len(self.log))
        while self.hub.last < len(self.log):
            self.hub.offer(self.log[self.hub.last : self.hub.last + 3])
        assert self.hub.complete
        for reader in self.readers:
            end = next((seq for seq in self.left_at[reader.user_id] if seq > reader.position), len(self.log) + 1)
            assert reader.got == list(range(reader.position + 1, end))


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


@contextmanager
def slices_of(count: int) -> Iterator[None]:
    before = hub_module.SLICE
    hub_module.SLICE = count
    try:
        yield
    finally:
        hub_module.SLICE = before


@given(readers=st.integers(1, 30), runs=st.lists(st.integers(1, 4), max_size=6))
async def test_a_large_room_is_written_in_slices_and_stays_in_order(readers: int, runs: list[int]) -> None:
    with slices_of(7):
        hub = Hub("room:x", 0, lambda _hub, _urgent: None)
        everyone = [Reader(uuid4(), 0) for _ in range(readers)]
        for reader in everyone:
            assert hub.attach(reader, 0)
        seq = 0
        for count in runs:
            hub.offer([Item(seq + index + 1, b"x") for index in range(count)])
            seq += count
        for _ in range(readers * (len(runs) + 1)):
            await asyncio.sleep(0)
        for reader in everyone:
            assert reader.got == list(range(1, seq + 1))


def test_an_early_event_waits_for_the_missing_one() -> None:
    asked: list[bool] = []
    hub = Hub("room:x", 0, lambda _hub, urgent: asked.append(urgent))
    reader = Reader(USERS[0], 0)
    hub.attach(reader, 0)
    hub.offer([Item(2, b"2")])
    assert reader.got == []
    assert asked == [False]
    assert not hub.complete
    hub.offer([Item(1, b"1")])
    assert reader.got == [1, 2]
    assert hub.complete


def test_who_is_closed_in_the_middle_of_a_write_costs_the_others_nothing() -> None:
    hub = Hub("room:x", 0, lambda _hub, _urgent: None)
    first, slow, last = (Reader(user, 0) for user in USERS[:3])
    for reader in (first, slow, last):
        assert hub.attach(reader, 0)
    slow.ends = lambda: hub.detach(slow)
    for seq in (1, 2):
        hub.offer([Item(seq, b"x")])
    assert (first.got, slow.got, last.got, hub.last) == ([1, 2], [1], [1, 2], 2)


def test_a_reader_that_is_ahead_of_the_hub_sees_nothing_twice() -> None:
    hub = Hub("room:x", 0, lambda _hub, _urgent: None)
    reader = Reader(USERS[0], 2)
    assert hub.attach(reader, 2)
    hub.offer([Item(seq, b"x") for seq in (1, 2, 3)])
    assert reader.got == [3]


@pytest.mark.parametrize("missing", [1, 10, 63])
def test_what_the_hub_remembers_needs_no_log(missing: int) -> None:
    hub = Hub("room:x", 0, lambda _hub, _urgent: None)
    hub.offer([Item(seq, b"x") for seq in range(1, 101)])
    reader = Reader(USERS[0], 100 - missing)
    assert hub.attach(reader, 100 - missing)
    assert reader.got == list(range(101 - missing, 101))
    assert not hub.attach(Reader(USERS[0], 0), 0)
