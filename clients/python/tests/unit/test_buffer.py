"""What waits for `events()`: nothing is lost by a timeout, and nobody is stopped by events that he never asked for."""

import asyncio

import pytest

from parley_client import Event, Gone, Resync, Stopped
from parley_client.buffer import Buffer


def event(seq: int, stream: str = "room:a") -> Event:
    return Event(stream, seq, "test", {})


async def test_a_listener_who_gives_up_waiting_loses_nothing() -> None:
    buffer = Buffer(10)
    buffer.listen(True)
    for seq in range(50):
        waiting = asyncio.create_task(buffer.get())
        await asyncio.sleep(0)
        await buffer.put(event(seq))
        # The notice is there and the one who waits has been woken, but has not run yet.
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await buffer.get() == event(seq)


async def test_a_slow_listener_slows_the_socket() -> None:
    buffer = Buffer(3)
    buffer.listen(True)
    for seq in range(3):
        await buffer.put(event(seq))
    fourth = asyncio.create_task(buffer.put(event(3)))
    await asyncio.sleep(0)
    assert not fourth.done()
    assert [await buffer.get() for _ in range(4)] == [event(seq) for seq in range(4)]
    await fourth


async def test_without_a_listener_too_many_become_one_resync_a_stream() -> None:
    buffer = Buffer(4)
    await buffer.put(event(1))
    await buffer.put(event(1, "room:b"))
    await buffer.put(Gone("room:c"))
    await buffer.put(event(2))
    await buffer.put(event(3))
    got = [await buffer.get() for _ in range(4)]
    assert got == [Resync("room:a", 2), Resync("room:b", 1), Gone("room:c"), event(3)]
    for seq in range(4, 1000):
        await buffer.put(event(seq))
    first = await buffer.get()
    assert isinstance(first, Resync)
    following = [await buffer.get() for _ in range(999 - first.head)]
    assert following == [event(seq) for seq in range(first.head + 1, 1000)]


async def test_a_listener_who_leaves_lets_the_socket_go_on() -> None:
    buffer = Buffer(2)
    buffer.listen(True)
    await buffer.put(event(1))
    await buffer.put(event(2))
    third = asyncio.create_task(buffer.put(event(3)))
    await asyncio.sleep(0)
    assert not third.done()
    buffer.listen(False)
    await asyncio.wait_for(third, 1)
    assert [await buffer.get(), await buffer.get()] == [Resync("room:a", 2), event(3)]


async def test_the_end_comes_after_what_was_there() -> None:
    buffer = Buffer(5)
    await buffer.put(event(1))
    buffer.end(Stopped(4503, "logged out"))
    buffer.end(Stopped(1000, "closed"))
    assert await buffer.get() == event(1)
    for _ in range(2):
        with pytest.raises(Stopped, match="4503"):
            await buffer.get()
