"""Whether what messages keeps still says one thing: log, state, unread counts, images. Reads only, on a living system.

Each step reads its streams in one snapshot, in which a change is there as a whole or not at all; so what does not fit in it is no
change on its way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from parley_messages.clients import AuthClient, MediaClient
from parley_messages.store import Database
from parley_messages.store.images import Carried
from parley_messages.store.verifying import FOUND_AT_ONCE, OF_PEOPLE, OF_ROOMS, Window
from parley_shared.contracts import verifying as contract
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.ids import room_stream

STREAMS: Final = 500
"""In one step, at most."""
SEQS: Final = 100_000
"""Of all streams of one step together."""
SETTLE_S: Final = 2.0
EACH: Final = 20
"""What a stream costs besides its seqs, in seqs."""


@dataclass(slots=True)
class _Plan:
    """windows: of one step. done: streams that it goes through to their end. last: where the next step begins, if there is one."""

    windows: list[Window] = field(default_factory=list)
    done: int = 0
    last: tuple[UUID, int | None] | None = None


def plan(streams: list[tuple[UUID, int]], at: tuple[UUID, int | None] | None, *, seqs: int = SEQS) -> _Plan:
    """One step's worth. streams: (id, head) from that of the cursor on. at: the cursor: a stream, and up to where it was looked at, or
    None if to its end."""
    made = _Plan()
    left = seqs
    for number, (stream, head) in enumerate(streams):
        after = 0
        if at is not None and stream == at[0]:
            if at[1] is None:
                continue
            after = at[1]
        upto = max(after, min(head, after + left))
        made.windows.append(Window(stream, after, upto))
        left -= upto - after + EACH
        if upto < head:
            made.last = (stream, upto)
            return made
        made.done += 1
        if left <= 0 and number + 1 < len(streams):
            made.last = (stream, None)
            return made
    if len(streams) == STREAMS:
        made.last = (streams[-1][0], None)
    return made


class Verifying:
    """The verbs `verify_rooms` and `verify_people`."""

    def __init__(self, database: Database, auth: AuthClient, media: MediaClient) -> None:
        self._database = database
        self._auth = auth
        self._media = media

    async def rooms(self, command: contract.Verify) -> contract.Verified:
        """One step. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR, UNAVAILABLE, also while media is away."""
        question = f"verify-rooms:{command.room_id}"
        at = _read(command.cursor, question)
        await self._auth.demand_admin(command)
        async with self._database.snapshot() as store:
            await store.verifying.hold_logs()
            rows = await store.verifying.rooms(None if at is None else at[0], command.room_id, STREAMS)
            step = plan([(row[0], row[1]) for row in rows], at)
            found, more = await _checked(OF_ROOMS, store.verifying.of_rooms, step.windows)
            carried = await store.verifying.carried(step.windows)
            messages = await store.verifying.messages(step.windows)
            total = await store.verifying.total("rooms") if command.room_id is None else len(rows)
        # Asked after the snapshot: what it shows as carried media has, unless it was told since that nothing carries it.
        wrong = await self._wrong_images(carried)
        found += wrong[:FOUND_AT_ONCE]
        return contract.Verified(
            streams=step.done,
            total=total,
            checked={"events": _seqs(step), "messages": messages, "images": len(carried)},
            divergences=_in_order(found),
            more=more or len(wrong) > FOUND_AT_ONCE,
            next=_write(question, step),
        )

    async def people(self, command: contract.Verify) -> contract.Verified:
        """One step, of users' own streams. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, BAD_CURSOR."""
        question = "verify-people"
        at = _read(command.cursor, question)
        await self._auth.demand_admin(command)
        async with self._database.snapshot() as store:
            await store.verifying.hold_logs()
            rows = await store.verifying.people(None if at is None else at[0], STREAMS)
            step = plan([(row[0], row[1]) for row in rows], at)
            found, more = await _checked(OF_PEOPLE, store.verifying.of_people, step.windows)
            total = await store.verifying.total("user_streams")
        return contract.Verified(
            streams=step.done,
            total=total,
            checked={"events": _seqs(step)},
            divergences=_in_order(found),
            more=more,
            next=_write(question, step),
        )

    async def _wrong_images(self, carried: list[Carried]) -> list[contract.Divergence]:
        rooms: dict[UUID, list[UUID]] = {}
        for item in carried:
            rooms.setdefault(item.image_id, []).append(item.room_id)
        wrong = await self._asked(rooms)
        if wrong:
            # An erasure reaches media and messages one after the other: what it has begun is known to both after a moment.
            await asyncio.sleep(SETTLE_S)
            async with self._database.snapshot() as store:
                still = await store.verifying.still_carried(list(wrong))
            wrong = await self._asked({image_id: rooms[image_id] for image_id in still})
        return [
            contract.Divergence(
                kind="images.missing",
                stream=room_stream(item.room_id),
                message_id=item.message_id,
                detail=f"image {item.image_id}: {wrong[item.image_id]}",
            )
            for item in carried
            if item.image_id in wrong
        ]

    async def _asked(self, rooms: dict[UUID, list[UUID]]) -> dict[UUID, str]:
        wrong: dict[UUID, str] = {}
        ids = list(rooms)
        for start in range(0, len(ids), contract.MOST_IMAGES):
            some = ids[start : start + contract.MOST_IMAGES]
            wrong |= await self._media.wrong_images({image_id: rooms[image_id] for image_id in some})
        return wrong


async def _checked(
    kinds: dict[str, str], find: Callable[[str, list[Window]], Awaitable[list[Any]]], windows: list[Window]
) -> tuple[list[contract.Divergence], bool]:
    """What does not fit, and whether there is more of it."""
    found: list[contract.Divergence] = []
    more = False
    for kind in kinds if windows else ():
        rows = await find(kind, windows)
        more = more or len(rows) > FOUND_AT_ONCE
        found += [
            contract.Divergence(kind=kind, stream=row[0], seq=row[1], message_id=row[2], user_id=row[3], detail=row[4])
            for row in rows[:FOUND_AT_ONCE]
        ]
    return found, more


def _in_order(found: list[contract.Divergence]) -> list[contract.Divergence]:
    """The first one first: by stream and seq. Whatever follows from it in the same place comes after it, as the checks do."""
    return sorted(found, key=lambda item: (item.stream, item.seq is None, item.seq or 0))


def _seqs(step: _Plan) -> int:
    return sum(window.upto - window.after for window in step.windows)


def _read(cursor: str | None, question: str) -> tuple[UUID, int | None] | None:
    if cursor is None:
        return None
    at: tuple[UUID, int | None] = read_cursor(cursor, question, tuple[UUID, int | None])
    return at


def _write(question: str, step: _Plan) -> str | None:
    return None if step.last is None else write_cursor(question, *step.last)
