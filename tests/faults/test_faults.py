"""Parts of the suite die, freeze and come back in the middle of traffic; nothing acknowledged is lost, doubled or reordered."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from parley_messages.batch import Batch
from parley_messages.domain.sending import check as check_send
from parley_messages.store.send import SendStore
from parley_shared.contracts.base import Actor
from parley_shared.contracts.messages import Send
from tests.conftest import GENEROUS, Suite
from tests.faults.checker import check
from tests.faults.traffic import Crowd
from tests.protocol_client import Person, close_everything

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def shaken() -> Iterator[Suite]:
    """A suite of its own, since it will be mistreated."""
    running = Suite(2, {**GENEROUS, "PARLEY_MESSAGES": "2"})
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
async def crowd(shaken: Suite) -> AsyncIterator[Crowd]:
    """Six people in a room, talking, over both gateways."""
    shaken.until_ready()
    people = [await Person(shaken.urls[number % 2], f"u{secrets.token_hex(6)}").register() for number in range(6)]
    room = await people[0].room()
    for person in people[1:]:
        await person.call("POST", f"/rooms/{room}/join")
    talking = Crowd(shaken, people, room)
    await talking.start()
    yield talking
    await close_everything()


@pytest.mark.parametrize("victim", ["gateway", "messages", "auth", "nats", "postgres"])
async def test_kill_in_the_middle_of_traffic(shaken: Suite, crowd: Crowd, victim: str) -> None:
    await asyncio.sleep(1)
    sockets = [talker.socket for talker in crowd.talkers]
    before = shaken.run_json()
    killed = shaken.kill(victim, 0, signal.SIGKILL)
    await crowd.until_more(60, within=30)
    await asyncio.sleep(1)
    records = await crowd.finish()
    assert check(records) == []
    assert sum(talker.resyncs for talker in crowd.talkers) == 0
    # It was started again, and nothing else needed to be.
    deadline = time.monotonic() + 10
    while killed in (after := {name: shaken.pids(name) for name in before if name not in ("urls", "launcher")})[victim]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    for name, pids in after.items():
        if name != victim:
            entries = before[name] if isinstance(before[name], list) else [before[name]]
            assert sorted(pids) == sorted(entry["pid"] for entry in entries), f"{name} was restarted too"
    if victim != "gateway":
        assert all(socket is talker.socket for socket, talker in zip(sockets, crowd.talkers, strict=True)), (
            "sockets did not stay open"
        )
    shaken.until_ready()


async def test_nats_frozen_for_20_seconds(shaken: Suite, crowd: Crowd) -> None:
    sockets = [talker.socket for talker in crowd.talkers]
    pid = shaken.pids("nats")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(20)
    finally:
        os.kill(pid, signal.SIGCONT)
    await crowd.until_more(60, within=30)
    records = await crowd.finish()
    assert check(records) == []
    assert all(socket is talker.socket for socket, talker in zip(sockets, crowd.talkers, strict=True))
    shaken.until_ready()


async def test_postgres_restarted_in_good_order(shaken: Suite, crowd: Crowd) -> None:
    shaken.kill("postgres", 0, signal.SIGINT)
    await crowd.until_more(60, within=30)
    records = await crowd.finish()
    assert check(records) == []


async def test_a_message_whose_replica_died_between_commit_and_publish_is_seen_within_six_seconds(
    shaken: Suite,
) -> None:
    shaken.until_ready()
    alice = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    room = await alice.room()
    socket = await alice.open()
    await socket.say(room, "before")
    claims = (await alice.call("GET", "/auth/sessions"))["items"][0]
    # The transaction of a real send, on the real tables, and then nothing more: as if the process had died there.
    store = await SendStore.connect(shaken.run_json()["urls"]["postgres"], "a replica that dies")
    send = check_send(
        Send(
            actor=Actor(user_id=_uuid(alice.id), session_id=_uuid(claims["id"]), role="user"),
            room_id=_uuid(room),
            client_msg_id="the last words",
            body="the last words",
        )
    )
    await store.begin()
    result: Any = await Batch(store, {"user": None}, None, wait_ms=None).run([("only", send)])
    await store.commit()
    await store.close()
    began = time.monotonic()
    seq = result.outcomes[0][1].seq
    await socket.until_seq(f"room:{room}", seq, within=10)
    assert time.monotonic() - began < 6.5
    assert socket.events(f"room:{room}")[-1]["event"]["message"]["body"] == "the last words"
    await close_everything()


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


async def test_history_survives_a_restart_of_everything(shaken: Suite) -> None:
    shaken.until_ready()
    alice = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    room = await alice.room()
    socket = await alice.open()
    acks = [await socket.say(room, f"line {number}") for number in range(20)]
    resume = {"epoch": socket.ready["epoch"], "at": {f"room:{room}": acks[9]["seq"]}}
    stopping = asyncio.get_running_loop().run_in_executor(None, shaken.stop)
    assert await socket.until_closed(15) in (4001, 1012)
    assert any(frame["type"] == "reconnect" for frame in socket.frames)
    assert await stopping < 15
    await asyncio.get_running_loop().run_in_executor(None, shaken.start)
    again = await alice.open(resume=resume)
    assert again.ready["epoch"] == resume["epoch"]
    assert again.seqs(f"room:{room}") == [ack["seq"] for ack in acks[10:]]
    assert [message["body"] for message in await alice.history(room)] == [f"line {number}" for number in range(20)]
    await close_everything()
