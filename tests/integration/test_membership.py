"""Who sees what: nothing after a removal, and a private room is like no room at all."""

import asyncio

from tests.conftest import Suite
from tests.integration.conftest import NewPerson

NOWHERE = "01890000-0000-7000-8000-000000000000"


async def test_a_private_room_is_indistinguishable_from_an_absent_one(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    room = await alice.room(visibility="private", history="since_join")
    socket = await alice.open()
    message = await socket.say(room, "secret")
    await socket.close()

    async def ask(room_id: str, message_id: str) -> list[tuple[int, str, str]]:
        calls = [
            ("GET", f"/rooms/{room_id}", {}),
            ("GET", f"/rooms/{room_id}/members", {}),
            ("GET", f"/rooms/{room_id}/messages", {}),
            ("GET", f"/rooms/{room_id}/messages/{message_id}", {}),
            ("GET", f"/rooms/{room_id}/events", {"params": {"after": 0}}),
            ("PATCH", f"/rooms/{room_id}", {"json": {"rev": 1, "name": "mine"}}),
            ("DELETE", f"/rooms/{room_id}", {}),
            ("POST", f"/rooms/{room_id}/join", {}),
            ("POST", f"/rooms/{room_id}/leave", {}),
            ("POST", f"/rooms/{room_id}/members", {"json": {"user_id": eve.id}}),
            ("PUT", f"/rooms/{room_id}/read", {"json": {"seq": 1}}),
            ("POST", f"/rooms/{room_id}/messages", {"json": {"client_msg_id": "x", "body": "x"}}),
        ]
        seen = []
        for method, path, more in calls:
            answer = await eve.http.request(method, path, **more)
            problem = answer.json()
            seen.append((answer.status_code, problem["code"], problem["detail"]))
        return seen

    absent = await ask(NOWHERE, NOWHERE)
    assert await ask(room, message["message_id"]) == absent
    assert {status for status, _, _ in absent} == {404}
    eve_socket = await eve.open()
    for room_id in (room, NOWHERE):
        assert (await eve_socket.command("join", room_id=room_id))["code"] == "not_found"
        assert (await eve_socket.say(room_id, "hello?"))["code"] == "not_found"
    assert (await eve.call("GET", "/rooms/directory", params={"query": "a room"}))["items"] is not None
    assert room not in [item["id"] for item in (await eve.call("GET", "/rooms/directory"))["items"]]
    await eve_socket.close()


async def test_in_a_public_room_that_one_has_not_joined_content_is_for_members(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    room = await alice.room()
    assert (await eve.call("GET", f"/rooms/{room}"))["id"] == room
    for path in ("messages", "members", "events?after=0"):
        assert (await eve.call("GET", f"/rooms/{room}/{path}", 403))["code"] == "not_a_member"
    socket = await eve.open()
    assert (await socket.say(room, "let me in"))["code"] == "not_a_member"
    await socket.close()


async def test_nothing_after_a_removal_even_in_one_batch(suite: Suite, person: NewPerson) -> None:
    alice = await person(0)
    room = await alice.room()
    for _ in range(5):
        bob = await person(1)
        await bob.call("POST", f"/rooms/{room}/join")
        a, b = await alice.open(), await bob.open()
        talking = await a.pipeline(room, [f"before {number}" for number in range(20)])
        kick = asyncio.create_task(alice.call("DELETE", f"/rooms/{room}/members/{bob.id}", 204))
        talking += await a.pipeline(room, [f"after {number}" for number in range(20)])
        await kick
        last = [await a.answer(identifier) for identifier in talking][-1]["seq"]
        await a.until_seq(f"room:{room}", last)
        # It comes after them all where a request takes longer than they do.
        kicked = await a.wait_for(
            lambda frame, bob=bob: (
                frame["type"] == "event"
                and frame["event"]["kind"] == "member.removed"
                and frame["event"]["user_id"] == bob.id
            )
        )
        removal = kicked["seq"]
        left = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.left")
        assert left["event"]["to_seq"] == removal
        assert left["event"]["reason"] == "removed"
        await asyncio.sleep(0.3)
        assert max(b.seqs(f"room:{room}"), default=0) < removal
        await bob.call("GET", f"/rooms/{room}/messages", 403)
        await a.close()
        await b.close()


async def test_whoever_joins_late_sees_a_private_room_from_then_on(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room(visibility="private", history="since_join")
    a = await alice.open()
    await a.say(room, "before")
    b = await bob.open()
    added = await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    joined = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.joined")
    assert joined["event"] == {**joined["event"], "room_id": room, "from_seq": added["from_seq"]}
    ack = await a.say(room, "after")
    await b.until_seq(f"room:{room}", ack["seq"])
    assert b.seqs(f"room:{room}") == list(range(added["from_seq"], ack["seq"] + 1))
    assert [message["body"] for message in await bob.history(room)] == ["after"]
    events = await bob.call("GET", f"/rooms/{room}/events", params={"after": 0})
    assert [item["seq"] for item in events["items"]] == list(range(added["from_seq"], ack["seq"] + 1))
    # Away and back: what was said in between is not for him.
    await b.command("leave", room_id=room)
    await a.say(room, "behind his back")
    again = await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    ack = await a.say(room, "welcome back")
    await b.until_seq(f"room:{room}", ack["seq"])
    assert [message["body"] for message in await bob.history(room)] == ["after", "welcome back"]
    assert again["from_seq"] in b.seqs(f"room:{room}")
    await a.close()
    await b.close()


async def test_joining_and_leaving_over_the_socket(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    a, b = await alice.open(), await bob.open()
    for _ in range(3):
        assert (await b.command("join", room_id=room))["type"] == "ack"
        assert (await b.command("join", room_id=room))["type"] == "ack"
        ack = await b.say(room, "here I am")
        await b.until_seq(f"room:{room}", ack["seq"])
        await a.until_seq(f"room:{room}", ack["seq"])
        assert (await b.command("leave", room_id=room))["type"] == "ack"
        assert (await b.say(room, "still here?"))["code"] == "not_a_member"
    kinds = [frame["event"]["kind"] for frame in a.events(f"room:{room}")]
    assert kinds == ["member.joined", "message.created", "member.left"] * 3
    await a.close()
    await b.close()


async def test_a_deleted_room_is_gone_for_all_but_its_owner_who_may_restore_it(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    said = await a.say(room, "remember me")
    await alice.call("DELETE", f"/rooms/{room}", 204)
    left = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.left")
    assert left["event"]["reason"] == "deleted"
    deleted = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.deleted")
    assert deleted["seq"] == said["seq"] + 1
    await bob.call("GET", f"/rooms/{room}", 404)
    assert (await b.say(room, "anybody?"))["code"] == "not_found"
    assert (await alice.call("GET", f"/rooms/{room}"))["deleted_at"] is not None
    await bob.call("POST", f"/rooms/{room}/restore", 404)
    await alice.call("POST", f"/rooms/{room}/restore")
    ack = await b.say(room, "back again")
    await a.until_seq(f"room:{room}", ack["seq"])
    await b.until_seq(f"room:{room}", ack["seq"])
    assert [message["body"] for message in await bob.history(room)] == ["remember me", "back again"]
    await a.close()
    await b.close()


async def test_the_same_people_have_one_direct_room(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    made = await alice.call("POST", "/direct", 201, json={"user_ids": [bob.id]})
    assert (await bob.call("POST", "/direct", 200, json={"user_ids": [alice.id]}))["id"] == made["id"]
    assert sorted(made["user_ids"]) == sorted([alice.id, bob.id])
    a, b = await alice.open(), await bob.open()
    ack = await a.say(made["id"], "psst")
    await b.until_seq(f"room:{made['id']}", ack["seq"])
    assert (await b.command("leave", room_id=made["id"]))["code"] == "fixed_members"
    await a.close()
    await b.close()
    too_many = [f"01890000-0000-7000-8000-00000000000{number}" for number in range(8)]
    await alice.call("POST", "/direct", 422, json={"user_ids": too_many})
    await alice.call("POST", "/direct", 404, json={"user_ids": [NOWHERE]})


async def test_settings_change_by_rev_and_everybody_hears_of_it(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    b = await bob.open()
    await bob.call("PATCH", f"/rooms/{room}", 403, json={"rev": 1, "name": "mine"})
    changed = await alice.call("PATCH", f"/rooms/{room}", json={"rev": 1, "name": "renamed"})
    assert (changed["name"], changed["rev"]) == ("renamed", 2)
    event = await b.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.updated")
    assert event["event"]["room"]["name"] == "renamed"
    conflict = await alice.call("PATCH", f"/rooms/{room}", 409, json={"rev": 1, "name": "late"})
    assert conflict["code"] == "rev_conflict"
    assert conflict["current"]["name"] == "renamed"
    await b.close()


async def test_the_last_owner_names_another_before_leaving(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    assert (await alice.call("POST", f"/rooms/{room}/leave", 409))["code"] == "last_owner"
    await bob.call("PATCH", f"/rooms/{room}/members/{alice.id}", 403, json={"role": "member"})
    await alice.call("PATCH", f"/rooms/{room}/members/{bob.id}", json={"role": "owner"})
    await alice.call("POST", f"/rooms/{room}/leave", 204)
    members = await bob.call("GET", f"/rooms/{room}/members")
    assert [(item["user_id"], item["role"]) for item in members["items"]] == [(bob.id, "owner")]
