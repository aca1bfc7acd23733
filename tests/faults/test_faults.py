"""Parts of the suite die, freeze and come back in the middle of traffic; nothing acknowledged is lost, doubled or reordered."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from parley_auth.store import Transactions
from parley_auth.store.revocations import Revoked
from parley_messages.batch import Batch
from parley_messages.domain.sending import check as check_send
from parley_messages.keys import RoomKeys
from parley_messages.store.send import SendStore
from parley_shared.contracts.base import Actor
from parley_shared.contracts.messages import Send
from parley_shared.db.engine import make_engine
from tests.conftest import GENEROUS, Suite
from tests.faults.traffic import PEOPLE, Crowd
from tests.protocol_client import Person, close_everything, keep_open

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


@pytest.fixture(scope="module")
async def people(shaken: Suite) -> AsyncIterator[list[Person]]:
    """Registered once: they meet in other rooms in each test."""
    names = [(shaken.urls[number % 2], f"u{secrets.token_hex(6)}") for number in range(PEOPLE)]
    found = [keep_open(await Person(*name).register()) for name in names]
    yield found
    for person in found:
        await person.http.aclose()


@pytest.fixture
async def crowd(shaken: Suite, people: list[Person]) -> AsyncIterator[Crowd]:
    """At work, over both gateways."""
    shaken.until_ready()
    yield await Crowd(shaken, people).start()
    await close_everything()


@pytest.mark.parametrize("victim", ["gateway", "messages", "auth", "presence", "search", "nats", "postgres"])
async def test_kill_in_the_middle_of_traffic(shaken: Suite, crowd: Crowd, victim: str) -> None:
    await crowd.until_more(60, within=30)
    sockets = crowd.sockets
    before = shaken.run_json()
    killed = shaken.kill(victim, 0, signal.SIGKILL)
    await crowd.remove_the_outsider()
    await crowd.until_more(60, within=30)
    # It is started again, and nothing else needs to be.
    deadline = time.monotonic() + 10
    while killed in (after := {name: shaken.pids(name) for name in before if name not in ("urls", "launcher")})[victim]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await crowd.until_more(60, within=30)
    assert await crowd.finish() == []
    assert sum(talker.resyncs for talker in crowd.talkers) == 0
    for name, pids in after.items():
        if name != victim:
            entries = before[name] if isinstance(before[name], list) else [before[name]]
            assert sorted(pids) == sorted(entry["pid"] for entry in entries), f"{name} was restarted too"
    if victim != "gateway":
        assert crowd.sockets == sockets, "sockets did not stay open"
    shaken.until_ready()


async def test_nats_frozen_for_20_seconds(shaken: Suite, crowd: Crowd) -> None:
    sockets = crowd.sockets
    pid = shaken.pids("nats")[0]
    os.kill(pid, signal.SIGSTOP)
    removing = asyncio.create_task(crowd.remove_the_outsider())
    try:
        await asyncio.sleep(20)
    finally:
        os.kill(pid, signal.SIGCONT)
    await removing
    await crowd.until_more(60, within=30)
    assert await crowd.finish() == []
    assert crowd.sockets == sockets
    shaken.until_ready()


async def test_postgres_restarted_in_good_order(shaken: Suite, crowd: Crowd) -> None:
    shaken.kill("postgres", 0, signal.SIGINT)
    await crowd.remove_the_outsider()
    await crowd.until_more(60, within=30)
    assert await crowd.finish() == []


async def test_who_is_disabled_or_signed_out_while_nats_is_frozen_is_gone_within_a_minute(shaken: Suite) -> None:
    shaken.until_ready()
    people = [await Person(shaken.urls[number % 2], f"u{secrets.token_hex(6)}").register() for number in range(4)]
    disabled, signed_out, *others = people
    sockets = [await person.open() for person in people]
    session = UUID(sockets[1].ready["session_id"])
    engine = make_engine(shaken.run_json()["urls"]["postgres"], application_name="auth, unheard", pool_size=1)
    pid = shaken.pids("nats")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        # What auth writes, in its own words; the hint that would follow is lost.
        async with Transactions(engine).begin() as store:
            now, target = await store.now(), UUID(disabled.id)
            await store.users.set_office(target, role="user", disabled_at=now)
            await store.sessions.end_all(target)
            everywhere = Revoked(target, None, await store.users.bump(target), "end")
            await store.sessions.end(session)
            await store.revocations.add([everywhere, Revoked(UUID(signed_out.id), session, 0, "end")], now)
        began = time.monotonic()
        await asyncio.sleep(5)
    finally:
        os.kill(pid, signal.SIGCONT)
        await engine.dispose()
    for socket in sockets[:2]:
        assert await socket.until_closed(60 - (time.monotonic() - began)) == 4503
    for person in (disabled, signed_out):
        assert (await person.http.get("/users/me")).status_code == 401
    for person, socket in zip(others, sockets[2:], strict=True):
        assert socket.closed is None
        await person.call("GET", "/users/me")
    await close_everything()


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
    store = await SendStore.connect(shaken.run_json()["urls"]["postgres"], "a test", "a replica that dies")
    send = check_send(
        Send(
            actor=Actor(user_id=UUID(alice.id), session_id=UUID(claims["id"]), role="user"),
            room_id=UUID(room),
            client_msg_id="the last words",
            body="the last words",
        )
    )
    await store.begin()
    result: Any = await Batch(store, RoomKeys(None), {"user": None}, None, wait_ms=None).run([("only", send)])
    await store.commit()
    await store.close()
    began = time.monotonic()
    seq = result.outcomes[0][1].seq
    await socket.until_seq(f"room:{room}", seq, within=10)
    assert time.monotonic() - began < 6.5
    assert socket.events(f"room:{room}")[-1]["event"]["message"]["body"] == "the last words"
    await close_everything()


async def test_history_survives_a_restart_of_everything(shaken: Suite) -> None:
    shaken.until_ready()
    alice = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    room = await alice.room()
    socket = await alice.open()
    acks = [await socket.say(room, f"line {number}") for number in range(20)]
    resume = {"epoch": socket.ready["epoch"], "at": {f"room:{room}": acks[9]["seq"]}}
    stopping = asyncio.get_running_loop().run_in_executor(None, shaken.stop)
    assert await socket.until_closed(60) in (4001, 1012)
    assert any(frame["type"] == "reconnect" for frame in socket.frames)
    await stopping
    await asyncio.get_running_loop().run_in_executor(None, shaken.start)
    again = await alice.open(resume=resume)
    assert again.ready["epoch"] == resume["epoch"]
    assert again.seqs(f"room:{room}") == [ack["seq"] for ack in acks[10:]]
    assert [message["body"] for message in await alice.history(room)] == [f"line {number}" for number in range(20)]
    await close_everything()


async def test_nothing_of_all_this_was_a_bug_of_ours(shaken: Suite) -> None:
    names = [path.stem for path in (shaken.home / "logs").iterdir()]
    errors = [line for name in names for line in shaken.logs(name) if line.get("level") in ("error", "critical")]
    # An answer that comes when nobody may be waiting for it any more is refused by NATS, which is as it should be.
    assert [
        line for line in errors if 'permissions violation for publish to "_inbox_' not in line.get("error", "")
    ] == []
