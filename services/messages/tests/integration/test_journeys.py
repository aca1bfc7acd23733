"""The way of one message: what its sender is told of it, and what support is, and that others are told nothing."""

import asyncio
from typing import Any

import msgspec
import pytest

from parley_shared.contracts import notifications as told
from parley_shared.contracts.base import Actor
from parley_shared.contracts.journey import JOURNEY, MessageJourney
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from ..conftest import refused
from .test_status import block, deliver


async def journey(suite, actor: Actor, room: Any, message: Any) -> MessageJourney:
    return await suite.rpc.call(JOURNEY, contract_request(suite, actor, room, message))


def contract_request(suite, actor: Actor, room: Any, message: Any) -> Any:
    return JOURNEY.request(**suite.of(actor, message, room.id))


async def until_told(suite, actor: Actor, room: Any, message: Any) -> MessageJourney:
    """Once nobody waits to be notified of it, and it is published."""
    async with asyncio.timeout(10):
        while True:
            found = await journey(suite, actor, room, message)
            if not found.waiting and found.published.relayed:
                return found
            await asyncio.sleep(0.05)


async def support_of(suite, room: Any) -> Actor:
    boss = suite.user("admin")
    await suite.grant(boss, room.id)
    return boss


def outcomes(found: MessageJourney) -> dict:
    return {decision.user_id: (decision.rule, decision.outcome) for decision in found.notifications or ()}


async def test_a_sender_learns_when_and_by_whom_it_was_committed_and_whom_it_has_reached(suite) -> None:
    sender, one, other = suite.user(), suite.user(), suite.user()
    room = await suite.room(sender, one, other)
    [sent] = await suite.send(sender, room.id, "hello")
    await deliver(suite, one, room, sent.seq)
    await suite.read(other, room.id, sent.seq)
    found = await until_told(suite, sender, room, sent)
    assert (found.committed.at, found.committed.seq, found.committed.n) == (sent.created_at, sent.seq, sent.n)
    assert found.committed.replica
    assert (found.viewer, found.rev, found.deleted_at) == ("sender", 1, None)
    assert (found.members, found.delivered, found.read) == (2, 2, 1)
    assert {item.user_id: item.state for item in found.recipients} == {one.user_id: "delivered", other.user_id: "read"}
    assert (found.notified, found.notifications, found.published.waiting_since) == (0, [], None)


async def test_nothing_that_was_said_or_that_somebody_is_called_is_in_it(suite) -> None:
    sender, other = suite.user(), suite.user()
    suite.names["way.other"] = other.user_id
    room = await suite.room(sender, other, name="The canary's room")
    [sent] = await suite.send(sender, room.id, "a canary for @way.other")
    text = msgspec.json.encode(await until_told(suite, sender, room, sent)).decode()
    assert "canary" not in text
    assert "way.other" not in text


async def test_who_was_notified_is_told_with_the_rule_that_led_to_it(suite) -> None:
    sender, named, follower = suite.user(), suite.user(), suite.user()
    suite.names["way.named"] = named.user_id
    room = await suite.room(sender, named, follower)
    [root] = await suite.send(follower, room.id, "a root")
    [reply] = await suite.send(sender, room.id, "a reply, @way.named", thread_root_id=root.message_id)
    found = await until_told(suite, sender, room, reply)
    assert outcomes(found) == {
        named.user_id: ("mentioned", "notified"),
        follower.user_id: ("follows_thread", "notified"),
    }
    assert {decision.kind for decision in found.notifications} == {"mention", "reply"}
    assert all(decision.at is None and decision.read is None for decision in found.notifications)
    direct = (await suite.direct(sender, named)).room
    [said] = await suite.send(sender, direct.id, "hello")
    assert outcomes(await until_told(suite, sender, direct, said)) == {named.user_id: ("direct_room", "notified")}


async def test_why_somebody_was_not_notified_is_for_support_alone(suite) -> None:
    sender, silent, apart, gone = (suite.user() for _ in range(4))
    suite.names.update({"way.silent": silent.user_id, "way.apart": apart.user_id, "way.gone": gone.user_id})
    room = await suite.room(sender, silent, apart, gone)
    await suite.rpc.call(told.SET_NOTIFY, told.SetNotify(actor=silent, room_id=room.id, level="none"))
    await block(suite, apart, sender)
    [sent] = await suite.send(sender, room.id, "@way.silent @way.apart")
    [later] = await suite.send(sender, room.id, "@way.gone")
    found = await until_told(suite, sender, room, sent)
    assert outcomes(found) == {user.user_id: ("mentioned", "not_notified") for user in (silent, apart)}
    boss = await support_of(suite, room)
    found = await until_told(suite, boss, room, sent)
    assert outcomes(found) == {silent.user_id: ("mentioned", "level"), apart.user_id: ("mentioned", "blocked")}
    await until_told(suite, sender, room, later)
    await suite.leave(gone, room.id)
    [decision] = (await journey(suite, boss, room, later)).notifications
    # What was decided stays decided.
    assert (decision.outcome, decision.read) == ("notified", False)
    assert decision.at is not None


async def test_support_sees_positions_as_they_are_and_a_sender_as_receipts_tell(suite) -> None:
    sender, quiet = suite.user(), suite.user()
    suite.receipts_off.add(quiet.user_id)
    room = await suite.room(sender, quiet)
    [sent] = await suite.send(sender, room.id)
    await suite.read(quiet, room.id, sent.seq)
    boss = await support_of(suite, room)
    assert [item.state for item in (await journey(suite, sender, room, sent)).recipients] == ["delivered"]
    assert [item.state for item in (await journey(suite, boss, room, sent)).recipients] == ["read"]


async def test_the_look_of_support_is_in_the_audit_trail_and_a_senders_is_not(suite) -> None:
    sender = suite.user()
    room = await suite.room(sender)
    [sent] = await suite.send(sender, room.id)
    boss = await support_of(suite, room)
    await journey(suite, sender, room, sent)
    await journey(suite, boss, room, sent)
    rows = await suite.database.fetch(
        "SELECT actor_id, target_id FROM messages.audit WHERE room_id = $1 AND action = 'access.journey'", room.id
    )
    assert [tuple(row) for row in rows] == [(boss.user_id, sent.message_id)]


async def test_nobody_else_is_shown_a_journey(suite) -> None:
    sender, member, owner_of_nothing, boss = suite.user(), suite.user(), suite.user(), suite.user("admin")
    room = await suite.room(sender, member, visibility="private")
    [sent] = await suite.send(sender, room.id)
    with refused(Code.FORBIDDEN):
        await journey(suite, member, room, sent)
    for outsider in (owner_of_nothing, boss):
        with refused(Code.NOT_FOUND):
            await journey(suite, outsider, room, sent)
    public = await suite.room(sender)
    [open_one] = await suite.send(sender, public.id)
    for outsider in (owner_of_nothing, boss):
        with refused(Code.NOT_A_MEMBER):
            await journey(suite, outsider, public, open_one)
    with pytest.raises(Refused) as caught:
        await suite.rpc.call(JOURNEY, JOURNEY.request(actor=sender, room_id=room.id, message_id=new_id()))
    assert caught.value.code == Code.NOT_FOUND


async def test_a_senders_journey_ends_with_his_membership(suite) -> None:
    owner, sender = suite.user(), suite.user()
    room = await suite.room(owner, sender, visibility="private")
    [sent] = await suite.send(sender, room.id)
    await suite.leave(sender, room.id)
    with refused(Code.NOT_FOUND):
        await journey(suite, sender, room, sent)


async def test_of_a_deleted_message_it_is_still_told_who_was_notified(suite) -> None:
    sender, named = suite.user(), suite.user()
    suite.names["way.deleted"] = named.user_id
    room = await suite.room(sender, named)
    [sent] = await suite.send(sender, room.id, "@way.deleted")
    await until_told(suite, sender, room, sent)
    await suite.delete_message(sender, room.id, sent)
    found = await journey(suite, sender, room, sent)
    assert found.deleted_at is not None
    assert outcomes(found) == {named.user_id: (None, "notified")}


async def test_in_a_large_room_there_are_counts_alone(suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley_messages.usecases.journeys.RECIPIENTS_LISTED", 2)
    sender, one, other = suite.user(), suite.user(), suite.user()
    suite.names["way.one"] = one.user_id
    room = await suite.room(sender, one, other)
    [sent] = await suite.send(sender, room.id, "@way.one")
    found = await until_told(suite, sender, room, sent)
    assert (found.members, found.notified) == (2, 1)
    assert found.recipients is None
    assert found.notifications is None
