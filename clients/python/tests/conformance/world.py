"""A server that does what a scenario says, over real WebSockets in virtual time, and the frames that it speaks."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from .scenarios import NAMES
from .virtual_time import VirtualLoop

Frame = dict[str, Any]
INSTANT = "2026-01-01T00:00:00Z"
ME = NAMES["me"]


class Peer:
    """One connection, seen from the server. heard: what nobody has looked at yet; signs: pings and pongs."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.heard: list[Frame] = []
        self.signs = 0

    async def listen(self) -> None:
        try:
            async for data in self.socket:
                frame: Frame = json.loads(data)
                if frame["type"] in ("ping", "pong"):
                    self.signs += 1
                else:
                    self.heard.append(frame)
        except ConnectionClosed:
            return

    async def tell(self, *frames: Frame) -> None:
        for frame in frames:
            await self.tell_text(json.dumps(frame))

    async def tell_text(self, text: str | bytes) -> None:
        try:
            await self.socket.send(text)
        except ConnectionClosed:
            return  # it has gone already, as a scenario may well want it


class World:
    """attempts: when each was made. peers: those that came about."""

    def __init__(self, loop: VirtualLoop, path: str, answers: Mapping[str, list[Frame]]) -> None:
        self.loop = loop
        self.attempts: list[float] = []
        self.peers: list[Peer] = []
        self.requests: list[str] = []
        self.unexpected: list[str] = []
        self.down = False
        self.refreshes = 0
        self._path = path
        self._answers = {request: list(found) for request, found in answers.items()}

    @property
    def peer(self) -> Peer:
        return self.peers[-1]

    def serve(self) -> unix_serve:
        return unix_serve(self._accept, self._path, compression=None, ping_interval=None, max_size=None)

    async def _accept(self, socket: ServerConnection) -> None:
        peer = Peer(socket)
        self.peers.append(peer)
        await peer.listen()

    def connect(self, url: str, **options: Any) -> connect:
        """In place of websockets.connect."""
        self.attempts.append(self.loop.time())
        if self.down:
            raise ConnectionRefusedError
        return unix_connect(self._path, url, **options)

    async def http(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/v1")
        after = request.url.params.get("after")
        asked = f"{request.method} {path}" + ("" if after is None else f"?after={after}")
        self.requests.append(asked)
        prepared = self._answers.get(asked)
        if prepared is None:
            if path == "/auth/refresh":
                return self._refreshed()
            self.unexpected.append(asked)
            prepared = [{"status": 404}]
        answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if "after_ms" in answer:
            await _sleep(answer["after_ms"] / 1000)
        if answer.get("unreachable"):
            raise httpx2.ConnectError("refused")
        stream = f"room:{path.split('/')[2]}" if path.startswith("/rooms/") else f"user:{ME}"
        page = {"items": [event_frame(stream, seq) for seq in answer.get("events", [])], "head": 0, "next": None}
        problem = {"status": answer["status"], "title": "No", "code": "not_found", "detail": "No."}
        return httpx2.Response(answer["status"], json=answer.get("body", page if answer["status"] < 400 else problem))

    def _refreshed(self) -> httpx2.Response:
        self.refreshes += 1
        pair = {"access_token": f"token {self.refreshes}", "refresh_token": f"refresh {self.refreshes}"}
        return httpx2.Response(200, json={**pair, "token_type": "bearer", "expires_in": 600})


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def event_frame(stream: str, seq: int, event: Mapping[str, Any] | None = None) -> Frame:
    body = {"kind": "test", "at": INSTANT, "actor_id": None, **(event or {})}
    return {"type": "event", "stream": stream, "seq": seq, "event": body}


def told(events: list[list[Any]]) -> list[Frame]:
    """The frames of `[stream, seq or [from, to], event?]`."""
    frames = []
    for stream, seqs, *event in events:
        first, last = (seqs, seqs) if isinstance(seqs, int) else seqs
        frames += [event_frame(stream, seq, *event) for seq in range(first, last + 1)]
    return frames


def hello() -> Frame:
    return {
        "type": "hello",
        "protocol": 1,
        "heartbeat_ms": 25_000,
        "max_frame_bytes": 65_536,
        "server_time": INSTANT,
        "connection_id": ME,
    }


def ready(epoch: str, streams: Frame, rooms: list[list[Any]]) -> Frame:
    return {
        "type": "ready",
        "id": 0,
        "session_id": ME,
        "user": {
            "id": ME,
            "username": "me",
            "display_name": "Me",
            "role": "user",
            "rev": 1,
            "read_receipts": True,
            "created_at": INSTANT,
        },
        "epoch": epoch,
        "rooms": [_room(*room) for room in rooms],
        "more_rooms": False,
        "streams": {f"user:{ME}": {"status": "current", "head": 0}, **streams},
    }


def _room(room_id: str, head: int) -> Frame:
    return {
        "id": room_id,
        "kind": "room",
        "name": "A room",
        "topic": "",
        "visibility": "public",
        "encryption": "plain",
        "history": "all",
        "language": "english",
        "slow_mode_s": 0,
        "rev": 1,
        "created_by": ME,
        "created_at": INSTANT,
        "role": "member",
        "from_seq": 1,
        "head": head,
        "read_seq": 0,
        "unread": 0,
        "mentions": 0,
        "member_count": 1,
    }


def ack(identifier: Any, seq: int, duplicate: bool) -> Frame:
    return {
        "type": "ack",
        "id": identifier,
        "message_id": ME,
        "seq": seq,
        "n": seq,
        "created_at": INSTANT,
        "duplicate": duplicate,
    }
