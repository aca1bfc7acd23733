"""The table of who may do what, cell by cell, over the service's own verbs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from parley_shared.contracts import moderation
from parley_shared.contracts.messages import Accepted
from parley_shared.errors import Refused
from parley_shared.ids import new_id

from ..access_grid import GLOBAL_ROLES, GRID, ROOM_ROLES, ROWS, cells

Who = tuple[str, str | None]


@dataclass
class Scene:
    """A room with somebody of each kind in it. victim: a plain member; outsider: somebody whom nobody minds banned."""

    suite: Any
    room: UUID
    people: dict[Who, Any]
    victim: Any
    outsider: Any
    message: Any
    own: dict[Who, Any] = field(default_factory=dict)

    async def listed(self, verb: Any, actor: Any) -> None:
        await self.suite.rpc.call(verb, moderation.ListSanctions(actor=actor, room_id=self.room))

    async def say(self, actor: Any, **more: Any) -> Accepted:
        [outcome] = await self.suite.try_send(self.suite.message(actor, self.room, "Hello", **more))
        if not isinstance(outcome, Accepted):
            raise Refused(outcome.code, outcome.detail)
        return outcome

    async def delete_own(self, who: Who, actor: Any) -> None:
        message = await self.say(actor) if who[1] is not None else self.own[who]
        await self.suite.delete_message(actor, self.room, message)

    async def delete_another(self, actor: Any) -> None:
        await self.suite.delete_message(actor, self.room, await self.say(self.victim))

    async def delete(self, actor: Any) -> None:
        await self.suite.delete(actor, self.room)
        await self.suite.restore(actor, self.room)


ACTIONS: dict[str, Callable[[Scene, Who, Any], Awaitable[Any]]] = {
    "read": lambda s, _, a: s.suite.page(a, s.room),
    "send": lambda s, _, a: s.say(a),
    "reply": lambda s, _, a: s.say(a, thread_root_id=s.message.message_id),
    "react": lambda s, _, a: s.suite.react(a, s.room, s.message, "like"),
    "follow": lambda s, _, a: s.suite.follow(a, s.room, s.message),
    "mark read": lambda s, _, a: s.suite.read(a, s.room, 1),
    "report": lambda s, _, a: s.suite.report(a, s.room, s.message.message_id),
    "edit own": lambda s, w, a: s.suite.edit(a, s.room, s.own[w], 0, "Hi"),
    "edit another's": lambda s, _, a: s.suite.edit(a, s.room, s.message, 0, "Hi"),
    "delete own": lambda s, w, a: s.delete_own(w, a),
    "delete another's": lambda s, _, a: s.delete_another(a),
    "pin": lambda s, _, a: s.suite.pin(a, s.room, s.message),
    "revisions": lambda s, _, a: s.suite.revisions(a, s.room, s.message),
    "members": lambda s, _, a: s.suite.members(a, s.room),
    "invite": lambda s, _, a: s.suite.add(a, s.room, s.victim),
    "reports": lambda s, _, a: s.suite.rpc.call(
        moderation.LIST_ROOM_REPORTS, moderation.ListRoomReports(actor=a, room_id=s.room)
    ),
    "mute": lambda s, _, a: s.suite.mute(a, s.room, s.outsider),
    "mutes": lambda s, _, a: s.listed(moderation.LIST_MUTES, a),
    "kick": lambda s, _, a: s.suite.remove(a, s.room, s.outsider),
    "ban": lambda s, _, a: s.suite.ban(a, s.room, s.outsider),
    "bans": lambda s, _, a: s.listed(moderation.LIST_BANS, a),
    # From an old revision, which who may change it is told of.
    "slow mode": lambda s, _, a: s.suite.update(a, s.room, 0, slow_mode_s=5),
    "settings": lambda s, _, a: s.suite.update(a, s.room, 0, topic="News"),
    "retention": lambda s, _, a: s.suite.update(a, s.room, 0, retention_days=5),
    "roles": lambda s, _, a: s.suite.set_role(a, s.room, s.victim, "member"),
    "delete": lambda s, _, a: s.delete(a),
    "restore": lambda s, _, a: s.suite.restore(a, s.room),
}


async def scene(suite: Any, kind: str) -> Scene:
    creator, victim, outsider = suite.user(), suite.user(), suite.user()
    roles = ROOM_ROLES[:2] if kind == "direct" else ROOM_ROLES
    people = {(world, role): suite.user(world) for world in GLOBAL_ROLES for role in roles}
    inside = [person for (_, role), person in people.items() if role is not None]
    if kind == "direct":
        room = (await suite.direct(creator, victim, *inside)).room.id
    else:
        room = (await suite.room(creator, victim, visibility=kind, history="all")).id
        for (_, role), person in people.items():
            # Who is no member was one, and has left something behind.
            await suite.add(creator, room, person, role or "member")
    [message] = await suite.send(victim, room, "Hello")
    found = Scene(suite, room, people, victim, outsider, message)
    for who, person in people.items():
        if kind == "direct" and who[1] is None:
            found.own[who] = msgspec.structs.replace(message, message_id=new_id())
            continue
        found.own[who] = await found.say(person)
        if who[1] is None:
            await suite.leave(person, room)
    return found


@pytest_asyncio.fixture(scope="module")
async def scenes(suite) -> dict[str, Scene]:
    return {kind: await scene(suite, kind) for kind in GRID}


def test_every_action_is_tried_in_every_kind_of_room() -> None:
    assert all(set(actions) == set(ACTIONS) for actions in GRID.values())


@pytest.mark.parametrize(("kind", "action"), ROWS)
async def test_each_cell_is_as_it_is_written(scenes: dict[str, Scene], kind: str, action: str) -> None:
    where = scenes[kind]
    expected, found = {}, {}
    for world, role, code in cells(kind, action):
        who = (world, role)
        expected[who] = code
        try:
            await ACTIONS[action](where, who, where.people[who])
            found[who] = None
        except Refused as refusal:
            found[who] = None if refusal.code == "rev_conflict" else str(refusal.code)
    assert found == expected
