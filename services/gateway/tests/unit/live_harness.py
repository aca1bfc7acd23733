"""A whole gateway on a real port, and a client that knows nothing but bytes."""

import asyncio
import base64
import json
import secrets
import struct
from typing import Any, cast

import msgspec

from parley_gateway.app import make_server
from parley_gateway.examples import example
from parley_gateway.live.app import PATH, Live
from parley_shared.contracts import auth, messages
from parley_shared.ids import user_stream
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import HeadSampler

from .harness import HOST, World, until

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
Json = dict[str, Any]


class Gateway(World):
    """World, its live side too, behind uvicorn. Whoever signs in is a member of nothing, and has missed nothing."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"port": 0, "drain_seconds": 0, **settings})
        self.rpc.on(auth.ME, msgspec.convert(example(auth.Me), auth.Me))
        self.rpc.on(messages.OPEN_SESSION, self.session_of)
        self.rpc.on(messages.STREAM_HEADS, self.heads_of)
        self.rpc.on(messages.FLUSH_POSITIONS, messages.Empty())
        self.clients: list[Peer] = []

    def session_of(self, request: messages.OpenSession) -> messages.SessionOpened:
        own = messages.StreamState(stream=user_stream(request.actor.user_id), status="current", head=0, after=0)
        return messages.SessionOpened(epoch="1", rooms=[], more_rooms=False, streams=[own], memberships=[])

    def heads_of(self, request: messages.StreamHeads) -> messages.StreamHeadsAnswer:
        return messages.StreamHeadsAnswer(epoch="1", heads=dict.fromkeys(request.streams, 0))

    async def start(self) -> "Gateway":
        await super().start()
        self.live = Live(
            bus=cast(Bus, self.bus),
            rpc=cast(RpcClient, self.rpc),
            verifier=self.verifier,
            revocations=self.revocations,
            settings=self.settings,
            sampler=HeadSampler(0, 0),
        )
        await self.live.start()
        self.live.mount(self.app)
        self.server = make_server(self.app, self.settings)
        self.serving = asyncio.create_task(self.server.serve())
        await until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        for client in self.clients:
            client.hang_up()
        await until(lambda: len(self.live._roster) == 0)
        self.server.should_exit = True
        await self.serving
        await self.live.stop()
        self.app.router.routes[:] = [route for route in self.app.router.routes if getattr(route, "path", None) != PATH]
        await super().stop()

    async def connect(self, **headers: str) -> "Peer":
        peer = Peer()
        self.clients.append(peer)
        await peer.connect(self.port, headers)
        return peer

    async def signed_in(self) -> "Peer":
        """A peer that has read `live`."""
        peer = await self.connect()
        assert (await peer.json())["type"] == "hello"
        await peer.say({"type": "auth", "id": 1, "token": self.token})
        assert (await peer.json())["type"] == "ready"
        assert (await peer.json()) == {"type": "live"}
        return peer


class Peer:
    """RFC 6455 by hand. status: of the handshake's answer."""

    status = 0

    async def connect(self, port: int, headers: dict[str, str]) -> None:
        # A small window, so that a peer that does not read is noticed after kilobytes.
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = {
            "Host": HOST,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = f"GET {PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(request.encode() + b"\r\n")
        async with asyncio.timeout(5):
            answer = await self.reader.readuntil(b"\r\n\r\n")
        self.status = int(answer.split()[1])

    async def send(self, opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> None:
        """One frame."""
        self.writer.write(built(opcode, payload, fin=fin, masked=masked))
        await self.writer.drain()

    async def say(self, message: Json) -> None:
        await self.send(TEXT, json.dumps(message).encode())

    async def receive(self) -> tuple[int, bytes]:
        """(opcode, payload) of the next frame."""
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80, "one whole frame without extensions"
            assert second < 0x80, "a server does not mask"
            size = second
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def json(self) -> Json:
        opcode, payload = await self.receive()
        assert opcode == TEXT, (opcode, payload)
        return cast(Json, json.loads(payload))

    async def closed(self) -> int:
        """The code of the close frame, after whatever else was still said; the handshake is finished and the end seen."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                break
        await self.send(CLOSE, payload[:2])
        async with asyncio.timeout(10):
            assert await self.reader.read() == b""
        return int.from_bytes(payload[:2], "big")

    def hang_up(self) -> None:
        self.writer.transport.abort()


def built(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame as a client sends it."""
    size = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    stretched = (mask * (size // 4 + 1))[:size]
    mixed = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")
    return head + mask + mixed
