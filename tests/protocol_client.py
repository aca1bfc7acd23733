"""A bare client of the public protocol, written from its page alone: it hides nothing and mends nothing."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx2
import websockets
from websockets.asyncio.client import ClientConnection, connect

PASSWORD = "a long enough passphrase"
Frame = dict[str, Any]

_AUTHORITIES = httpx2.create_ssl_context()
"""Read once: for each person it would take longer than most tests."""

_opened: list["Person | Socket"] = []


async def close_everything() -> None:
    """After each test: whatever it has opened and not closed."""
    while _opened:
        opened = _opened.pop()
        if isinstance(opened, Person):
            await opened.http.aclose()
        else:
            await opened.close()


def keep_open(person: "Person") -> "Person":
    """Not closed after the test: whoever asked for that closes it."""
    _opened.remove(person)
    return person


class Person:
    """A registered user with an access token."""

    def __init__(self, url: str, username: str) -> None:
        self.url = url
        self.username = username
        self.id = ""
        self.token = ""
        self.refresh_token = ""
        self.http = httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=20, verify=_AUTHORITIES)
        _opened.append(self)

    async def register(self, **more: Any) -> "Person":
        answer = await self.http.post("/auth/register", json={"username": self.username, "password": PASSWORD, **more})
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["id"]
        return await self.sign_in()

    async def sign_in(self, password: str = PASSWORD) -> "Person":
        answer = await self.http.post("/auth/token", data={"username": self.username, "password": password})
        assert answer.status_code == 200, answer.text
        self.take(answer.json())
        return self

    def take(self, tokens: Frame) -> None:
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def at(self, url: str) -> "Person":
        """The same person, through another gateway."""
        other = Person(url, self.username)
        other.id, other.token, other.refresh_token = self.id, self.token, self.refresh_token
        other.http.headers["Authorization"] = f"Bearer {self.token}"
        return other

    async def call(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = await self.http.request(method, path, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def room(self, name: str = "a room", **more: Any) -> str:
        created = await self.call(
            "POST",
            "/rooms",
            201,
            json={"name": name, "visibility": "public", "encryption": "plain", "history": "all", **more},
        )
        return str(created["id"])

    async def history(self, room_id: str) -> list[Frame]:
        """All of it, by pages."""
        found: list[Frame] = []
        cursor: dict[str, Any] = {"after": 0, "limit": 200}
        while True:
            page = await self.call("GET", f"/rooms/{room_id}/messages", params=cursor)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"], "limit": 200}

    async def open(self, **auth: Any) -> "Socket":
        socket = Socket(self)
        await socket.open(**auth)
        return socket


class Socket:
    """One WebSocket; `frames` is everything received, in order."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.frames: list[Frame] = []
        self._answers: dict[int, Frame] = {}
        self.ready: Frame = {}
        self.connection: ClientConnection | None = None
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.closed: tuple[int, str] | None = None
        _opened.append(self)

    async def connect(self) -> "Socket":
        """As far as `hello`."""
        url = self.person.url.replace("http", "ws", 1) + "/api/v1/ws"
        self.connection = await connect(url, max_size=None, ping_interval=None, proxy=None)
        self._task = asyncio.create_task(self._read())
        await self.wait_for(lambda frame: frame["type"] == "hello")
        return self

    async def open(self, **auth: Any) -> Frame:
        """As far as `live`."""
        await self.connect()
        await self.send(type="auth", id=0, token=self.person.token, **auth)
        self.ready = await self.wait_for(lambda frame: frame["type"] in ("ready", "error"))
        assert self.ready["type"] == "ready", self.ready
        await self.wait_for(lambda frame: frame["type"] == "live")
        return self.ready

    async def _read(self) -> None:
        assert self.connection is not None
        try:
            async for data in self.connection:
                frame = json.loads(data)
                if frame["type"] == "ping":
                    await self.connection.send('{"type":"pong"}')
                    continue
                async with self._news:
                    self.frames.append(frame)
                    if frame["type"] in ("ack", "error") and frame.get("id") is not None:
                        self._answers.setdefault(frame["id"], frame)
                    self._news.notify_all()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.closed = (self.connection.close_code or 1006, self.connection.close_reason or "")
            async with self._news:
                self._news.notify_all()

    async def send(self, **frame: Any) -> None:
        assert self.connection is not None
        await self.connection.send(json.dumps(frame, ensure_ascii=False))

    async def command(self, type: str, within: float = 10.0, **fields: Any) -> Frame:  # noqa: A002
        """Send it and return its ack or error."""
        identifier = next(self._ids)
        await self.send(type=type, id=identifier, **fields)
        return await self.answer(identifier, within)

    async def answer(self, identifier: int, within: float = 10.0) -> Frame:
        """The first ack or error with this id, received already or yet to come."""
        async with asyncio.timeout(within), self._news:
            while identifier not in self._answers:
                if self.closed is not None:
                    raise AssertionError(f"closed with {self.closed} before it came; last: {self.frames[-3:]}")
                await self._news.wait()
        return self._answers[identifier]

    async def say(self, room_id: str, body: str, client_msg_id: str | None = None, within: float = 10.0) -> Frame:
        return await self.command(
            "send", within, room_id=room_id, body=body, client_msg_id=client_msg_id or secrets.token_hex(8)
        )

    async def pipeline(self, room_id: str, bodies: list[str]) -> list[int]:
        """Send without waiting; returns the ids."""
        identifiers = []
        for body in bodies:
            identifier = next(self._ids)
            identifiers.append(identifier)
            await self.send(type="send", id=identifier, room_id=room_id, body=body, client_msg_id=secrets.token_hex(8))
        return identifiers

    async def wait_for(self, wanted: Callable[[Frame], bool], within: float = 10.0, since: int = 0) -> Frame:
        """The first such frame, received already or yet to come."""
        async with asyncio.timeout(within), self._news:
            seen = since
            while True:
                for frame in self.frames[seen:]:
                    if wanted(frame):
                        return frame
                seen = len(self.frames)
                if self.closed is not None:
                    raise AssertionError(f"closed with {self.closed} before it came; last: {self.frames[-3:]}")
                await self._news.wait()

    def events(self, stream: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == "event" and frame["stream"] == stream]

    def seqs(self, stream: str) -> list[int]:
        return [frame["seq"] for frame in self.events(stream)]

    async def until_seq(self, stream: str, seq: int, within: float = 10.0) -> None:
        await self.wait_for(
            lambda frame: frame["type"] == "event" and frame["stream"] == stream and frame["seq"] >= seq, within
        )

    async def until_closed(self, within: float = 10.0) -> int:
        async with asyncio.timeout(within), self._news:
            while self.closed is None:
                await self._news.wait()
        return self.closed[0]

    async def close(self) -> None:
        if self.connection is not None:
            if self.closed is None:
                self.connection.transport.resume_reading()
            await self.connection.close()
        if self._task is not None:
            await self._task

    def cut(self) -> None:
        """Gone without a word, as a phone in a tunnel."""
        assert self.connection is not None
        self.connection.transport.abort()
