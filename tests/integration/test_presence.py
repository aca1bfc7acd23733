"""Who is there, through the gateways: for people who share a room, and for nobody else."""

import asyncio
import time
from datetime import datetime
from typing import Any

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Frame, Person, Socket

NOWHERE = "01890000-0000-7000-8000-000000000000"
GRACE_S = 10.0


async def friends(*people: Person) -> str:
    """A room of theirs."""
    room = await people[0].room()
    for other in people[1:]:
        await other.call("POST", f"/rooms/{room}/join")
    return room


def told(socket: Socket, person: Person) -> list[Frame]:
    """What a socket was told of somebody."""
    return [frame for frame in socket.frames if frame["type"] == "presence" and frame["user_id"] == person.id]


async def until(socket: Socket, person: Person, status: str, within: float = 10.0, since: int = 0) -> Frame:
    return await socket.wait_for(
        lambda frame: frame["type"] == "presence" and frame["user_id"] == person.id and frame["status"] == status,
        within,
        since,
    )


async def watch(socket: Socket, *people: Person | str) -> Frame:
    ids = [person if isinstance(person, str) else person.id for person in people]
    return await socket.command("watch_presence", user_ids=ids)


async def look(viewer: Person, *people: Person | str) -> dict[str, Frame]:
    ids = ",".join(person if isinstance(person, str) else person.id for person in people)
    answer = await viewer.call("GET", "/presence", params={"user_ids": ids})
    assert answer["next"] is None
    return {item["user_id"]: item for item in answer["items"]}


async def choose(person: Person, status: str, text: str | None = None) -> Frame:
    found: Frame = await person.call("PUT", "/presence/me", json={"status": status, "text": text})
    return found


async def test_friends_see_each_other_come_and_go(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    await friends(alice, bob)
    a = await alice.open()
    assert (await watch(a, bob))["type"] == "ack"
    assert told(a, bob) == [{"type": "presence", "user_id": bob.id, "status": "offline"}], "he was never there"
    b = await bob.open()
    assert await until(a, bob, "online") == {"type": "presence", "user_id": bob.id, "status": "online"}
    assert (await look(alice, bob))[bob.id]["status"] == "online"
    began = time.monotonic()
    await b.close()
    gone = await until(a, bob, "offline", within=GRACE_S + 8, since=a.frames.index(told(a, bob)[-1]) + 1)
    assert time.monotonic() - began > GRACE_S - 1
    assert datetime.fromisoformat(gone["last_seen"]).tzinfo is not None
    assert (await look(alice, bob))[bob.id] == {
        "user_id": bob.id,
        "status": "offline",
        "last_seen": gone["last_seen"],
        "text": None,
    }


async def test_a_reconnect_to_another_gateway_is_not_seen(suite: Suite, person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    await friends(alice, bob, carol)
    a, b = await alice.open(), await bob.open()
    await watch(a, bob, carol)
    await until(a, bob, "online")
    await b.close()
    again = await bob.at(suite.urls[0]).open()
    # What would have been told of him would have come before what is told of her.
    await carol.open()
    await until(a, carol, "online")
    await choose(bob, "away")
    await until(a, bob, "away")
    assert [frame["status"] for frame in told(a, bob) if frame["status"] != "offline"] == ["online", "away"]
    assert told(a, bob)[-1]["status"] == "away"
    await again.close()


async def test_status_and_text_are_told_and_a_repetition_is_not(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    await friends(alice, bob)
    a, _ = await alice.open(), await bob.open()
    await watch(a, bob)
    await until(a, bob, "online")
    assert await choose(bob, "busy", "in a meeting") == {
        "user_id": bob.id,
        "status": "busy",
        "last_seen": None,
        "text": "in a meeting",
    }
    assert (await until(a, bob, "busy"))["text"] == "in a meeting"
    await choose(bob, "busy", "in a meeting")
    await choose(bob, "away")
    assert "text" not in await until(a, bob, "away"), "without a text there is none any more"
    assert [frame["status"] for frame in told(a, bob)][-2:] == ["busy", "away"]


async def test_of_many_changes_the_last_arrives(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    await friends(alice, bob)
    a, _ = await alice.open(), await bob.open()
    await watch(a, bob)
    await until(a, bob, "online")
    before = len(told(a, bob))
    for number in range(20):
        await choose(bob, "busy", str(number))
    await a.wait_for(lambda frame: frame["type"] == "presence" and frame.get("text") == "19")
    assert len(told(a, bob)) - before < 20


async def test_who_is_invisible_looks_like_somebody_who_has_gone(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    await friends(alice, bob)
    a, _ = await alice.open(), await bob.open()
    await watch(a, bob)
    await until(a, bob, "online")
    assert (await choose(bob, "invisible"))["status"] == "invisible", "to himself he is as he wishes"
    since = a.frames.index(told(a, bob)[-1])
    gone = await until(a, bob, "offline", since=since)
    # What he does from now on is his own affair.
    await choose(bob, "invisible", "still here")
    another = await bob.open()
    seen = (await look(alice, bob))[bob.id]
    assert (seen["status"], seen["last_seen"], seen["text"]) == ("offline", gone["last_seen"], None)
    assert (await look(bob, bob))[bob.id]["text"] == "still here"
    await another.close()
    await choose(bob, "online")
    await until(a, bob, "online", since=a.frames.index(gone))
    assert [frame["status"] for frame in told(a, bob)[-3:]] == ["online", "offline", "online"]


async def test_own_devices_are_told_what_one_wants_to_be_shown_as(suite: Suite, person: NewPerson) -> None:
    alice = await person(0)
    phone, laptop = await alice.open(), await alice.at(suite.urls[1]).open()
    for device in (phone, laptop):
        await watch(device, alice)
        await until(device, alice, "online")
    await choose(alice, "invisible")
    for device in (phone, laptop):
        await until(device, alice, "invisible")


async def test_strangers_are_like_people_who_do_not_exist(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    await alice.open()
    e = await eve.open()
    assert await look(eve, alice, NOWHERE) == {}
    await watch(e, alice, NOWHERE, eve)
    await until(e, eve, "online")
    await choose(alice, "busy", "secret")
    await choose(eve, "away")
    await until(e, eve, "away")
    assert told(e, alice) == []


async def test_who_joins_is_seen_and_who_leaves_is_not(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    a, b = await alice.open(), await bob.open()
    await watch(b, alice)
    assert told(b, alice) == []
    await bob.call("POST", f"/rooms/{room}/join")
    await until(b, alice, "online")
    await bob.call("POST", f"/rooms/{room}/leave", 204)
    assert await until(b, alice, "offline") == {"type": "presence", "user_id": alice.id, "status": "offline"}
    assert await look(bob, alice) == await look(alice, bob) == {}
    await a.close()


async def test_a_block_hides_both_from_each_other(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    await friends(alice, bob)
    a, _ = await alice.open(), await bob.open()
    await watch(a, bob)
    await until(a, bob, "online")
    assert await alice.http.put(f"/users/me/blocks/{bob.id}")
    assert await look(alice, bob) == await look(bob, alice) == {}
    assert "last_seen" not in await until(a, bob, "offline", since=a.frames.index(told(a, bob)[-1]))
    await choose(bob, "busy")
    assert await alice.http.delete(f"/users/me/blocks/{bob.id}")
    await until(a, bob, "busy")


async def test_a_new_list_replaces_the_old_one(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    await friends(alice, bob, carol)
    a, _, _ = await alice.open(), await bob.open(), await carol.open()
    await watch(a, bob)
    await until(a, bob, "online")
    await watch(a, carol)
    await until(a, carol, "online")
    await choose(bob, "busy")
    await choose(carol, "busy")
    await until(a, carol, "busy")
    assert told(a, bob)[-1]["status"] == "online"
    await watch(a)
    await choose(carol, "away")
    await watch(a, bob)
    await until(a, bob, "busy")
    assert told(a, carol)[-1]["status"] == "busy"


async def test_what_is_wrong_is_said(person: NewPerson) -> None:
    alice = await person(0)
    a = await alice.open()
    too_many = [NOWHERE] * 1 + [f"01890000-0000-7000-8000-{number:012x}" for number in range(1, 202)]
    refused = await watch(a, *too_many)
    assert (refused["code"], list(refused["errors"])) == ("invalid", ["user_ids"])
    assert (await watch(a, *too_many[:200]))["type"] == "ack"

    async def problem(method: str, path: str, **more: Any) -> tuple[int, str, list[str]]:
        answer = await alice.http.request(method, path, **more)
        body = answer.json()
        return answer.status_code, body["code"], list(body.get("errors") or ())

    assert await problem("GET", "/presence", params={"user_ids": ",".join(too_many)}) == (422, "invalid", ["user_ids"])
    assert await problem("GET", "/presence", params={"user_ids": "bob"}) == (422, "invalid", ["user_ids"])
    assert await problem("GET", "/presence") == (422, "invalid", ["user_ids"])
    assert (await alice.call("GET", "/presence", params={"user_ids": ""}))["items"] == []
    for body, code in (
        ({"status": "asleep"}, "invalid"),
        ({}, "invalid"),
        ({"status": "busy", "text": "x" * 101}, "invalid"),
        ({"status": "busy", "text": "a\0b"}, "bad_text"),
    ):
        assert (await problem("PUT", "/presence/me", json=body))[:2] == (422, code)
    assert (await choose(alice, "busy", "x" * 100))["text"] == "x" * 100


# -- the connection log


async def log(admin: Person, **where: Any) -> list[Frame]:
    return list((await admin.call("GET", "/admin/connections", params=where))["items"])


async def until_logged(admin: Person, connection_id: str, closed: bool = True) -> Frame:
    async with asyncio.timeout(10):
        while True:
            found = await log(admin, connection_id=connection_id)
            if found and (found[0]["closed_at"] is not None) == closed:
                return found[0]
            await asyncio.sleep(0.1)


def connection_id(socket: Socket) -> str:
    return str(next(frame for frame in socket.frames if frame["type"] == "hello")["connection_id"])


async def test_an_admin_reads_how_connections_came_and_went(suite: Suite, person: NewPerson, admin: Person) -> None:
    alice = await person(1)
    first = await alice.open(device_id="phone", client="tests/1.0")
    opened = await until_logged(admin, connection_id(first), closed=False)
    assert (opened["user_id"], opened["device_id"], opened["client"]) == (alice.id, "phone", "tests/1.0")
    assert opened["ip_prefix"] == suite.seen_from(opened["ip_prefix"])
    assert (opened["code"], opened["side"], opened["resume"]) == (None, None, "none")
    room = await alice.room()
    await first.say(room, "hello")
    epoch, head = first.ready["epoch"], first.ready["streams"][f"user:{alice.id}"]["head"]
    await first.close()
    closed = await until_logged(admin, connection_id(first))
    assert (closed["code"], closed["side"]) == (1000, "client")
    assert closed["gateway"] == suite.instance(1, closed["gateway"])
    assert closed["bytes_in"] > 100
    assert closed["bytes_out"] > 100
    second = await alice.open(
        device_id="phone",
        last_close={"code": 1006, "reason": "the tunnel"},
        resume={"epoch": epoch, "at": {f"user:{alice.id}": head}},
    )
    again = await until_logged(admin, connection_id(second), closed=False)
    assert (again["last_close_code"], again["last_close_reason"], again["resume"]) == (1006, "the tunnel", "recovered")
    second.cut()
    lost = await until_logged(admin, connection_id(second))
    assert (lost["code"], lost["side"]) == (1006, "network")
    # One line for each step of a connection's life, on the gateway that had it.
    lines = [line for line in suite.logs("gateway-2") if line.get("connection_id") == connection_id(second)]
    assert [line["event"] for line in lines] == [
        "connection.open",
        "connection.auth",
        "connection.resume",
        "connection.close",
    ]


async def test_the_log_is_read_in_pages_and_by_time(person: NewPerson, admin: Person) -> None:
    alice = await person(0)
    ids = []
    for _ in range(3):
        socket = await alice.open()
        ids.append(connection_id(socket))
        await socket.close()
        await until_logged(admin, ids[-1])
    newest_first = list(reversed(ids))
    assert [item["connection_id"] for item in await log(admin, user_id=alice.id)] == newest_first
    page = await admin.call("GET", "/admin/connections", params={"user_id": alice.id, "limit": 2})
    rest = await admin.call(
        "GET", "/admin/connections", params={"user_id": alice.id, "limit": 2, "cursor": page["next"]}
    )
    assert [item["connection_id"] for item in page["items"] + rest["items"]] == newest_first
    assert rest["next"] is None
    middle = page["items"][1]
    around = await log(admin, user_id=alice.id, since=middle["opened_at"], until=middle["closed_at"])
    assert [item["connection_id"] for item in around] == [ids[1]]
    assert (await admin.call("GET", "/admin/connections", 422, params={"cursor": "x"}))["code"] == "bad_cursor"
    assert (await admin.call("GET", "/admin/connections", 422, params={"since": "yesterday"}))["code"] == "invalid"
    assert (await admin.call("GET", "/admin/connections", 422, params={"since": "2026-11-24T12:00:00"}))[
        "code"
    ] == "invalid"


async def test_the_log_is_for_admins(person: NewPerson) -> None:
    alice = await person(0)
    assert (await alice.call("GET", "/admin/connections", 403))["code"] == "forbidden"
