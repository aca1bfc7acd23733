"""Writes scenarios/recorded.json: what a real suite says to a client, frame by frame, in stories that are played against it.

The client that is recorded here speaks the raw protocol; what an SDK must show is what the frames say, in the order in which they
came. Times are not kept, only order. Needs a suite that runs with its ordinary limits:

    record.py http://127.0.0.1:8000
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from websockets.asyncio.client import ClientConnection, connect

TARGET = Path(__file__).resolve().parent / "scenarios" / "recorded.json"
PASSWORD = "a long passphrase for recording"

Frame = dict[str, Any]
Told = list[Any]


class Person:
    """Somebody who speaks HTTP only."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"r{secrets.token_hex(6)}"
        self.http = httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=30)
        self.token = ""
        self.id = ""

    async def arrive(self) -> None:
        made = await self.http.post("/auth/register", json={"username": self.name, "password": PASSWORD})
        self.id = made.raise_for_status().json()["id"]
        found = await self.http.post("/auth/token", data={"username": self.name, "password": PASSWORD})
        self.token = found.raise_for_status().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    async def call(self, method: str, path: str, **more: Any) -> Any:
        answer = (await self.http.request(method, path, **more)).raise_for_status()
        return answer.json() if answer.content else None

    async def room(self, **more: Any) -> str:
        return str((await self.call("POST", "/rooms", json={"name": "A room", "visibility": "public", **more}))["id"])

    async def say(self, room: str, body: str) -> Any:
        return await self.call("POST", f"/rooms/{room}/messages", json={"client_msg_id": str(uuid4()), "body": body})


class Recorded(Person):
    """The client whose conversation is kept."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.steps: list[Frame] = [{"app": "connect"}]
        self.shown: list[Told] = []
        self.at: dict[str, int] = {}
        self.epoch: str | None = None
        self.socket: ClientConnection | None = None
        self.keys: dict[int, str] = {}
        self.outcomes: dict[str, Frame] = {}

    async def come(self) -> None:
        """Connect, and read as far as live."""
        address = self.url.replace("http", "ws", 1) + "/api/v1/ws"
        self.socket = await connect(address, compression=None)
        self.steps.append({"expect": "connection", "after_ms": [0, 1000]})
        hello = await self.frame()
        self.steps.append({"server": "frame", "frame": hello})
        auth: Frame = {"type": "auth", "protocol": 1}
        if self.epoch is not None:
            own = [stream for stream in self.at if stream.startswith("user:")]
            rooms = [stream for stream in self.at if stream not in own]
            auth["resume"] = {"epoch": self.epoch, "at": {stream: self.at[stream] for stream in (*own, *rooms)}}
        await self.socket.send(json.dumps({**auth, "id": 0, "token": self.token}))
        self.steps.append({"expect": "frames", "frames": [auth]})
        while (await self.hear())["type"] != "live":
            pass

    async def go(self) -> None:
        """Without a word."""
        assert self.socket is not None
        self.socket.transport.abort()
        self.steps.append({"server": "close", "code": 1006})

    async def frame(self) -> Frame:
        assert self.socket is not None
        while True:
            frame: Frame = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            if frame["type"] not in ("ping", "receipt"):
                return frame

    async def hear(self) -> Frame:
        """The next frame, kept."""
        frame = await self.frame()
        key = self.keys.get(frame.get("id", 0))
        if key is None:
            self.steps.append({"server": "frame", "frame": frame})
        else:
            answer = {name: value for name, value in frame.items() if name != "id"}
            self.steps.append({"server": "answer", "of": key, "frame": answer})
            self.outcomes[key] = outcome(frame)
        if frame["type"] == "event":
            self.note(frame)
        elif frame["type"] == "ready":
            self.greet(frame)
        return frame

    async def hear_until(self, holds: Callable[[Frame], bool]) -> Frame:
        while not holds(frame := await self.hear()):
            pass
        return frame

    async def send(self, room: str, key: str, body: str | None = None) -> Frame:
        """And its answer, with whatever comes before."""
        assert self.socket is not None
        body = key if body is None else body
        identifier = len(self.keys) + 1
        self.keys[identifier] = key
        command = {"type": "send", "room_id": room, "client_msg_id": key, "body": body}
        await self.socket.send(json.dumps({**command, "id": identifier}))
        self.steps.append({"app": "send", "room": room, "key": key, "body": body})
        self.steps.append({"expect": "frames", "frames": [command]})
        return await self.hear_until(lambda frame: frame.get("id") == identifier)

    def note(self, frame: Frame) -> None:
        stream, event = frame["stream"], frame["event"]
        self.at[stream] = frame["seq"]
        self.shown.append([stream, frame["seq"]])
        if event["kind"] == "room.joined":
            room = f"room:{event['room_id']}"
            self.at[room] = max(self.at.get(room, 0), event["from_seq"] - 1)
        elif (
            event["kind"] == "room.left"
            and self.at.get(room := f"room:{event['room_id']}", event["to_seq"]) < event["to_seq"]
        ):
            del self.at[room]
            self.shown.append(["gone", room])

    def greet(self, frame: Frame) -> None:
        resumed, self.epoch = self.epoch is not None, frame["epoch"]
        for stream, standing in frame["streams"].items():
            if standing["status"] == "gone":
                del self.at[stream]
                self.shown.append(["gone", stream])
            elif standing["status"] == "resync":
                self.at[stream] = standing["head"]
                self.shown.append(["resync", stream, standing["head"]])
            else:
                self.at.setdefault(stream, standing["head"])
        for room in reversed(frame["rooms"]):
            stream = f"room:{room['id']}"
            if stream not in frame["streams"]:
                self.at[stream] = room["head"]
                if resumed:
                    self.shown.append(["resync", stream, room["head"]])

    def scenario(self, name: str) -> Frame:
        results = [{"expect": "result", "of": key, **found} for key, found in self.outcomes.items()]
        end = [{"expect": "shown", "notices": self.shown}, *results, {"expect": "positions", "at": self.at}]
        return {"name": name, "steps": [*self.steps, *end]}


def outcome(answer: Frame) -> Frame:
    if answer["type"] == "ack":
        return {"ack": {"seq": answer["seq"], "duplicate": answer["duplicate"]}}
    return {"pending": True} if answer["code"] == "rate_limited" else {"refused": answer["code"]}


# -- the stories


async def talk(me: Recorded, other: Person) -> None:
    room = await other.room()
    await me.call("POST", f"/rooms/{room}/join")
    await me.come()
    said = await other.say(room, "Hello, @everybody! Who washes up?")
    await me.send(room, "mine", "I do.")
    await me.send(room, "again", "Tomorrow, that is.")
    message = f"/rooms/{room}/messages/{said['id']}"
    await other.call("PUT", f"{message}/reactions/like")
    await other.call("PATCH", message, json={"rev": said["rev"], "body": "Who washes up *today*?"})
    await other.call("PUT", f"{message}/pin")
    await other.call("DELETE", message)
    await me.hear_until(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "message.deleted")


async def away(me: Recorded, other: Person) -> None:
    room, still = await other.room(), await other.room()
    for joined in (room, still):
        await me.call("POST", f"/rooms/{joined}/join")
    await me.come()
    await me.send(room, "before")
    if me.at[f"room:{room}"] < 3:
        await me.hear()
    await me.go()
    for number in range(4):
        await other.say(room, f"missed {number}")
    await me.come()
    await other.say(room, "and now")
    await me.hear()


async def refusals(me: Recorded, other: Person) -> None:
    room = await other.room()
    await me.call("POST", f"/rooms/{room}/join")
    await me.come()
    await me.call("POST", f"/rooms/{room}/messages", json={"client_msg_id": "key", "body": "over HTTP"})
    await me.hear()
    await me.send(room, "key", "over the socket")
    await me.send(room, "empty", "")
    await me.send(str(uuid4()), "nowhere")
    await me.send(room, "good")
    if me.at[f"room:{room}"] < 4:
        await me.hear()


async def comings_and_goings(me: Recorded, other: Person) -> None:
    left, deleted, again = await other.room(), await other.room(), await other.room()
    for room in (left, deleted, again):
        await me.call("POST", f"/rooms/{room}/join")
    await me.come()
    await me.go()
    await other.call("DELETE", f"/rooms/{left}/members/{me.id}")
    await other.call("DELETE", f"/rooms/{deleted}")
    await me.call("POST", f"/rooms/{again}/leave")
    await other.say(again, "nobody else hears this")
    await me.call("POST", f"/rooms/{again}/join")
    added = await other.room(visibility="private")
    await other.call("POST", f"/rooms/{added}/members", json={"user_id": me.id})
    await me.come()
    await other.say(added, "Welcome!")
    await me.hear_until(lambda frame: frame["type"] == "event" and frame["stream"] == f"room:{added}")


async def too_much(me: Recorded, other: Person) -> None:
    room = await other.room()
    await me.call("POST", f"/rooms/{room}/join")
    third = Person(me.url)
    await third.arrive()
    await me.come()
    await me.go()
    for _ in range(251):
        await third.call("POST", f"/rooms/{room}/join")
        await third.call("POST", f"/rooms/{room}/leave")
    await third.http.aclose()
    await me.come()
    await other.say(room, "Still there?")
    await me.hear()


async def left_and_joined(me: Recorded, other: Person) -> None:
    room = await other.room()
    await me.come()
    await me.call("POST", f"/rooms/{room}/join")
    await other.say(room, "with you")
    await me.hear_until(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "message.created")
    await me.call("POST", f"/rooms/{room}/leave")
    await me.hear_until(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "room.left")
    await other.say(room, "without you")
    await me.call("POST", f"/rooms/{room}/join")
    await other.say(room, "with you again")
    await me.hear_until(lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "message.created")


async def one_too_many(me: Recorded, other: Person) -> None:
    room = await other.room()
    await me.call("POST", f"/rooms/{room}/join")
    await me.come()
    for number in range(11):
        await me.send(room, f"{number}")
    head = me.at[f"room:{room}"]
    for _ in range(12 - head):
        await me.hear()
    me.steps.append({"expect": "silence", "for_ms": 20_000})


STORIES: dict[str, Callable[[Recorded, Person], Awaitable[None]]] = {
    "two people talk, and one thinks better of it": talk,
    "away for four messages": away,
    "what a server refuses": refusals,
    "removed, deleted, left and joined again, and added, all while away": comings_and_goings,
    "away for more than five hundred events": too_much,
    "in a room, out of it, and in it again": left_and_joined,
    "the eleventh message of a minute": one_too_many,
}


async def main(url: str) -> None:
    scenarios = []
    for name, story in STORIES.items():
        me, other = Recorded(url), Person(url)
        await me.arrive()
        await other.arrive()
        await story(me, other)
        scenarios.append(me.scenario(name))
        await me.http.aclose()
        await other.http.aclose()
        if me.socket is not None:
            await me.socket.close()
    TARGET.write_text(
        "[\n" + ",\n".join(json.dumps(scenario, separators=(",", ":")) for scenario in scenarios) + "\n]\n"
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
