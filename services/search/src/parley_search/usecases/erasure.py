"""Erasing what is indexed of an account: its messages are no longer found, by their words or by their sender."""

import time
from typing import Final

from parley_search.domain import sender_mark
from parley_search.store import Database
from parley_shared.contracts.erasure import Erase, Erased

AT_ONCE: Final = 1_000
WITHIN_S: Final = 4.0
"""How long one call goes on; auth asks again."""


class Erasure:
    """The verb `erase`. Tombstones stay, as for every deleted message: what is late brings nothing back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(self, cmd: Erase) -> Erased:
        mark = sender_mark(cmd.user_id)
        until = time.monotonic() + WITHIN_S
        erased = 0
        while time.monotonic() < until:
            async with self._database.begin() as store:
                rooms = await store.entries.rooms_with(mark, AT_ONCE)
                await store.rooms.lock(rooms)
                erased += await store.entries.bury(rooms, mark, AT_ONCE)
            if not rooms:
                return Erased(done=True, counts={"search_entries": erased})
        return Erased(done=False, counts={"search_entries": erased})
