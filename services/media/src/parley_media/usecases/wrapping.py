"""The wrapping key: how much lies under which one, and bringing all of it under today's."""

import asyncio
import time
from typing import Final

import structlog

from parley_media.clients import AuthClient
from parley_media.domain import Stored
from parley_media.keys import Keys
from parley_media.store import Begin
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.keys import Rewrap, Rewrapped
from parley_shared.contracts.media import WrappedKeys
from parley_shared.crypto.wrapping import Wrapped
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Refused

log = structlog.get_logger(__name__)

QUESTION = "keys"
AT_ONCE: Final = 50
SLICE_S: Final = 5.0


class Wrapping:
    """The verbs `wrapped_keys` and `rewrap_keys`. Objects stay as they are: only what their keys are wrapped in changes."""

    def __init__(self, begin: Begin, keys: Keys, auth: AuthClient) -> None:
        self._begin = begin
        self._keys = keys
        self._auth = auth

    async def count(self, cmd: AdminRequest) -> WrappedKeys:
        """Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
        await self._auth.demand_admin(cmd)
        current = await self._keys.current()
        async with self._begin() as store:
            return WrappedKeys(current=current, counts=await store.objects.keys())

    async def rewrap(self, cmd: Rewrap) -> Rewrapped:
        """Some seconds' worth, by name; may be repeated, and done by several at once. A key that cannot be opened is passed over.

        Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE.
        """
        until = time.monotonic() + SLICE_S
        after: str | None = "" if cmd.cursor is None else read_cursor(cmd.cursor, QUESTION, tuple[str])[0]
        await self._auth.demand_admin(cmd)
        current = await self._keys.current()
        done = 0
        while after is not None and time.monotonic() < until:
            async with self._begin() as store:
                rows = await store.objects.not_under(current, after, AT_ONCE)
            wrapped = await asyncio.gather(*map(self._wrap, rows))
            async with self._begin() as store:
                for row, new in zip(rows, wrapped, strict=True):
                    done += new is not None and await store.objects.rewrap(row, new.key, new.blob)
            after = rows[-1].name if len(rows) == AT_ONCE else None
        async with self._begin() as store:
            counts = await store.objects.keys()
        return Rewrapped(
            rewrapped=done,
            left=sum(count for key, count in counts.items() if key != current),
            wrapping_key=current,
            next=None if after is None else write_cursor(QUESTION, after),
        )

    async def _wrap(self, stored: Stored) -> Wrapped | None:
        try:
            return await self._keys.wrap_again(stored)
        except Refused as refusal:
            log.warning("key.kept", object=stored.name, reason=refusal.detail)
            return None
