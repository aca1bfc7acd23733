"""Typed calls to peers."""

import time
from collections.abc import Iterable
from uuid import UUID

from parley_messages.domain.mentions import Mentions
from parley_shared.contracts.auth import (
    CONFIRM_TOKEN,
    KNOWN_USERS,
    RECEIPTS_OFF,
    RESOLVE_NAMES,
    USER_ROLES,
    ConfirmToken,
    UserIds,
    UserNames,
)
from parley_shared.contracts.base import Actor, Role
from parley_shared.messaging.rpc import RpcClient

NAMES_KEPT = 20_000
NAME_KEPT_S = 60.0
"""How long a name is known; usernames do not change, accounts end."""
NOBODY_KEPT_S = 5.0
"""How long a name is known to be nobody's: somebody may register any moment."""
RECEIPTS_KEPT_S = 5.0
MOST_ASKED = 5_000
"""Users in one question."""
RECEIPTS_WAIT_S = 1.0
"""How long an answer about receipts is waited for: whoever reports positions waits himself meanwhile."""


class AuthClient:
    """Who exists, and who is called what, auth knows."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self._names: dict[str, tuple[UUID | None, float]] = {}
        self._quiet: dict[UUID, tuple[bool, float]] = {}

    async def known(self, ids: list[UUID]) -> set[UUID]:
        """Which of these can be addressed. Raises Refused: UNAVAILABLE."""
        return set((await self._rpc.call(KNOWN_USERS, UserIds(ids=ids))).ids)

    async def roles(self, ids: list[UUID]) -> dict[UUID, Role]:
        """Global roles of those of these who can be addressed. Raises Refused: UNAVAILABLE."""
        return (await self._rpc.call(USER_ROLES, UserIds(ids=ids))).roles

    async def confirm(self, actor: Actor, token: str) -> Role:
        """The actor's global role of this moment. Raises Refused: BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        return (await self._rpc.call(CONFIRM_TOKEN, ConfirmToken(actor=actor, token=token))).role

    async def named(self, mentions: Iterable[Mentions]) -> list[tuple[UUID, ...]]:
        """Whom each of these names: ids, each once. Raises Refused: UNAVAILABLE if auth must be asked and is away."""
        wanted = [found.names for found in mentions]
        names = {name for found in wanted for readings in found for name in readings}
        now = time.monotonic()
        if len(self._names) > NAMES_KEPT:
            self._names.clear()
        unknown = sorted(name for name in names if self._names.get(name, _STALE)[1] < now)
        if unknown:
            ids = (await self._rpc.call(RESOLVE_NAMES, UserNames(names=unknown))).ids
            for name in unknown:
                self._names[name] = (ids.get(name), now + (NAME_KEPT_S if name in ids else NOBODY_KEPT_S))
        return [
            tuple({user: None for readings in found if (user := self._whom(readings)) is not None}) for found in wanted
        ]

    def _whom(self, readings: tuple[str, ...]) -> UUID | None:
        return next((found for name in readings if (found := self._names[name][0]) is not None), None)

    async def receipts_off(self, ids: list[UUID]) -> set[UUID]:
        """Which of these have switched read receipts off; known for a few seconds. Raises Refused: UNAVAILABLE."""
        now = time.monotonic()
        if len(self._quiet) > NAMES_KEPT:
            self._quiet.clear()
        known = {user: entry[0] for user in ids if (entry := self._quiet.get(user)) is not None and entry[1] >= now}
        unknown = sorted({user for user in ids if user not in known})
        for start in range(0, len(unknown), MOST_ASKED):
            asked = unknown[start : start + MOST_ASKED]
            quiet = set((await self._rpc.call(RECEIPTS_OFF, UserIds(ids=asked), timeout=RECEIPTS_WAIT_S)).ids)
            for user in asked:
                known[user] = user in quiet
                self._quiet[user] = (user in quiet, now + RECEIPTS_KEPT_S)
        return {user for user, off in known.items() if off}


_STALE: tuple[UUID | None, float] = (None, 0.0)
