"""What sealed rooms hold: opened when it is read, sealed when it is written. The rest of the service sees text, or none."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from parley_messages.keys import NotWhatWasSealed, RoomKey, RoomKeys, Sealed, message_place, reached, report_place
from parley_shared.crypto.wrapping import CannotUnwrap, Wrapped
from parley_shared.errors import unavailable

log = structlog.get_logger(__name__)

Row = Any
"""An asyncpg record, or a dict of its columns."""


class Sealing:
    """One transaction's view. Whether a key still exists the database is asked each time, so that a destroyed one is gone at once
    on all replicas; what memory spares is the unwrapping."""

    def __init__(self, connection: asyncpg.Connection, keys: RoomKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def messages(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with timeline.COLUMNS: with their text, or with `unreadable`. Raises Refused: UNAVAILABLE."""
        return await self._opened(rows, "room_id", lambda row: message_place(row["id"], row["rev"]))

    async def revisions(self, rows: Sequence[Row]) -> list[Row]:
        """Rows of message_revisions. Raises Refused: UNAVAILABLE."""
        return await self._opened(rows, "room_id", lambda row: message_place(row["message_id"], row["rev"]))

    async def reports(self, rows: Sequence[Row]) -> list[Row]:
        """Rows of reports. Raises Refused: UNAVAILABLE."""
        opened = await self._opened(rows, "room_id", lambda row: report_place(row["id"]))
        # A report says something; where nobody can read it any more, it says nothing.
        return [{**row, "reason": row["reason"] or ""} if row["sealed"] is not None else row for row in opened]

    async def message(
        self, room_id: UUID, message_id: UUID, rev: int, body: str | None, reason: str | None
    ) -> tuple[str | None, str | None, bytes | None, int | None]:
        """(body, reason, sealed, key_version) as they are to be written: text in a plain room, in a sealed one the seal. The
        room's row is locked. Raises Refused: UNAVAILABLE."""
        key = await self.current(room_id)
        if key is None:
            return body, reason, None, None
        if body is None and reason is None:
            return None, None, None, None
        sealed = key.seal(message_place(message_id, rev), {"body": body, "reason": reason})
        return None, None, sealed.blob, sealed.version

    async def report(self, room_id: UUID, report_id: UUID, text: dict[str, str | None]) -> Sealed | None:
        """None in a plain room. The room's row is locked. Raises Refused: UNAVAILABLE."""
        key = await self.current(room_id)
        return None if key is None else key.seal(report_place(report_id), text)

    async def current(self, room_id: UUID) -> RoomKey | None:
        """The key that seals now; None in a plain room. Raises Refused: UNAVAILABLE."""
        version = await self._connection.fetchval("SELECT key_version FROM messages.rooms WHERE id = $1", room_id)
        if not version:
            return None
        return (await self._unwrapped({(room_id, version)}))[room_id, version]

    async def _opened(self, rows: Sequence[Row], room: str, place: Callable[[Row], str]) -> list[Row]:
        wanted = {(row[room], row["key_version"]) for row in rows if row["sealed"] is not None}
        if not wanted:
            return list(rows)
        keys = await self._unwrapped(wanted)
        return [
            row if row["sealed"] is None else _open(row, keys.get((row[room], row["key_version"])), place(row))
            for row in rows
        ]

    async def _unwrapped(self, wanted: set[tuple[UUID, int]]) -> dict[tuple[UUID, int], RoomKey]:
        """Those of them that have not been destroyed."""
        rows = await self._connection.fetch(
            "SELECT k.room_id, k.version, k.wrapping_key, k.wrapped FROM unnest($1::uuid[], $2::integer[]) AS w (room_id, version)"
            " JOIN messages.room_keys k ON k.room_id = w.room_id AND k.version = w.version AND k.wrapped IS NOT NULL",
            [room_id for room_id, _ in wanted],
            [version for _, version in wanted],
        )
        try:
            return {
                (row[0], row[1]): await reached(self._keys.unwrapped(row[0], row[1], Wrapped(row[2], row[3])))
                for row in rows
            }
        except CannotUnwrap as error:
            # Somebody took away a wrapping key that is still needed: an operator can bring it back.
            log.error("keys.cannot_unwrap", error=str(error))
            raise unavailable("The wrapping key of what is sealed here is not there at the moment.") from None


def _open(row: Row, key: RoomKey | None, place: str) -> dict[str, Any]:
    fields = dict(row)
    if key is None:
        return {**fields, "unreadable": True}
    try:
        return {**fields, **key.open(place, fields["sealed"])}
    except NotWhatWasSealed as error:
        # One damaged row must not take a whole page with it.
        log.error("keys.damaged", where=str(error))
        return {**fields, "unreadable": True}
