"""Sealed rooms and keys: each call is one verb, and carries the token where an admin is asked for."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from parley_gateway.examples import example
from parley_shared.contracts import keys, media
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import World
from .test_problems import problem

PATH = "/api/v1/admin/keys"
ROOM = new_id()


def one(kind: type[msgspec.Struct]) -> Any:
    return msgspec.convert(example(kind), kind)


async def test_a_room_says_in_plain_words_who_can_read_it(world: World) -> None:
    world.rpc.on(keys.ROOM_PRIVACY, one(keys.RoomPrivacy))
    answer = await world.http.get(f"/api/v1/rooms/{ROOM}/privacy")
    assert answer.status_code == 200
    assert answer.json()["not_protected"]
    assert world.rpc.requests(keys.ROOM_PRIVACY)[0].room_id == ROOM


async def test_keys_are_listed_with_those_of_images_on_the_first_page(world: World) -> None:
    world.rpc.on(keys.LIST_ROOM_KEYS, one(keys.RoomKeys))
    world.rpc.on(media.IMAGE_KEYS, media.WrappedKeys(current="new", counts={"old": 2, "new": 1}))
    answer = await world.http.get(PATH)
    assert answer.json()["images"] == {"current": "new", "counts": {"old": 2, "new": 1}}
    assert answer.json()["items"]
    for params in ({"room_id": str(ROOM)}, {"cursor": "there"}):
        assert (await world.http.get(PATH, params=params)).json()["images"] is None
    assert len(world.rpc.requests(media.IMAGE_KEYS)) == 1
    for asked in (*world.rpc.requests(keys.LIST_ROOM_KEYS), *world.rpc.requests(media.IMAGE_KEYS)):
        assert asked.token == world.token


async def test_keys_of_rooms_are_told_while_media_is_away_and_not_to_who_is_no_admin(world: World) -> None:
    world.rpc.on(keys.LIST_ROOM_KEYS, one(keys.RoomKeys))
    answer = await world.http.get(PATH)
    assert (answer.status_code, answer.json()["images"]) == (200, None)
    world.rpc.on(media.IMAGE_KEYS, Refused(Code.FORBIDDEN, "For admins."))
    problem(await world.http.get(PATH), 403, "forbidden")


async def test_a_room_gets_a_new_key(world: World) -> None:
    world.rpc.on(keys.ROTATE_ROOM_KEY, one(keys.RoomKey))
    answer = await world.http.post(f"{PATH}/rotate", json={"room_id": str(ROOM)})
    assert answer.json().keys() == {"key"}
    (asked,) = world.rpc.requests(keys.ROTATE_ROOM_KEY)
    assert (asked.room_id, asked.token) == (ROOM, world.token)


@pytest.mark.parametrize(("service", "verb"), [("messages", keys.REWRAP_ROOM_KEYS), ("media", media.REWRAP_IMAGES)])
async def test_all_keys_of_a_service_are_wrapped_anew_step_by_step(world: World, service: str, verb: Any) -> None:
    world.rpc.on(verb, keys.Rewrapped(rewrapped=500, left=20, wrapping_key="new", next="there"))
    for cursor in (None, "there"):
        answer = await world.http.post(f"{PATH}/rotate", json={"service": service, "cursor": cursor})
        assert answer.json() == {"rewrapped": {"rewrapped": 500, "left": 20, "wrapping_key": "new", "next": "there"}}
    assert [asked.cursor for asked in world.rpc.requests(verb)] == [None, "there"]


@pytest.mark.parametrize("body", [{}, {"service": "auth"}, {"room_id": "kitchen"}, {"service": "media", "cursor": 5}])
async def test_what_is_to_be_rotated_has_to_be_said(world: World, body: dict[str, Any]) -> None:
    problem(await world.http.post(f"{PATH}/rotate", json=body), 422, "invalid")


async def test_a_rooms_keys_are_destroyed_for_a_reason(world: World) -> None:
    gone = keys.KeysDestroyed(destroyed=2, backups_forget_at=datetime(2027, 1, 1, tzinfo=UTC), key=one(keys.RoomKey))
    world.rpc.on(keys.DESTROY_ROOM_KEYS, gone)
    answer = await world.http.post(f"{PATH}/destroy", json={"room_id": str(ROOM), "reason": "asked for"})
    assert answer.json()["backups_forget_at"] == "2027-01-01T00:00:00Z"
    (asked,) = world.rpc.requests(keys.DESTROY_ROOM_KEYS)
    assert (asked.room_id, asked.reason, asked.token) == (ROOM, "asked for", world.token)
    for reason in ("", "x" * 501, None):
        refused = await world.http.post(f"{PATH}/destroy", json={"room_id": str(ROOM), "reason": reason})
        assert problem(refused, 422, "invalid")["errors"].keys() == {"reason"}
    assert len(world.rpc.requests(keys.DESTROY_ROOM_KEYS)) == 1


async def test_the_bucket_is_compared_step_by_step(world: World) -> None:
    world.rpc.on(media.CHECK_STORE, one(media.StoreChecked))
    answer = await world.http.get("/api/v1/admin/media/check", params={"cursor": "there"})
    assert answer.json()["missing"] == []
    (asked,) = world.rpc.requests(media.CHECK_STORE)
    assert (asked.cursor, asked.token) == ("there", world.token)
