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
from tests.protocol_client import Frame, Person, keep_open

# One table for the service's own tests and these.
_written = runpy.run_path(str(Path(__file__).parents[2] / "services" / "messages" / "tests" / "access_grid.py"))
GRID, ROWS, cells = _written["GRID"], _written["ROWS"], _written["cells"]
GLOBAL_ROLES, ROOM_ROLES = _written["GLOBAL_ROLES"], _written["ROOM_ROLES"]

Who = tuple[str, str | None]
Call = tuple[str, str, dict[str, Any]]


@dataclass
class Scene:
    """A room with somebody of each kind in it. victim: a plain member; outsider: somebody whom nobody minds banned."""

    room: str
    people: dict[Who, Person]
    victim: Person
    outsider: Person
    message: Frame
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
    scene = Scene(room, people, victim, outsider, {})
    method, path, more = scene.send()
    scene.message = await victim.call(method, path, 201, **more)
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
