"""Where a message has come, asked through a gateway: by its sender, by support, and by others, who are told nothing."""

import asyncio
import secrets
from pathlib import Path

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_command import Terminal
from tests.protocol_client import Frame, Person

WITHIN_S = 60.0


def path(room: str, message_id: str) -> str:
    return f"/rooms/{room}/messages/{message_id}/journey"


async def until(
    person: Person, room: str, message_id: str, *, gateways: int = 0, read: int = 0, notified: int = 0
) -> Frame:
    """Once so much is known of it."""
    found: Frame = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = await person.call("GET", path(room, message_id))
                handed = [part for part in found["gateways"] if part["handed_over"]]
                if (
                    found["published"]["relayed"]
                    and not found["waiting"]
                    and len(handed) >= gateways
                    and found["read"] >= read
                    and found["notified"] >= notified
                ):
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(found) from None


async def test_a_sender_follows_a_message_from_the_commit_to_the_devices(suite: Suite, person: NewPerson) -> None:
    suite.two_gateways()
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    sender, receiver = await alice.open(device_id="alice's desk"), await bob.open(device_id="bob's phone")
    ack = await sender.say(room, f"hello @{bob.username}")
    await receiver.until_seq(f"room:{room}", ack["seq"])
    await sender.command("read", room_id=room, seq=ack["seq"])
    await receiver.command("read", room_id=room, seq=ack["seq"])
    found = await until(alice, room, ack["message_id"], gateways=2, read=1, notified=1)
    assert (found["viewer"], found["sender_id"], found["rev"]) == ("sender", alice.id, 1)
    committed = found["committed"]
    assert (committed["at"], committed["seq"], committed["n"]) == (ack["created_at"], ack["seq"], ack["n"])
    assert committed["replica"] is not None
    if len(set(suite.urls)) == 2:
        assert [part["gateway"] for part in found["gateways"]] == [
            suite.instance(number, part["gateway"]) for number, part in enumerate(found["gateways"])
        ]
    assert all(part["at"] is not None for part in found["gateways"])
    devices = [device for part in found["gateways"] for device in part["devices"]]
    # Of devices he sees his own.
    assert [(device["user_id"], device["device_id"], device["read"]) for device in devices] == [
        (alice.id, "alice's desk", True)
    ]
    assert found["recipients"] == [{"user_id": bob.id, "state": "read"}]
    [decision] = found["notifications"]
    assert (decision["user_id"], decision["rule"], decision["outcome"]) == (bob.id, "mentioned", "notified")
    assert (decision["at"], decision["read"]) == (None, None)
    assert "hello" not in str(found)
    assert bob.username not in str(found)


async def test_support_sees_all_devices_once_the_room_is_open_to_it_and_that_is_noted(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    suite.two_gateways()
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await alice.room(visibility="private")
    for member in (bob, carol):
        await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": member.id})
    await carol.call("PATCH", f"/rooms/{room}/notify", json={"level": "none"})
    sender, receiver = await alice.open(), await bob.open(device_id="bob's phone")
    ack = await sender.say(room, f"@{bob.username} @{carol.username}")
    await receiver.until_seq(f"room:{room}", ack["seq"])
    await receiver.send(type="delivered", room_id=room, seq=ack["seq"])
    await until(alice, room, ack["message_id"], gateways=2, notified=1)
    await admin.call("GET", path(room, ack["message_id"]), 404)
    await admin.call("POST", "/admin/access", 201, json={"room_id": room, "reason": "Ticket 4711", "minutes": 10})
    found = await until(admin, room, ack["message_id"], gateways=2, notified=1)
    assert found["viewer"] == "support"
    devices = {device["user_id"]: device for part in found["gateways"] for device in part["devices"]}
    assert set(devices) >= {alice.id, bob.id}
    assert (devices[bob.id]["device_id"], devices[bob.id]["delivered"], devices[bob.id]["read"]) == (
        "bob's phone",
        True,
        False,
    )
    outcomes = {item["user_id"]: item["outcome"] for item in found["notifications"]}
    assert outcomes == {bob.id: "notified", carol.id: "level"}
    trail = await admin.call(
        "GET", "/admin/audit", params={"area": "rooms", "room_id": room, "action": "access.journey"}
    )
    assert {(item["actor_id"], item["target_id"]) for item in trail["items"]} == {(admin.id, ack["message_id"])}


async def test_others_are_told_nothing(suite: Suite, person: NewPerson) -> None:
    alice, bob, stranger = await person(0), await person(1), await person(1)
    room = await alice.room(visibility="private")
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    message = await alice.call("POST", f"/rooms/{room}/messages", 201, json={"client_msg_id": "1", "body": "hello"})
    assert (await bob.call("GET", path(room, message["id"]), 403))["code"] == "forbidden"
    hidden = await stranger.call("GET", path(room, message["id"]), 404)
    absent = await stranger.call("GET", path(message["id"], room), 404)
    assert (hidden["code"], hidden["detail"]) == (absent["code"], absent["detail"])


async def test_a_gateway_remembers_when_nobody_follows_the_room_any_more(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    suite.two_gateways()
    room = (await alice.call("POST", "/direct", 201, json={"user_ids": [bob.id]}))["id"]
    sender, receiver = await alice.open(), await bob.open()
    ack = await sender.say(room, "hello")
    await receiver.until_seq(f"room:{room}", ack["seq"])
    before = await until(alice, room, ack["message_id"], gateways=2)
    await receiver.close()
    after = await until(alice, room, ack["message_id"], gateways=2)
    # Nothing here says whether the other one is there at this moment.
    assert [part["gateway"] for part in after["gateways"]] == [part["gateway"] for part in before["gateways"]]


async def test_from_a_terminal_with_and_without_the_room(suite: Suite, person: NewPerson, tmp_path: Path) -> None:
    from tests.protocol_client import PASSWORD

    alice, bob = await person(0), await person(1)
    name = f"r{secrets.token_hex(6)}"
    room = await alice.room(name)
    await bob.call("POST", f"/rooms/{room}/join")
    message = await alice.call(
        "POST", f"/rooms/{room}/messages", 201, json={"client_msg_id": "1", "body": f"secret words @{bob.username}"}
    )
    await until(alice, room, message["id"], notified=1)
    terminal = Terminal(suite, tmp_path)
    await terminal.run("login", alice.username, "--password-stdin", said=PASSWORD)
    for words in (("journey", message["id"]), ("journey", message["id"], "--room", name)):
        shown = await terminal.run(*words)
        assert "committed" in shown
        assert "published" in shown
        assert f"{bob.username}: notified (mention: named in it)" in shown
        assert "secret words" not in shown
    assert "None of your rooms" in await terminal.run("journey", room, code=1)
