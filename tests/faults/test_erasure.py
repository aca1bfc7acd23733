"""Services die in the middle of an erasure: it goes on by itself, and everything happens once."""

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import GENEROUS, Suite
from tests.protocol_client import PASSWORD, Person, close_everything

pytestmark = pytest.mark.fault

MESSAGES = 3_000


@pytest.fixture(scope="module")
def shaken() -> Iterator[Suite]:
    """A suite of its own, since it will be mistreated."""
    running = Suite(1, {**GENEROUS, "PARLEY_MESSAGES": "2"})
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
async def database(shaken: Suite) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(shaken.run_json()["urls"]["postgres"])
    yield connection
    await connection.close()
    await close_everything()


async def erased(database: asyncpg.Connection, user_id: str) -> int:
    """How many messages have become tombstones."""
    count = await database.fetchval(
        "SELECT (counts ->> 'messages')::int FROM messages.erasures WHERE user_id = $1", user_id
    )
    return int(count or 0)


async def until_more(database: asyncpg.Connection, user_id: str, than: int, within: float = 60.0) -> int:
    deadline = time.monotonic() + within
    while (count := await erased(database, user_id)) <= than:
        assert time.monotonic() < deadline, f"still at {count}"
        await asyncio.sleep(0.02)
    return count


async def test_an_erasure_survives_the_death_of_messages_and_auth(shaken: Suite, database: asyncpg.Connection) -> None:
    alice = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    bob = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    socket = await alice.open()
    for _ in range(MESSAGES // 250):
        for identifier in await socket.pipeline(room, ["a word that will be gone"] * 250):
            assert (await socket.answer(identifier))["type"] == "ack"
    answer = await alice.http.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    # Each time it has got a little further, somebody dies.
    count = await until_more(database, alice.id, 0)
    for victim, number in (("messages", 0), ("messages", 1), ("auth", 0), ("messages", 0)):
        assert count < MESSAGES, "it was over before anybody could die"
        shaken.kill(victim, number, signal.SIGKILL)
        count = await until_more(database, alice.id, count)
    shaken.until_ready()
    receipt = await _until_done(bob, begun)
    assert receipt["stores"]["messages"]["counts"]["messages"] == MESSAGES
    assert receipt["stores"]["messages"]["counts"]["memberships"] == 1
    kinds, seqs = await _log(bob, room)
    assert kinds.count("message.deleted") == MESSAGES
    assert kinds.count("member.left") == 1
    assert seqs == list(range(1, len(seqs) + 1))
    assert not await database.fetchval(
        "SELECT EXISTS (SELECT FROM messages.message_revisions WHERE room_id = $1 AND body IS NOT NULL)", room
    )
    assert await database.fetchval("SELECT count(*) FROM auth.audit WHERE action = 'account.erased'") == 1


async def _until_done(person: Person, begun: dict[str, Any], within: float = 90.0) -> dict[str, Any]:
    deadline = time.monotonic() + within
    while True:
        answer = await person.http.get(f"/erasures/{begun['id']}", headers={"Parley-Erasure-Code": begun["code"]})
        if answer.status_code == 200 and answer.json()["state"] == "done":
            return dict(answer.json())
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.2)


async def _log(person: Person, room: str) -> tuple[list[str], list[int]]:
    kinds, seqs = [], []
    after = 0
    while True:
        page = await person.call("GET", f"/rooms/{room}/events", params={"after": after, "limit": 200})
        kinds += [item["event"]["kind"] for item in page["items"]]
        seqs += [item["seq"] for item in page["items"]]
        if page["next"] is None:
            return kinds, seqs
        after = seqs[-1]
