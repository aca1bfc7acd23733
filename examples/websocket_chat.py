"""Two people talk over the raw WebSocket: every frame of protocol version 1 that a chat needs, as it stands on the wire.

It uses `websockets` and no SDK, so that what is sent and received is all there is. Bob's connection breaks in the middle;
he comes back with his positions and gets exactly what he missed. (The SDK in clients/python does all of this by itself.)

    make run                                          # in one terminal
    .venv/bin/python examples/websocket_chat.py       # in another; PARLEY_URL, if it is not http://127.0.0.1:8000
"""

import asyncio
import json
import os
import secrets
from typing import Any

import httpx2
import websockets

URL = os.environ.get("PARLEY_URL", "http://127.0.0.1:8000").rstrip("/")
PASSWORD = "a passphrase for this example"
Frame = dict[str, Any]


class Person:
    """An account, its access token, and one socket. Prints each frame in either direction."""

    def __init__(self, name: str, http: httpx2.AsyncClient) -> None:
        self.name = name
        self.username = f"{name}-{secrets.token_hex(4)}"
        self.positions: dict[str, int] = {}  # stream → the seq up to which everything has been seen
        self.epoch = ""
        self._http = http
        self._token = ""
        self._socket: websockets.ClientConnection | None = None
        self._ids = 0

    async def sign_up(self) -> None:
        account = {"username": self.username, "password": PASSWORD}
        (await self._http.post("/auth/register", json=account)).raise_for_status()
        answer = (await self._http.post("/auth/token", data=account)).raise_for_status()
        self._token = answer.json()["access_token"]

    async def post(self, path: str, body: Frame | None = None) -> Frame:
        """An HTTP call with the token."""
        headers = {"Authorization": f"Bearer {self._token}"}
        found: Frame = (await self._http.post(path, json=body, headers=headers)).raise_for_status().json()
        return found

    async def connect(self) -> None:
        """hello → auth → ready → what was missed → live. The token travels in the first frame, never in a URL."""
        self._socket = await websockets.connect(URL.replace("http", "ws", 1) + "/api/v1/ws", compression=None)
        await self.hear("hello")
        auth: Frame = {"type": "auth", "token": self._token, "client": "example"}
        if self.positions:
            auth["resume"] = {"epoch": self.epoch, "at": self.positions}
        await self.tell(auth)
        ready = await self.hear("ready")
        self.epoch = ready["epoch"]
        for stream, standing in ready["streams"].items():
            # recovered: the missed events follow. resync: too many to replay; read the room again, and go on from its head.
            if standing["status"] != "recovered":
                self.positions[stream] = standing["head"]
        for room in ready["rooms"]:
            self.positions.setdefault(f"room:{room['id']}", room["head"])
        await self.hear("live")

    async def tell(self, frame: Frame) -> int:
        """Send a command; returns the id that its answer will carry."""
        self._ids += 1
        frame = {**frame, "id": self._ids}
        print(f"{self.name:>5} → {shortened(frame)}")
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))
        return self._ids

    async def hear(self, wanted: str, identifier: int | None = None) -> Frame:
        """Read on until such a frame, and note how far each stream has come."""
        assert self._socket is not None
        async with asyncio.timeout(10):
            while True:
                frame: Frame = json.loads(await self._socket.recv())
                if frame["type"] == "ping":
                    await self._socket.send('{"type":"pong"}')
                    continue
                print(f"{self.name:>5} ← {shortened(frame)}")
                if frame["type"] == "event":
                    self._note(frame)
                if frame["type"] == "error":
                    raise SystemExit(f"{self.name} was refused: {frame['code']}")
                if frame["type"] == wanted and identifier in (None, frame.get("id")):
                    return frame

    def _note(self, frame: Frame) -> None:
        # Dense numbers: whoever holds n and sees n + 2 has missed n + 1, and would fetch it (GET …/events?after=n).
        stream, seq = frame["stream"], frame["seq"]
        if stream in self.positions and seq != self.positions[stream] + 1:
            raise SystemExit(f"a gap in {stream}: {seq} after {self.positions[stream]}")
        self.positions[stream] = seq

    async def say(self, room_id: str, body: str, client_msg_id: str | None = None) -> Frame:
        """Returns the ack. It means that the message is committed; a send without one may be repeated with the same key."""
        key = client_msg_id or secrets.token_hex(8)
        identifier = await self.tell({"type": "send", "room_id": room_id, "body": body, "client_msg_id": key})
        return await self.hear("ack", identifier)

    async def until(self, stream: str, seq: int) -> None:
        """Read until this stream has come so far."""
        while self.positions.get(stream, 0) < seq:
            await self.hear("event")

    def vanish(self) -> None:
        """Gone without a word, as a phone in a tunnel."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def hang_up(self) -> None:
        assert self._socket is not None
        await self._socket.close()


def shortened(frame: Frame) -> str:
    """A line: what is long or secret is cut."""
    shown = {name: "…" if name in ("token", "user", "rooms") else value for name, value in frame.items()}
    if frame["type"] == "event":
        event = frame["event"]
        shown["event"] = {"kind": event["kind"], **({"body": event["message"]["body"]} if "message" in event else {})}
    return json.dumps(shown, ensure_ascii=False)


async def main() -> None:
    async with httpx2.AsyncClient(base_url=f"{URL}/api/v1", timeout=10) as http:
        alice, bob = Person("alice", http), Person("bob", http)
        await asyncio.gather(alice.sign_up(), bob.sign_up())
        room_id = (await alice.post("/rooms", {"name": "Kitchen", "visibility": "public"}))["id"]
        await bob.post(f"/rooms/{room_id}/join")
        stream = f"room:{room_id}"
        await alice.connect()
        await bob.connect()

        print("\n— They talk. An event may come before or after the sender's own ack; both carry the seq.")
        ack = await alice.say(room_id, "Are you there?")
        await bob.until(stream, ack["seq"])
        ack = await bob.say(room_id, "I am.")
        await alice.until(stream, ack["seq"])

        print("\n— Bob's connection breaks. Alice talks on, and repeats a send as if its ack had been lost.")
        bob.vanish()
        await alice.say(room_id, "The soup is ready.", "soup")
        again = await alice.say(room_id, "The soup is ready.", "soup")
        print(f"      the same message: duplicate {again['duplicate']}, seq {again['seq']}")
        ack = await alice.say(room_id, "Come and eat.")

        print("\n— Bob comes back, to any gateway, and says how far he was.")
        before = bob.positions[stream]
        await bob.connect()
        await bob.until(stream, ack["seq"])
        print(f"\nBob has missed nothing: seq {before + 1} to {bob.positions[stream]} arrived once each, in order.")
        await asyncio.gather(alice.hang_up(), bob.hang_up())


if __name__ == "__main__":
    asyncio.run(main())
