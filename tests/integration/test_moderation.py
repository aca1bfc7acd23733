"""Moderation as everybody sees it: live sockets, HTTP, reports, and an admin's access to a room's content."""

import asyncio
import secrets

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Frame, Person, Socket

NOBODY = "01890000-0000-7000-8000-000000000000"


async def kind(socket: Socket, wanted: str) -> Frame:
    """The first such event on the socket."""
    return await socket.wait_for(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == wanted)


async def test_a_ban_takes_effect_on_live_sockets_at_exactly_its_seq(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    talking = await a.pipeline(room, [f"before {number}" for number in range(20)])
    measure = {"user_id": bob.id, "minutes": 60, "reason": "advertising"}
    ban = asyncio.create_task(alice.call("POST", f"/rooms/{room}/bans", 201, json=measure))
    talking += await a.pipeline(room, [f"after {number}" for number in range(20)])
    sanction = await ban
    assert (sanction["user_id"], sanction["actor_id"], sanction["reason"]) == (bob.id, alice.id, "advertising")
    last = [await a.answer(identifier) for identifier in talking][-1]["seq"]
    await a.until_seq(f"room:{room}", last)
    removal = await kind(a, "member.removed")
    assert removal["event"]["reason"] == "advertising"
    left = await kind(b, "room.left")
    assert (left["event"]["to_seq"], left["event"]["reason"]) == (removal["seq"], "banned")
    assert (await b.say(room, "hello?"))["code"] == "not_a_member"
    assert max(b.seqs(f"room:{room}"), default=0) < removal["seq"]
    refused = await b.command("join", room_id=room)
    assert (refused["type"], refused["code"]) == ("error", "banned")
    assert 0 < refused["retry_after_ms"] <= 60 * 60_000
    answer = await bob.http.post(f"/rooms/{room}/join")
    assert (answer.status_code, answer.json()["code"]) == (403, "banned")
    assert int(answer.headers["retry-after"]) >= answer.json()["retry_after_ms"] / 1000
    added = await alice.call("POST", f"/rooms/{room}/members", 403, json={"user_id": bob.id})
    assert added["code"] == "banned"
    listed = await alice.call("GET", f"/rooms/{room}/bans")
    assert [item["user_id"] for item in listed["items"]] == [bob.id]
    await alice.call("DELETE", f"/rooms/{room}/bans/{bob.id}", 204)
    assert (await b.command("join", room_id=room))["type"] == "ack"
    ack = await b.say(room, "here I am again")
    await a.until_seq(f"room:{room}", ack["seq"])


async def test_who_is_muted_is_told_until_when_and_so_is_everybody(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    b = await bob.open()
    message = await b.say(room, "first")
    sanction = await alice.call("POST", f"/rooms/{room}/mutes", 201, json={"user_id": bob.id, "minutes": 5})
    told = await kind(b, "member.updated")
    assert (told["event"]["user_id"], told["event"]["muted_until"]) == (bob.id, sanction["until"])
    refused = await b.say(room, "second")
    assert refused["code"] == "muted"
    assert 0 < refused["retry_after_ms"] <= 5 * 60_000 + 1
    path = f"/rooms/{room}/messages"
    answer = await bob.http.post(path, json={"client_msg_id": secrets.token_hex(8), "body": "third"})
    assert (answer.status_code, answer.json()["code"]) == (403, "muted")
    edit = {"rev": 1, "body": "what I may not say"}
    edited = await bob.call("PATCH", f"{path}/{message['message_id']}", 403, json=edit)
    assert edited["code"] == "muted", "an edit is a way to speak, too"
    member = next(
        item for item in (await bob.call("GET", f"/rooms/{room}/members"))["items"] if item["user_id"] == bob.id
    )
    assert member["muted_until"] == sanction["until"]
    await b.command("leave", room_id=room)
    await b.command("join", room_id=room)
    assert (await b.say(room, "a new start"))["code"] == "muted"
    await alice.call("DELETE", f"/rooms/{room}/mutes/{bob.id}", 204)
    assert (await b.say(room, "thank you"))["type"] == "ack"


async def test_slow_mode_is_a_moderators_and_its_wait_is_true(person: NewPerson) -> None:
    alice, mod, bob = await person(0), await person(1), await person(0)
    room = await alice.room()
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": mod.id, "role": "moderator"})
    await bob.call("POST", f"/rooms/{room}/join")
    rev = (await mod.call("GET", f"/rooms/{room}"))["rev"]
    await bob.call("PATCH", f"/rooms/{room}", 403, json={"rev": rev, "slow_mode_s": 0})
    assert (await mod.call("PATCH", f"/rooms/{room}", json={"rev": rev, "slow_mode_s": 1}))["slow_mode_s"] == 1
    b, m = await bob.open(), await mod.open()
    assert (await b.say(room, "one"))["type"] == "ack"
    refused = await b.say(room, "two")
    assert refused["code"] == "slow_mode"
    await asyncio.sleep(refused["retry_after_ms"] / 1000)
    assert (await b.say(room, "two"))["type"] == "ack"
    for body in ("office", "is not slowed down"):
        assert (await m.say(room, body))["type"] == "ack"


async def test_a_kick_says_why_and_the_door_stays_open(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    await alice.call("POST", f"/rooms/{room}/kicks", 204, json={"user_id": bob.id, "reason": "cool down"})
    assert (await kind(a, "member.removed"))["event"]["reason"] == "cool down"
    assert (await kind(b, "room.left"))["event"]["reason"] == "removed"
    await alice.call("POST", f"/rooms/{room}/kicks", 204, json={"user_id": bob.id})
    assert (await b.command("join", room_id=room))["type"] == "ack"


async def test_a_disabled_member_is_out_and_back_with_his_rooms_when_enabled(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    alice, bob = await person(0), await person(1)
    room, other = await alice.room("here"), await alice.room("there")
    await bob.call("POST", f"/rooms/{room}/join")
    b = await bob.open()
    await admin.call("PATCH", f"/admin/users/{bob.id}", json={"disabled": True})
    assert await b.until_closed() == 4503
    # Another gateway may hear of it a moment later than the one that had the socket.
    async with asyncio.timeout(2):
        while (await bob.http.get(f"/rooms/{room}")).status_code != 401:
            await asyncio.sleep(0.05)
    said = f"are you there, @{bob.username}?"
    message = await alice.call(
        "POST", f"/rooms/{room}/messages", 201, json={"client_msg_id": secrets.token_hex(8), "body": said}
    )
    assert message["mentions"] == []
    members = await alice.call("GET", f"/rooms/{room}/members")
    assert bob.id in {item["user_id"] for item in members["items"]}, "what he was a member of he still is"
    await alice.call("POST", f"/rooms/{other}/members", 404, json={"user_id": bob.id})
    await alice.call("POST", f"/rooms/{other}/bans", 404, json={"user_id": bob.id})
    await alice.call("POST", f"/rooms/{room}/mutes", 201, json={"user_id": bob.id})
    await alice.call("DELETE", f"/rooms/{room}/mutes/{bob.id}", 204)
    await admin.call("PATCH", f"/admin/users/{bob.id}", json={"disabled": False})
    back = await Person(suite.urls[1], bob.username).sign_in()
    back.id = bob.id
    b = await back.open()
    assert room in {item["id"] for item in b.ready["rooms"]}
    assert said in [item["body"] for item in await back.history(room)]
    assert (await b.say(room, "yes"))["type"] == "ack"


async def test_a_report_goes_to_moderators_and_admins(person: NewPerson, admin: Person) -> None:
    alice, bob, eve = await person(0), await person(1), await person(0)
    room = await alice.room(visibility="private", history="all")
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    a = await alice.open()
    message = await a.say(room, "buy my book")
    path = f"/rooms/{room}/messages/{message['message_id']}/reports"
    made = await bob.call("POST", path, 201, json={"reason": "advertising"})
    assert (await bob.call("POST", path, 200, json={"reason": "advertising!"}))["id"] == made["id"]
    await eve.call("POST", path, 404, json={"reason": "me too"})
    await bob.call("POST", path, 422, json={"reason": " "})
    await bob.call("GET", f"/rooms/{room}/reports", 403)
    await bob.call("GET", "/admin/reports", 403)
    [listed] = (await alice.call("GET", f"/rooms/{room}/reports"))["items"]
    assert (listed["id"], listed["message_id"], listed["reporter_id"], listed["reason"]) == (
        made["id"],
        message["message_id"],
        bob.id,
        "advertising",
    )
    assert "body" not in listed
    found = (await admin.call("GET", "/admin/reports", params={"limit": 200}))["items"]
    assert made["id"] in {item["id"] for item in found}
    await bob.call("PATCH", f"/admin/reports/{made['id']}", 404, json={"resolution": "mine"})
    await admin.call("PATCH", f"/admin/reports/{NOBODY}", 404, json={"resolution": "what?"})
    resolved = await alice.call("PATCH", f"/admin/reports/{made['id']}", json={"resolution": "talked to her"})
    assert (resolved["resolved_by"], resolved["resolution"]) == (alice.id, "talked to her")


async def test_office_opens_no_content_but_a_grant_does_and_the_owner_knows(person: NewPerson, admin: Person) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room(visibility="private", history="since_join")
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    a = await alice.open()
    message = await a.say(room, "among ourselves")
    reading = (f"/rooms/{room}/messages", f"/rooms/{room}/messages/{message['message_id']}", f"/rooms/{room}/events")
    for path in reading:
        await admin.call("GET", path, 404)
    request = {"room_id": room, "reason": "a complaint", "minutes": 5}
    for wrong in ({"minutes": 0}, {"minutes": 1441}, {"reason": ""}, {"room_id": "x"}):
        await admin.call("POST", "/admin/access", 422, json={**request, **wrong})
    await admin.call("POST", "/admin/access", 404, json={**request, "room_id": NOBODY})
    await alice.call("POST", "/admin/access", 403, json=request)
    grant = await admin.call("POST", "/admin/access", 201, json=request)
    assert (grant["room_id"], grant["user_id"], grant["reason"]) == (room, admin.id, "a complaint")
    page = await admin.call("GET", reading[0])
    assert [item["body"] for item in page["items"]] == ["among ourselves"]
    assert (await admin.call("GET", reading[1]))["body"] == "among ourselves"
    assert len((await admin.call("GET", reading[2]))["items"]) == 3
    await admin.call("GET", f"/rooms/{room}/members", 404)
    await admin.call(
        "POST", f"/rooms/{room}/messages", 404, json={"client_msg_id": secrets.token_hex(8), "body": "hello"}
    )
    socket = await admin.open()
    assert room not in {item["id"] for item in socket.ready["rooms"]}
    told = await kind(a, "notification.created")
    assert (told["event"]["notification"]["kind"], told["event"]["notification"]["actor_id"]) == ("access", admin.id)


async def test_what_is_wrong_in_a_measure_is_said_field_by_field(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    for verb in ("mutes", "bans"):
        for wrong, field in (
            ({"minutes": 0}, "minutes"),
            ({"minutes": 10**9}, "minutes"),
            ({"minutes": "5"}, "minutes"),
            ({"reason": "x" * 501}, "reason"),
            ({"user_id": "nobody"}, "user_id"),
        ):
            body = {"user_id": bob.id, **wrong}
            problem = await alice.call("POST", f"/rooms/{room}/{verb}", 422, json=body)
            assert field in problem["errors"], (verb, wrong)
        await alice.call("POST", f"/rooms/{room}/{verb}", 404, json={"user_id": NOBODY})
        await alice.call("POST", f"/rooms/{room}/{verb}", 403, json={"user_id": alice.id})
        await bob.call("POST", f"/rooms/{room}/{verb}", 403, json={"user_id": alice.id})
        await bob.call("GET", f"/rooms/{room}/{verb}", 403)
        await alice.call("DELETE", f"/rooms/{room}/{verb}/{NOBODY}", 204)


async def test_how_long_a_room_keeps_is_its_owners_to_say(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    for days in (0, -1, 3651, "7"):
        await alice.call("PATCH", f"/rooms/{room}", 422, json={"rev": 1, "retention_days": days})
    await bob.call("PATCH", f"/rooms/{room}", 403, json={"rev": 1, "retention_days": 7})
    assert (await alice.call("PATCH", f"/rooms/{room}", json={"rev": 1, "retention_days": 7}))["retention_days"] == 7
    kept = await alice.call("PATCH", f"/rooms/{room}", json={"rev": 2, "topic": "short-lived"})
    assert kept["retention_days"] == 7
    assert (await bob.call("GET", f"/rooms/{room}"))["retention_days"] == 7
    forever = await alice.call("PATCH", f"/rooms/{room}", json={"rev": 3, "retention_days": None})
    assert forever["retention_days"] is None
