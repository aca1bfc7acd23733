"""What this gateway remembers of where messages have come, and asking all gateways for it.

It is memory, bounded and gone with the process: nothing durable hangs on it. What one gateway forgets or does not answer in time is missing
in the answer, and nothing else. What was handed over is remembered apart from hubs, which go with their readers: who asks later must
not learn from their being there who is connected at that moment.
"""

import asyncio
import time
from collections import OrderedDict, deque
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from parley_gateway.live.hub import Reader
from parley_gateway.live.hubs import Hubs
from parley_shared.contracts.live import JourneyDevice, JourneyPart, JourneyQuestion, live_subject
from parley_shared.ids import room_stream
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)

MOST_ROOMS = 4_096
"""Rooms of which is remembered what was handed over, the most recently used."""
MOST_MOMENTS = 32
"""Moments remembered for each; of what came before them is known that it was handed over, and not when."""
MOST_POSITIONS = 50_000
"""Positions of devices in rooms that are remembered, the rooms with the most recent ones."""
MOST_DEVICES = 200
"""Of one gateway in an answer."""
QUIET_S = 0.15
"""After so long without a further answer no more are waited for."""
MOST_S = 1.0

_encode = msgspec.json.Encoder().encode
_decode_question = msgspec.json.Decoder(JourneyQuestion).decode
_decode_part = msgspec.json.Decoder(JourneyPart).decode


class _Room:
    """since: what follows it was handed over, up to last. moments: (seq, time.time) after which `seq` was the last; of what is not after
    `timed` they say nothing."""

    __slots__ = ("last", "moments", "since", "timed")

    def __init__(self, since: int) -> None:
        self.since = self.timed = since
        self.last = since
        self.moments: deque[tuple[int, float]] = deque(maxlen=MOST_MOMENTS)


class _Position:
    __slots__ = ("at", "delivered", "device_id", "read", "user_id")

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.device_id = ""
        self.delivered = 0
        self.read = 0
        self.at = 0.0


class Memory:
    """What one gateway remembers; no I/O."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, _Room] = OrderedDict()
        self._positions: OrderedDict[UUID, dict[UUID, _Position]] = OrderedDict()
        self._count = 0

    def handed(self, stream: str, after: int, upto: int) -> None:
        """The events with after < seq ≤ upto were written to sockets, as they came or to somebody who had missed them. Of people's
        own streams nothing is remembered."""
        if not stream.startswith("room:"):
            return
        room = self._rooms.get(stream)
        if room is None or after > room.last:
            # A stretch of its own: what lies between was handed over by nobody here.
            room = self._rooms[stream] = _Room(after)
            if len(self._rooms) > MOST_ROOMS:
                self._rooms.popitem(last=False)
        if upto >= room.since:
            room.since = min(room.since, after)
        if upto > room.last:
            room.last = upto
            room.moments.append((upto, time.time()))
        self._rooms.move_to_end(stream)

    def when(self, stream: str, seq: int) -> tuple[bool, datetime | None]:
        """Whether it was handed over here, and when, if that is remembered."""
        room = self._rooms.get(stream)
        if room is None or not room.since < seq <= room.last:
            return False, None
        if seq <= room.timed:
            return True, None
        moments = list(room.moments)
        for index, (last, at) in enumerate(moments):
            if seq <= last:
                # Before the first moment that is remembered others may have been.
                known = index > 0 or len(moments) < MOST_MOMENTS
                return True, datetime.fromtimestamp(at, UTC) if known else None
        return True, None

    def noted(
        self, user_id: UUID, session_id: UUID, room_id: UUID, *, delivered: int, read: int, device_id: str = ""
    ) -> None:
        """A device has said how far it has come in a room. device_id: if it is known by what has said so."""
        room = self._positions.get(room_id)
        if room is None:
            room = self._positions[room_id] = {}
        position = room.get(session_id)
        if position is None:
            position = room[session_id] = _Position(user_id)
            self._count += 1
        position.device_id = device_id or position.device_id
        position.delivered = max(position.delivered, delivered, read)
        position.read = max(position.read, read)
        position.at = time.time()
        self._positions.move_to_end(room_id)
        while self._count > MOST_POSITIONS and len(self._positions) > 1:
            _, forgotten = self._positions.popitem(last=False)
            self._count -= len(forgotten)

    def devices(
        self, room_id: UUID, seq: int, user_id: UUID | None, connected: dict[UUID, Reader]
    ) -> list[JourneyDevice]:
        """Those that follow the room now (connected, by session), and those that have said something of it; by user."""
        said = self._positions.get(room_id, {})
        found: list[JourneyDevice] = []
        for session_id in dict.fromkeys((*connected, *said)):
            position, reader = said.get(session_id), connected.get(session_id)
            owner = position or reader
            if owner is None or user_id not in (None, owner.user_id):
                continue
            found.append(
                JourneyDevice(
                    user_id=owner.user_id,
                    session_id=session_id,
                    device_id=owner.device_id if reader is None else reader.device_id,
                    connected=reader is not None,
                    delivered=position is not None and position.delivered >= seq,
                    read=position is not None and position.read >= seq,
                    at=None if position is None else datetime.fromtimestamp(position.at, UTC),
                )
            )
        return sorted(found, key=lambda device: (device.user_id, device.session_id))[:MOST_DEVICES]


class Journeys:
    """gateway: this one's name."""

    def __init__(self, bus: Bus, hubs: Hubs, memory: Memory, *, gateway: str) -> None:
        self._bus = bus
        self._hubs = hubs
        self._memory = memory
        self._gateway = gateway
        self._inbox = ""
        self._ids = count(1)
        self._asked: dict[str, asyncio.Queue[JourneyPart]] = {}

    async def start(self) -> None:
        """nats-py subscribes again after a reconnect."""
        self._inbox = self._bus.client.new_inbox()
        await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        await self._bus.client.subscribe("parley.live.journey.>", cb=self._on_question)

    async def ask(self, room_id: UUID, seq: int, user_id: UUID | None) -> list[JourneyPart]:
        """Of all gateways that answer, this one among them, by name. user_id: of devices only this one's."""
        token = str(next(self._ids))
        answers = self._asked[token] = asyncio.Queue()
        found: list[JourneyPart] = []
        try:
            async with asyncio.timeout(MOST_S):
                await self._bus.client.publish(
                    live_subject("journey", room_id),
                    _encode(JourneyQuestion(seq=seq, user_id=user_id)),
                    f"{self._inbox}.{token}",
                )
                found.append(await answers.get())
                while True:
                    async with asyncio.timeout(QUIET_S):
                        found.append(await answers.get())
        except (TimeoutError, NatsError, OSError):
            # Who has not answered by now is left out.
            return sorted(found, key=lambda part: part.gateway)
        finally:
            del self._asked[token]

    async def _on_question(self, message: Msg) -> None:
        try:
            room_id = UUID(message.subject.rpartition(".")[2])
            question = _decode_question(message.data)
            await message.respond(_encode(self._part(room_id, question)))
        except (ValueError, NatsError, OSError) as error:
            log.debug("journey.untold", error=repr(error))

    def _part(self, room_id: UUID, question: JourneyQuestion) -> JourneyPart:
        stream = room_stream(room_id)
        handed_over, at = self._memory.when(stream, question.seq)
        readers = [reader for reader in self._hubs.readers(stream) if question.user_id in (None, reader.user_id)]
        return JourneyPart(
            gateway=self._gateway,
            handed_over=handed_over,
            at=at,
            readers=len(readers),
            devices=self._memory.devices(
                room_id, question.seq, question.user_id, {reader.session_id: reader for reader in readers}
            ),
        )

    async def _on_answer(self, message: Msg) -> None:
        answers = self._asked.get(message.subject.rpartition(".")[2])
        if answers is None:
            return
        try:
            answers.put_nowait(_decode_part(message.data))
        except msgspec.MsgspecError as error:
            log.debug("journey.untold", error=repr(error))
