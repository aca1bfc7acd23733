"""Somebody who keeps talking whatever happens: writes, edits, deletes, reacts, replies and reads, and remembers everything."""

import asyncio
import random
import secrets
import time
from collections.abc import Collection
from typing import Any

import httpx2
import websockets

from tests.conftest import Suite
from tests.faults.checker import DRAFT, Draft, Glimpse, Send
from tests.faults.view import View
from tests.protocol_client import Frame, Person, Socket

TROUBLE = (OSError, AssertionError, TimeoutError, websockets.WebSocketException, httpx2.HTTPError)

REACTIONS = ("like", "like", "dislike", "👍", "❤️")
BY_HTTP = 0.25
"""The share of what he does that goes over HTTP; the rest takes the socket."""
LAST = 12
"""So many of the newest messages are reacted and replied to."""


class Talker:
    """One person. Everything is tried again, through whichever gateway is there, until it is acknowledged.

    rooms: he talks in the first, and follows all. barred: a room that he tries to read and may not. resumes: seconds that each
    return took, from the first try until everything was live again.
    """

    def __init__(
        self, suite: Suite, person: Person, name: str, gateway: int, rooms: list[str], barred: str | None = None
    ) -> None:
        self.person = person
        self.name = name
        self.room = rooms[0]
        self.views = {f"room:{room}": View(room) for room in rooms}
        self.view = self.views[f"room:{self.room}"]
        self.sends: list[Send] = []
        self.drafts: dict[str, Draft] = {}
        self.glimpses: list[Glimpse] = []
        self.socket: Socket | None = None
        self.reconnects = 0
        self.resyncs = 0
        self.resumes: list[float] = []
        self._barred = barred
        self._doors = [person.at(url) for url in suite.urls]
        self._door = gateway
        self._epoch = ""
        self._taken = 0
        self._revs: dict[str, int] = {}
        self._given: list[tuple[str, str]] = []
        self._chance = random.Random(name)

    # -- how he gets through

    async def connect(self) -> Socket:
        """Until it works; at another gateway each time."""
        if self.socket is not None:
            self.take()
            await self.socket.close()
        began, returning = time.monotonic(), bool(self._epoch)
        while True:
            self._door += 1
            socket = Socket(self._doors[self._door % len(self._doors)])
            try:
                ready = await socket.open(**self._resume())
                await self._read_anew(socket.person, ready)
            except TROUBLE:
                await socket.close()
                await asyncio.sleep(0.2)
                continue
            self._stand(ready)
            self.socket = socket
            self._taken = 0
            if returning:
                self.resumes.append(time.monotonic() - began)
            return socket

    def _resume(self) -> Frame:
        if not self._epoch:
            return {}
        at = {stream: view.position for stream, view in self.views.items()}
        if self._barred is not None:
            at[f"room:{self._barred}"] = 0
        return {"resume": {"epoch": self._epoch, "at": at}}

    async def _read_anew(self, person: Person, ready: Frame) -> None:
        """The rooms of which the server says so."""
        heads = {room["id"]: room["head"] for room in ready["rooms"]}
        for stream, view in self.views.items():
            if self._epoch and ready["streams"][stream]["status"] == "resync":
                await view.begin_again(person, heads[view.room])

    def _stand(self, ready: Frame) -> None:
        heads = {room["id"]: room["head"] for room in ready["rooms"]}
        if not self._epoch:
            for view in self.views.values():
                view.begin(heads[view.room])
        else:
            self.reconnects += 1
            standing = {stream: found["status"] for stream, found in ready["streams"].items()}
            self.resyncs += sum(standing[stream] == "resync" for stream in self.views)
            if self._barred is not None and standing[f"room:{self._barred}"] != "gone":
                self._glimpse("how the stream stands")
        if self._barred in heads:
            self._glimpse("the room among his own")
        self._epoch = ready["epoch"]

    def _glimpse(self, what: str) -> None:
        self.glimpses.append(Glimpse(self.name, 0, what))

    def take(self) -> None:
        """Write down what has arrived."""
        if self.socket is None:
            return
        for frame in self.socket.frames[self._taken :]:
            if frame["type"] == "event" and frame["stream"] in self.views:
                self.views[frame["stream"]].take(frame)
            elif self._barred is not None and frame["type"] != "ready" and self._barred in str(frame):
                self._glimpse(str(frame))
        self._taken = len(self.socket.frames)

    async def ask(self, what: str, fine: Collection[str] = (), **fields: Any) -> Frame:
        """A command over the socket, until it is acknowledged or refused with a code that is fine."""
        while True:
            socket = self.socket
            if socket is None or socket.closed is not None:
                socket = await self.connect()
            try:
                answer = await socket.command(what, 15, **fields)
            except TROUBLE:
                await self.connect()
                continue
            if answer["type"] == "ack" or answer["code"] in fine:
                return answer
            assert answer["code"] == "unavailable", (what, fields, answer)
            await asyncio.sleep(0.1)

    async def call(self, method: str, path: str, *fine: int, **more: Any) -> httpx2.Response:
        """A request over HTTP, until it is answered with one of these."""
        while True:
            try:
                answer = await self._doors[self._door % len(self._doors)].http.request(method, path, **more)
            except TROUBLE:
                self._door += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in fine:
                return answer
            assert answer.status_code == 503, (method, path, answer.status_code, answer.text)
            await asyncio.sleep(0.1)

    # -- what he does

    async def talk(self, stop: asyncio.Event, pause: float) -> None:
        """Until told to stop; what is at hand is still brought to its end."""
        number = 0
        await self.connect()
        while not stop.is_set():
            number += 1
            await self.plain(f"{self.name} says {number}")
            await self._besides(number)
            self.take()
            await asyncio.sleep(pause)

    async def _besides(self, number: int) -> None:
        """Something else, now and then."""
        besides = (self.draft, self.edit, self.edit, self.delete, self.react, self.react, self.take_back)
        if self._chance.random() < 0.7:
            await self._chance.choice(besides)()
        if number % 12 == 0:
            await self.reply(f"{self.name} replies {number}")
        if number % 20 == 0:
            await self.read()
            await self.peek()

    async def plain(self, body: str, root: str | None = None) -> None:
        """What is never changed, so that its text tells everything."""
        self.sends.append(Send(self.name, body, (await self._say(body, root))["seq"]))

    async def draft(self) -> None:
        body = f"{DRAFT}of {self.name}, {secrets.token_hex(4)}"
        identifier = (await self._say(body))["message_id"]
        self.drafts[identifier] = Draft(identifier, body)
        self._revs[identifier] = 1

    async def _say(self, body: str, root: str | None = None) -> Frame:
        """{message_id, seq, …}"""
        fields = {"client_msg_id": secrets.token_hex(8), "body": body, "thread_root_id": root}
        if self._takes_http():
            answer = (await self.call("POST", f"/rooms/{self.room}/messages", 200, 201, json=fields)).json()
            return {"message_id": answer["id"], "seq": answer["seq"]}
        return await self.ask("send", room_id=self.room, **fields)

    async def reply(self, body: str) -> None:
        roots = [message for message in self._recent() if message["thread_root_id"] is None and _is_plain(message)]
        if roots:
            await self.plain(body, self._chance.choice(roots)["id"])

    async def edit(self) -> None:
        """One of his drafts. That the answer was lost shows as a conflict with what he himself has written."""
        living = [draft for draft in self.drafts.values() if draft.body is not None]
        if not living:
            return
        identifier = self._chance.choice(living).id
        body = f"{DRAFT}of {self.name}, {secrets.token_hex(4)}"
        path = f"/rooms/{self.room}/messages/{identifier}"
        change = {"rev": self._revs[identifier], "body": body}
        if self._takes_http():
            answer = await self.call("PATCH", path, 200, 409, json=change)
            conflict = answer.status_code == 409
            now = answer.json()["current"] if conflict else answer.json()
        else:
            acked = await self.ask("edit", ("rev_conflict",), room_id=self.room, message_id=identifier, **change)
            conflict = acked["type"] == "error"
            now = (await self.call("GET", path, 200)).json() if conflict else {"rev": change["rev"] + 1, "body": body}
        assert (now["rev"], now["body"]) == (self._revs[identifier] + 1, body), f"{change} became {now}"
        self._revs[identifier] += 1
        self.drafts[identifier] = Draft(identifier, body)

    async def delete(self) -> None:
        living = [draft for draft in self.drafts.values() if draft.body is not None]
        if not living:
            return
        identifier = self._chance.choice(living).id
        if self._takes_http():
            await self.call("DELETE", f"/rooms/{self.room}/messages/{identifier}", 204)
        else:
            await self.ask("delete", room_id=self.room, message_id=identifier)
        self.drafts[identifier] = Draft(identifier, None)

    async def react(self) -> None:
        """To somebody else's message, which may be deleted meanwhile."""
        others = [message for message in self._recent() if message["sender_id"] != self.person.id]
        if others:
            chosen = (self._chance.choice(others)["id"], self._chance.choice(REACTIONS))
            await self._set_reaction("PUT", "react", *chosen)
            self._given.append(chosen)

    async def take_back(self) -> None:
        if self._given:
            chosen = self._given.pop(self._chance.randrange(len(self._given)))
            await self._set_reaction("DELETE", "unreact", *chosen)

    async def _set_reaction(self, method: str, command: str, identifier: str, reaction: str) -> None:
        if self._takes_http():
            await self.call(method, f"/rooms/{self.room}/messages/{identifier}/reactions/{reaction}", 204, 409)
        else:
            await self.ask(command, ("deleted",), room_id=self.room, message_id=identifier, reaction=reaction)

    async def read(self) -> None:
        if self._takes_http():
            await self.call("PUT", f"/rooms/{self.room}/read", 200, json={"seq": self.view.position})
        else:
            await self.ask("read", room_id=self.room, seq=self.view.position)

    async def peek(self) -> None:
        """Where he may not look, everybody else's door is none."""
        if self._barred is None:
            return
        for path in (
            f"/rooms/{self._barred}",
            f"/rooms/{self._barred}/messages",
            f"/rooms/{self._barred}/events?after=0",
        ):
            answer = await self.call("GET", path, 200, 404)
            if answer.status_code == 200:
                self._glimpse(f"{path}: {answer.text[:200]}")
        found = await self.call("GET", "/search", 200, 404, params={"room_id": self._barred})
        if found.status_code == 200 and found.json()["items"]:
            self._glimpse(f"a search: {found.text[:200]}")

    def _recent(self) -> list[Frame]:
        """The newest messages of his copy that are not deleted."""
        self.take()
        newest = list(self.view.copy.messages.values())[-LAST:]
        return [message for message in newest if not message["deleted"]]

    def _takes_http(self) -> bool:
        return self._chance.random() < BY_HTTP

    # -- the end

    async def until(self, stream: str, head: int, within: float) -> None:
        """Follow on until the head is reached, or for so long."""
        view = self.views[stream]
        try:
            async with asyncio.timeout(within):
                while view.position < head:
                    if self.socket is None or self.socket.closed is not None:
                        await self.connect()
                    await asyncio.sleep(0.05)
                    self.take()
        except TimeoutError:
            return


def _is_plain(message: Frame) -> bool:
    return not message["body"].startswith(DRAFT)
