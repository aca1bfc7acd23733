"""Whether everything is up: the public /readyz, one answer a service, at most twice a second; and every replica, for an admin."""

import asyncio
import time
from typing import Any

from msgspec import structs

from parley_shared.contracts import auth, gateway, media, messages, presence, search
from parley_shared.contracts.base import Empty
from parley_shared.contracts.base import Readiness as Said
from parley_shared.contracts.cluster import Replica
from parley_shared.errors import Refused
from parley_shared.health import Health
from parley_shared.messaging.rpc import RpcClient

CACHE_S = 0.5
EACH_S = 1.2
"""Seconds in which every replica says how it is; a check of its own is given one."""
_VERBS = {
    "auth": auth.READY,
    "messages": messages.READY,
    "presence": presence.READY,
    "media": media.READY,
    "search": search.READY,
}


class Readiness:
    """One question for all who ask at the same time."""

    def __init__(self, rpc: RpcClient, health: Health, version: str) -> None:
        self._rpc = rpc
        self._health = health
        self._version = version
        self._answer: tuple[float, dict[str, Any]] | None = None
        self._lock = asyncio.Lock()

    async def state(self) -> dict[str, Any]:
        """{ready, version, services: {name: {ready, version, reasons}}}."""
        async with self._lock:
            if self._answer is None or time.monotonic() - self._answer[0] > CACHE_S:
                self._answer = (time.monotonic(), await self._ask())
            return self._answer[1]

    async def _ask(self) -> dict[str, Any]:
        own = await self._health.readiness()
        services: dict[str, Any] = {
            "gateway": {"ready": own.ready, "version": self._version, "reasons": own.reasons},
        }
        answers = await asyncio.gather(*(self._one(name) for name in _VERBS))
        services.update(zip(_VERBS, answers, strict=True))
        return {
            "ready": all(service["ready"] for service in services.values()),
            "version": self._version,
            "services": services,
        }

    async def replicas(self) -> list[Replica]:
        """Every process that is there, and what it says of itself. Raises Refused: UNAVAILABLE."""
        asked = asyncio.gather(*(self._rpc.each(verb, Empty(), EACH_S) for verb in (gateway.READY, *_VERBS.values())))
        there = await self._rpc.everybody(EACH_S)
        said = {(one.service, one.instance): one for answers in await asked for one in answers}
        return [_as_said(replica, said.get((replica.service, replica.instance))) for replica in there]

    async def _one(self, name: str) -> dict[str, Any]:
        try:
            answer = await self._rpc.call(_VERBS[name], Empty())
        except Refused as refusal:
            return {"ready": False, "version": None, "reasons": [refusal.detail]}
        return {"ready": answer.ready, "version": answer.version, "reasons": answer.reasons}


def _as_said(replica: Replica, said: Said | None) -> Replica:
    return replica if said is None else structs.replace(replica, ready=said.ready, reasons=said.reasons)
