"""What search reads: what changed, what there is, and where somebody may look. Sealed rooms are never among it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from parley_messages.epoch import Epoch
from parley_messages.store import Database
from parley_messages.store.indexing import Span
from parley_shared.contracts import indexing as contract
from parley_shared.errors import invalid
from parley_shared.limits import REPLY_BYTES

ROOMS = 1_000
WANTS = 500
ROWS = 1_000
"""Read for one answer."""
ROWS_OF_ROOM = 250
"""Of one room; a long log does not hold up the others."""
_ENTRY_BYTES = 400
"""Of an entry besides its body, at most."""
_LONGEST_CHARACTER = 6
"""Bytes that JSON may spend on a character."""
_SCOPE_BYTES = 600
_INTERVAL_BYTES = 24


class Indexing:
    """Search has a cursor for each room, and pulls; nothing here is remembered of it."""

    def __init__(self, database: Database, epoch: Epoch) -> None:
        self._database = database
        self._epoch = epoch

    async def rooms(self, request: contract.IndexRooms) -> contract.IndexedRooms:
        """A page of all rooms by id, or those asked for. Raises Refused: INVALID."""
        limit = ROOMS if request.room_ids is not None else request.limit
        if not 1 <= limit <= ROOMS or len(request.room_ids or ()) > ROOMS:
            raise invalid(limit=f"between 1 and {ROOMS}")
        async with self._database.snapshot() as store:
            rows = await store.indexing.rooms(request.after, request.room_ids, limit)
        found = [
            contract.IndexedRoom(
                room_id=row["id"],
                head=row["head"],
                floor=row["floor"],
                language=row["language"],
                searchable=row["searchable"],
            )
            for row in rows
        ]
        missing = set(request.room_ids or ()) - {room.room_id for room in found}
        more = request.room_ids is None and len(found) == limit
        return contract.IndexedRooms(
            epoch=self._epoch.value, rooms=found, missing=sorted(missing), next=found[-1].room_id if more else None
        )

    async def ranges(self, request: contract.IndexRanges) -> contract.IndexRangesAnswer:
        """Parts in the order of the wants, as many as fit one answer. Raises Refused: INVALID above 500."""
        if len(request.wants) > WANTS:
            raise invalid(wants=f"at most {WANTS}")
        async with self._database.snapshot() as store:
            ids = sorted({want.room_id for want in request.wants})
            rooms = {row["id"]: row for row in await store.indexing.rooms(None, ids, WANTS)}
            # All of them by one statement of each kind: most have one new message, and a statement costs more than a row.
            reading = list(_readable(request.wants, rooms))
            rows: list[list[Any]] = [[] for _ in reading]
            for kind, query in (("log", store.indexing.changes), ("state", store.indexing.state)):
                which = [
                    number for number, (want, span) in enumerate(reading) if span is not None and want.kind == kind
                ]
                if spans := [span for _, span in (reading[number] for number in which) if span is not None]:
                    for row in await query(spans, ROWS_OF_ROOM):
                        rows[which[row["i"]]].append(row)
        parts: list[contract.IndexPart] = []
        left = REPLY_BYTES
        for (want, span), found in zip(reading, rows, strict=True):
            room = rooms.get(want.room_id)
            if room is None or not room["searchable"]:
                part, size = _part(want, room, [], 0, complete=True, gone=True), _ENTRY_BYTES
            elif span is None:
                part, size = _part(want, room, [], want.after, complete=False, lost=True), _ENTRY_BYTES
            else:
                part, size = _filled(want, room, found, left)
            parts.append(part)
            left -= size
            if left <= 0:
                break
        return contract.IndexRangesAnswer(epoch=self._epoch.value, parts=parts)

    async def scope(self, request: contract.SearchScope) -> contract.SearchScopeAnswer:
        """Plain rooms that the viewer may read now, by id, as many as fit one answer."""
        async with self._database.snapshot() as store:
            rows = await store.indexing.scope(
                request.viewer_id,
                admin=request.viewer_role == "admin",
                room_id=request.room_id,
                after=request.after,
                limit=ROOMS,
            )
        rooms: list[contract.ScopeRoom] = []
        size = 0
        for row in rows:
            intervals = None if row["whole"] else list(zip(row["starts"], row["ends"], strict=True))
            size += _SCOPE_BYTES + _INTERVAL_BYTES * len(intervals or ())
            if rooms and size > REPLY_BYTES:
                return contract.SearchScopeAnswer(rooms=rooms, next=rooms[-1].room_id)
            rooms.append(
                contract.ScopeRoom(room_id=row["id"], name=row["name"], intervals=intervals, language=row["language"])
            )
        return contract.SearchScopeAnswer(rooms=rooms, next=rooms[-1].room_id if len(rows) == ROOMS else None)


def _readable(
    wants: Iterable[contract.IndexWant], rooms: Mapping[UUID, Any]
) -> Iterator[tuple[contract.IndexWant, Span | None]]:
    """As many wants as one answer reads, and what of the rooms is read for them: nothing of one that is gone, or whose log does not
    reach back that far."""
    left = ROWS
    for want in wants:
        room = rooms.get(want.room_id)
        span = None
        if room is not None and room["searchable"]:
            known = room["floor"] <= want.after <= room["head"]
            if known or want.kind == "state":
                span = (want.room_id, want.after, room["head"])
                left -= max(0, min(room["head"] - want.after, ROWS_OF_ROOM))
        yield want, span
        if left <= 0:
            return


def _filled(want: contract.IndexWant, room: Any, rows: Sequence[Any], left: int) -> tuple[contract.IndexPart, int]:
    """What fits, at least one entry, and its size."""
    entries: dict[UUID, contract.IndexEntry] = {}
    size = _ENTRY_BYTES
    upto = want.after
    for row in rows:
        if row["id"] is not None and row["id"] not in entries:
            size += _ENTRY_BYTES + _LONGEST_CHARACTER * len(row["body"] or "")
            if size > left and entries:
                return _part(want, room, list(entries.values()), upto, complete=False), left
            entries[row["id"]] = _entry(row)
        upto = row["seq"]
    return _part(want, room, list(entries.values()), upto, complete=len(rows) < ROWS_OF_ROOM), size


def _entry(row: Any) -> contract.IndexEntry:
    deleted = row["deleted_at"] is not None
    return contract.IndexEntry(
        message_id=row["id"],
        seq=row["message_seq"],
        rev=row["rev"],
        sender_id=row["sender_id"],
        created_at=row["created_at"],
        body=None if deleted else row["body"],
        format=row["format"],
        has_image=not deleted and row["has_image"],
    )


def _part(
    want: contract.IndexWant,
    room: Any | None,
    entries: list[contract.IndexEntry],
    upto: int,
    *,
    complete: bool,
    lost: bool = False,
    gone: bool = False,
) -> contract.IndexPart:
    return contract.IndexPart(
        room_id=want.room_id,
        entries=entries,
        upto=upto,
        head=0 if room is None else room["head"],
        complete=complete,
        language="simple" if room is None else room["language"],
        lost=lost,
        gone=gone,
    )
