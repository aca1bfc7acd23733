"""Somebody who is removed in the middle, and will not have it: comes back again and again, by socket and over HTTP."""

import asyncio
import secrets
from typing import Any

import httpx2

from tests.conftest import Suite
from tests.faults.checker import Glimpse
from tests.faults.talker import TROUBLE
from tests.protocol_client import Frame, Person, Socket

STAYS_S = 0.5
"""How long one socket stays open."""


class Outsider:
    """room: where he was a member. private: where he never was. Whatever he is shown of either is a glimpse, by room.

    `removed` is set once his removal has been acknowledged. told: the seq of it that his own stream names.
    """

    def __init__(self, suite: Suite, person: Person, room: str, private: str) -> None:
        self.person = person
        self.name = "outsider"
        self.room = room
        self.private = private
        self.removed = asyncio.Event()
        self.told: int | None = None
        self.glimpses: dict[str, list[Glimpse]] = {room: [], private: []}
        self._doors = [person.at(url) for url in suite.urls]
        self._door = 0
        self._epoch = ""
        self._own = f"user:{person.id}"
        self._at = {self._own: 0, f"room:{room}": 0, f"room:{private}": 0}
        self._known = ""

    async def try_on(self, stop: asyncio.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            await self.try_once()

    async def try_once(self) -> None:
        """Through one gateway: a socket, requests while it is open, and what has come in the end."""
        self._door += 1
        door = self._doors[self._door % len(self._doors)]
        late = self.removed.is_set()
        socket = Socket(door)
        try:
            resume = {"resume": {"epoch": self._epoch, "at": self._at}} if self._epoch else {}
            ready = await socket.open(**resume)
            self._stand(ready, late)
            await self._request(door)
            await asyncio.sleep(STAYS_S)
        except TROUBLE:
            await asyncio.sleep(0.2)
        finally:
            await socket.close()
            for frame in socket.frames:
                self._take(frame, late)

    def _stand(self, ready: Frame, late: bool) -> None:
        for room in ready["rooms"]:
            if room["id"] in self.glimpses:
                self._glimpse(room["id"], room["from_seq"], "the room among his own", late)
                if not self._epoch:
                    self._at[f"room:{room['id']}"] = room["head"]
        if self._epoch:
            for room_id in self.glimpses:
                status = ready["streams"][f"room:{room_id}"]["status"]
                if status != "gone":
                    self._glimpse(room_id, 1, f"a stream that is {status}", late)
        self._epoch = ready["epoch"]

    def _take(self, frame: Frame, late: bool) -> None:
        if frame["type"] == "event":
            if frame["stream"] in self._at:
                self._at[frame["stream"]] = frame["seq"]
            for room_id in self.glimpses:
                if frame["stream"] == f"room:{room_id}":
                    self._glimpse(room_id, frame["seq"], f"an event: {frame['event']}", late)
            event = frame["event"]
            if frame["stream"] == self._own and event["kind"] == "room.left":
                self.told = event["to_seq"]
            if event["kind"] == "message.created":
                self._known = event["message"]["id"]
        elif frame.get("room_id") in self.glimpses:
            self._glimpse(frame["room_id"], 1, f"a frame: {frame}", late)

    async def _request(self, door: Person) -> None:
        """Everything that would show something, or do something."""
        for room_id in self.glimpses:
            path = f"/rooms/{room_id}"
            await self._read(door, room_id, f"{path}/messages")
            await self._read(door, room_id, f"{path}/events", params={"after": max(0, self._at[f"room:{room_id}"] - 5)})
        late = self.removed.is_set()
        mine = await door.http.get("/rooms")
        for room in mine.json()["items"] if mine.status_code == 200 else ():
            self._glimpse(room["id"], room["from_seq"], "the room in a list of his own", late)
        if self._known:
            await self._read(door, self.room, f"/rooms/{self.room}/messages/{self._known}")
            await self._read(door, self.room, f"/rooms/{self.room}/messages/{self._known}/thread")
        if self.removed.is_set():
            message = {"client_msg_id": secrets.token_hex(8), "body": "the outsider was here"}
            await self._do(door, "POST", f"/rooms/{self.room}/join")
            await self._do(door, "POST", f"/rooms/{self.room}/messages", json=message)
            if self._known:
                await self._do(door, "PUT", f"/rooms/{self.room}/messages/{self._known}/reactions/like")

    async def _read(self, door: Person, room_id: str, path: str, **more: Any) -> None:
        late = self.removed.is_set()
        answer = await door.http.get(path, **more)
        if answer.status_code == 200:
            found = answer.json()
            items = found.get("items", []) + ([found] if "seq" in found else [])
            for item in items:
                self._glimpse(room_id, item["seq"], f"{path}: {item}", late)
            if not items and late:
                self._glimpse(room_id, 1, f"{path}: nothing, and no refusal", late)
        else:
            _is_refusal(answer)

    async def _do(self, door: Person, method: str, path: str, **more: Any) -> None:
        answer = await door.http.request(method, path, **more)
        if answer.is_success:
            self._glimpse(self.room, 1, f"{method} {path} succeeded", True)
        else:
            _is_refusal(answer)

    def _glimpse(self, room_id: str, seq: int, what: str, late: bool) -> None:
        self.glimpses[room_id].append(Glimpse(self.name, seq, what, late))


def _is_refusal(answer: httpx2.Response) -> None:
    """Nothing but that he may not, or that something is away."""
    if answer.status_code not in (403, 404, 410, 503):
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
