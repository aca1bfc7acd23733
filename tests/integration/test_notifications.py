"""Notifications, unread counts and blocks, as two devices of one person see them."""

import asyncio

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Frame, Person


async def until_told(person: Person, count: int) -> list[Frame]:
    """The newest first, when there are that many."""
    async with asyncio.timeout(10):
        while True:
            found = await person.call("GET", "/notifications")
            if len(found["items"]) >= count:
                return list(found["items"])
            await asyncio.sleep(0.05)


def is_event(frame: Frame, kind: str) -> bool:
    return frame["type"] == "event" and frame["event"]["kind"] == kind


async def test_what_concerns_somebody_is_told_on_every_device_and_read_on_all(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room("kitchen")
    await bob.call("POST", f"/rooms/{room}/join")
    here, there = await bob.open(), await bob.at(suite.urls[0]).open()
    talk = await alice.open()
    for text in (f"@{bob.username} one", "not for anybody", f"Hello @{bob.username.upper()}!"):
        await talk.say(room, text)
    items = await until_told(bob, 2)
    assert [item["message"]["body"] for item in items] == [f"Hello @{bob.username.upper()}!", f"@{bob.username} one"]
    assert {item["kind"] for item in items} == {"mention"}
    assert all(item["message"]["mentions"] == [bob.id] for item in items)
    for socket in (here, there):
        await socket.wait_for(
            lambda frame: (
                is_event(frame, "notification.created") and frame["event"]["notification"]["id"] == items[0]["id"]
            )
        )
        created = [frame for frame in socket.frames if is_event(frame, "notification.created")]
        assert [frame["event"]["notification"]["id"] for frame in created] == [item["id"] for item in reversed(items)]
    await bob.call("PUT", "/notifications/read", 204, json={"up_to": items[1]["id"]})
    for socket in (here, there):
        await socket.wait_for(lambda frame: is_event(frame, "notification.read"))
    mine = next(item for item in (await bob.call("GET", "/rooms"))["items"] if item["id"] == room)
    assert (mine["mentions"], mine["unread"]) == (1, 3)
    # Reading on one device reads on the other within a moment, notifications included.
    await here.command("read", room_id=room, seq=items[0]["message"]["seq"])
    mine = next(item for item in (await bob.at(suite.urls[0]).call("GET", "/rooms"))["items"] if item["id"] == room)
    assert (mine["mentions"], mine["unread"]) == (0, 0)
    assert (await bob.call("GET", "/notifications", params={"unread": "true"}))["items"] == []


async def test_levels_and_blocks_are_set_over_http(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    direct = (await alice.call("POST", "/direct", 201, json={"user_ids": [bob.id]}))["id"]
    level = await bob.call("PATCH", f"/rooms/{direct}/notify", json={"level": "none"})
    assert level["notify"] == "none"
    refused = await bob.call("PATCH", f"/rooms/{direct}/notify", 422, json={"level": "loud"})
    assert refused["code"] == "invalid"
    await bob.call("PUT", f"/users/me/blocks/{alice.id}", 204)
    await bob.call("PUT", f"/users/me/blocks/{alice.id}", 204)
    blocks = await bob.call("GET", "/users/me/blocks")
    assert [item["user_id"] for item in blocks["items"]] == [alice.id]
    send = {"client_msg_id": "1", "body": "are you there?"}
    assert (await alice.call("POST", f"/rooms/{direct}/messages", 403, json=send))["code"] == "not_reachable"
    assert (await alice.call("POST", "/direct", 404, json={"user_ids": [bob.id]}))["code"] == "not_found"
    await bob.call("DELETE", f"/users/me/blocks/{alice.id}", 204)
    await alice.call("POST", f"/rooms/{direct}/messages", 201, json=send)
    assert (await bob.call("GET", "/notifications"))["items"] == []
    assert (await bob.call("PUT", f"/users/me/blocks/{bob.id}", 422))["code"] == "invalid"
    assert (await bob.call("PUT", "/notifications/read", 404, json={"up_to": alice.id}))["code"] == "not_found"
