"""The outbox: each room's messages in the order of the calls, once each, whatever the connection does."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_client.errors import ApiError, Disconnected, Stopped
from parley_client.models import Ack
from parley_client.outbox import Outbox

ROOMS = [UUID(int=number) for number in range(1, 4)]


class Server:
    """Commits by client_msg_id, and answers as its script says; the empty script answers at once."""

    def __init__(self, script: list[str] | None = None) -> None:
        self.script = deque(script or [])
        self.log: dict[str, list[str]] = defaultdict(list)
        self.attempts: list[dict[str, Any]] = []
        self.refused: set[str] = set()

    async def transmit(self, command: dict[str, Any]) -> Ack:
        self.attempts.append(command)
        await asyncio.sleep(0)
        what = self.script.popleft() if self.script else "ack"
        if command["body"] in self.refused:
            raise ApiError("forbidden", "You are muted.")
        if what == "lost before":
            raise Disconnected("lost")
        if what == "unavailable":
            raise ApiError("unavailable", "Try again.")
        if what == "limited":
            raise ApiError("rate_limited", "Slowly.", retry_after_ms=0)
        room = self.log[command["room_id"]]
        duplicate = command["client_msg_id"] in room
        if not duplicate:
            room.append(command["client_msg_id"])
        if what == "lost after":
            raise Disconnected("lost")
        seq = room.index(command["client_msg_id"]) + 1
        return Ack(message_id=ROOMS[0], seq=seq, n=seq, created_at=datetime.now(UTC), duplicate=duplicate)


def send(outbox: Outbox, room: UUID, body: str, **more: Any) -> "asyncio.Task[Ack]":
    more = {"client_msg_id": body, "wait_when_limited": True, **more}
    return asyncio.create_task(outbox.send(room, body, **more))


@pytest.fixture(autouse=True)
def _without_pauses(impatient: None) -> None:
    """Retries at once."""


calls = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12)
troubles = st.lists(st.sampled_from(["ack", "lost before", "lost after", "unavailable", "limited"]), max_size=30)


def quick(property_: Callable[..., None]) -> Callable[..., None]:
    """hypothesis without a stopwatch; the fixture of this file is the same for every example."""
    from hypothesis import HealthCheck

    return settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])(property_)


@quick
@given(calls, troubles)
def test_every_room_gets_what_is_not_refused_in_order_and_once(
    sends: list[tuple[int, bool]], script: list[str]
) -> None:
    async def work() -> None:
        server = Server(script)
        outbox = Outbox(server.transmit)
        bodies = [(ROOMS[room], f"{number}", refused) for number, (room, refused) in enumerate(sends)]
        server.refused = {body for _, body, refused in bodies if refused}
        tasks = [send(outbox, room, body) for room, body, _ in bodies]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for (room, body, refused), outcome in zip(bodies, outcomes, strict=True):
            if refused:
                assert isinstance(outcome, ApiError)
                assert outcome.code == "forbidden"
            else:
                assert isinstance(outcome, Ack)
                assert server.log[str(room)][outcome.seq - 1] == body
        for room in ROOMS:
            assert server.log[str(room)] == [body for where, body, refused in bodies if where == room and not refused]
        assert outbox.waiting == 0

    asyncio.run(work())


async def test_a_retry_keeps_its_key_and_nothing_overtakes_it() -> None:
    server = Server(["lost after", "lost before", "unavailable", "ack"])
    outbox = Outbox(server.transmit)
    first = asyncio.create_task(outbox.send(ROOMS[0], "first", client_msg_id=None, wait_when_limited=True))
    second = asyncio.create_task(outbox.send(ROOMS[0], "second", client_msg_id=None, wait_when_limited=True))
    assert (await first).duplicate is True
    assert (await second).seq == 2
    assert [attempt["body"] for attempt in server.attempts] == ["first"] * 4 + ["second"]
    assert len({attempt["client_msg_id"] for attempt in server.attempts[:4]}) == 1
    assert server.attempts[4]["client_msg_id"] != server.attempts[0]["client_msg_id"]


async def test_a_refusal_drops_one_message_only() -> None:
    server = Server()
    server.refused = {"b"}
    outbox = Outbox(server.transmit)
    tasks = [send(outbox, ROOMS[0], body) for body in "abc"]
    with pytest.raises(ApiError, match="muted"):
        await tasks[1]
    assert [(await tasks[0]).seq, (await tasks[2]).seq] == [1, 2]


async def test_a_rate_limit_is_waited_for_or_raised_as_one_likes() -> None:
    server = Server(["limited", "ack", "limited"])
    outbox = Outbox(server.transmit)
    assert (await send(outbox, ROOMS[0], "patient")).seq == 1
    with pytest.raises(ApiError) as refused:
        await send(outbox, ROOMS[0], "hasty", wait_when_limited=False)
    assert (refused.value.code, refused.value.retry_after_ms) == ("rate_limited", 0)
    assert (await send(outbox, ROOMS[0], "next")).seq == 2


async def test_a_slow_room_holds_up_no_other() -> None:
    gate = asyncio.Event()
    server = Server()

    async def transmit(command: dict[str, Any]) -> Ack:
        if command["room_id"] == str(ROOMS[0]):
            await gate.wait()
        return await server.transmit(command)

    outbox = Outbox(transmit)
    slow = send(outbox, ROOMS[0], "slow")
    assert (await send(outbox, ROOMS[1], "quick")).seq == 1
    assert outbox.waiting == 1
    gate.set()
    await slow


async def test_who_stops_waiting_does_not_take_the_message_back() -> None:
    gate = asyncio.Event()
    server = Server()

    async def transmit(command: dict[str, Any]) -> Ack:
        await gate.wait()
        return await server.transmit(command)

    outbox = Outbox(transmit)
    given_up = send(outbox, ROOMS[0], "given up")
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    gate.set()
    assert (await send(outbox, ROOMS[0], "next")).seq == 2
    assert server.log[str(ROOMS[0])] == ["given up", "next"]


async def test_closing_gives_up_what_waits() -> None:
    server = Server()

    async def transmit(command: dict[str, Any]) -> Ack:
        await asyncio.Event().wait()
        return await server.transmit(command)

    outbox = Outbox(transmit)
    tasks = [send(outbox, ROOMS[number % 2], f"{number}") for number in range(4)]
    await asyncio.sleep(0)
    assert outbox.waiting == 4
    await outbox.close(Stopped(1000, "closed"))
    for task in tasks:
        with pytest.raises(Stopped):
            await task
    assert outbox.waiting == 0


async def test_after_a_stop_everything_that_waits_fails_in_turn() -> None:
    async def transmit(command: dict[str, Any]) -> Ack:
        raise Stopped(4503, "logged out")

    outbox = Outbox(transmit)
    outcomes = await asyncio.gather(
        *(send(outbox, ROOMS[0], f"{number}") for number in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Stopped] * 3
