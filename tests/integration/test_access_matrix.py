"""The table of who may do what, cell by cell, over HTTP."""

import asyncio
import runpy
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Suite
from tests.integration.conftest import invitation
from tests.integration.test_images import send, upload
from tests.integration.test_search import found, until_found, word
from tests.pictures import png
from tests.protocol_client import Frame, Person, keep_open

# One table for the service's own tests and these.
_written = runpy.run_path(str(Path(__file__).parents[2] / "services" / "messages" / "tests" / "access_grid.py"))
GRID, ROWS, cells = _written["GRID"], _written["ROWS"], _written["cells"]
GLOBAL_ROLES, ROOM_ROLES = _written["GLOBAL_ROLES"], _written["ROOM_ROLES"]

Who = tuple[str, str | None]
Call = tuple[str, str, dict[str, Any]]


@dataclass
class Scene:
    """A room with somebody of each kind in it. victim: a plain member; outsider: somebody whom nobody minds banned.

    said: a word that one message in it holds, which carries the image.
    """

    room: str
    people: dict[Who, Person]
    victim: Person
    outsider: Person
    message: Frame
    said: str
    image: Frame
    own: dict[Who, str] = field(default_factory=dict)

    def about(self, method: str, path: str, **json: Any) -> Call:
        return method, f"/rooms/{self.room}{path}", {"json": json} if json else {}

    def message_call(self, method: str, path: str = "", **json: Any) -> Call:
        return self.about(method, f"/messages/{self.message['id']}{path}", **json)

    def send(self, **more: Any) -> Call:
        return self.about("POST", "/messages", client_msg_id=secrets.token_hex(8), body="Hello", **more)


ACTIONS: dict[str, Callable[[Scene, Who], Call]] = {
    "read": lambda s, _: s.about("GET", "/messages"),
    "send": lambda s, _: s.send(),
    "reply": lambda s, _: s.send(thread_root_id=s.message["id"]),
    "react": lambda s, _: s.message_call("PUT", "/reactions/like"),
    "follow": lambda s, _: s.message_call("PUT", "/follow"),
    "mark read": lambda s, _: s.about("PUT", "/read", seq=1),
    "report": lambda s, _: s.message_call("POST", "/reports", reason="Spam"),
    "edit own": lambda s, w: s.about("PATCH", f"/messages/{s.own[w]}", rev=0, body="Hi"),
    "edit another's": lambda s, _: s.message_call("PATCH", rev=0, body="Hi"),
    "delete own": lambda s, w: s.about("DELETE", f"/messages/{s.own[w]}"),
    "delete another's": lambda s, _: s.message_call("DELETE"),
    "pin": lambda s, _: s.message_call("PUT", "/pin"),
    "revisions": lambda s, _: s.message_call("GET", "/revisions"),
    "members": lambda s, _: s.about("GET", "/members"),
    "invite": lambda s, _: s.about("POST", "/members", user_id=s.victim.id),
    "reports": lambda s, _: s.about("GET", "/reports"),
    "mute": lambda s, _: s.about("POST", "/mutes", user_id=s.outsider.id),
    "mutes": lambda s, _: s.about("GET", "/mutes"),
    "kick": lambda s, _: s.about("POST", "/kicks", user_id=s.outsider.id),
    "ban": lambda s, _: s.about("POST", "/bans", user_id=s.outsider.id),
    "bans": lambda s, _: s.about("GET", "/bans"),
    # From an old revision, which who may change it is told of.
    "slow mode": lambda s, _: s.about("PATCH", "", rev=0, slow_mode_s=5),
    "settings": lambda s, _: s.about("PATCH", "", rev=0, topic="News"),
    "retention": lambda s, _: s.about("PATCH", "", rev=0, retention_days=5),
    "roles": lambda s, _: s.about("PATCH", f"/members/{s.victim.id}", role="member"),
    "delete": lambda s, _: s.about("DELETE", ""),
    "restore": lambda s, _: s.about("POST", "/restore"),
}
"""Each may be done again and again; what is deleted comes back, see `undo`."""


async def undo(scene: Scene, action: str, who: Who) -> None:
    """After a success: for the next one it must be as it was."""
    if action == "delete":
        await scene.people[who].call("POST", f"/rooms/{scene.room}/restore")
    if action == "delete another's":
        scene.message = await scene.victim.call(*scene.send()[:2], 201, **scene.send()[2])


async def set_scene(kind: str, creator: Person, victim: Person, outsider: Person, crowd: dict[Who, Person]) -> Scene:
    roles = ROOM_ROLES[:2] if kind == "direct" else ROOM_ROLES
    people = {who: person for who, person in crowd.items() if who[1] in roles}
    if kind == "direct":
        inside = [victim.id, *(person.id for who, person in people.items() if who[1] is not None)]
        room = (await creator.call("POST", "/direct", 201, json={"user_ids": inside}))["id"]
    else:
        room = await creator.room(kind, visibility=kind, history="all")
        newcomers = {victim.id: "member"} | {person.id: who[1] or "member" for who, person in people.items()}
        for user_id, role in newcomers.items():
            # Who is no member was one, and has left something behind.
            await creator.call("POST", f"/rooms/{room}/members", 201, json={"user_id": user_id, "role": role})
    image = await upload(victim, png())
    scene = Scene(room, people, victim, outsider, {}, word(), image)
    method, path, more = scene.send()
    scene.message = await victim.call(method, path, 201, **more)
    await send(victim, room, image, body=scene.said)
    for who, person in people.items():
        if kind == "direct" and who[1] is None:
            scene.own[who] = "01890000-0000-7000-8000-000000000000"
            continue
        method, path, more = scene.send()
        scene.own[who] = (await person.call(method, path, 201, **more))["id"]
        if who[1] is None:
            await person.call("POST", f"/rooms/{room}/leave", 204)
    return scene


@pytest.fixture(scope="module")
async def scenes(suite: Suite) -> AsyncIterator[dict[str, Scene]]:
    """Everybody is registered once; each in the three kinds of rooms."""
    everybody: list[Person] = []

    async def new(role: str = "user", **more: str) -> Person:
        somebody = keep_open(Person(suite.urls[len(everybody) % 2], f"u{secrets.token_hex(6)}"))
        everybody.append(somebody)
        await somebody.register(**more)
        if role != "user":
            await boss.call("PATCH", f"/admin/users/{somebody.id}", json={"role": role})
            await somebody.sign_in()
        return somebody

    boss = await new(invite=invitation(suite))
    creator, victim, outsider = await asyncio.gather(new(), new(), new())
    whos = [(world, role) for world in GLOBAL_ROLES for role in ROOM_ROLES]
    crowd = dict(zip(whos, await asyncio.gather(*(new(world) for world, _ in whos)), strict=True))
    yield {kind: await set_scene(kind, creator, victim, outsider, crowd) for kind in GRID}
    for somebody in everybody:
        await somebody.http.aclose()


def test_every_action_is_tried_in_every_kind_of_room() -> None:
    assert all(set(actions) == set(ACTIONS) for actions in GRID.values())


@pytest.mark.parametrize(("kind", "action"), ROWS)
async def test_each_cell_is_as_it_is_written(scenes: dict[str, Scene], kind: str, action: str) -> None:
    scene = scenes[kind]
    expected, found = {}, {}
    for world, role, code in cells(kind, action):
        who = (world, role)
        expected[who] = code
        method, path, more = ACTIONS[action](scene, who)
        answer = await scene.people[who].http.request(method, path, **more)
        told = None if answer.is_success else answer.json()["code"]
        found[who] = None if told == "rev_conflict" else told
        if answer.is_success:
            await undo(scene, action, who)
    assert found == expected


@pytest.mark.parametrize("kind", GRID)
async def test_an_image_is_seen_by_exactly_those_who_read_its_message(scenes: dict[str, Scene], kind: str) -> None:
    scene = scenes[kind]
    path = f"/media/{scene.image['id']}"
    for world, role, code in cells(kind, "read"):
        answer = await scene.people[(world, role)].http.get(path)
        # Of an image nothing is told to who does not see it, not even in a public room.
        told = None if answer.is_success else answer.json()["code"]
        assert told == (None if code is None else "not_found"), (world, role)


@pytest.mark.parametrize("kind", GRID)
async def test_a_message_is_found_by_exactly_those_who_read_it(scenes: dict[str, Scene], kind: str) -> None:
    scene = scenes[kind]
    await until_found(scene.victim, scene.said, [scene.said])
    for world, role, code in cells(kind, "read"):
        assert await found(scene.people[(world, role)], scene.said) == ([scene.said] if code is None else []), (
            world,
            role,
        )


@pytest.mark.parametrize("kind", GRID)
async def test_who_can_read_a_room_is_told_to_whoever_sees_that_there_is_one(
    scenes: dict[str, Scene], kind: str
) -> None:
    scene = scenes[kind]
    for world, role, code in cells(kind, "read"):
        answer = await scene.people[(world, role)].http.get(f"/rooms/{scene.room}/privacy")
        told = None if answer.is_success else answer.json()["code"]
        assert told == (None if kind == "public" else code), (world, role)


OFFICE: list[Call] = [
    ("GET", "/admin/keys", {}),
    ("POST", "/admin/keys/rotate", {"json": {"service": "messages"}}),
    ("POST", "/admin/keys/rotate", {"json": {"service": "media"}}),
    ("GET", "/admin/media/check", {}),
    ("GET", "/admin/search", {}),
    ("POST", "/admin/search/rebuild", {}),
]


@pytest.mark.parametrize(("method", "path", "more"), OFFICE, ids=str)
async def test_keys_index_and_bucket_are_for_admins_alone(
    scenes: dict[str, Scene], method: str, path: str, more: dict[str, Any]
) -> None:
    people = scenes["public"].people
    told = {}
    for (world, role), somebody in people.items():
        answer = await somebody.http.request(method, path, **more)
        told[(world, role)] = None if answer.is_success else answer.json()["code"]
    assert told == {who: None if who[0] == "admin" else "forbidden" for who in people}


async def test_keys_of_one_room_are_for_admins_alone_whoever_owns_it(scenes: dict[str, Scene]) -> None:
    for (world, role), somebody in scenes["private"].people.items():
        room = scenes["private"].room
        for path, body in (
            ("rotate", {"room_id": room}),
            ("destroy", {"room_id": room, "reason": "x"}),
        ):
            answer = await somebody.http.post(f"/admin/keys/{path}", json=body)
            # It is a plain room, which the admin is told.
            assert answer.json()["code"] == ("invalid" if world == "admin" else "forbidden"), (world, role)
