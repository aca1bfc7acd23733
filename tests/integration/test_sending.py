"""Sends: acknowledged once committed, once each, in order, over two gateways and two replicas of messages."""

import asyncio
import secrets
import time

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Person


async def test_two_people_talk(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    ack = await a.say(room, "hello Bob")
    event = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "message.created")
    assert event["event"]["message"]["body"] == "hello Bob"
    assert (event["seq"], event["event"]["message"]["id"]) == (ack["seq"], ack["message_id"])
    assert ack["duplicate"] is False
    assert ack["n"] == 1
    answer = await b.say(room, "hello Alice")
    assert answer["n"] == 2
    await a.until_seq(f"room:{room}", answer["seq"])
    assert [message["body"] for message in await bob.history(room)] == ["hello Bob", "hello Alice"]
    await a.close()
    await b.close()


async def test_a_retry_gets_the_same_seq_on_any_gateway_and_over_http(suite: Suite, person: NewPerson) -> None:
    alice = await person(0)
    room = await alice.room()
    first, second = await alice.open(), await alice.at(suite.urls[1]).open()
    key = secrets.token_hex(8)
    ack = await first.say(room, "once", key)
    for socket in (first, second):
        again = await socket.say(room, "once", key)
        assert again["duplicate"] is True
        assert (again["seq"], again["message_id"], again["n"]) == (ack["seq"], ack["message_id"], ack["n"])
    body = {"client_msg_id": key, "body": "once"}
    over_http = await alice.call("POST", f"/rooms/{room}/messages", 200, json=body)
    assert over_http["duplicate"] is True
    assert over_http["id"] == ack["message_id"]
    mismatch = await second.say(room, "something else", key)
    assert mismatch["code"] == "idempotency_mismatch"
    refused = await alice.call("POST", f"/rooms/{room}/messages", 409, json={**body, "body": "else"})
    assert refused["code"] == "idempotency_mismatch"
    assert len(await alice.history(room)) == 1
    await first.close()
    await second.close()


async def test_the_same_send_through_both_gateways_at_once_is_one_message(suite: Suite, person: NewPerson) -> None:
    alice = await person(0)
    room = await alice.room()
    sockets = [await alice.open(), await alice.at(suite.urls[1]).open()]
    for _ in range(20):
        key = secrets.token_hex(8)
        acks = await asyncio.gather(*(socket.say(room, "one", key) for socket in sockets))
        assert len({ack["seq"] for ack in acks}) == 1
        assert sorted(ack["duplicate"] for ack in acks) == [False, True]
    history = await alice.history(room)
    assert len(history) == 20
    assert [message["n"] for message in history] == list(range(1, 21))
    for socket in sockets:
        await socket.close()


async def test_200_pipelined_sends_keep_their_order(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    bodies = [f"message {number}" for number in range(200)]
    acks = [await a.answer(identifier) for identifier in await a.pipeline(room, bodies)]
    seqs = [ack["seq"] for ack in acks]
    assert seqs == list(range(seqs[0], seqs[0] + 200))
    for socket in (a, b):
        await socket.until_seq(f"room:{room}", seqs[-1])
        got = [frame for frame in socket.events(f"room:{room}") if frame["event"]["kind"] == "message.created"]
        assert [frame["event"]["message"]["body"] for frame in got] == bodies
        assert [frame["seq"] for frame in got] == seqs
    assert [message["body"] for message in await alice.history(room)] == bodies
    await a.close()
    await b.close()


async def test_a_refused_send_leaves_no_hole(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    socket = await alice.open()
    before = await socket.say(room, "first")
    for body, code in (("", "invalid"), ("x" * 8001, "invalid"), ("a\0b", "bad_text")):
        refused = await socket.say(room, body)
        assert (refused["type"], refused["code"]) == ("error", code)
    after = await socket.say(room, "second")
    assert after["seq"] == before["seq"] + 1
    assert after["n"] == before["n"] + 1
    assert (await socket.say(room, "x" * 8000))["type"] == "ack"
    assert (await socket.say(room, "🙂" * 8000))["type"] == "ack"
    await socket.close()


async def test_never_an_eleventh_message_within_a_minute_over_both_gateways_and_both_transports(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    # The suite lets users send without end; for moderators the limit is ten.
    alice = await person()
    await admin.call("PATCH", f"/admin/users/{alice.id}", json={"role": "moderator"})
    await alice.sign_in()
    room = await alice.room()
    sockets = [await alice.open(), await alice.at(suite.urls[1]).open()]
    second = alice.at(suite.urls[1])

    async def over_http(gateway: Person) -> dict[str, object]:
        answer = await gateway.http.post(
            f"/rooms/{room}/messages", json={"client_msg_id": secrets.token_hex(8), "body": "http"}
        )
        return {"type": "ack"} if answer.status_code == 201 else answer.json()

    began = time.monotonic()
    answers = await asyncio.gather(
        *(socket.say(room, "ws") for socket in sockets for _ in range(6)),
        *(over_http(gateway) for gateway in (alice, second) for _ in range(4)),
    )
    accepted = [answer for answer in answers if answer.get("type") == "ack"]
    refused = [answer for answer in answers if answer.get("type") != "ack"]
    assert len(accepted) == 10
    assert {answer["code"] for answer in refused} == {"rate_limited"}
    assert time.monotonic() - began < 30
    waits = [answer["retry_after_ms"] for answer in refused]
    assert all(0 < wait <= 60_001 for wait in waits)
    history = await alice.history(room)
    assert [message["n"] for message in history] == list(range(1, 11))
    # A duplicate of an accepted message is free.
    key = secrets.token_hex(8)
    assert (await sockets[0].say(room, "x", key))["code"] == "rate_limited"
    for socket in sockets:
        await socket.close()


async def test_a_sender_reads_what_he_wrote(person: NewPerson) -> None:
    alice, bob = await person(), await person()
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a = await alice.open()
    for number in range(3):
        await a.say(room, f"{number}")
    mine = next(item for item in (await bob.call("GET", "/rooms"))["items"] if item["id"] == room)
    assert mine["unread"] == 3
    assert mine["last_message"]["body"] == "2"
    own = next(item for item in (await alice.call("GET", "/rooms"))["items"] if item["id"] == room)
    assert own["unread"] == 0
    state = await bob.call("PUT", f"/rooms/{room}/read", json={"seq": mine["head"] - 1})
    assert state["unread"] == 1
    state = await bob.call("PUT", f"/rooms/{room}/read", json={"seq": 1})
    assert state["unread"] == 1
    await a.close()
