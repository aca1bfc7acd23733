"""Following what JetStream tells, with the faults that JetStream and its peers have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from nats.js.errors import NotFoundError

from parley_search import consumer, jobs
from parley_search.app import Parts
from parley_shared.errors import Refused
from parley_shared.ids import new_id
from parley_shared.messaging.permissions import EVENT_STREAM
from parley_shared.service import repeat

from .harness import World, found, settle, until_found


@pytest.fixture(autouse=True)
async def stream(world: World) -> AsyncIterator[None]:
    await world.make_stream()
    yield
    with contextlib.suppress(NotFoundError):
        await world.operator().delete_stream(EVENT_STREAM)


@contextlib.asynccontextmanager
async def running(*replicas: Parts) -> AsyncIterator[None]:
    """With their jobs, as app.run starts them."""
    tasks = [
        asyncio.create_task(repeat(name, seconds, work))
        for parts in replicas
        for name, seconds, work in (
            ("follow", 0.0, parts.follow.run),
            ("compare", 0.0, parts.keep.compare),
            ("page", 0.0, parts.keep.page),
        )
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_idle(world: World) -> None:
    """Every event has been acknowledged."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NotFoundError):
                info = await world.operator().consumer_info(EVENT_STREAM, "search")
                if info.num_pending == info.num_ack_pending == 0:
                    return
            await asyncio.sleep(0.02)


async def test_what_is_told_is_found(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    old = world.chat.send(room, "word")
    async with running(parts):
        await until_found(parts, me, "word", old.id)
        new = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, new.seq))
        await until_found(parts, me, "word", new.id, old.id)
        world.chat.delete(room, old)
        await world.publish(world.chat.advanced(room, room.head))
        await until_found(parts, me, "word", new.id)
        await until_idle(world)


async def test_many_events_fit_into_no_single_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "BATCH", 100)
    parts = await world.replica()
    me = new_id()
    rooms = [world.chat.room(me) for _ in range(20)]
    async with running(parts):
        await until_found(parts, me, "word")
        for _ in range(3 * consumer.BATCH // len(rooms)):
            for room in rooms:
                sent = world.chat.send(room, "word")
                await world.publish(world.chat.advanced(room, sent.seq))
        await until_idle(world)
        assert len(await found(parts, me, "word", limit=200)) == 3 * consumer.BATCH
    assert not parts.follow._trouble.there


async def test_two_replicas_share_the_work_and_find_the_same(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    me = new_id()
    rooms = [world.chat.room(me) for _ in range(10)]
    async with running(one, other):
        sent = []
        for _ in range(30):
            for room in rooms:
                message = world.chat.send(room, "word")
                sent.append(message)
                # Each told twice, so that both are at the same room at the same time.
                await world.publish(*[world.chat.advanced(room, message.seq)] * 2)
        for message in sent[::3]:
            room = next(room for room in rooms if message.id in room.messages)
            world.chat.delete(room, message)
            await world.publish(world.chat.advanced(room, room.head))
        expected = [message.id for message in reversed(sent) if message.body is not None]
        await until_found(one, me, "word", *expected)
        await until_found(other, me, "word", *expected)
        await until_idle(world)
    rows = await world.database.fetchval("SELECT count(*) FROM search.messages")
    assert rows == len(sent)


async def test_what_cannot_be_read_is_passed_over(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    async with running(parts):
        await until_found(parts, me, "word")
        for payload in (
            b"",
            b"{",
            b"\xff",
            b'{"epoch": 1}',
            b'{"epoch":"epoch-1","stream":"room:x","from_seq":1,"to_seq":2,"kinds":["message.created"]}',
        ):
            await world.messages.client.jetstream().publish("parley.evt.messages.v1.advanced.0", payload)
        sent = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, sent.seq))
        await until_found(parts, me, "word", sent.id)
        await until_idle(world)


async def test_a_consumer_that_was_deleted_comes_back_and_nothing_is_missed(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    async with running(parts):
        await until_found(parts, me, "word")
        await until_idle(world)
        await world.operator().delete_consumer(EVENT_STREAM, "search")
        sent = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, sent.seq))
        await until_found(parts, me, "word", sent.id)
        later = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, later.seq))
        await until_found(parts, me, "word", later.id, sent.id)


async def test_a_stream_that_was_deleted_comes_back_and_nothing_is_missed(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    async with running(parts):
        await until_found(parts, me, "word")
        await until_idle(world)
        await world.operator().delete_stream(EVENT_STREAM)
        lost = world.chat.send(room, "word")
        await world.make_stream()
        await until_found(parts, me, "word", lost.id)
        later = world.chat.send(room, "word")
        # The stream is there before the consumer is: what is told in between, comparing finds.
        await world.publish(world.chat.advanced(room, later.seq))
        await until_found(parts, me, "word", later.id, lost.id)


async def test_a_silent_server_is_noticed_by_its_missing_heartbeats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "HEARTBEAT_S", 0.5)
    monkeypatch.setattr(consumer, "SILENT_S", 1.0)
    parts = await world.replica()
    taker = parts.follow._consumer
    assert await taker.open()
    assert not await taker.open()
    # The request is forgotten, as by a server that was restarted without our link being cut.
    taker._request += 1_000
    await world.operator().delete_consumer(EVENT_STREAM, "search")
    with pytest.raises(consumer.LostError):
        await taker.take()
    assert await taker.open()


async def test_a_server_that_has_nothing_to_tell_is_not_silent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(consumer, "SILENT_S", 2.0)
    taker = (await world.replica()).follow._consumer
    await taker.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await taker.take()


async def test_a_restart_of_nats_loses_nothing(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    async with running(parts):
        await until_found(parts, me, "word")
        world.nats.stop()
        lost = world.chat.send(room, "word")
        world.nats.start()
        async with asyncio.timeout(60):
            while not (world.messages.connected and world.bus.connected):
                await asyncio.sleep(0.02)
        await until_there(parts, world, me, lost.id)
        later = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, later.seq))
        await until_there(parts, world, me, later.id, lost.id)


async def until_there(parts: Parts, world: World, me: object, *messages: object) -> None:
    """Like until_found, while peers may not be back yet."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Refused):
                if await found(parts, me, "word") == list(messages):  # type: ignore[arg-type]
                    return
            await asyncio.sleep(0.05)


async def test_events_wait_while_messages_is_away(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    async with running(parts):
        await until_found(parts, me, "word")
        await until_idle(world)
        world.chat.away = True
        sent = world.chat.send(room, "word")
        await world.publish(world.chat.advanced(room, sent.seq))
        async with asyncio.timeout(60):
            while not parts.follow._trouble.there:
                await asyncio.sleep(0.02)
        assert await parts.follow._consumer.waiting() == 1
        world.chat.away = False
        await until_found(parts, me, "word", sent.id)
        await until_idle(world)


async def test_comparing_is_one_replicas_turn(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    await settle(one)
    assert [await parts.comparing.is_due(600) for parts in (one, other, one)] == [True, False, False]
    await world.database.execute("UPDATE search.meta SET swept_at = swept_at - interval '600 s'")
    assert [await parts.comparing.is_due(600) for parts in (other, one)] == [True, False]


async def test_work_is_taken_up_again_after_any_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RETRY_S", 0.05)
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    whole = parts.indexing.follow
    failures = iter([ZeroDivisionError(), ConnectionError(), TimeoutError()])

    async def fragile(events: object) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        await whole(events)  # type: ignore[arg-type]

    async with running(parts):
        await until_found(parts, me, "word")
        monkeypatch.setattr(parts.indexing, "follow", fragile)
        sent = [world.chat.send(room, "word") for _ in range(2)]
        for message in sent:
            await world.publish(world.chat.advanced(room, message.seq))
            await until_idle(world)
        await until_found(parts, me, "word", sent[1].id, sent[0].id)
