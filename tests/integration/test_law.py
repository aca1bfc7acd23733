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
from tests.protocol_client import PASSWORD, Frame, Person, Socket

STEPS = 90
REACTIONS = ("like", "dislike", "👍", "❤️")
OPERATIONS = (
    *("join", "say", "say", "say", "leave", "rename", "role", "kick", "drop", "owner says"),
    *("edit", "edit", "delete", "react", "react", "react", "unreact", "pin", "unpin"),
    *("mute", "unmute", "ban", "unban", "erase"),
)


class Copy:
    """One room as a client keeps it: made by a read, carried on by events."""

    def __init__(self, room_id: str) -> None:
        self.stream = f"room:{room_id}"
        self.room_id = room_id
        self.seq = 0
        self.messages: dict[str, Frame] = {}
        self.members: dict[str, tuple[str, str | None]] = {}
        self.room: Frame = {}

    async def read(self, person: Person, seq: int) -> None:
        """The state; whatever was committed after `seq` comes again as an event and changes nothing twice."""
        self.seq = seq
        self.messages = {message["id"]: message for message in await person.history(self.room_id)}
        members = await person.call("GET", f"/rooms/{self.room_id}/members", params={"limit": 200})
        self.members = {member["user_id"]: (member["role"], member["muted_until"]) for member in members["items"]}
        self.room = shown(await person.call("GET", f"/rooms/{self.room_id}"))

    def apply(self, frame: Frame) -> None:
        assert frame["seq"] == self.seq + 1, f"a gap: {self.seq} → {frame['seq']}"
        self.seq = frame["seq"]
        event = frame["event"]
        match event["kind"]:
            case "message.created":
                message = event["message"]
                self.messages[message["id"]] = message
            case "message.edited" if (known := self.living(event)) is not None and event["rev"] >= known["rev"]:
                fields = ("rev", "body", "format", "mentions", "mention_all", "edited_at", "unreadable")
                known |= {name: event[name] for name in fields}
            case "message.deleted" if event["message_id"] in self.messages:
                gone = {
                    "body": None,
                    "mentions": [],
                    "mention_all": False,
                    "reactions": [],
                    "pinned": False,
                    "media": [],
                }
                self.messages[event["message_id"]] |= {
                    "rev": event["rev"],
                    "deleted": True,
                    "deleted_by": event["deleted_by"],
                    "unreadable": False,
                    **gone,
                }
            case "message.pinned" | "message.unpinned" if (known := self.living(event)) is not None:
                known["pinned"] = event["kind"] == "message.pinned"
            case "reaction.added" | "reaction.removed" if (known := self.living(event)) is not None:
                react(known, event)
            case "member.joined" | "member.updated":
                self.members[event["user_id"]] = (event["role"], event.get("muted_until"))
            case "member.left" | "member.removed":
                self.members.pop(event["user_id"], None)
            case "room.updated":
                if event["room"]["rev"] >= self.room["rev"]:
                    self.room = shown(event["room"])

    def living(self, event: Frame) -> Frame | None:
        """The message that it is about, if it is known and not deleted: deletion wins."""
        known = self.messages.get(event["message_id"])
        return None if known is None or known["deleted"] else known


def react(message: Frame, event: Frame) -> None:
    """Sorted by reaction, its people in the order in which they came; the count is what the event says."""
    found = {reaction["reaction"]: reaction for reaction in message["reactions"]}
    name, user = event["reaction"], event["user_id"]
    users = list(found[name]["user_ids"]) if name in found else []
    if event["kind"] == "reaction.removed":
        users = [other for other in users if other != user]
    elif user not in users:
        users.append(user)
    found[name] = {"reaction": name, "count": event["count"], "user_ids": users}
    message["reactions"] = [found[name] for name in sorted(found) if found[name]["count"]]


def shown(room: Frame) -> Frame:
    """What everybody sees of a room, without what is one's own."""
    names = ("id", "name", "topic", "visibility", "history", "language", "slow_mode_s", "retention_days", "rev")
    return {name: room[name] for name in names}


def plain(messages: dict[str, Frame]) -> list[Any]:
    """`reply_count` and `mine` are counted by readers; the rest must be equal to the letter."""
    found = []
    for message in messages.values():
        kept = {name: value for name, value in message.items() if name != "reply_count"}
        bare = [{name: found[name] for name in ("reaction", "count", "user_ids")} for found in kept["reactions"]]
        found.append({**kept, "reactions": bare})
    return sorted(found, key=lambda message: message["seq"])


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
    banned: set[str] = set()

    async def take() -> None:
        nonlocal taken
        for frame in socket.frames[taken:]:
            if frame["type"] == "event" and frame["stream"] == copy.stream:
                copy.apply(frame)
        taken = len(socket.frames)

    async def step() -> None:
        nonlocal socket, taken
        who = chance.choice(crowd)
        match chance.choice(OPERATIONS):
            case "join" if who.id not in inside and who.id not in banned:
                await owner.call("POST", f"/rooms/{room}/members", 201, json={"user_id": who.id})
                inside[who.id] = await who.open()
            case "say" if who.id in inside:
                for _ in range(chance.randint(1, 5)):
                    await inside[who.id].say(room, secrets.token_hex(chance.randint(1, 40)))
            case "owner says":
                body = {"client_msg_id": secrets.token_hex(8), "body": "the owner was here"}
                await owner.call("POST", f"/rooms/{room}/messages", 201, json=body)
            case "edit" | "delete" | "react" | "unreact" | "pin" | "unpin" as what:
                messages = (await owner.call("GET", f"/rooms/{room}/messages"))["items"]
                if messages:
                    await change_message(what, chance.choice((*inside.values(), owner)), owner, chance.choice(messages))
            case "leave" if who.id in inside:
                await inside.pop(who.id).command("leave", room_id=room)
            case "kick" if who.id in inside:
                await owner.call("DELETE", f"/rooms/{room}/members/{who.id}", 204)
                inside.pop(who.id)
            case "mute":
                body = {"user_id": who.id, "minutes": chance.choice((None, 60)), "reason": "too loud"}
                await owner.call("POST", f"/rooms/{room}/mutes", 201, json=body)
            case "unmute":
                await owner.call("DELETE", f"/rooms/{room}/mutes/{who.id}", 204)
            case "ban":
                await owner.call("POST", f"/rooms/{room}/bans", 201, json={"user_id": who.id})
                banned.add(who.id)
                inside.pop(who.id, None)
            case "unban":
                await owner.call("DELETE", f"/rooms/{room}/bans/{who.id}", 204)
                banned.discard(who.id)
            case "erase" if who.id in inside:
                inside.pop(who.id)
                await erase(who, owner)
                crowd[crowd.index(who)] = await person(chance.randrange(2))
            case "role" if who.id in inside:
                role = chance.choice(("member", "moderator"))
                await owner.call("PATCH", f"/rooms/{room}/members/{who.id}", json={"role": role})
            case "rename":
                now = await owner.call("GET", f"/rooms/{room}")
                change = {"rev": now["rev"], "topic": secrets.token_hex(4), "retention_days": chance.choice((None, 30))}
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


async def erase(who: Person, other: Person) -> None:
    """Until nothing of him is left in rooms."""
    answer = await who.http.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    async with asyncio.timeout(20):
        while True:
            receipt = await other.http.get(f"/erasures/{begun['id']}", headers={"Parley-Erasure-Code": begun["code"]})
            if receipt.json()["stores"]["messages"]["done"]:
                return
            await asyncio.sleep(0.1)


async def change_message(what: str, who: Person | Socket, owner: Person, message: Frame) -> None:
    """Over the socket or HTTP, as it comes; what is refused must change nothing."""
    path = f"/rooms/{message['room_id']}/messages/{message['id']}"
    named = {"room_id": message["room_id"], "message_id": message["id"]}
    reaction = secrets.choice(REACTIONS)
    if what in ("pin", "unpin"):
        await owner.http.request("PUT" if what == "pin" else "DELETE", f"{path}/pin")
    elif isinstance(who, Socket):
        fields: Frame = {"edit": {"rev": message["rev"], "body": secrets.token_hex(4)}, "delete": {}}.get(
            what, {"reaction": reaction}
        )
        await who.command(what, **named, **fields)
    elif what == "edit":
        await who.http.patch(path, json={"rev": message["rev"], "body": secrets.token_hex(4)})
    elif what == "delete":
        await who.http.delete(path)
    else:
        await who.http.request("PUT" if what == "react" else "DELETE", f"{path}/reactions/{reaction}")


async def step_safely(owner: Person, room: str) -> None:
    """Something at the same time as something else."""
    body = {"client_msg_id": secrets.token_hex(8), "body": "meanwhile"}
    await owner.call("POST", f"/rooms/{room}/messages", 201, json=body)
