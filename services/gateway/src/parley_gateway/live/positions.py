"""Delivered and read positions: the newest of each (user, room), handed to messages once a second."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from parley_shared.contracts.messages import FLUSH_POSITIONS, FlushPositions, Position
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

FLUSH_S = 1.0
MOST_IN_CALL = 1_000
MOST_KEPT = 100_000

_waiting = Gauge("parley_positions_waiting", "Positions of people in rooms that messages has not been told of yet")
_told = Counter(
    "parley_positions_flushed", "Positions that messages was told of, by outcome: ok, or a code", ["outcome"]
)

Flushed = Callable[[Refused | None], None]


class Positions:
    """Losing a gateway loses at most a second of positions; a command with an id is answered when its flush is committed.

    While messages is away positions are kept for its return, though a command that wanted to know is told `unavailable`.
    """

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self._newest: dict[tuple[UUID, UUID], tuple[int, int]] = {}
        self._flushed: dict[tuple[UUID, UUID], list[Flushed]] = {}
        _waiting.set_function(lambda: len(self._newest))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._flush_forever(), name="positions")

    async def stop(self) -> None:
        """Flush what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._flush()

    def note(self, user_id: UUID, room_id: UUID, *, delivered_seq: int, read_seq: int, flushed: Flushed | None) -> None:
        """Positions only grow, so the greatest of a second says it all. flushed: called once it is committed, or refused."""
        key = (user_id, room_id)
        delivered, read = self._newest.get(key, (0, 0))
        if key not in self._newest and len(self._newest) >= MOST_KEPT:
            if flushed is not None:
                flushed(unavailable("Too many positions are waiting; try again."))
            return
        self._newest[key] = (max(delivered, delivered_seq), max(read, read_seq))
        if flushed is not None:
            self._flushed.setdefault(key, []).append(flushed)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self._flush()
            except Exception:
                # Without this task nobody's positions would move any more.
                log.exception("positions.bug")

    async def _flush(self) -> None:
        while self._newest:
            keys = list(self._newest)[:MOST_IN_CALL]
            positions = []
            waiting: list[Flushed] = []
            for key in keys:
                delivered, read = self._newest.pop(key)
                positions.append(Position(user_id=key[0], room_id=key[1], delivered_seq=delivered, read_seq=read))
                waiting += self._flushed.pop(key, [])
            outcome: Refused | None = None
            try:
                await self._rpc.call(FLUSH_POSITIONS, FlushPositions(positions=positions))
            except Refused as refusal:
                outcome = refusal
                kept = refusal.code == Code.UNAVAILABLE
                log.warning("positions.refused", count=len(positions), code=str(refusal.code), kept=kept)
                if kept:
                    for position in positions:
                        self.note(
                            position.user_id,
                            position.room_id,
                            delivered_seq=position.delivered_seq,
                            read_seq=position.read_seq,
                            flushed=None,
                        )
            _told.labels("ok" if outcome is None else str(outcome.code)).inc(len(positions))
            for flushed in waiting:
                flushed(outcome)
            if outcome is not None:
                return
