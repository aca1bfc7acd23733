"""Whether what the database knows and what lies in the bucket are the same."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from parley_media.clients import AuthClient
from parley_media.domain import STRAY_AGE
from parley_media.objects import Objects
from parley_media.store import Begin
from parley_shared.contracts.media import CheckStore, StoreChecked
from parley_shared.cursors import read_cursor, write_cursor

QUESTION = "objects"
STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Compared:
    """One run of names. upto: where the next one begins; None at the end."""

    names: int
    unfinished: int
    missing: list[str]
    stray: list[str]
    upto: str | None


class Bucket:
    """The verb `check_store`, and what the sweep does every day."""

    def __init__(
        self, begin: Begin, objects: Objects, auth: AuthClient, *, step: int = STEP, stray_age: timedelta = STRAY_AGE
    ) -> None:
        self._begin = begin
        self._objects = objects
        self._auth = auth
        self._step = step
        self._stray_age = stray_age

    async def check(self, cmd: CheckStore) -> StoreChecked:
        """One step. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE."""
        after = "" if cmd.cursor is None else read_cursor(cmd.cursor, QUESTION, tuple[str])[0]
        await self._auth.demand_admin(cmd)
        found = await self.compare(after)
        async with self._begin() as store:
            total = await store.objects.total()
        return StoreChecked(
            objects=found.names,
            total=total,
            unfinished=found.unfinished,
            missing=found.missing,
            stray=found.stray,
            next=None if found.upto is None else write_cursor(QUESTION, found.upto),
        )

    async def compare(self, after: str) -> Compared:
        """The names that follow. Raises Refused: UNAVAILABLE.

        While both sides are read they go on changing. A row is there before its object and longer than it, so that a row which was there
        before the bucket was listed, and still is, says what must lie there, and an object without a row before and after is a stray.
        """
        async with self._begin() as store:
            rows = await store.objects.after(after, self._step)
        listed, more = await self._objects.list_after(after, self._step)
        # Either side may end first; of what lies beyond, nothing is known of the other one.
        ends = [rows[-1].name] if len(rows) == self._step else []
        ends += [listed[-1].name] if more and listed else []
        upto = min(ends, default=None)
        known = {row.name: row for row in rows if upto is None or row.name <= upto}
        there = {item.name: item for item in listed if upto is None or item.name <= upto}
        suspects = [name for name, row in known.items() if row.wanted and name not in there]
        suspects += there.keys() - known.keys()
        async with self._begin() as store:
            still = await store.objects.known(suspects)
            old = await store.now() - self._stray_age
        missing = [name for name in suspects if name in known and name in still and still[name].wanted]
        stray = [name for name in suspects if name not in known and name not in still and there[name].modified < old]
        return Compared(
            names=len(known.keys() | there.keys()),
            unfinished=sum(not row.wanted for row in known.values()),
            missing=sorted(missing),
            stray=sorted(stray),
            upto=upto,
        )
