"""People who keep talking whatever happens, and remember everything: what the checker reads."""

import asyncio
import secrets
from typing import Any

import httpx2
import websockets

from tests.conftest import Suite
from tests.faults.checker import Records, Send, Shown
from tests.protocol_client import Frame, Person, Socket

TROUBLE = (OSError, AssertionError, TimeoutError, websockets.WebSocketException, httpx2.HTTPError)


class Talker:
    """One person: sends one message after the other, each until it is acknowledged, and follows the room by resume."""

    def __init__(self, suite: Suite, person: Person, room: str, number: int) -> None:
        self.suite = suite
        self.person = person
        self.room = room
        self.stream = f"room:{room}"
        self.name = f"talker {number}"
        self.gateway = number
        self.sends: list[Send] = []
        self.shown: list[tuple[int, str | None]] = []
        self.since = 0
        self.position = 0
        self.epoch = ""
        self.socket: Socket | None = None
        self.reconnects = 0
        self.kept = True
        self.resyncs = 0
        self._taken = 0

    async def connect(self) -> Socket:
        """Until it works; on another gateway each time."""
        while True:
            url = self.suite.urls[self.gateway % len(self.suite.urls)]
            self.gateway += 1
            socket = Socket(self.person.at(url))
            try:
                auth: dict[str, Any] = {}
                if self.epoch:
                    auth["resume"] = {"epoch": self.epoch, "at": {self.stream: self.position}}
                ready = await socket.open(**auth)
            except TROUBLE:
                await socket.close()
                await asyncio.sleep(0.2)
                continue
            if self.epoch:
                self.reconnects += 1
                if ready["streams"][self.stream]["status"] == "resync":
                    self.resyncs += 1
            else:
                self.since = self.position = next(room["head"] for room in ready["rooms"] if room["id"] == self.room)
            self.epoch = ready["epoch"]
            self.socket = socket
            self._taken = 0
            return socket

    def take(self) -> None:
        """Write down what has arrived."""
        if self.socket is None:
            return
        for frame in self.socket.frames[self._taken :]:
            if frame["type"] == "event" and frame["stream"] == self.stream:
                body = frame["event"]["message"]["body"] if frame["event"]["kind"] == "message.created" else None
                self.shown.append((frame["seq"], body))
                self.position = frame["seq"]
        self._taken = len(self.socket.frames)

    async def talk(self, stop: asyncio.Event, pause: float) -> None:
        """Until told to stop; the message at hand is still brought to its end."""
        socket = await self.connect()
        number = 0
        while not stop.is_set():
            number += 1
            body = f"{self.name} says {number}"
            key = secrets.token_hex(8)
            answer: Frame | None = None
            while answer is None:
                try:
                    found = await socket.say(self.room, body, key, within=15)
                    if found["type"] == "ack":
                        answer = found
                    else:
                        assert found["code"] == "unavailable", found
                        await asyncio.sleep(0.1)
                except TROUBLE:
                    self.take()
                    await socket.close()
                    socket = await self.connect()
            self.sends.append(Send(self.name, body, answer["seq"]))
            self.take()
            await asyncio.sleep(pause)

    async def until(self, head: int, within: float) -> None:
        """Follow on until the head is reached."""
        try:
            async with asyncio.timeout(within):
                while self.position < head:
                    if self.socket is None or self.socket.closed is not None:
                        self.take()
                        await self.connect()
                    await asyncio.sleep(0.05)
                    self.take()
        except TimeoutError:
            return


class Crowd:
    """Several talkers in one room."""

    def __init__(self, suite: Suite, people: list[Person], room: str) -> None:
        self._suite = suite
        self.room = room
        self.talkers = [Talker(suite, person, room, number) for number, person in enumerate(people)]
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, pause: float = 0.01) -> None:
        self._tasks = [asyncio.create_task(talker.talk(self._stop, pause)) for talker in self.talkers]
        while not all(len(talker.sends) > 3 for talker in self.talkers):
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    @property
    def acknowledged(self) -> int:
        return sum(len(talker.sends) for talker in self.talkers)

    async def until_more(self, count: int, within: float) -> None:
        """So many further acknowledgements: the suite is at work again."""
        wanted = self.acknowledged + count
        async with asyncio.timeout(within):
            while self.acknowledged < wanted:
                await asyncio.sleep(0.05)

    async def finish(self, settle: float = 15.0) -> Records:
        """Stop talking, let everybody read to the end, and write the records."""
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)
        # Whoever was killed is back by now; the reads below go to a gateway that may have been.
        await asyncio.get_running_loop().run_in_executor(None, self._suite.until_ready)
        reader = self.talkers[0].person
        history = await reader.history(self.room)
        head = (await reader.call("GET", f"/rooms/{self.room}"))["head"]
        await asyncio.gather(*(talker.until(head, settle) for talker in self.talkers))
        records = Records(head=head)
        records.history = [Shown(message["seq"], message["body"]) for message in history]
        for talker in self.talkers:
            records.sends += talker.sends
            records.shown[talker.name] = talker.shown
            records.since[talker.name] = talker.since
        return records
