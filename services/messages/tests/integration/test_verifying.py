"""Verifying finds whatever was changed behind the back of messages, names it, and finds nothing where nothing was."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from parley_messages.usecases import verifying
from parley_messages.usecases.verifying import plan
from parley_shared.contracts import verifying as contract
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def verified(suite, **asked: Any) -> list[contract.Divergence]:
    """Of all rooms, or one, to the end."""
    admin = suite.user("admin")
    found: list[contract.Divergence] = []
    cursor = None
    while True:
        request = contract.Verify(actor=admin, token=suite.token, cursor=cursor, **asked)
        step = await suite.rpc.call(contract.VERIFY_ROOMS, request)
        found += step.divergences
        cursor = step.next
        if cursor is None:
            return found


async def people_verified(suite, user_id: UUID) -> list[contract.Divergence]:
    admin = suite.user("admin")
    found: list[contract.Divergence] = []
    cursor = None
    while True:
        request = contract.Verify(actor=admin, token=suite.token, cursor=cursor)
        step = await suite.rpc.call(contract.VERIFY_PEOPLE, request)
        found += step.divergences
        cursor = step.next
        if cursor is None:
            return [item for item in found if item.stream == f"user:{user_id}"]


class Lived:
    """A room in which everything has happened that can: what verifying must take for what it is."""

    def __init__(self, suite: Any) -> None:
        self.suite = suite

    async def live(self) -> "Lived":
        suite = self.suite
        self.owner, self.member, gone, erased, removed = (suite.user() for _ in range(5))
        room = await suite.room(self.owner, self.member, gone, erased, removed)
        self.room_id = room.id
        self.image = suite.gallery.add(self.owner.user_id)
        await suite.remove(self.owner, room.id, removed)
        self.first, edited, deleted, self.root, pinned = await suite.send(
            self.owner, room.id, "first", "to be edited", "to be deleted", "root", "pinned"
        )
        [self.shown] = await suite.send(self.owner, room.id, "with an image", media_ids=[self.image.id])
        unseen = suite.gallery.add(self.owner.user_id)
        [hidden] = await suite.send(self.owner, room.id, "no image any more", media_ids=[unseen.id])
        await suite.delete_message(self.owner, room.id, hidden)
        await suite.send(self.member, room.id, "a reply", thread_root_id=self.root.message_id)
        await suite.send(erased, room.id, "by somebody who goes")
        await suite.edit(self.owner, room.id, edited, 1, "edited")
        await suite.pin(self.owner, room.id, pinned)
        await suite.react(self.member, room.id, self.first, "like")
        await suite.react(self.member, room.id, self.first, "dislike")
        await suite.react(erased, room.id, self.first, "like")
        await suite.react(self.member, room.id, deleted, "like")
        await suite.delete_message(self.owner, room.id, deleted)
        await suite.leave(gone, room.id)
        await suite.join(gone, room.id)
        await suite.read(self.member, room.id, self.root.seq)
        await suite.delete(self.owner, room.id)
        await suite.erase(erased)
        await suite.restore(self.owner, room.id)
        await suite.send(self.owner, room.id, "after all that")
        return self

    async def change(self, statement: str, *arguments: object) -> None:
        """What nobody but a fault or a hand could do."""
        status = await self.suite.database.execute(statement, *arguments)
        assert status.split()[-1] != "0", "nothing was changed"


@pytest.fixture
async def lived(suite) -> Lived:
    return await Lived(suite).live()


async def test_a_room_in_which_everything_has_happened_is_in_order(suite, lived) -> None:
    assert await verified(suite, room_id=lived.room_id) == []


async def test_sealed_and_direct_rooms_and_those_that_forget_are_in_order(suite) -> None:
    owner, other = suite.user(), suite.user()
    sealed = await suite.room(owner, other, encryption="sealed")
    await suite.send(other, sealed.id, "sealed")
    direct = await suite.direct(owner, other)
    await suite.send(owner, direct.room.id, "direct")
    short = await suite.room(owner, other)
    await suite.send(owner, short.id, "old", "older")
    await suite.database.execute(
        "UPDATE messages.messages SET created_at = created_at - interval '9 days' WHERE room_id = $1", short.id
    )
    room = await suite.get(owner, short.id)
    await suite.update(owner, short.id, room.room.rev, retention_days=1)
    await suite.expire(short.id)
    for room_id in (sealed.id, direct.room.id, short.id):
        assert await verified(suite, room_id=room_id) == []


CORRUPTIONS: dict[str, Callable[[Lived], Awaitable[None]]] = {
    "log.hole": lambda lived: lived.change(
        "DELETE FROM messages.events WHERE stream = 'room:' || $1::text AND kind = 'message.pinned'", str(lived.room_id)
    ),
    "log.doubled": lambda lived: lived.change(
        "INSERT INTO messages.events (stream, seq, at, kind) SELECT stream, seq, at + interval '1 ms', 'room.updated'"
        " FROM messages.events WHERE stream = 'room:' || $1::text AND seq = 2",
        str(lived.room_id),
    ),
    "log.beyond": lambda lived: lived.change(
        "INSERT INTO messages.events (stream, seq, at, kind) SELECT 'room:' || id, head + 5, clock_timestamp(), 'room.updated'"
        " FROM messages.rooms WHERE id = $1",
        lived.room_id,
    ),
    "state.lost": lambda lived: lived.change(
        "DELETE FROM messages.messages WHERE room_id = $1 AND id = $2", lived.room_id, lived.first.message_id
    ),
    "state.unlogged": lambda lived: lived.change(
        "UPDATE messages.events SET kind = 'room.updated', message_id = NULL"
        " WHERE stream = 'room:' || $1::text AND seq = $2",
        str(lived.room_id),
        lived.first.seq,
    ),
    "state.changed": lambda lived: lived.change(
        "UPDATE messages.messages SET deleted_at = clock_timestamp() WHERE room_id = $1 AND id = $2",
        lived.room_id,
        lived.first.message_id,
    ),
    "state.no_text": lambda lived: lived.change(
        "UPDATE messages.message_revisions SET body = NULL WHERE room_id = $1 AND message_id = $2",
        lived.room_id,
        lived.first.message_id,
    ),
    "state.ordinal": lambda lived: lived.change(
        "UPDATE messages.messages SET n = n + 1000 WHERE room_id = $1 AND id = $2",
        lived.room_id,
        lived.first.message_id,
    ),
    "state.count": lambda lived: lived.change("UPDATE messages.rooms SET n = n + 1 WHERE id = $1", lived.room_id),
    "state.replies": lambda lived: lived.change(
        "UPDATE messages.messages SET reply_count = 7 WHERE room_id = $1 AND id = $2",
        lived.room_id,
        lived.root.message_id,
    ),
    "state.reactions": lambda lived: lived.change(
        "DELETE FROM messages.reactions WHERE room_id = $1 AND user_id = $2", lived.room_id, lived.member.user_id
    ),
    "state.members": lambda lived: lived.change(
        "UPDATE messages.members SET from_seq = from_seq - 1 WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
        lived.room_id,
        lived.member.user_id,
    ),
    "state.member_count": lambda lived: lived.change(
        "UPDATE messages.rooms SET member_count = 99 WHERE id = $1", lived.room_id
    ),
    "unread.position": lambda lived: lived.change(
        "UPDATE messages.positions SET read_n = read_n - 1 WHERE room_id = $1 AND user_id = $2",
        lived.room_id,
        lived.member.user_id,
    ),
    "images.carried": lambda lived: lived.change(
        "DELETE FROM messages.message_images WHERE room_id = $1 AND message_id = $2",
        lived.room_id,
        lived.shown.message_id,
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_one_corrupted_row_is_named(suite, lived, kind: str) -> None:
    await CORRUPTIONS[kind](lived)
    found = await verified(suite, room_id=lived.room_id)
    assert kind in {item.kind for item in found}
    assert {item.stream for item in found} == {f"room:{lived.room_id}"}
    assert found[0].detail


async def test_an_unread_count_that_is_wrong_is_told_with_whose_it_is(suite, lived) -> None:
    await CORRUPTIONS["unread.position"](lived)
    [found] = await verified(suite, room_id=lived.room_id)
    assert found.user_id == lived.member.user_id
    assert "are unread by his position" in found.detail


async def test_an_image_that_media_has_lost_is_named(suite, lived, monkeypatch) -> None:
    monkeypatch.setattr(verifying, "SETTLE_S", 0.0)
    del suite.gallery.images[lived.image.id]
    [found] = await verified(suite, room_id=lived.room_id)
    assert (found.kind, found.message_id) == ("images.missing", lived.shown.message_id)
    assert str(lived.image.id) in found.detail


async def test_notifications_and_own_streams_are_compared(suite) -> None:
    alice, bob = suite.user(), suite.user()
    direct = await suite.direct(alice, bob)
    await suite.send(alice, direct.room.id, "look")
    async with asyncio.timeout(10):
        while "notification.created" not in suite.kinds(await suite.own_events(bob)):
            await asyncio.sleep(0.05)
    assert await people_verified(suite, bob.user_id) == []
    await suite.database.execute("DELETE FROM messages.notifications WHERE user_id = $1", bob.user_id)
    [found] = await people_verified(suite, bob.user_id)
    assert found.kind == "unread.lost"
    await suite.database.execute("DELETE FROM messages.events WHERE stream = $1", f"user:{bob.user_id}")
    [found] = await people_verified(suite, bob.user_id)
    assert found.kind == "log.hole"


async def test_it_is_in_order_while_people_talk(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    done = asyncio.Event()

    async def talk() -> None:
        while not done.is_set():
            [sent] = await suite.send(owner, room.id, "a word")
            await suite.react(member, room.id, sent, "like")
            await suite.edit(owner, room.id, sent, 1, "another word")
            await suite.read(member, room.id, sent.seq)
            await suite.delete_message(owner, room.id, sent)

    talking = asyncio.create_task(talk())
    try:
        for _ in range(20):
            assert await verified(suite, room_id=room.id) == []
    finally:
        done.set()
        await talking


async def test_it_is_for_admins(suite) -> None:
    for actor, token in ((suite.user(), suite.token), (suite.user("admin"), "another")):
        for verb in (contract.VERIFY_ROOMS, contract.VERIFY_PEOPLE):
            with pytest.raises(Exception) as caught:
                await suite.rpc.call(verb, contract.Verify(actor=actor, token=token))
            assert caught.value.code in (Code.FORBIDDEN, Code.BAD_TOKEN)


def test_a_step_ends_in_the_middle_of_a_large_stream_and_goes_on_there() -> None:
    small, large, last = sorted(new_id() for _ in range(3))
    streams = [(small, 5), (large, 250), (last, 7)]
    first = plan(streams, None, seqs=100)
    assert [(window.id, window.after, window.upto) for window in first.windows] == [(small, 0, 5), (large, 0, 75)]
    assert (first.done, first.last) == (1, (large, 75))
    second = plan(streams[1:], first.last, seqs=100)
    assert second.last == (large, 175)
    third = plan(streams[1:], second.last, seqs=100)
    assert [(window.id, window.after, window.upto) for window in third.windows] == [(large, 175, 250), (last, 0, 5)]
    fourth = plan(streams[2:], third.last, seqs=100)
    assert ([window.upto for window in fourth.windows], fourth.done, fourth.last) == ([7], 1, None)


def test_a_stream_that_ends_with_its_step_is_not_looked_at_again() -> None:
    first, second = sorted((new_id(), new_id()))
    step = plan([(first, 100), (second, 1)], None, seqs=100)
    assert (step.done, step.last) == (1, (first, None))
    assert [window.id for window in plan([(first, 100), (second, 1)], step.last, seqs=100).windows] == [second]
