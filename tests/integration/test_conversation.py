"""What one does to a message, over HTTP and the socket, as others see it."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Frame, Person, Socket


async def say(person: Person, room: str, body: str, **more: object) -> Frame:
    content = {"client_msg_id": secrets.token_hex(8), "body": body, **more}
    return dict(await person.call("POST", f"/rooms/{room}/messages", 201, json=content))


def path(message: Frame, *parts: str) -> str:
    return "/".join([f"/rooms/{message['room_id']}/messages/{message['id']}", *(quote(part) for part in parts)])


async def kinds(person: Person, room: str, after: int) -> list[str]:
    page = await person.call("GET", f"/rooms/{room}/events", params={"after": after})
    return [frame["event"]["kind"] for frame in page["items"]]


async def two_in_a_room(person: NewPerson, **settings: object) -> tuple[Person, Person, str]:
    alice, bob = await person(0), await person(1)
    room = await alice.room(**settings)
    await bob.call("POST", f"/rooms/{room}/join")
    return alice, bob, room


async def test_an_edit_over_http_and_one_over_the_socket(person: NewPerson) -> None:
    alice, bob, room = await two_in_a_room(person)
    watcher, writer = await bob.open(), await alice.open()
    message = await say(alice, room, "Helo")
    edited = await alice.call("PATCH", path(message), json={"rev": 1, "body": "Hello"})
    assert (edited["body"], edited["rev"], edited["seq"]) == ("Hello", 2, message["seq"])
    answer = await writer.command("edit", room_id=room, message_id=message["id"], rev=2, body="Hello!")
    assert answer["type"] == "ack"
    await watcher.until_seq(f"room:{room}", message["seq"] + 2)
    told = [frame["event"] for frame in watcher.events(f"room:{room}")][-2:]
    assert [(event["kind"], event["rev"], event["body"]) for event in told] == [
        ("message.edited", 2, "Hello"),
        ("message.edited", 3, "Hello!"),
    ]
    late = await alice.call("PATCH", path(message), 409, json={"rev": 2, "body": "?"})
    assert (late["code"], late["current"]) == ("rev_conflict", await alice.call("GET", path(message)))
    answer = await writer.command("edit", room_id=room, message_id=message["id"], rev=2, body="?")
    assert (answer["type"], answer["code"]) == ("error", "rev_conflict")
    assert (await bob.call("PATCH", path(message), 403, json={"rev": 3, "body": "?"}))["code"] == "forbidden"


async def test_reactions_of_any_emoji_travel_in_the_path(person: NewPerson) -> None:
    alice, bob, room = await two_in_a_room(person)
    message = await say(alice, room, "vote")
    for reaction in ("like", "👍🏽", "👨‍👩‍👧‍👦", "#️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️"):
        await bob.call("PUT", path(message, "reactions", reaction), 204)
        await bob.call("PUT", path(message, "reactions", reaction), 204)
        await alice.call("PUT", path(message, "reactions", reaction), 204)
        await bob.call("DELETE", path(message, "reactions", reaction), 204)
        await bob.call("DELETE", path(message, "reactions", reaction), 204)
    found = (await bob.call("GET", path(message)))["reactions"]
    assert [(item["count"], item["user_ids"], item["mine"]) for item in found] == [(1, [alice.id], False)] * 6
    assert [item["reaction"] for item in found] == sorted(item["reaction"] for item in found)
    for wrong in ("love", "👍👍", "%FF", "%00", "a" * 60):
        target = f"{path(message)}/reactions/{wrong if wrong.startswith('%') else quote(wrong)}"
        problem = await bob.call("PUT", target, 422)
        assert (problem["code"], list(problem["errors"])) == ("invalid", ["reaction"])
    socket = await bob.open()
    named = {"room_id": room, "message_id": message["id"]}
    assert (await socket.command("react", **named, reaction="dislike"))["type"] == "ack"
    assert (await socket.command("react", **named, reaction="like"))["type"] == "ack"
    assert (await socket.command("unreact", **named, reaction="like"))["type"] == "ack"
    assert (await socket.command("react", **named, reaction="x"))["code"] == "invalid"
    assert (await kinds(alice, room, message["seq"]))[-4:] == [
        "reaction.added",
        "reaction.removed",
        "reaction.added",
        "reaction.removed",
    ]


async def test_pins_revisions_threads_and_status(person: NewPerson) -> None:
    alice, bob, room = await two_in_a_room(person)
    message = await say(alice, room, "one")
    await alice.call("PATCH", path(message), json={"rev": 1, "body": "two"})
    assert (await bob.call("PUT", path(message, "pin"), 403))["code"] == "forbidden"
    await alice.call("PUT", path(message, "pin"), 204)
    pinned = await bob.call("GET", f"/rooms/{room}/pins")
    assert [(item["id"], item["pinned"]) for item in pinned["items"]] == [(message["id"], True)]
    await alice.call("DELETE", path(message, "pin"), 204)
    versions = await alice.call("GET", path(message, "revisions"))
    assert [(item["rev"], item["body"]) for item in versions["items"]] == [(1, "one"), (2, "two")]
    assert (await bob.call("GET", path(message, "revisions"), 403))["code"] == "forbidden"
    replies = [await say(bob, room, f"reply {n}", thread_root_id=message["id"]) for n in range(3)]
    thread = await alice.call("GET", path(replies[0], "thread"), params={"limit": 2})
    assert (thread["root"]["id"], thread["following"], thread["unread"]) == (message["id"], True, 3)
    rest = await alice.call("GET", path(message, "thread"), params={"cursor": thread["next"]})
    assert [item["body"] for item in thread["items"] + rest["items"]] == ["reply 0", "reply 1", "reply 2"]
    await alice.call("DELETE", path(message, "follow"), 204)
    assert not (await alice.call("GET", path(message, "thread")))["following"]
    await alice.call("PUT", path(message, "follow"), 204)
    await bob.call("PUT", f"/rooms/{room}/read", json={"seq": message["seq"]})
    assert await alice.call("GET", path(message, "status")) == {
        "members": 1,
        "delivered": 1,
        "read": 1,
        "recipients": [{"user_id": bob.id, "state": "read"}],
    }


async def test_deletions_have_an_optional_body_and_are_done_once(person: NewPerson) -> None:
    alice, bob, room = await two_in_a_room(person)
    own, rude, other = [await say(bob, room, body) for body in ("own", "rude", "other")]
    await bob.call("DELETE", path(own), 204)
    await bob.call("DELETE", path(own), 204)
    await alice.call("DELETE", path(rude), 204, json={"reason": "rude"})
    assert (await alice.call("DELETE", path(other), 422, json={"reason": 5}))["code"] == "invalid"
    socket = await alice.open()
    named = {"room_id": room, "message_id": other["id"]}
    assert (await socket.command("delete", **named, reason="over the socket"))["type"] == "ack"
    assert await kinds(alice, room, other["seq"]) == ["message.deleted"] * 3
    versions = (await alice.call("GET", path(rude, "revisions")))["items"]
    assert [(item["body"], item["reason"]) for item in versions] == [("rude", None), (None, "rude")]
    gone = await bob.call("GET", path(rude))
    assert (gone["deleted"], gone["deleted_by"], gone["body"]) == (True, alice.id, None)
    for method, target, body in (
        ("PATCH", path(rude), {"rev": 2, "body": "back"}),
        ("PUT", path(rude, "reactions", "like"), None),
    ):
        assert (await bob.call(method, target, 409, json=body))["code"] == "deleted"


async def test_who_is_no_member_is_told_so_in_a_public_room_and_nothing_in_a_private_one(person: NewPerson) -> None:
    alice, stranger = await person(0), await person(1)
    for settings, status, code in (({}, 403, "not_a_member"), ({"visibility": "private"}, 404, "not_found")):
        message = await say(alice, await alice.room(**settings), "x")
        for method, target, body in (
            ("PATCH", path(message), {"rev": 1, "body": "x"}),
            ("DELETE", path(message), None),
            ("PUT", path(message, "reactions", "like"), None),
            ("DELETE", path(message, "reactions", "like"), None),
            ("PUT", path(message, "pin"), None),
            ("DELETE", path(message, "pin"), None),
            ("GET", path(message, "revisions"), None),
            ("GET", path(message, "thread"), None),
            ("PUT", path(message, "follow"), None),
            ("GET", path(message, "status"), None),
            ("GET", f"/rooms/{message['room_id']}/pins", None),
        ):
            assert (await stranger.call(method, target, status, json=body))["code"] == code, (method, target)


async def test_deleted_text_is_nowhere(suite: Suite, person: NewPerson) -> None:
    """In no answer, on no socket that comes later, in nothing that NATS keeps, in no log."""
    canary = f"canary-{secrets.token_hex(12)}"
    alice, bob, room = await two_in_a_room(person)
    before = await bob.open()
    root = await say(alice, room, "root")
    message = await say(alice, room, f"{canary} @{bob.username}")
    reply = await say(alice, room, canary, thread_root_id=root["id"])
    await alice.call("PATCH", path(message), json={"rev": 1, "body": f"{canary} again @{bob.username}"})
    await bob.call("PUT", path(message, "reactions", "❤️"), 204)
    await alice.call("PUT", path(message, "pin"), 204)
    await before.wait_for(lambda frame: frame.get("event", {}).get("kind") == "notification.created")
    for gone in (message, reply):
        await alice.call("DELETE", path(gone), 204)
    head = (await bob.call("GET", f"/rooms/{room}"))["head"]
    await before.until_seq(f"room:{room}", head)
    epoch = before.ready["epoch"]
    shown: list[object] = []
    for url in suite.urls * 3:
        reader = bob.at(url)
        shown += [
            await reader.call("GET", target)
            for target in (
                "/rooms",
                "/notifications",
                "/users/me/events",
                f"/rooms/{room}",
                f"/rooms/{room}/messages",
                f"/rooms/{room}/messages?around={message['seq']}",
                f"/rooms/{room}/events",
                f"/rooms/{room}/pins",
                path(message),
                path(message, "thread"),
                path(root, "thread"),
                path(reply, "status"),
            )
        ]
        for resume in (None, {"epoch": epoch, "at": {f"room:{room}": root["seq"] - 1, f"user:{bob.id}": 0}}):
            socket = await reader.open(**({} if resume is None else {"resume": resume}))
            if resume is not None:
                assert socket.ready["streams"][f"room:{room}"]["status"] == "recovered"
                assert "message.deleted" in [frame["event"]["kind"] for frame in socket.events(f"room:{room}")]
            shown.append(socket.frames)
            await socket.close()
    assert canary in str(before.frames), "he was there when it was said"
    assert canary not in str(shown)
    async with asyncio.timeout(10):
        # NATS has kept that the room has grown, and no more than that.
        while not any(room.encode() in found for found in kept(suite.kept("jetstream"))):
            await asyncio.sleep(0.05)
    for folder in ("jetstream", "logs"):
        assert not [found for found in kept(suite.kept(folder)) if canary.encode() in found], folder


def kept(folder: Path) -> list[bytes]:
    return [found.read_bytes() for found in folder.rglob("*") if found.is_file()]


async def test_receipts_go_to_others_and_to_ones_own_devices_unless_one_wants_none(person: NewPerson) -> None:
    alice, bob, carol = await person(0), await person(1), await person(0)
    room = await alice.room()
    for somebody in (bob, carol):
        await somebody.call("POST", f"/rooms/{room}/join")
    me = await carol.call("GET", "/users/me")
    await carol.call("PATCH", "/users/me", json={"rev": me["rev"], "read_receipts": False})
    a, b, other_b, c, other_c = [await who.open() for who in (alice, bob, bob, carol, carol)]
    message = await say(alice, room, "hello")
    for socket in (b, c):
        await socket.until_seq(f"room:{room}", message["seq"])
        assert (await socket.command("read", room_id=room, seq=message["seq"]))["type"] == "ack"

    def receipt_of(who: Person) -> object:
        return lambda frame: frame["type"] == "receipt" and frame["user_id"] == who.id

    for socket in (a, b, other_b):
        frame = await socket.wait_for(receipt_of(bob))  # type: ignore[arg-type]
        assert (frame["delivered_seq"], frame["read_seq"]) == (message["seq"], message["seq"])
    for socket in (c, other_c):
        await socket.wait_for(receipt_of(carol))  # type: ignore[arg-type]
    # Alice's own, which comes after those before it to everybody who gets it.
    assert (await a.command("read", room_id=room, seq=message["seq"] + 5))["type"] == "ack"
    assert not [frame for socket in (a, b, other_b) for frame in socket.frames if receipt_of(carol)(frame)]  # type: ignore[operator]
    assert not [frame for socket in (c, other_c) for frame in socket.frames if receipt_of(bob)(frame)]  # type: ignore[operator]
    states = {
        item["user_id"]: item["state"] for item in (await alice.call("GET", path(message, "status")))["recipients"]
    }
    assert states == {bob.id: "read", carol.id: "delivered"}
    states = {
        item["user_id"]: item["state"] for item in (await carol.call("GET", path(message, "status")))["recipients"]
    }
    assert states == {bob.id: "delivered", carol.id: "read"}


@pytest.mark.parametrize("turns", [3])
async def test_two_who_change_one_message_at_once_leave_one_story(person: NewPerson, turns: int) -> None:
    alice, bob, room = await two_in_a_room(person)
    for _ in range(turns):
        message = await say(alice, room, "x")
        sockets: list[Socket] = [await alice.open(), await bob.open()]
        named = {"room_id": room, "message_id": message["id"]}
        await asyncio.gather(
            sockets[0].command("edit", **named, rev=1, body="edited"),
            sockets[0].command("react", **named, reaction="like"),
            sockets[1].command("react", **named, reaction="like"),
            alice.http.delete(path(message)),
            sockets[1].command("unreact", **named, reaction="like"),
        )
        story = await kinds(bob, room, message["seq"])
        assert story[-1] == "message.deleted"
        final = await bob.call("GET", path(message))
        assert (final["deleted"], final["body"], final["reactions"]) == (True, None, [])
