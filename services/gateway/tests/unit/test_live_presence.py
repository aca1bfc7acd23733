"""Lists of people that sockets watch, and typing, between a bus that loses things and services that go away."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from parley_gateway.live import typing as typing_module
from parley_gateway.live.presence import STALE_S, Watches
from parley_gateway.live.typing import Typing
from parley_shared.contracts.base import Actor
from parley_shared.contracts.live import TypingHint, bucket_subject, live_subject
from parley_shared.contracts.presence import GET_PRESENCE, GetPresence, Presence, PresenceChanged, Seen, SeenMany
from parley_shared.contracts.visibility import MAY_TYPE, MayTypeAnswer
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import live_bucket, new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

from .harness import FakeBus, FakeRpc, until

ROOM = new_id()


class Client:
    """A socket that remembers what it was told."""

    def __init__(self) -> None:
        self.actor = Actor(user_id=new_id(), session_id=new_id(), role="user")
        self.is_slow = False
        self.is_open = True
        self.rooms = {f"room:{ROOM}"}
        self.told: list[tuple[UUID, str]] = []

    @property
    def user_id(self) -> UUID:
        return self.actor.user_id

    def follows(self, stream: str) -> bool:
        return stream in self.rooms

    def write_hint(self, framed: bytes) -> None:
        found = msgspec.json.decode(framed[framed.index(b"{") :])
        self.told.append((UUID(found["user_id"]), found["status"]))


class TellingBus(FakeBus):
    """`published` is what went out."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[TypingHint] = []

    async def publish(self, subject: str, data: bytes) -> None:
        assert subject == live_subject("typing", ROOM)
        self.published.append(msgspec.json.decode(data, type=TypingHint))


class World:
    """presence, as far as its verb `get` goes: people, and who is hidden from everybody else."""

    def __init__(self) -> None:
        self.bus, self.rpc = TellingBus(), FakeRpc()
        self.people: dict[UUID, PresenceChanged] = {}
        self.hidden: set[UUID] = set()
        self.rpc.on(GET_PRESENCE, self.get)
        self.rpc.on(MAY_TYPE, MayTypeAnswer(allowed=True, hidden_from=[]))
        self.watches = Watches(cast(Bus, self.bus), cast(RpcClient, self.rpc))
        self.typing = Typing(cast(Bus, self.bus), cast(RpcClient, self.rpc), self.watches)

    def get(self, request: GetPresence) -> SeenMany:
        items = []
        for user_id in request.user_ids:
            state = self.people.get(user_id)
            if state is not None and (user_id not in self.hidden or user_id == request.actor.user_id):
                own = user_id == request.actor.user_id
                items.append(Seen(rev=state.rev, presence=state.own if own else state.shown))
        return SeenMany(items=items)

    def becomes(self, user_id: UUID, status: Any) -> PresenceChanged:
        before = self.people.get(user_id)
        shown = "offline" if status == "invisible" else status
        self.people[user_id] = PresenceChanged(
            rev=1 if before is None else before.rev + 1,
            shown=Presence(user_id=user_id, status=shown),
            own=Presence(user_id=user_id, status=status),
        )
        return self.people[user_id]

    def somebody(self, status: str = "online") -> UUID:
        user_id = new_id()
        self.becomes(user_id, status)
        return user_id

    async def hear(self, news: PresenceChanged) -> None:
        """The hint arrives, if anybody listens."""
        user_id = news.shown.user_id
        callback = self.bus.subscribed.get(bucket_subject("presence", live_bucket(user_id)))
        if callback is not None:
            await callback(SimpleNamespace(data=msgspec.json.encode(news)))

    async def check(self, client: Client) -> None:
        """The next half minute."""
        asked = len(self.rpc.requests(GET_PRESENCE))
        self.watches.recheck(client)
        self.watches.turn()
        await until(lambda: len(self.rpc.requests(GET_PRESENCE)) > asked and not self.watches._tasks)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    found = World()
    yield found
    await found.typing.stop()
    await found.watches.stop()


async def test_changes_go_out_once_a_turn_the_newest_of_each(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    assert client.told == [(user, "online")]
    for status in ("away", "busy", "away", "busy"):
        await world.hear(world.becomes(user, status))
    assert len(client.told) == 1
    world.watches.turn()
    world.watches.turn()
    assert client.told == [(user, "online"), (user, "busy")]


async def test_hints_that_come_late_or_twice_change_nothing(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    old, new = world.becomes(user, "away"), world.becomes(user, "busy")
    for news in (new, old, new):
        await world.hear(news)
        world.watches.turn()
    assert client.told == [(user, "online"), (user, "busy")]


async def test_a_hint_that_overtakes_the_answer_counts(world: World) -> None:
    client, user = Client(), world.somebody()

    async def slow(request: GetPresence) -> SeenMany:
        stale = world.get(request)
        await world.hear(world.becomes(user, "busy"))
        return stale

    world.rpc.on(GET_PRESENCE, slow)
    await world.watches.watch(client, [user])
    world.watches.turn()
    assert client.told == [(user, "busy")]


async def test_a_lost_hint_is_made_good_at_the_next_check(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    world.becomes(user, "away")
    await world.check(client)
    assert client.told[-1] == (user, "away")


async def test_who_may_no_longer_be_seen_looks_gone_and_stays_silent(world: World) -> None:
    client, user, gone = Client(), world.somebody(), world.somebody("offline")
    await world.watches.watch(client, [user, gone])
    world.hidden |= {user, gone}
    await world.check(client)
    assert client.told == [(user, "online"), (gone, "offline"), (user, "offline")]
    await world.hear(world.becomes(user, "busy"))
    world.watches.turn()
    assert len(client.told) == 3
    world.hidden.clear()
    await world.check(client)
    assert client.told[3:] == [(user, "busy"), (gone, "offline")]


async def test_what_others_cannot_see_is_not_told_again(world: World) -> None:
    client, user = Client(), world.somebody("invisible")
    await world.watches.watch(client, [user])
    for _ in range(3):
        await world.hear(world.becomes(user, "invisible"))
        world.watches.turn()
    assert client.told == [(user, "offline")]


async def test_a_slow_reader_is_told_when_it_reads_again(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    client.is_slow = True
    await world.hear(world.becomes(user, "busy"))
    world.watches.turn()
    client.is_slow = False
    await world.check(client)
    assert client.told == [(user, "online"), (user, "busy")]


async def test_a_list_that_cannot_be_checked_falls_silent_and_recovers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    world.rpc.on(GET_PRESENCE, unavailable("messages is not running at the moment; try again."))
    await world.check(client)
    world.watches._lists[cast(Any, client)].checked_at -= STALE_S + 1
    await world.hear(world.becomes(user, "busy"))
    world.watches.turn()
    assert client.told == [(user, "online")], "he may have blocked somebody since"
    world.rpc.on(GET_PRESENCE, world.get)
    await world.check(client)
    assert client.told[-1] == (user, "busy")


async def test_a_refused_list_watches_nobody(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    with pytest.raises(Refused) as refused:
        await world.watches.watch(client, [new_id() for _ in range(201)])
    assert refused.value.code == Code.INVALID
    world.rpc.on(GET_PRESENCE, unavailable("presence is not running at the moment; try again."))
    with pytest.raises(Refused) as refused:
        await world.watches.watch(client, [user])
    assert refused.value.code == Code.UNAVAILABLE
    world.rpc.on(GET_PRESENCE, world.get)
    await world.hear(world.becomes(user, "busy"))
    world.watches.turn()
    assert client.told == [(user, "online")]


async def test_buckets_are_subscribed_while_somebody_is_watched_in_them(world: World) -> None:
    one, other, user = Client(), Client(), world.somebody()
    subject = bucket_subject("presence", live_bucket(user))
    await asyncio.gather(*(world.watches.watch(client, [user]) for client in (one, other)))
    assert world.bus.attempts == [subject]
    world.watches.forget(one)
    await world.watches._sweep()
    assert list(world.bus.subscribed) == [subject]
    world.watches.forget(other)
    await world.watches._sweep()
    assert world.bus.subscribed == {}
    assert (world.watches._users, world.watches._lists) == ({}, {})
    await world.watches.watch(one, [user])
    assert list(world.bus.subscribed) == [subject]


async def test_after_the_bus_was_away_everything_is_asked_for_again(world: World) -> None:
    client, user = Client(), world.somebody()
    await world.watches.watch(client, [user])
    world.becomes(user, "busy")
    for callback in world.bus.restored:
        callback()
    world.watches._lists[cast(Any, client)].due_at = 0
    world.watches.turn()
    await until(lambda: client.told[-1] == (user, "busy"))


async def test_a_thousand_lists_that_are_due_at_once_are_all_checked_a_few_at_a_time(world: World) -> None:
    user, clients = world.somebody(), [Client() for _ in range(1_000)]
    for client in clients:
        await world.watches.watch(client, [user])
    at_once = most = 0

    async def slow(request: GetPresence) -> SeenMany:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return world.get(request)

    world.rpc.on(GET_PRESENCE, slow)
    world.becomes(user, "busy")
    for client in clients:
        world.watches.recheck(client)
    world.watches.turn()
    await until(lambda: all(client.told[-1] == (user, "busy") for client in clients))
    assert 1 < most <= 16


# -- typing


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing_module, "TYPING_EVERY_MS", 30)


async def typed(world: World, client: Client, *on: bool) -> list[int]:
    """Everything said, and what had gone out when that was over."""
    for value in on:
        world.typing.note(cast(Any, client), ROOM, value)
    await until(lambda: not world.typing._tasks)
    return [hint.for_ms for hint in world.bus.published]


async def test_typing_goes_out_and_is_taken_back(world: World, quick: None) -> None:
    client = Client()
    world.becomes(client.user_id, "online")
    assert await typed(world, client, True) == [6_000]
    world.typing.note(cast(Any, client), ROOM, True)
    await until(lambda: len(world.bus.published) == 2)
    assert await typed(world, client, True, False) == [6_000, 6_000, 0]
    assert await typed(world, client, False) == [6_000, 6_000, 0], "there was nothing to take back"
    assert client.told == [], "that he is followed is the gateway's affair"


@pytest.mark.parametrize("why", ["invisible", "muted", "left", "messages away", "presence away", "bus away", "closed"])
async def test_whoever_must_not_be_seen_types_unseen(world: World, quick: None, why: str) -> None:
    client = Client()
    world.becomes(client.user_id, "invisible" if why == "invisible" else "online")
    match why:
        case "muted":
            world.rpc.on(MAY_TYPE, MayTypeAnswer(allowed=False, hidden_from=[]))
        case "left":
            client.rooms.clear()
        case "messages away":
            world.rpc.on(MAY_TYPE, unavailable("messages is not running at the moment; try again."))
        case "presence away":
            world.rpc.on(GET_PRESENCE, unavailable("presence is not running at the moment; try again."))
        case "bus away":
            world.bus.connected = False
        case "closed":
            client.is_open = False
    assert await typed(world, client, True) == []


async def test_becoming_invisible_counts_from_the_hint_on(world: World, quick: None) -> None:
    client = Client()
    world.becomes(client.user_id, "online")
    assert await typed(world, client, True) == [6_000]
    await world.hear(world.becomes(client.user_id, "invisible"))
    assert await typed(world, client, True) == [6_000]
    await world.hear(world.becomes(client.user_id, "away"))
    assert await typed(world, client, True) == [6_000, 6_000]


async def test_messages_is_asked_once_in_ten_seconds(world: World, quick: None) -> None:
    client = Client()
    world.becomes(client.user_id, "online")
    for _ in range(3):
        await typed(world, client, True)
    assert len(world.bus.published) == 3
    assert len(world.rpc.requests(MAY_TYPE)) == 1


async def test_a_list_is_replaced_without_losing_who_types(world: World, quick: None) -> None:
    client, user = Client(), world.somebody()
    world.becomes(client.user_id, "online")
    await typed(world, client, True)
    await world.watches.watch(client, [user])
    await world.hear(world.becomes(client.user_id, "invisible"))
    world.watches.turn()
    assert await typed(world, client, True) == [6_000]
    assert client.told == [(user, "online")]
    world.watches.forget(client)
    assert world.watches._users == {}
