"""Sealed rooms through the gateways: they work like others, say what they are, are never found, and end with their keys."""

import json
import secrets
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_images import send, until, upload
from tests.integration.test_leaving import everywhere
from tests.integration.test_search import found, say, until_found, word
from tests.pictures import png
from tests.protocol_client import Frame, Person


async def sealed_room(person: Person, **more: Any) -> str:
    return await person.room("Safe", visibility="private", encryption="sealed", **more)


async def add(owner: Person, room: str, somebody: Person) -> None:
    await owner.call("POST", f"/rooms/{room}/members", 201, json={"user_id": somebody.id})


async def test_people_talk_in_a_sealed_room_as_in_any_other(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await sealed_room(alice)
    await add(alice, room, bob)
    assert (await bob.call("GET", f"/rooms/{room}"))["encryption"] == "sealed"
    a, b = await alice.open(), await bob.open()
    ack = await a.say(room, "a secret")
    event = await b.wait_for(lambda frame: frame["type"] == "event" and frame["seq"] == ack["seq"])
    assert event["event"]["message"]["body"] == "a secret"
    path = f"/rooms/{room}/messages/{ack['message_id']}"
    await alice.call("PATCH", path, json={"rev": 1, "body": "another secret"})
    assert (await bob.call("GET", path))["body"] == "another secret"
    reply = await say(bob, room, "and mine", thread_root_id=ack["message_id"])
    assert (await alice.call("GET", f"{path}/thread"))["items"][0]["body"] == "and mine"
    assert [item["body"] for item in (await alice.call("GET", f"{path}/revisions"))["items"]] == [
        "a secret",
        "another secret",
    ]
    image = await upload(alice, png())
    assert (await send(alice, room, image))["media"] == [image]
    assert (await bob.http.get(f"/media/{image['id']}")).status_code == 200
    await bob.call("DELETE", f"/rooms/{room}/messages/{reply['id']}", 204)
    await a.close()
    again = await alice.open(resume={"epoch": a.ready["epoch"], "at": {f"room:{room}": ack["seq"] - 1}})
    messages = [frame["event"]["message"] for frame in again.events(f"room:{room}") if "message" in frame["event"]]
    assert messages[0]["body"] == "another secret"


async def test_a_room_says_in_plain_words_who_can_read_it(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    room, plain = await sealed_room(alice), await alice.room()
    told = await alice.call("GET", f"/rooms/{room}/privacy")
    assert (told["encryption"], told["searchable"], told["key_version"]) == ("sealed", False, 1)
    assert told["key_since"]
    assert told["unreadable_before"] is None
    text = " ".join([told["summary"], *told["can_read"], *told["cannot_read"], *told["not_protected"]]).lower()
    for promise in ("not end-to-end", "encrypted at rest", "server can read", "not searchable", "backup", "members"):
        assert promise in text, promise
    other = await eve.call("GET", f"/rooms/{plain}/privacy")
    assert (other["encryption"], other["searchable"], other["key_version"]) == ("plain", True, None)
    assert "database" in " ".join(other["can_read"])
    assert (await eve.call("GET", f"/rooms/{room}/privacy", 404))["code"] == "not_found"


async def test_a_sealed_room_is_never_found(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room, plain = await sealed_room(alice), await alice.room(f"Plain {word()}")
    await add(alice, room, bob)
    await bob.call("POST", f"/rooms/{plain}/join")
    said = word()
    await say(alice, room, f"{said} sealed")
    await send(alice, room, await upload(alice, png()), body=f"{said} sealed picture")
    await say(alice, plain, f"{said} plain")
    for somebody in (alice, bob):
        await until_found(somebody, said, [f"{said} plain"])
        for q, params in (
            ("in:Safe", {}),
            (said, {"room_id": room}),
            ("has:image", {}),
            (f"from:{alice.username}", {}),
        ):
            assert all("sealed" not in text for text in await found(somebody, q, **params)), (q, params)


def files_with(folder: Path, needles: list[bytes]) -> list[str]:
    """Files below the folder that hold one of these."""
    hits = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # a log of the database's that has been recycled
                continue
            hits += [f"{path.relative_to(folder)}: {needle[:12]!r}" for needle in needles if needle in data]
    return hits


async def test_nothing_of_a_sealed_room_and_of_no_image_lies_in_the_clear_anywhere(
    suite: Suite, person: NewPerson
) -> None:
    alice, bob = await person(0), await person(1)
    room = await sealed_room(alice)
    await add(alice, room, bob)
    canary = f"canary{secrets.token_hex(8)}"
    socket = await alice.open()
    ack = await socket.say(room, f"first {canary}")
    path = f"/rooms/{room}/messages/{ack['message_id']}"
    await alice.call("PATCH", path, json={"rev": 1, "body": f"second {canary} @{bob.username}"})
    traced = secrets.token_hex(16)
    await socket.command(
        "send",
        room_id=room,
        body=f"traced {canary}",
        client_msg_id="traced",
        trace=f"00-{traced}-{secrets.token_hex(8)}-01",
    )
    other = await say(bob, room, f"third {canary}")
    await bob.call("POST", f"{path}/reports", 201, json={"reason": f"fourth {canary}"})
    await alice.call("DELETE", f"/rooms/{room}/messages/{other['id']}", 204)
    image = await upload(alice, png(120, 120))
    await send(alice, room, image, body=f"fifth {canary}")
    served = (await bob.http.get(f"/media/{image['id']}")).content
    # In a plain room it would be there: this is how it is looked for.
    plain = f"plain{secrets.token_hex(8)}"
    await say(alice, await alice.room(), plain)
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()

    async def all_spans_are_there() -> bool:
        return len(files_with(suite.home / "traces", [traced.encode()])) > 1

    await until(all_spans_are_there)
    middle = len(served) // 2
    needles = [canary.encode(), canary.encode("utf-16-le"), served[middle : middle + 32]]
    assert files_with(suite.home, needles) == []
    assert await everywhere(suite, canary) == []
    assert files_with(suite.home / "postgres", [plain.encode()])


async def admin_keys(admin: Person, room: str) -> list[Frame]:
    return list((await admin.call("GET", "/admin/keys", params={"room_id": room}))["items"])


async def test_a_new_key_leaves_everything_readable(person: NewPerson, admin: Person) -> None:
    alice, bob = await person(0), await person(1)
    room = await sealed_room(alice)
    await add(alice, room, bob)
    await say(alice, room, "before")
    key = (await admin.call("POST", "/admin/keys/rotate", json={"room_id": room}))["key"]
    assert (key["room_id"], key["version"], key["destroyed_at"]) == (room, 2, None)
    await say(bob, room, "after")
    for somebody in (alice, bob):
        assert [message["body"] for message in await somebody.history(room)] == ["before", "after"]
    assert (await alice.call("GET", f"/rooms/{room}/privacy"))["key_version"] == 2
    assert [each["version"] for each in await admin_keys(admin, room)] == [1, 2]


async def test_all_keys_are_wrapped_anew_in_steps_and_nothing_is_unreadable_meanwhile(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    alice = await person()
    room = await sealed_room(alice)
    await say(alice, room, "readable")
    image = await upload(alice, png())
    before = await admin.call("GET", "/admin/keys")
    names = {}
    for service in ("messages", "media"):
        with (suite.kept("secrets") / f"wrapping-key-{service}").open("a") as file:
            names[service] = secrets.token_hex(4)
            file.write(f"{names[service]} {secrets.token_hex(32)}\n")
        cursor = None
        while True:
            answer = await admin.call("POST", "/admin/keys/rotate", json={"service": service, "cursor": cursor})
            step = answer["rewrapped"]
            assert step["wrapping_key"] == names[service]
            assert [message["body"] for message in await alice.history(room)] == ["readable"]
            assert (await alice.http.get(f"/media/{image['id']}")).status_code == 200
            cursor = step["next"]
            if cursor is None:
                break
        assert step["left"] == 0
    after = await admin.call("GET", "/admin/keys")
    assert (after["current"], after["images"]["current"]) == (names["messages"], names["media"])
    assert set(after["counts"]) == {names["messages"]} != set(before["counts"])
    assert set(after["images"]["counts"]) == {names["media"]}
    assert [message["body"] for message in await alice.at(suite.urls[1]).history(room)] == ["readable"]
    assert (await alice.at(suite.urls[1]).http.get(f"/media/{image['id']}")).status_code == 200


async def test_destroying_a_rooms_keys_ends_its_history_and_not_the_room(person: NewPerson, admin: Person) -> None:
    alice, bob = await person(0), await person(1)
    room = await sealed_room(alice)
    await add(alice, room, bob)
    lost = await say(alice, room, "lost")
    socket = await bob.open()
    gone = await admin.call("POST", "/admin/keys/destroy", json={"room_id": room, "reason": "asked for by its owner"})
    assert (gone["destroyed"], gone["key"]["version"]) == (1, 2)
    assert gone["backups_forget_at"] > gone["key"]["created_at"]
    event = await socket.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.updated")
    border = event["event"]["room"]["unreadable_before"]
    assert border > lost["seq"]
    kept = await say(alice, room, "and on it goes")
    for somebody in (alice, bob):
        first, second = await somebody.history(room)
        assert (first["id"], first["body"], first["unreadable"], first["deleted"]) == (lost["id"], None, True, False)
        assert (second["id"], second["body"], second.get("unreadable", False)) == (kept["id"], "and on it goes", False)
        assert (await somebody.call("GET", f"/rooms/{room}/privacy"))["unreadable_before"] == border
    keys = await admin_keys(admin, room)
    assert [(key["version"], key["wrapping_key"] is None) for key in keys] == [(1, True), (2, False)]
    entries = (await admin.call("GET", "/admin/audit", params={"area": "rooms", "room_id": room}))["items"]
    assert "asked for by its owner" in [entry["reason"] for entry in entries]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": "x"}, "invalid"),
        ({"room_id": "plain"}, "invalid"),
        ({"room_id": "plain", "reason": ""}, "invalid"),
        ({"room_id": "01a20e11-bcec-751f-8862-9270028e046e", "reason": "x"}, "not_found"),
        ({"room_id": "plain", "reason": "x"}, "invalid"),
    ],
    ids=str,
)
async def test_what_cannot_be_destroyed_is_refused(
    person: NewPerson, admin: Person, body: dict[str, str], code: str
) -> None:
    if body.get("room_id") == "plain":
        body = {**body, "room_id": await admin.room()}
    answer = await admin.http.post("/admin/keys/destroy", json=body)
    assert answer.json()["code"] == code


async def test_a_room_is_sealed_or_plain_for_ever(person: NewPerson) -> None:
    alice = await person()
    room = await sealed_room(alice)
    before = await alice.call("GET", f"/rooms/{room}")
    await alice.call("PATCH", f"/rooms/{room}", json={"rev": before["rev"], "encryption": "plain", "topic": "news"})
    assert (await alice.call("GET", f"/rooms/{room}"))["encryption"] == "sealed"


async def test_what_one_has_said_in_a_sealed_room_is_in_ones_export(person: NewPerson) -> None:
    alice = await person()
    room = await sealed_room(alice)
    said = f"mine {secrets.token_hex(6)}"
    await say(alice, room, said)
    lines = [json.loads(line) for line in (await alice.http.get("/users/me/export")).text.splitlines()]
    assert said in [line.get("body") for line in lines if line["type"] == "revision"]
