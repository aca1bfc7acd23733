"""Which streams a connection follows: attached to hubs after `ready`, and from then on as the user's own stream says."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Protocol
from uuid import UUID

import msgspec

from parley_gateway.live.framing import frame_text
from parley_gateway.live.hub import Item, Reader
from parley_gateway.live.hubs import Hubs
from parley_shared.contracts import frames
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Actor
from parley_shared.errors import Refused
from parley_shared.ids import room_stream
from parley_shared.messaging.rpc import RpcClient


class _Body(msgspec.Struct, frozen=True):
    """As much of an event as matters here. Of other kinds there may be more tomorrow than this gateway knows."""

    kind: str
    room_id: UUID | None = None
    from_seq: int = 0
    to_seq: int = 0


class _Event(msgspec.Struct, frozen=True):
    event: _Body


_decode_event = msgspec.json.Decoder(_Event).decode
_JOINED = frames.RoomJoined.__struct_config__.tag
_LEFT = frames.RoomLeft.__struct_config__.tag
_STANDING = {_JOINED, _LEFT, frames.AccountUpdated.__struct_config__.tag}
"""After these the user may see others than before."""


class Follower(Reader, Protocol):
    """A connection, as this module sees it."""

    own_stream: str

    @property
    def actor(self) -> Actor: ...

    @property
    def is_open(self) -> bool: ...

    async def writable(self) -> None: ...
    def write_framed(self, framed: bytes) -> None: ...
    def spawn(self, work: Coroutine[None, None, None]) -> object: ...
    def on_standing_changed(self) -> None:
        """He may see others than before."""
        ...


class Following:
    """streams: what the follower is attached to, or is about to be."""

    def __init__(self, follower: Follower, hubs: Hubs, rpc: RpcClient) -> None:
        self._follower = follower
        self._hubs = hubs
        self._rpc = rpc
        self._attaching = asyncio.Lock()
        self.streams: set[str] = set()

    async def attach(self, positions: list[tuple[str, int]]) -> None:
        """From these positions on. In the order asked for: a room left and joined again must end up at its newest joining."""
        async with self._attaching:
            self.streams.update(stream for stream, _ in positions)
            at = dict(positions)
            late = await self._hubs.attach(self._follower, positions)
            while late and self._follower.is_open:
                await self._catch_up(late, at)
                late = await self._hubs.attach(self._follower, [(stream, at[stream]) for stream in late])
            if not self._follower.is_open:
                self._hubs.detach(self._follower, [stream for stream, _ in positions])

    def heed(self, item: Item) -> None:
        """An event of the user's own stream: it says where he is a member from now on."""
        payload = item.framed[item.framed.index(b"{") :]
        body = _decode_event(payload).event
        if body.kind in _STANDING:
            self._follower.on_standing_changed()
        if body.room_id is None:
            return
        if body.kind == _JOINED:
            stream = room_stream(body.room_id)
            self.streams.add(stream)
            self._follower.spawn(self.attach([(stream, body.from_seq - 1)]))
        elif body.kind == _LEFT:
            stream = room_stream(body.room_id)
            self.streams.discard(stream)
            self._hubs.leave(self._follower, stream, body.to_seq)

    def end(self) -> None:
        """The connection has ended."""
        self._hubs.detach(self._follower, list(self.streams))

    async def _catch_up(self, late: list[str], at: dict[str, int]) -> None:
        """Bring the follower nearer to hubs that were ahead of it; streams that it may no longer see leave `late`."""
        wants = [contract.ReplayWant(stream=stream, after=at[stream], upto=2**62) for stream in late]
        try:
            answer = await self._rpc.call(contract.REPLAY, contract.Replay(actor=self._follower.actor, wants=wants))
        except Refused:
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 — jitter, not a secret
            return
        for part in answer.parts:
            if part.gone:
                late.remove(part.stream)
                self.streams.discard(part.stream)
                continue
            for payload in part.frames:
                await self._follower.writable()
                self._deliver_late(part.stream, payload)
            if part.frames:
                self._hubs.handed(part.stream, at[part.stream], part.last)
            at[part.stream] = max(at[part.stream], part.last)
        if not any(part.frames for part in answer.parts):
            await asyncio.sleep(0.05)

    def _deliver_late(self, stream: str, payload: msgspec.Raw) -> None:
        item = Item(0, frame_text(bytes(payload)))
        self._follower.write_framed(item.framed)
        if stream == self._follower.own_stream:
            self.heed(item)
