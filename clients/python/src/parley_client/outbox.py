"""What is to be sent: first in, first out in each room, kept until it is committed."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from parley_client.errors import NEEDS_TOKEN, ApiError, Disconnected
from parley_client.models import Ack

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
LIMITED = ("rate_limited", "slow_mode")
FOR_THE_MOMENT = ("unavailable", *NEEDS_TOKEN)
"""With a token that is of no more use the socket is about to be closed; the next one has another."""

Transmit = Callable[[dict[str, Any]], Awaitable[Ack]]


@dataclass(slots=True)
class _Waiting:
    command: dict[str, Any]
    wait_when_limited: bool
    outcome: "asyncio.Future[Ack]"


@dataclass(slots=True)
class _Queue:
    waiting: deque[_Waiting] = field(default_factory=deque)
    task: "asyncio.Task[None] | None" = None


class Outbox:
    """One send of a room is under way at a time: the next goes only when it is known what became of the one before.

    A lost connection, and `unavailable`, mean that nobody knows: the same client_msg_id is sent again until somebody does. So is
    what a limit holds up, after as long as it asks. If two were under way and the first were refused for the moment, the
    second would overtake it.
    """

    def __init__(self, transmit: Transmit) -> None:
        self._transmit = transmit
        self._queues: dict[UUID, _Queue] = {}

    @property
    def waiting(self) -> int:
        """Messages that are not committed yet."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    async def send(
        self, room_id: UUID, body: str, *, client_msg_id: str | None, wait_when_limited: bool, **more: Any
    ) -> Ack:
        """Returns when it is committed. Raises ApiError for what the server refuses for good."""
        command = {
            "type": "send",
            "room_id": str(room_id),
            "client_msg_id": client_msg_id or str(uuid4()),
            "body": body,
            **{name: value for name, value in more.items() if value is not None},
        }
        waiting = _Waiting(command, wait_when_limited, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault(room_id, _Queue())
        queue.waiting.append(waiting)
        if queue.task is None:
            queue.task = asyncio.create_task(self._run(room_id, queue))
        return await asyncio.shield(waiting.outcome)

    async def close(self, error: Exception) -> None:
        """Give up what is waiting, with this error."""
        for queue in self._queues.values():
            if queue.task is not None:
                queue.task.cancel()
            for waiting in queue.waiting:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(error)
                    waiting.outcome.exception()
            queue.waiting.clear()
        self._queues.clear()

    async def _run(self, room_id: UUID, queue: _Queue) -> None:
        while queue.waiting:
            first = queue.waiting[0]
            try:
                ack = await self._until_known(first)
            except Exception as error:  # noqa: BLE001 — it belongs to whoever waits for this message
                outcome: Ack | Exception = error
            else:
                outcome = ack
            queue.waiting.popleft()
            if first.outcome.done():
                continue
            if isinstance(outcome, Exception):
                first.outcome.set_exception(outcome)
            else:
                first.outcome.set_result(outcome)
        del self._queues[room_id]

    async def _until_known(self, waiting: _Waiting) -> Ack:
        pause = FIRST_PAUSE_S
        while True:
            try:
                return await self._transmit(waiting.command)
            except Disconnected:
                # `transmit` waits for the next connection by itself.
                continue
            except ApiError as error:
                limited = error.code in LIMITED and waiting.wait_when_limited
                # With a status it is what ended the client: signing in is needed.
                if error.status != 0 or not (limited or error.code in FOR_THE_MOMENT):
                    raise
                if error.retry_after_ms is not None:
                    await asyncio.sleep(error.retry_after_ms / 1000 + 0.01)
                else:
                    await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 — jitter, not a secret
                    pause = min(pause * 2, LONGEST_PAUSE_S)
