"""Who may see whether somebody is there, or types."""

from datetime import timedelta
from uuid import UUID

import pytest

from parley_shared.contracts.visibility import MAY_SEE, MAY_TYPE, MaySee, MayType, MayTypeAnswer
from parley_shared.errors import Code
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient


@pytest.fixture
async def presence(nats) -> RpcClient:
    bus = nats.bus("presence")
    await bus.connect()
    rpc = RpcClient(bus)
    await rpc.start()
    yield rpc
    await bus.close()


async def seen(presence: RpcClient, viewer, *others) -> list[UUID]:
    ids = [other if isinstance(other, UUID) else other.user_id for other in others]
    return (await presence.call(MAY_SEE, MaySee(viewer=viewer.user_id, user_ids=ids))).user_ids


async def may_type(suite, actor, room_id: UUID) -> MayTypeAnswer:
    return await suite.rpc.call(MAY_TYPE, MayType(user_id=actor.user_id, room_id=room_id))


async def block(suite, who, whom) -> None:
    await suite.database.execute(
        "INSERT INTO messages.blocks (user_id, blocked_id, at) VALUES ($1, $2, clock_timestamp())",
        who.user_id,
        whom.user_id,
    )


async def test_people_see_each_other_while_they_share_a_room(suite, presence) -> None:
    alice, bob, eve = suite.user(), suite.user(), suite.user()
    room = await suite.room(alice, bob, visibility="private", history="since_join")
    assert await seen(presence, alice, eve, bob, alice, new_id()) == [bob.user_id, alice.user_id]
    assert await seen(presence, bob, alice) == [alice.user_id]
    assert await seen(presence, eve, alice, bob, eve) == [eve.user_id]
    await suite.leave(bob, room.id)
    assert await seen(presence, alice, bob) == []
    assert await seen(presence, bob, alice) == []


async def test_who_blocked_or_is_blocked_is_like_a_stranger(suite, presence) -> None:
    alice, bob, carol = suite.user(), suite.user(), suite.user()
    await suite.room(alice, bob, carol)
    await block(suite, alice, bob)
    assert await seen(presence, alice, bob, carol) == [carol.user_id]
    assert await seen(presence, bob, alice, carol) == [carol.user_id]


async def test_a_deleted_room_is_no_longer_shared(suite, presence) -> None:
    alice, bob = suite.user(), suite.user()
    room = await suite.room(alice, bob)
    await suite.set_role(alice, room.id, bob, "owner")
    await suite.delete(alice, room.id)
    assert await seen(presence, alice, bob) == []


async def test_at_most_two_hundred_are_asked_for_at_once(suite, presence) -> None:
    alice = suite.user()
    with suite.refused(Code.INVALID):
        await seen(presence, alice, *(new_id() for _ in range(201)))


async def test_members_who_are_not_muted_may_type(suite) -> None:
    alice, bob, eve = suite.user(), suite.user(), suite.user()
    room = await suite.room(alice, bob)
    nobody = MayTypeAnswer(allowed=False, hidden_from=[])
    assert await may_type(suite, bob, room.id) == MayTypeAnswer(allowed=True, hidden_from=[])
    assert await may_type(suite, eve, room.id) == nobody
    assert await may_type(suite, bob, new_id()) == nobody
    for ago, allowed in ((timedelta(minutes=-1), False), (timedelta(minutes=1), True)):
        await suite.database.execute(
            "UPDATE messages.members SET muted_until = clock_timestamp() - $3::interval"
            " WHERE room_id = $1 AND user_id = $2",
            room.id,
            bob.user_id,
            ago,
        )
        assert (await may_type(suite, bob, room.id)).allowed is allowed
    await suite.delete(alice, room.id)
    assert await may_type(suite, alice, room.id) == nobody


async def test_nobody_types_in_a_room_of_more_than_a_hundred(suite) -> None:
    alice = suite.user()
    room = await suite.room(alice)
    for count, allowed in ((100, True), (101, False)):
        await suite.database.execute("UPDATE messages.rooms SET member_count = $2 WHERE id = $1", room.id, count)
        assert (await may_type(suite, alice, room.id)).allowed is allowed


async def test_typing_is_hidden_from_members_behind_a_block(suite) -> None:
    alice, bob, carol, away = suite.user(), suite.user(), suite.user(), suite.user()
    room = await suite.room(alice, bob, carol)
    await block(suite, alice, bob)
    await block(suite, carol, alice)
    await block(suite, away, alice)
    assert set((await may_type(suite, alice, room.id)).hidden_from) == {bob.user_id, carol.user_id}
    assert (await may_type(suite, bob, room.id)).hidden_from == [alice.user_id]
