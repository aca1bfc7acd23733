"""The law: an old snapshot plus the events after it equals a fresh fetch. Random operations of several users, on PostgreSQL."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley_shared.contracts import frames, keys
from parley_shared.contracts import messages as contract
from parley_shared.errors import Refused

PEOPLE = 3
REACTIONS = ["like", "dislike", "👍", "☀️"]

operations = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("send", "send", "send", "reply", "reply"),
                *("edit", "edit", "delete", "react", "react", "react", "unreact", "pin", "unpin"),
                *("join", "leave", "kick", "add", "role", "rename", "undo", "erase"),
                *("mute", "mute", "unmute", "ban", "unban", "expire", "image", "rotate", "destroy"),
            ]
        ),
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE - 1),
    ),
    min_size=1,
    max_size=25,
)


@dataclass
class View:
    """A room as a client holds it: settings, members and messages, at a seq."""

    head: int
    room: contract.Room
    members: dict[UUID, tuple[str, datetime | None]]
    messages: dict[UUID, contract.Message]
    read: list[int] = field(default_factory=list)

    def apply(self, event: frames.Event) -> None:
        """By the rules of the protocol: in order, and a message counts a reply for its root."""
        assert event.seq > self.head
        self.head = event.seq
        body = event.event
        match body:
            case frames.MessageCreated(message=message):
                self.messages[message.id] = message
                root = None if message.thread_root_id is None else self.messages.get(message.thread_root_id)
                if root is not None:
                    self.messages[root.id] = msgspec.structs.replace(root, reply_count=root.reply_count + 1)
            case frames.MessageEdited(message_id=message_id) if (known := self.living(message_id)) is not None:
                if body.rev >= known.rev:
                    self.change(
                        known,
                        rev=body.rev,
                        body=body.body,
                        format=body.format,
                        mentions=body.mentions,
                        mention_all=body.mention_all,
                        edited_at=body.edited_at,
                        unreadable=body.unreadable,
                    )
            case frames.MessageDeleted(message_id=message_id) if message_id in self.messages:
                # Deletion wins: nothing that follows brings back what the message said or was given.
                self.change(
                    self.messages[message_id],
                    rev=body.rev,
                    body=None,
                    mentions=[],
                    mention_all=False,
                    reactions=[],
                    pinned=False,
                    media=[],
                    unreadable=False,
                    deleted=True,
                    deleted_by=body.deleted_by,
                )
            case frames.MessagePinned(message_id=message_id) if (known := self.living(message_id)) is not None:
                self.change(known, pinned=True)
            case frames.MessageUnpinned(message_id=message_id) if (known := self.living(message_id)) is not None:
                self.change(known, pinned=False)
            case frames.ReactionAdded(message_id=message_id) | frames.ReactionRemoved(message_id=message_id) if (
                known := self.living(message_id)
            ) is not None:
                self.change(known, reactions=reacted(known.reactions, body))
            case frames.MemberJoined(user_id=user_id, role=role):
                self.members[user_id] = (role, None)
            case frames.MemberUpdated(user_id=user_id, role=role, muted_until=muted_until):
                self.members[user_id] = (role, muted_until)
            case frames.MemberLeft(user_id=user_id) | frames.MemberRemoved(user_id=user_id):
                self.members.pop(user_id, None)
            case frames.RoomUpdated(room=room):
                if (room.unreadable_before or 0) > (self.room.unreadable_before or 0):
                    self.lose(room.unreadable_before or 0)
                self.room = room

    def lose(self, before: int) -> None:
        """A sealed room's key was destroyed: what was said before cannot be read any more, but for what is edited afterwards."""
        for message in list(self.messages.values()):
            if message.seq < before and not message.deleted:
                self.change(message, body=None, unreadable=True)

    def living(self, message_id: UUID) -> contract.Message | None:
        """The message, if the client has it and it is not deleted."""
        known = self.messages.get(message_id)
        return None if known is None or known.deleted else known

    def change(self, message: contract.Message, **fields: Any) -> None:
        self.messages[message.id] = msgspec.structs.replace(message, **fields)


def reacted(
    reactions: list[contract.Reaction], event: frames.ReactionAdded | frames.ReactionRemoved
) -> list[contract.Reaction]:
    """Sorted by reaction; the people of each in the order in which they came; the count is what the event says."""
    found = {reaction.reaction: reaction for reaction in reactions}
    users = [*found[event.reaction].user_ids] if event.reaction in found else []
    if isinstance(event, frames.ReactionRemoved):
        users = [user for user in users if user != event.user_id]
    elif event.user_id not in users:
        users.append(event.user_id)
    found[event.reaction] = contract.Reaction(reaction=event.reaction, count=event.count, user_ids=users)
    return [found[name] for name in sorted(found) if found[name].count]


def shared(message: contract.Message) -> contract.Message:
    """Without what is one's own."""
    bare = [msgspec.structs.replace(reaction, mine=msgspec.UNSET) for reaction in message.reactions]
    return msgspec.structs.replace(message, reactions=bare)


async def fetch(suite: Any, actor: Any, room_id: UUID) -> View:
    """What a fresh client reads. Nobody else is writing at this moment."""
    mine = await suite.mine(actor, room_id)
    listed = (await suite.members(actor, room_id, limit=200)).items
    messages: dict[UUID, contract.Message] = {}
    for message in (await suite.page(actor, room_id, limit=200)).items:
        messages[message.id] = shared(message)
    # Pages hold no replies; their ids are those that the events name.
    for event in await suite.events(actor, room_id, after=max(0, mine.head - 200)):
        if isinstance(event.event, frames.MessageCreated):
            message_id = event.event.message.id
            messages[message_id] = shared(await suite.message_of(actor, room_id, message_id))
    return View(
        head=mine.head,
        room=contract.Room(**{name: getattr(mine, name) for name in contract.Room.__struct_fields__}),
        members={member.user_id: (member.role, member.muted_until) for member in listed},
        messages=messages,
    )


async def some_message(suite: Any, witness: Any, room_id: UUID) -> contract.Message | None:
    """Any of the room's, replies and tombstones too."""
    ids = [
        event.event.message.id
        for event in await suite.events(witness, room_id)
        if isinstance(event.event, frames.MessageCreated)
    ]
    return await suite.message_of(witness, room_id, random.choice(ids)) if ids else None


async def change(suite: Any, what: str, actor: Any, room_id: UUID, message: contract.Message) -> None:
    match what:
        case "edit":
            rev = random.choice([message.rev, message.rev, message.rev, message.rev - 1])
            await suite.edit(
                actor, room_id, message, rev, random.choice(["edited", "edited again", message.body or "x"])
            )
        case "delete":
            await suite.delete_message(actor, room_id, message)
        case "react":
            await suite.react(actor, room_id, message, random.choice(REACTIONS))
        case "unreact":
            await suite.unreact(actor, room_id, message, random.choice(REACTIONS))
        case "pin":
            await suite.pin(actor, room_id, message)
        case "unpin":
            await suite.unpin(actor, room_id, message)


async def act(suite: Any, what: str, room_id: UUID, witness: Any, people: list[Any], one: int, other: int) -> None:
    actor, target = people[one], people[other]
    try:
        match what:
            case "send":
                await suite.try_send(suite.message(actor, room_id, random.choice(["hello", "ä", "x" * 200])))
            case "image":
                image = suite.gallery.add(actor.user_id)
                await suite.try_send(suite.message(actor, room_id, "look", media_ids=[image.id]))
            case "rotate" | "destroy":
                await turn_key(suite, what, room_id)
            case "reply":
                items = (await suite.page(actor, room_id, limit=5)).items
                if items:
                    await suite.try_send(suite.message(actor, room_id, "re", thread_root_id=items[0].id))
            case "edit" | "delete" | "react" | "unreact" | "pin" | "unpin":
                message = await some_message(suite, witness, room_id)
                if message is not None:
                    await change(suite, what, actor, room_id, message)
            case "join":
                await suite.join(actor, room_id)
            case "leave":
                await suite.leave(actor, room_id)
            case "kick":
                await suite.remove(actor, room_id, target)
            case "add":
                await suite.add(actor, room_id, target)
            case "role":
                await suite.set_role(actor, room_id, target, random.choice(["member", "moderator", "owner"]))
            case "rename":
                rev = (await suite.mine(witness, room_id)).rev
                await suite.update(actor, room_id, rev, topic=str(random.random()))
            case "mute":
                await suite.mute(actor, room_id, target, random.choice([None, 1, 60]))
            case "unmute":
                await suite.unmute(actor, room_id, target)
            case "ban":
                await suite.ban(actor, room_id, target, random.choice([None, 60]))
            case "unban":
                await suite.unban(actor, room_id, target)
            case "expire":
                await suite.expire(room_id)
            case "erase":
                await suite.erase(target)
            case "undo":
                await suite.delete(witness, room_id)
                await suite.restore(witness, room_id)
    except Refused as refusal:
        # Most of what random people try is not theirs to do; what matters is that it then changed nothing.
        if refusal.code in ("internal", "unavailable"):
            raise


async def turn_key(suite: Any, what: str, room_id: UUID) -> None:
    """In a plain room it is refused."""
    admin = suite.user("admin")
    if what == "rotate":
        await suite.rpc.call(keys.ROTATE_ROOM_KEY, keys.RotateRoomKey(actor=admin, token=suite.token, room_id=room_id))
    else:
        request = keys.DestroyRoomKeys(actor=admin, token=suite.token, room_id=room_id, reason="because")
        await suite.rpc.call(keys.DESTROY_ROOM_KEYS, request)


async def _an_old_snapshot_plus_events_equals_a_fresh_fetch(
    suite: Any, before: list[Any], after: list[Any], history: str, encryption: str
) -> None:
    witness, *people = [suite.user() for _ in range(PEOPLE + 1)]
    room = await suite.room(witness, *people, history=history, encryption=encryption)
    # One of them may change settings and roles, so that what is tried also succeeds.
    await suite.set_role(witness, room.id, people[0], "owner")
    for operation in before:
        await act(suite, operation[0], room.id, witness, people, *operation[1:])
    old = await fetch(suite, witness, room.id)
    for operation in after:
        await act(suite, operation[0], room.id, witness, people, *operation[1:])
    for event in await suite.events(witness, room.id, after=old.head):
        old.apply(event)
    fresh = await fetch(suite, witness, room.id)
    assert old == fresh
    await _the_log_is_dense_and_counts_are_true(suite, witness, room.id)


async def _the_log_is_dense_and_counts_are_true(suite: Any, witness: Any, room_id: UUID) -> None:
    mine = await suite.mine(witness, room_id)
    answer = await suite.hub_range(f"room:{room_id}")
    assert [event.seq for event in answer.events] == list(range(1, mine.head + 1))
    row = await suite.database.fetchrow(
        "SELECT n, (SELECT count(*) FROM messages.messages WHERE room_id = $1 AND n IS NOT NULL),"
        " (SELECT count(*) FROM messages.members WHERE room_id = $1 AND to_seq IS NULL), member_count,"
        " (SELECT count(DISTINCT n) FROM messages.messages WHERE room_id = $1), last_at,"
        " (SELECT max(at) FROM messages.events WHERE stream = $2)"
        " FROM messages.rooms WHERE id = $1",
        room_id,
        f"room:{room_id}",
    )
    assert row[0] == row[1] == row[4]
    assert row[2] == row[3]
    assert row[5] == row[6], "a room was last active when its newest event happened"
    instants = await suite.database.fetch(
        "SELECT at FROM messages.events WHERE stream = $1 ORDER BY seq", f"room:{room_id}"
    )
    assert [row["at"] for row in instants] == sorted(row["at"] for row in instants)


@pytest.mark.parametrize(("history", "encryption"), [("all", "plain"), ("since_join", "plain"), ("all", "sealed")])
async def test_an_old_snapshot_plus_the_events_after_it_equals_a_fresh_fetch(suite, history, encryption) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(before=operations, after=operations)
    def check(before: list[Any], after: list[Any]) -> None:
        asyncio.run_coroutine_threadsafe(
            _an_old_snapshot_plus_events_equals_a_fresh_fetch(suite, before, after, history, encryption), loop
        ).result(60)

    # Hypothesis is synchronous: it draws in a thread, and what it draws is done on this loop.
    await asyncio.to_thread(check)


async def test_the_law_holds_while_everybody_acts_at_once(suite) -> None:
    witness, *people = [suite.user() for _ in range(PEOPLE + 1)]
    room = await suite.room(witness, *people)
    old = await fetch(suite, witness, room.id)
    kinds = ["send", "send", "send", "join", "leave", "kick", "add", "rename"]
    kinds += ["edit", "delete", "react", "react", "unreact", "pin", "unpin", "mute", "unmute", "ban", "unban"]
    draw = random.Random(7)
    work = [
        act(suite, draw.choice(kinds), room.id, witness, people, draw.randrange(PEOPLE), draw.randrange(PEOPLE))
        for _ in range(150)
    ]
    await asyncio.gather(*work)
    for event in await suite.events(witness, room.id, after=old.head):
        old.apply(event)
    assert old == await fetch(suite, witness, room.id)
    await _the_log_is_dense_and_counts_are_true(suite, witness, room.id)
