"""All hubs of a gateway, between a bus that loses things and a log that does not."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from parley_gateway.live import hubs as hubs_module
from parley_gateway.live.framing import frame_text
from parley_gateway.live.hub import MOST_HELD, RING_EVENTS, Item, Reader
from parley_gateway.live.hubs import LINGER_S, Hubs
from parley_shared.contracts.live import HEADER_MEMBERS, HEADER_SEQS, Heads, bucket_subject, heads_subject, live_subject
from parley_shared.contracts.messages import (
    HUB_RANGE,
    STREAM_HEADS,
    HubEvent,
    HubEvents,
    HubRange,
    StreamHeads,
    StreamHeadsAnswer,
)
from parley_shared.errors import unavailable
from parley_shared.ids import live_bucket, new_id, room_stream
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

from .harness import FakeBus, FakeRpc, until


class Listener:
    """A reader that remembers."""

    def __init__(self, user_id: UUID | None = None) -> None:
        self.user_id = user_id or new_id()
        self.got: list[int] = []
        self.hints: list[bytes] = []
        self.detached = False

    def write_events(self, stream: str, framed: bytes, items: list[Item]) -> None:
        self.got += [item.seq for item in items]

    def write_hint(self, framed: bytes) -> None:
        self.hints.append(framed)

    def on_detached(self, stream: str) -> None:
        self.detached = True


class Suite:
    """messages' log of some rooms, and the hubs of one gateway. `commit` writes the log, `publish` tells of it."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.rpc = FakeRpc()
        self.rpc.on(STREAM_HEADS, self.heads)
        self.rpc.on(HUB_RANGE, self.range)
        self.epoch = "1"
        self.log: dict[str, list[tuple[tuple[UUID, ...], tuple[UUID, ...]]]] = {}
        self.limit = 100
        self.lost: set[str] = set()
        self.resets: list[str] = []
        self.handed: list[tuple[str, int, int]] = []
        self.restarted: list[Reader] = []
        self.hubs = Hubs(
            cast(Bus, self.bus),
            cast(RpcClient, self.rpc),
            reset=self.resets.append,
            restart=lambda readers, _reason: self.restarted.extend(readers),
            handed=lambda stream, after, upto: self.handed.append((stream, after, upto)),
        )

    # -- messages

    def commit(self, room: UUID, *, joined: tuple[UUID, ...] = (), left: tuple[UUID, ...] = ()) -> int:
        log = self.log.setdefault(room_stream(room), [])
        log.append((joined, left))
        return len(log)

    def head(self, stream: str) -> int:
        return len(self.log.get(stream, ()))

    def heads(self, request: StreamHeads) -> StreamHeadsAnswer:
        return StreamHeadsAnswer(epoch=self.epoch, heads={stream: self.head(stream) for stream in request.streams})

    def range(self, request: HubRange) -> HubEvents:
        head = self.head(request.stream)
        lost = request.stream in self.lost
        events = [
            HubEvent(seq=seq, frame=msgspec.Raw(b"{}"), joined=list(joined), left=list(left))
            for seq, (joined, left) in enumerate(self.log.get(request.stream, ()), start=1)
            if seq > request.after
        ]
        return HubEvents(epoch=self.epoch, head=head, lost=lost, events=[] if lost else events[: self.limit])

    # -- the bus

    async def deliver(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        kind, bucket = subject.split(".")[2:4]
        callback = self.bus.subscribed.get(bucket_subject(cast(Any, kind), int(bucket)))
        if callback is not None:
            await callback(SimpleNamespace(subject=subject, data=data, headers=headers))

    async def publish(self, room: UUID, first: int, last: int | None = None) -> None:
        last = last or first
        headers = {HEADER_SEQS: f"{first}-{last}"}
        if first == last:
            joined, left = self.log[room_stream(room)][first - 1]
            if joined or left:
                headers[HEADER_MEMBERS] = ",".join([f"+{user}" for user in joined] + [f"-{user}" for user in left])
        await self.deliver(live_subject("room", room), b"\n".join([b"{}"] * (last - first + 1)), headers)

    async def announce(self, room: UUID, head: int, epoch: str = "1") -> None:
        data = msgspec.json.encode(Heads(epoch=epoch, heads={room: head}))
        await self.deliver(heads_subject("room", live_bucket(room)), data)

    async def say(self, room: UUID) -> int:
        """Committed and published."""
        seq = self.commit(room)
        await self.publish(room, seq)
        return seq

    async def listen(self, room: UUID, position: int = 0, user: UUID | None = None) -> Listener:
        listener = Listener(user)
        assert await self.hubs.attach(listener, [(room_stream(room), position)]) == []
        return listener

    @property
    def fetches(self) -> int:
        return len(self.rpc.requests(HUB_RANGE))

    @property
    def followed(self) -> set[str]:
        return set(self.hubs._hubs)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs_module, "RETRY_S", (0.01, 0.01))
    monkeypatch.setattr(hubs_module, "GAP_WAIT_S", 0.02)


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    found = Suite()
    await found.hubs.start()
    yield found
    await found.hubs.stop()


def now() -> float:
    return asyncio.get_running_loop().time()


ROOM = new_id()
STREAM = room_stream(ROOM)


async def test_a_reader_gets_what_is_published_after_its_position(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    for _ in range(3):
        await suite.say(ROOM)
    suite.commit(ROOM)
    suite.commit(ROOM)
    await suite.publish(ROOM, 4, 5)
    assert listener.got == [1, 2, 3, 4, 5]
    assert suite.fetches == 0


async def test_what_is_committed_while_it_attaches_is_fetched(suite: Suite) -> None:
    for _ in range(5):
        suite.commit(ROOM)
    listener = await suite.listen(ROOM, 2)
    await until(lambda: listener.got == [3, 4, 5])


async def test_swapped_messages_need_no_fetch(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    suite.commit(ROOM)
    suite.commit(ROOM)
    await suite.publish(ROOM, 2)
    assert listener.got == []
    await suite.publish(ROOM, 1)
    assert listener.got == [1, 2]
    await until(lambda: not suite.hubs._fetching)
    assert suite.fetches == 0


async def test_what_went_to_readers_is_noted_without_a_gap_whichever_way_it_came(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    for _ in range(4):
        suite.commit(ROOM)
    await suite.publish(ROOM, 1)
    await suite.publish(ROOM, 4)
    await until(lambda: listener.got == [1, 2, 3, 4])
    assert suite.handed == [(STREAM, 0, 1), (STREAM, 1, 4)]


async def test_a_gap_is_fetched_once_however_much_comes_behind_it(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    for _ in range(11):
        suite.commit(ROOM)
    for seq in range(2, 12):
        await suite.publish(ROOM, seq)
    await until(lambda: listener.got == list(range(1, 12)))
    assert suite.fetches == 1


async def test_a_long_gap_is_fetched_piece_by_piece(suite: Suite) -> None:
    suite.limit = 3
    listener = await suite.listen(ROOM)
    for _ in range(10):
        suite.commit(ROOM)
    await suite.announce(ROOM, 10)
    await until(lambda: listener.got == list(range(1, 11)))
    assert [request.after for request in suite.rpc.requests(HUB_RANGE)] == [0, 3, 6, 9]


async def test_heads_tell_of_what_was_lost(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    suite.commit(ROOM)
    await suite.announce(ROOM, 1)
    await until(lambda: listener.got == [1])
    await suite.announce(new_id(), 7)
    await suite.announce(ROOM, 1)
    assert suite.fetches == 1


@pytest.mark.parametrize("failure", [unavailable("away"), ValueError("a bug of ours")])
async def test_a_fetch_is_tried_until_somebody_answers(suite: Suite, failure: Exception) -> None:
    def fail(_request: HubRange) -> HubEvents:
        raise failure

    listener = await suite.listen(ROOM)
    suite.rpc.on(HUB_RANGE, fail)
    suite.commit(ROOM)
    await suite.announce(ROOM, 1)
    await until(lambda: suite.fetches >= 4)
    suite.rpc.on(HUB_RANGE, suite.range)
    await until(lambda: listener.got == [1])


async def test_nobody_asks_for_whom_nobody_listens(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    suite.hubs.detach(listener, [STREAM])
    suite.rpc.on(HUB_RANGE, unavailable("away"))
    suite.commit(ROOM)
    await suite.announce(ROOM, 1)
    await until(lambda: suite.fetches == 1 and not suite.hubs._fetching)
    # Who comes then gets it without waiting for another sign.
    suite.rpc.on(HUB_RANGE, suite.range)
    again = await suite.listen(ROOM, 0)
    await until(lambda: again.got == [1])


async def test_a_head_that_is_in_no_database_is_forgotten(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    await suite.announce(ROOM, 9)
    await until(lambda: suite.fetches == 1 and not suite.hubs._fetching)
    await suite.say(ROOM)
    assert listener.got == [1]
    assert suite.fetches == 1


async def test_readers_start_again_where_the_log_no_longer_reaches(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    for _ in range(5):
        suite.commit(ROOM)
    suite.lost.add(STREAM)
    await suite.announce(ROOM, 5)
    await until(lambda: suite.restarted == [listener])
    await suite.say(ROOM)
    assert listener.got == [6]


async def test_a_dropped_subscription_makes_its_bucket_be_checked_and_no_other(suite: Suite) -> None:
    other = next(room for room in iter(new_id, None) if live_bucket(room) != live_bucket(ROOM))
    near, far = await suite.listen(ROOM), await suite.listen(other)
    suite.commit(ROOM)
    suite.commit(other)
    asked = len(suite.rpc.requests(STREAM_HEADS))
    for dropped in suite.bus.dropped:
        dropped(bucket_subject("room", live_bucket(ROOM)))
        dropped("_INBOX_gateway.x.*")
        dropped("parley.live.account.>")
    await until(lambda: near.got == [1])
    assert far.got == []
    assert [request.streams for request in suite.rpc.requests(STREAM_HEADS)[asked:]] == [[STREAM]]


async def test_when_the_bus_comes_back_everything_is_checked(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs_module, "HEADS_CHUNK", 2)
    monkeypatch.setattr(hubs_module.random, "uniform", lambda low, _high: low)
    rooms = [new_id() for _ in range(5)]
    listeners = [await suite.listen(room) for room in rooms]
    for room in rooms:
        suite.commit(room)
    for restored in suite.bus.restored:
        restored()
    await until(lambda: all(listener.got == [1] for listener in listeners))


async def test_another_epoch_makes_everybody_start_again_once(suite: Suite) -> None:
    await suite.listen(ROOM)
    suite.epoch = "2"
    await suite.announce(ROOM, 0, epoch="2")
    await suite.announce(ROOM, 0, epoch="2")
    assert len(suite.resets) == 1
    assert suite.followed == set()
    listener = await suite.listen(ROOM)
    await suite.say(ROOM)
    assert listener.got == [1]
    assert len(suite.resets) == 1


async def test_many_who_attach_at_once_share_a_subscription(suite: Suite) -> None:
    listeners = await asyncio.gather(*(suite.listen(ROOM) for _ in range(20)))
    assert suite.bus.attempts.count(bucket_subject("room", live_bucket(ROOM))) == 1
    await suite.say(ROOM)
    assert all(listener.got == [1] for listener in listeners)


@pytest.mark.parametrize("failure", [ConnectionError("closed"), NatsTimeoutError()])
async def test_a_subscription_that_failed_is_tried_again(suite: Suite, failure: Exception) -> None:
    suite.bus.fails.append(failure)
    with pytest.raises(type(failure)):
        await suite.listen(ROOM)
    listener = await suite.listen(ROOM)
    await suite.say(ROOM)
    assert listener.got == [1]


async def test_a_reader_that_is_further_back_than_the_hub_remembers_is_told(suite: Suite) -> None:
    await suite.listen(ROOM)
    for _ in range(RING_EVENTS + 1):
        await suite.say(ROOM)
    late = Listener()
    assert await suite.hubs.attach(late, [(STREAM, 0)]) == [STREAM]
    assert await suite.hubs.attach(late, [(STREAM, 1)]) == []
    assert late.got == list(range(2, RING_EVENTS + 2))


async def test_a_receipt_goes_to_everybody_who_listens(suite: Suite) -> None:
    listener = await suite.listen(ROOM)
    await suite.deliver(live_subject("room", ROOM), b'{"type":"receipt"}', {"Parley-Kind": "receipt"})
    assert listener.hints == [frame_text(b'{"type":"receipt"}')]


async def test_a_receipt_is_kept_from_whom_it_is_not_for(suite: Suite) -> None:
    listener, *hidden = [await suite.listen(ROOM) for _ in range(3)]
    await suite.deliver(
        live_subject("room", ROOM),
        b'{"type":"receipt"}',
        {"Parley-Kind": "receipt", "Parley-Except": ",".join(str(other.user_id) for other in hidden)},
    )
    assert [len(reader.hints) for reader in (listener, *hidden)] == [1, 0, 0]


async def test_what_is_held_for_a_gap_is_bounded(suite: Suite) -> None:
    suite.rpc.on(HUB_RANGE, unavailable("away"))
    await suite.listen(ROOM)
    for _ in range(2 * MOST_HELD):
        suite.commit(ROOM)
    for seq in range(2, 2 * MOST_HELD):
        await suite.publish(ROOM, seq)
    assert len(suite.hubs._hubs[STREAM]._held) == MOST_HELD


@pytest.mark.parametrize("how", ["closed", "left", "removed"])
async def test_a_hub_lingers_for_a_while_and_is_forgotten_with_its_bucket(suite: Suite, how: str) -> None:
    listener = await suite.listen(ROOM)
    if how == "closed":
        suite.hubs.detach(listener, [STREAM])
    elif how == "left":
        suite.hubs.leave(listener, STREAM, 1)
    else:
        suite.commit(ROOM, left=(listener.user_id,))
        await suite.publish(ROOM, 1)
        assert listener.detached
    await suite.hubs.sweep(now())
    await suite.hubs.sweep(now() + LINGER_S - 1)
    assert suite.followed == {STREAM}
    await suite.hubs.sweep(now() + LINGER_S + 1)
    assert suite.followed == set()
    assert suite.bus.subscribed == {}


async def test_a_hub_with_readers_stays_and_one_that_is_used_again_begins_anew(suite: Suite) -> None:
    first = await suite.listen(ROOM)
    await suite.hubs.sweep(now() + 10 * LINGER_S)
    suite.hubs.detach(first, [STREAM])
    await suite.hubs.sweep(now())
    second = await suite.listen(ROOM)
    await suite.hubs.sweep(now() + 2 * LINGER_S)
    suite.hubs.detach(second, [STREAM])
    await suite.hubs.sweep(now() + 2 * LINGER_S)
    assert suite.followed == {STREAM}


async def test_a_bucket_that_somebody_else_still_uses_stays_subscribed(suite: Suite) -> None:
    neighbour = next(room for room in iter(new_id, None) if live_bucket(room) == live_bucket(ROOM))
    listener = await suite.listen(ROOM)
    gone = await suite.listen(neighbour)
    suite.hubs.detach(gone, [room_stream(neighbour)])
    await suite.hubs.sweep(now())
    await suite.hubs.sweep(now() + LINGER_S + 1)
    assert suite.followed == {STREAM}
    await suite.say(ROOM)
    assert listener.got == [1]


async def test_a_surprise_does_not_end_the_sweeping(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    async def surprised(_now: float) -> None:
        nonlocal rounds
        rounds += 1
        raise ConnectionError("closed")

    monkeypatch.setattr(hubs_module, "SWEEP_S", 0.005)
    other = Suite()
    monkeypatch.setattr(other.hubs, "sweep", surprised)
    await other.hubs.start()
    await until(lambda: rounds >= 3)
    await other.hubs.stop()


async def test_stopping_leaves_no_task_behind(suite: Suite) -> None:
    other = Suite()
    await other.hubs.start()
    await other.listen(ROOM)
    other.rpc.on(HUB_RANGE, unavailable("away"))
    other.commit(ROOM)
    await other.announce(ROOM, 1)
    await until(lambda: other.fetches >= 1)
    await other.hubs.stop()
    await asyncio.sleep(0)
    assert not other.hubs._fetching
    assert not other.hubs._tasks
