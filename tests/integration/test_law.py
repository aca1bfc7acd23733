"""The law: an old snapshot plus the events after it equals a fresh fetch.

Random operations of several people through both gateways; a reader keeps a copy by events alone, loses its connection now
and then, and comes back by resume. In the end its copy must be what a fresh read says.
"""

import asyncio
import random
import secrets
from typing import Any

import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Frame, Person, Socket

STEPS = 60


class Copy:
    """One room as a client keeps it: made by a read, carried on by events."""

    def __init__(self, room_id: str) -> None:
        self.stream = f"room:{room_id}"
        self.room_id = room_id
        self.seq = 0
        self.messages: dict[str, Frame] = {}
        self.members: dict[str, str] = {}
        self.room: Frame = {}

    async def read(self, person: Person, seq: int) -> None:
        """The state; whatever was committed after `seq` comes again as an event and changes nothing twice."""
        self.seq = seq
        self.messages = {message["id"]: message for message in await person.history(self.room_id)}
        members = await person.call("GET", f"/rooms/{self.room_id}/members", params={"limit": 200})
        self.members = {member["user_id"]: member["role"] for member in members["items"]}
        self.room = shown(await person.call("GET", f"/rooms/{self.room_id}"))

    def apply(self, frame: Frame) -> None:
        assert frame["seq"] == self.seq + 1, f"a gap: {self.seq} → {frame['seq']}"
        self.seq = frame["seq"]
        event = frame["event"]
        match event["kind"]:
            case "message.created":
                message = event["message"]
                self.messages[message["id"]] = message
            case "member.joined" | "member.updated":
                self.members[event["user_id"]] = event["role"]
            case "member.left" | "member.removed":
                self.members.pop(event["user_id"], None)
            case "room.updated":
                if event["room"]["rev"] >= self.room["rev"]:
                    self.room = shown(event["room"])


def shown(room: Frame) -> Frame:
    """What everybody sees of a room, without what is one's own."""
    names = ("id", "name", "topic", "visibility", "history", "language", "slow_mode_s", "rev")
    return {name: room[name] for name in names}


def plain(messages: dict[str, Frame]) -> list[Any]:
    """`reply_count` and `mine` are counted by readers; the rest must be equal to the letter."""
    return sorted(
        (message["seq"], message["id"], message["n"], message["body"], message["sender_id"], message["created_at"])
        for message in messages.values()
    )


@pytest.mark.parametrize("seed", range(4))
async def test_an_old_snapshot_and_the_events_after_it_are_a_fresh_read(
    suite: Suite, person: NewPerson, seed: int
) -> None:
    chance = random.Random(seed)
    owner, reader = await person(0), await person(1)
    crowd = [await person(number % 2) for number in range(4)]
    room = await owner.room(f"law {seed}", visibility="public" if seed % 2 else "private", history="all")
    await owner.call("POST", f"/rooms/{room}/members", 201, json={"user_id": reader.id})
    copy = Copy(room)
    socket = await reader.open()
    position = next(item["head"] for item in socket.ready["rooms"] if item["id"] == room)
    await copy.read(reader, position)
    taken = 0
    inside: dict[str, Socket] = {}

    async def take() -> None:
        nonlocal taken
        for frame in socket.frames[taken:]:
            if frame["type"] == "event" and frame["stream"] == copy.stream:
                copy.apply(frame)
        taken = len(socket.frames)

    async def step() -> None:
        nonlocal socket, taken
        who = chance.choice(crowd)
        match chance.choice(("join", "say", "say", "say", "leave", "rename", "role", "kick", "drop", "owner says")):
            case "join" if who.id not in inside:
                await owner.call("POST", f"/rooms/{room}/members", 201, json={"user_id": who.id})
                inside[who.id] = await who.open()
            case "say" if who.id in inside:
                for _ in range(chance.randint(1, 5)):
                    await inside[who.id].say(room, secrets.token_hex(chance.randint(1, 40)))
            case "owner says":
                body = {"client_msg_id": secrets.token_hex(8), "body": "the owner was here"}
                await owner.call("POST", f"/rooms/{room}/messages", 201, json=body)
            case "leave" if who.id in inside:
                await inside.pop(who.id).command("leave", room_id=room)
            case "kick" if who.id in inside:
                await owner.call("DELETE", f"/rooms/{room}/members/{who.id}", 204)
                inside.pop(who.id)
            case "role" if who.id in inside:
                role = chance.choice(("member", "moderator"))
                await owner.call("PATCH", f"/rooms/{room}/members/{who.id}", json={"role": role})
            case "rename":
                now = await owner.call("GET", f"/rooms/{room}")
                change = {"rev": now["rev"], "topic": secrets.token_hex(4)}
                await owner.call("PATCH", f"/rooms/{room}", json=change)
            case "drop":
                await take()
                socket.cut()
                await socket.until_closed()
                resume = {"epoch": socket.ready["epoch"], "at": {copy.stream: copy.seq}}
                socket = await reader.at(chance.choice(suite.urls)).open(resume=resume)
                taken = 0
                assert socket.ready["streams"][copy.stream]["status"] in ("recovered", "current")

    for _ in range(STEPS):
        if chance.random() < 0.2:
            await asyncio.gather(step_safely(owner, room), step())
        else:
            await step()
    head = (await reader.call("GET", f"/rooms/{room}"))["head"]
    if copy.seq < head:
        await take()
    if copy.seq < head:
        await socket.until_seq(copy.stream, head)
        await take()
    fresh = Copy(room)
    await fresh.read(reader, head)
    assert copy.seq == fresh.seq
    assert plain(copy.messages) == plain(fresh.messages)
    assert copy.members == fresh.members
    assert copy.room == fresh.room
    # And the log from its beginning tells the same story.
    told = Copy(room)
    told.room = {"rev": 0}
    after = 0
    while after < head:
        page = await reader.call("GET", f"/rooms/{room}/events", params={"after": after, "limit": 200})
        for frame in page["items"]:
            told.apply(frame)
        after = told.seq
    assert plain(told.messages) == plain(fresh.messages)
    assert told.members == fresh.members


async def step_safely(owner: Person, room: str) -> None:
    """Something at the same time as something else."""
    body = {"client_msg_id": secrets.token_hex(8), "body": "meanwhile"}
    await owner.call("POST", f"/rooms/{room}/messages", 201, json=body)
