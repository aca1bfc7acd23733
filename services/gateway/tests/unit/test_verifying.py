"""Verifying: each part is one owner's verb, and carries the token."""

from typing import Any

import msgspec
import pytest

from parley_gateway.examples import example
from parley_gateway.routes.verifying import VERBS
from parley_shared.contracts import verifying as contract
from parley_shared.ids import new_id

from .harness import World
from .test_problems import problem

PATH = "/api/v1/admin/verify"


@pytest.mark.parametrize("what", VERBS)
async def test_a_step_is_asked_of_who_owns_it(world: World, what: str) -> None:
    world.rpc.on(VERBS[what], msgspec.convert(example(contract.Verified), contract.Verified))
    answer = await world.http.get(f"{PATH}/{what}", params={"cursor": "there"})
    assert answer.status_code == 200
    assert answer.json()["divergences"]
    asked: Any
    (asked,) = world.rpc.requests(VERBS[what])
    assert (asked.token, asked.cursor, asked.room_id) == (world.token, "there", None)


async def test_one_room_is_a_question_about_rooms(world: World) -> None:
    room = new_id()
    world.rpc.on(contract.VERIFY_ROOMS, msgspec.convert(example(contract.Verified), contract.Verified))
    await world.http.get(f"{PATH}/rooms", params={"room_id": str(room)})
    assert world.rpc.requests(contract.VERIFY_ROOMS)[0].room_id == room
    problem(await world.http.get(f"{PATH}/people", params={"room_id": str(room)}), 422, "invalid")


async def test_nothing_else_can_be_verified(world: World) -> None:
    problem(await world.http.get(f"{PATH}/everything"), 404, "not_found")
