"""Who types where: straight from gateway to gateways, never stored, the first thing to be dropped.

A hint goes out at most every three seconds for one user in one room; of what is said in between the newest goes out then.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import msgspec
import structlog
from nats.errors import Error as NatsError

from parley_gateway.live.presence import Watcher, Watches
from parley_shared.contracts.live import TypingHint, live_subject
from parley_shared.contracts.visibility import MAY_TYPE, MayType, MayTypeAnswer
from parley_shared.correlation import detached
from parley_shared.errors import Refused
from parley_shared.ids import room_stream
from parley_shared.limits import TYPING_EVERY_MS, TYPING_MS
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

ALLOWED_S = 10.0
"""How long an answer of messages counts: who was muted or blocked since is seen typing for so long, at most."""
MOST_KEPT = 20_000

_encode = msgspec.json.Encoder().encode


class Typist(Watcher, Protocol):
    """A connection, as this module sees it."""

    @property
    def is_open(self) -> bool: ...

    def follows(self, stream: str) -> bool: ...


@dataclass(slots=True)
class _Wish:
    """The newest that was said and has not gone out."""

    typist: Typist
    on: bool


class Typing:
    """One task for each who types, for as long as he does."""

    def __init__(self, bus: Bus, rpc: RpcClient, watches: Watches) -> None:
        self._bus = bus
        self._rpc = rpc
        self._watches = watches
        self._wishes: dict[tuple[UUID, UUID], _Wish] = {}
        self._tasks: dict[tuple[UUID, UUID], asyncio.Task[None]] = {}
        self._answers: dict[tuple[UUID, UUID], tuple[MayTypeAnswer, float]] = {}

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def note(self, typist: Typist, room_id: UUID, on: bool) -> None:
        """Somebody who follows the room types in it, or no longer does."""
        key = (typist.user_id, room_id)
        if key not in self._tasks and len(self._tasks) >= MOST_KEPT:
            return
        self._wishes[key] = _Wish(typist, on)
        if key not in self._tasks:
            self._tasks[key] = detached(self._run(key))

    async def _run(self, key: tuple[UUID, UUID]) -> None:
        told = False
        try:
            while (wish := self._wishes.pop(key, None)) is not None:
                if wish.on or told:
                    told = await self._tell(wish, key[1]) and wish.on
                await asyncio.sleep(TYPING_EVERY_MS / 1000)
        except Exception:
            # Nobody waits for this task, so nobody else would hear of it.
            log.exception("typing.bug")
        finally:
            self._wishes.pop(key, None)
            del self._tasks[key]

    async def _tell(self, wish: _Wish, room_id: UUID) -> bool:
        """Whether it went out. Who is muted or invisible types unseen; so does everybody while nobody can say who that is."""
        typist = wish.typist
        allowed = await self._may_type(typist.user_id, room_id)
        if allowed is None or not allowed.allowed:
            return False
        status = await self._watches.status_of(typist) if typist.is_open else None
        if status is None or status == "invisible" or not typist.follows(room_stream(room_id)):
            return False
        if not self._bus.connected:
            # nats-py would keep it, and tell it when it is no longer true.
            return False
        hint = TypingHint(user_id=typist.user_id, for_ms=TYPING_MS if wish.on else 0, hidden_from=allowed.hidden_from)
        try:
            await self._bus.client.publish(live_subject("typing", room_id), _encode(hint))
        except (NatsError, OSError) as error:
            log.debug("typing.untold", error=repr(error))
            return False
        return True

    async def _may_type(self, user_id: UUID, room_id: UUID) -> MayTypeAnswer | None:
        now = asyncio.get_running_loop().time()
        known = self._answers.get((user_id, room_id))
        if known is not None and known[1] > now:
            return known[0]
        try:
            answer = await self._rpc.call(MAY_TYPE, MayType(user_id=user_id, room_id=room_id))
        except Refused:
            return None
        if len(self._answers) > MOST_KEPT:
            self._answers.clear()
        self._answers[user_id, room_id] = (answer, now + ALLOWED_S)
        return answer
