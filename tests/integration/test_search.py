"""Searching through the gateways: what is found, by whom, how soon, and that nothing else suffers when search does."""

import asyncio
import os
import secrets
import signal
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_images import send, upload
from tests.pictures import png
from tests.protocol_client import Frame, Person

WITHIN_S = 60.0


def word() -> str:
    """One that nobody else has said. No language knows it, so that its stem is itself."""
    return f"q{secrets.token_hex(6)}"


async def say(person: Person, room: str, body: str, **more: Any) -> Frame:
    sent = {"client_msg_id": secrets.token_hex(8), "body": body, **more}
    return dict(await person.call("POST", f"/rooms/{room}/messages", 201, json=sent))


async def found(person: Person, q: str = "", **params: Any) -> list[str]:
    """Texts, the newest first, of all pages."""
    texts: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await person.call("GET", "/search", params={"q": q, **params, **cursor})
        texts += [item["message"]["body"] for item in page["items"]]
        if page["next"] is None:
            return texts
        cursor = {"cursor": page["next"]}


async def until_found(person: Person, q: str, expected: list[str], within: float = WITHIN_S, **params: Any) -> float:
    """How long it took until exactly these were found."""
    began = time.monotonic()
    while (texts := await found(person, q, **params)) != expected:
        assert time.monotonic() - began < within, f"{texts} instead of {expected}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def said_and_found(person: Person, room: str, count: int) -> tuple[str, list[str]]:
    """(a word, so many messages that hold it: the newest first)"""
    said = word()
    bodies = [f"{said} {number}" for number in range(count)]
    for body in bodies:
        await say(person, room, body)
    bodies.reverse()
    await until_found(person, said, bodies)
    return said, bodies


async def test_what_is_said_is_found_within_two_seconds_by_every_gateway(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    took = []
    for number in range(8):
        said = word()
        await say(alice, room, said)
        took.append(await until_found(alice.at(suite.urls[number % 2]), said, [said]))
    assert median(took) < 2, took


async def test_an_edit_and_a_deletion_take_effect(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    before, after = word(), word()
    message = await say(alice, room, before)
    await until_found(alice, before, [before])
    await alice.call("PATCH", f"/rooms/{room}/messages/{message['id']}", json={"rev": message["rev"], "body": after})
    await until_found(alice, after, [after])
    await until_found(alice, before, [])
    await alice.call("DELETE", f"/rooms/{room}/messages/{message['id']}", 204)
    # It is not shown from this moment on, whatever the index still says.
    assert await found(alice, after) == []


async def test_hits_are_messages_with_the_places_of_the_words(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    rare = word()
    body = f"🍲🍲 The soups were running over, {rare.upper()}!"
    message = await say(alice, room, body)
    await until_found(alice, f"soup {rare} ran -cold", [])  # `ran` is no form of running to a stemmer
    await until_found(alice, f"soup {rare} run", [body])
    page = await alice.call("GET", "/search", params={"q": f"soup {rare} run"})
    (item,) = page["items"]
    assert item["message"] == await alice.call("GET", f"/rooms/{room}/messages/{message['id']}")
    assert [body[start:end] for start, end in item["highlights"]] == ["soups", "running", rare.upper()]


async def test_only_what_one_may_see_now_is_found(suite: Suite, person: NewPerson) -> None:
    alice, bob, eve = await person(0), await person(1), await person(0)
    private = await alice.room(visibility="private", history="since_join")
    said = word()
    await say(alice, private, f"{said} before")
    await alice.call("POST", f"/rooms/{private}/members", 201, json={"user_id": bob.id})
    await say(alice, private, f"{said} while")
    await until_found(alice, said, [f"{said} while", f"{said} before"])
    assert await found(bob, said) == [f"{said} while"]
    assert await found(eve, said) == []
    assert await found(eve, said, room_id=private) == []
    await bob.call("POST", f"/rooms/{private}/leave", 204)
    assert await found(bob, said) == []
    await say(alice, private, f"{said} after")
    await alice.call("POST", f"/rooms/{private}/members", 201, json={"user_id": bob.id})
    await until_found(bob, said, [f"{said} while"])
    await alice.call("POST", f"/rooms/{private}/kicks", 204, json={"user_id": bob.id})
    assert await found(bob, said) == []


async def test_a_public_room_is_found_in_by_who_has_joined_it_from_its_beginning(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    said = word()
    await say(alice, room, said)
    await until_found(alice, said, [said])
    assert await found(bob, said) == []
    await bob.call("POST", f"/rooms/{room}/join")
    await until_found(bob, said, [said])
    await alice.call("DELETE", f"/rooms/{room}", 204)
    assert await found(bob, said) == []


async def test_filters_narrow_it_in_words_and_in_parameters(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    said = word()
    kitchen = await alice.room(f"Kitchen {said}")
    garden = await alice.room(f"Garden {said}")
    for room in (kitchen, garden):
        await bob.call("POST", f"/rooms/{room}/join")
    first = f"{said} hot soup in the garden"
    second = f"{said} soup that is hot"
    third = f"{said} with a picture"
    await say(alice, kitchen, first)
    between = (await say(bob, garden, second))["created_at"]
    await send(alice, garden, await upload(alice, png()), body=third)
    every = [third, second, first]
    await until_found(alice, said, every)
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        (f'"hot soup" {said}', {}, [first]),
        (f"hot soup {said}", {}, [second, first]),
        (f"{said} -soup", {}, [third]),
        (f"{said} from:{bob.username}", {}, [second]),
        (f"{said} from:{alice.username}", {}, [third, first]),
        (f"{said} from:nobody-of-that-name", {}, []),
        (f'{said} in:"Garden {said}"', {}, [third, second]),
        (f"{said} in:{kitchen}", {}, [first]),
        (f"{said} has:image", {}, [third]),
        (said, {"has": "image"}, [third]),
        (said, {"room_id": garden}, [third, second]),
        (said, {"sender_id": bob.id}, [second]),
        (said, {"before": between}, [first]),
        (said, {"after": between}, [third, second]),
        (f"{said} after:2000-01-01", {}, every),
        (f"{said} before:2000-01-01", {}, []),
        ("", {"room_id": kitchen, "sender_id": alice.id}, [first]),
    ]
    for q, params, expected in cases:
        assert await found(alice, q, **params) == expected, (q, params)


async def test_pages_follow_each_other_without_holes_also_when_something_is_said_meanwhile(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    said, bodies = await said_and_found(alice, room, 25)
    texts: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await alice.call("GET", "/search", params={"q": said, "limit": 7, **cursor})
        texts += [item["message"]["body"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        await say(alice, room, f"{said} meanwhile")
    assert texts == bodies
    refused = await alice.call("GET", "/search", 422, params={"q": "another", **cursor})
    assert refused["code"] == "bad_cursor"
    assert len((await alice.call("GET", "/search", params={"q": said, "limit": 200}))["items"]) <= 50


async def test_languages_of_rooms_and_of_east_asia(person: NewPerson) -> None:
    alice = await person()
    said = word()
    german = await alice.room("Küche", language="german")
    await say(alice, german, f"{said} Die Bücher und das Café")
    await say(alice, german, f"{said} 今日は東京タワーに行きます")
    every = [f"{said} 今日は東京タワーに行きます", f"{said} Die Bücher und das Café"]
    await until_found(alice, said, every)
    assert await found(alice, f"{said} buch") == every[1:]
    assert await found(alice, f"{said} cafe") == every[1:]
    assert await found(alice, f"{said} 東京タワー") == every[:1]


async def test_hits_that_have_become_invisible_make_pages_shorter_and_none_wrong(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    said = word()
    sent = [await say(alice, room, f"{said} {number}") for number in range(12)]
    await until_found(alice, said, [message["body"] for message in reversed(sent)])
    for message in sent[::2]:
        await alice.call("DELETE", f"/rooms/{room}/messages/{message['id']}", 204)
    assert await found(alice, said, limit=5) == [message["body"] for message in reversed(sent[1::2])]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "invalid"),
        ({"q": "   "}, "invalid"),
        ({"q": "-only -negative"}, "invalid"),
        ({"q": "x" * 201}, "invalid"),
        ({"q": " ".join(f"w{number}" for number in range(17))}, "invalid"),
        ({"q": "before:tomorrow"}, "invalid"),
        ({"q": "nul \x00"}, "bad_text"),
        ({"q": "x", "cursor": "rubbish"}, "bad_cursor"),
        ({"q": "x", "after": "2026-11-24T00:00:00"}, "invalid"),
        ({"q": "x", "has": "video"}, "invalid"),
        ({"q": "x", "room_id": "kitchen"}, "invalid"),
        ({"q": "x", "limit": 0}, "invalid"),
    ],
    ids=str,
)
async def test_what_cannot_be_searched_for_says_why(person: NewPerson, params: dict[str, Any], code: str) -> None:
    alice = await person()
    refused = await alice.call("GET", "/search", 422, params=params)
    assert refused["code"] == code
    assert refused["detail"]


async def test_searches_full_of_signs_are_searches_like_any_other(person: NewPerson) -> None:
    alice = await person()
    for q in ("' OR 1=1 --", "a & b | !c", '"', "from:", ":* <-> ()", "%_\\", "🍲", "\u202e", "a\tb", "<b>"):
        answer = await alice.http.get("/search", params={"q": q})
        assert answer.status_code in (200, 422), (q, answer.text)


async def test_an_admin_builds_the_index_anew_and_everything_is_found_as_before(
    person: NewPerson, admin: Person
) -> None:
    alice = await person()
    said, bodies = await said_and_found(alice, await alice.room(), 5)
    for method, path in (("GET", "/admin/search"), ("POST", "/admin/search/rebuild")):
        assert (await alice.call(method, path, 403))["code"] == "forbidden"
    state = await admin.call("POST", "/admin/search/rebuild", 202)
    deadline = time.monotonic() + 60
    while state["rebuilding"] is not None:
        assert time.monotonic() < deadline, state
        assert 0 <= state["done"] <= state["total"]
        assert await found(alice, said) == bodies, "searching works meanwhile"
        state = await admin.call("GET", "/admin/search")
    assert await found(alice, said) == bodies
    assert state["messages"] >= 5


async def test_while_search_is_frozen_nothing_else_is(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    socket, other = await alice.open(), await bob.open()
    said = word()
    frozen = suite.pids("search")
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        searching = asyncio.create_task(alice.http.get("/search", params={"q": said}))
        for number in range(20):
            ack = await socket.say(room, f"{said} {number}")
            assert ack["type"] == "ack"
        await other.until_seq(f"room:{room}", ack["seq"])
        answer = await searching
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    suite.until_ready()
    await until_found(alice, said, [f"{said} {number}" for number in reversed(range(20))], within=30)


async def test_what_was_said_while_search_was_dead_is_found_afterwards(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    said = word()
    for index in range(len(suite.pids("search"))):
        suite.kill("search", index)
    await say(alice, room, said)
    await until_answered(alice)
    await until_found(alice, said, [said], within=30)


async def until_answered(person: Person) -> None:
    deadline = time.monotonic() + 30
    while (await person.http.get("/search", params={"q": "x"})).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def test_instants_are_compared_and_not_their_spelling(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    said = word()
    await say(alice, room, said)
    await until_found(alice, said, [said])
    soon = datetime.now(UTC) + timedelta(hours=1)
    for moment in (soon.isoformat(), soon.isoformat().replace("+00:00", "Z")):
        assert await found(alice, said, before=moment) == [said]
        assert await found(alice, said, after=moment) == []
