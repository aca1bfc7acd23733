"""Gateways die and freeze, presence and the bus go away: nobody stays who is gone, and nobody goes who is there."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import GENEROUS, Suite
from tests.integration.test_presence import choose, friends, look, told, until, watch
from tests.protocol_client import Person, close_everything

pytestmark = pytest.mark.fault

LEASE_S = 4.0
GRACE_S = 6.0
SLACK_S = 6.0
"""For two jobs, a window, and a machine that does other things too."""


@pytest.fixture(scope="module")
def watched() -> Iterator[Suite]:
    """A suite of its own, with two replicas of presence and short lives of leases."""
    running = Suite(
        2,
        {
            **GENEROUS,
            "PARLEY_PRESENCE": "2",
            "PARLEY_PRESENCE_LEASE_SECONDS": str(LEASE_S),
            "PARLEY_PRESENCE_GRACE_SECONDS": str(GRACE_S),
        },
    )
    try:
        running.start()
        yield running
    finally:
        running.remove()


class Two:
    """Alice, at the first gateway, watches Bob, at the second."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    async def meet(self) -> "Two":
        self.suite.until_ready()
        self.alice = await Person(self.suite.urls[0], f"u{secrets.token_hex(6)}").register()
        self.bob = await Person(self.suite.urls[1], f"u{secrets.token_hex(6)}").register()
        await friends(self.alice, self.bob)
        self.a, self.b = await self.alice.open(), await self.bob.open()
        await watch(self.a, self.bob)
        await until(self.a, self.bob, "online")
        return self

    async def seen(self) -> str:
        return str((await look(self.alice, self.bob))[self.bob.id]["status"])

    async def until_seen(self, status: str, within: float) -> float:
        """Whoever asks is told so, and so is who watches. Returns after how long."""
        began = time.monotonic()
        await until(self.a, self.bob, status, within, since=len(self.a.frames) - 1)
        while await self.seen() != status:
            assert time.monotonic() - began < within
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    def statuses(self) -> list[str]:
        return [frame["status"] for frame in told(self.a, self.bob)]


@pytest.fixture
async def two(watched: Suite) -> AsyncIterator[Two]:
    yield await Two(watched).meet()
    await close_everything()


def gateway_of(suite: Suite, number: int) -> int:
    return suite.pids("gateway")[number]


async def test_a_killed_gateway_leaves_no_ghosts(watched: Suite, two: Two) -> None:
    watched.kill("gateway", 1)
    took = await two.until_seen("offline", LEASE_S + GRACE_S + SLACK_S)
    assert took > GRACE_S, "its clients had the grace to come back"
    watched.until_ready()


async def test_who_comes_back_after_his_gateway_was_killed_was_never_away(watched: Suite, two: Two) -> None:
    watched.kill("gateway", 1)
    back = await two.bob.at(watched.urls[0]).open()
    # Past the moment at which he would have been shown as gone.
    killed, wait = time.monotonic(), LEASE_S + GRACE_S + SLACK_S / 2
    while time.monotonic() - killed < wait:
        assert await two.seen() == "online"
        await asyncio.sleep(0.5)
    assert set(two.statuses()[1:]) <= {"online"}
    await back.close()
    watched.until_ready()


async def test_a_frozen_gateway_that_wakes_resurrects_nobody(watched: Suite, two: Two) -> None:
    """Bob hangs up while his gateway is frozen; Carol, at the same one, stays."""
    carol = await Person(watched.urls[1], f"u{secrets.token_hex(6)}").register()
    room = await friends(two.alice)
    await carol.call("POST", f"/rooms/{room}/join")
    await carol.open()
    await watch(two.a, two.bob, carol)
    await until(two.a, carol, "online")
    pid, before = gateway_of(watched, 1), len(two.a.frames)
    os.kill(pid, signal.SIGSTOP)
    try:
        two.b.cut()
        for somebody in (two.bob, carol):
            await until(two.a, somebody, "offline", LEASE_S + GRACE_S + SLACK_S, since=before)
        before = len(two.a.frames)
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(two.a, carol, "online", SLACK_S, since=before)
    assert two.statuses()[-1] == "offline"
    assert await two.seen() == "offline"


async def test_a_drain_is_not_seen(watched: Suite, two: Two) -> None:
    """A rolling restart: the gateway asks its clients to go elsewhere, and they do."""
    os.kill(gateway_of(watched, 1), signal.SIGTERM)
    assert await two.b.until_closed() == 4001
    elsewhere = await two.bob.at(watched.urls[0]).open()
    watched.until_ready()
    await elsewhere.close()
    again = await two.bob.open()
    await choose(two.bob, "away")
    await until(two.a, two.bob, "away")
    assert "offline" not in two.statuses()[1:]
    await again.close()


@pytest.mark.parametrize("victims", [(0,), (0, 1)])
async def test_presence_killed_comes_back_with_the_truth(watched: Suite, two: Two, victims: tuple[int, ...]) -> None:
    pids = watched.pids("presence")
    for index in victims:
        os.kill(pids[index], signal.SIGKILL)
    other = await two.bob.open()
    await two.b.close()
    watched.until_ready()
    await choose(two.bob, "busy")
    await until(two.a, two.bob, "busy")
    assert await two.seen() == "busy"
    await other.close()
    await two.until_seen("offline", GRACE_S + SLACK_S)
    assert "offline" not in two.statuses()[1:-1]


async def test_presence_away_for_longer_than_a_lease_shows_nobody_as_gone(watched: Suite, two: Two) -> None:
    pids = watched.pids("presence")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(LEASE_S + 1)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    while time.monotonic() - began < GRACE_S + SLACK_S / 2:
        assert await two.seen() == "online"
        await asyncio.sleep(0.5)
    assert "offline" not in two.statuses()[1:]
    await two.b.close()
    await two.until_seen("offline", GRACE_S + SLACK_S)


async def test_nats_away_changes_nobody(watched: Suite, two: Two) -> None:
    pid = watched.pids("nats")[0]
    os.kill(pid, signal.SIGKILL)
    watched.until_ready()
    await choose(two.bob, "busy")
    await until(two.a, two.bob, "busy", within=40)
    await two.b.close()
    await two.until_seen("offline", 40)
    assert "offline" not in two.statuses()[1:-1]
