"""Mutes and bans, reports, and access grants."""

from typing import Any
from uuid import UUID

import asyncpg

from parley_messages.keys import Sealed
from parley_messages.store.sealing import Sealing

REPORT = """
    SELECT p.*, m.seq AS message_seq, m.sender_id FROM messages.reports p
    JOIN messages.messages m ON m.room_id = p.room_id AND m.id = p.message_id
    JOIN messages.rooms r ON r.id = p.room_id AND r.deleted_at IS NULL
"""


class SanctionQueries:
    """kind: `mute` or `ban`. One that has run out counts as none, whether or not its row is still there."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def impose(
        self, room_id: UUID, user_id: UUID, kind: str, *, minutes: int | None, reason: str | None, actor: UUID
    ) -> Any:
        """Returns the row; it replaces the one before."""
        return await self._connection.fetchrow(
            """
            INSERT INTO messages.sanctions (room_id, user_id, kind, until, reason, actor, at)
            VALUES ($1, $2, $3, clock_timestamp() + make_interval(mins => $4), $5, $6, clock_timestamp())
            ON CONFLICT (room_id, user_id, kind) DO UPDATE
            SET until = excluded.until, reason = excluded.reason, actor = excluded.actor, at = excluded.at
            RETURNING *
            """,
            room_id,
            user_id,
            kind,
            minutes,
            reason,
            actor,
        )

    async def lift(self, room_id: UUID, user_id: UUID, kind: str) -> None:
        await self._connection.execute(
            "DELETE FROM messages.sanctions WHERE room_id = $1 AND user_id = $2 AND kind = $3", room_id, user_id, kind
        )

    async def current(self, room_id: UUID, user_id: UUID, kind: str) -> Any | None:
        """(until, ms that are left of it; both null for one without end)."""
        return await self._connection.fetchrow(
            "SELECT until, (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint + 1 AS left_ms"
            " FROM messages.sanctions WHERE room_id = $1 AND user_id = $2 AND kind = $3"
            " AND (until IS NULL OR until > clock_timestamp())",
            room_id,
            user_id,
            kind,
        )

    async def page(self, room_id: UUID, kind: str, limit: int, last: UUID | None) -> list[Any]:
        """By user id."""
        return list(
            await self._connection.fetch(
                "SELECT * FROM messages.sanctions WHERE room_id = $1 AND kind = $2"
                " AND (until IS NULL OR until > clock_timestamp())"
                " AND ($4::uuid IS NULL OR user_id > $4) ORDER BY user_id LIMIT $3",
                room_id,
                kind,
                limit,
                last,
            )
        )


class ReportQueries:
    """Of rooms that are not deleted."""

    def __init__(self, connection: asyncpg.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing

    async def add(self, report_id: UUID, room_id: UUID, message_id: UUID, reporter_id: UUID, reason: str) -> UUID:
        """The report's id: another one if this reporter has an open one of the message. The room's row is locked."""
        sealed = await self._sealing.report(room_id, report_id, {"reason": reason, "resolution": None})
        found: UUID = await self._connection.fetchval(
            """
            INSERT INTO messages.reports AS p (id, room_id, message_id, reporter_id, reason, at, sealed, key_version)
            VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7)
            ON CONFLICT (message_id, reporter_id) WHERE resolved_at IS NULL DO UPDATE SET reason = p.reason
            RETURNING id
            """,
            report_id,
            room_id,
            message_id,
            reporter_id,
            reason if sealed is None else "",
            *_columns(sealed),
        )
        return found

    async def get(self, report_id: UUID) -> Any | None:
        found = await self._sealing.reports(await self._connection.fetch(f"{REPORT} WHERE p.id = $1", report_id))
        return found[0] if found else None

    async def resolve(self, report: Any, resolution: str, actor: UUID) -> None:
        """report: as `get` answers it; its room's row is locked."""
        text = {"reason": report["reason"], "resolution": resolution}
        sealed = await self._sealing.report(report["room_id"], report["id"], text)
        await self._connection.execute(
            "UPDATE messages.reports SET resolved_at = clock_timestamp(), resolved_by = $3, resolution = $2,"
            " sealed = $4, key_version = $5 WHERE id = $1",
            report["id"],
            resolution if sealed is None else None,
            actor,
            *_columns(sealed),
        )

    async def of_room(self, room_id: UUID, limit: int, last: tuple[bool, UUID] | None) -> list[Any]:
        """Open ones first, then the newest first. last: (resolved, id) of the page before's last one."""
        return await self._sealing.reports(
            await self._connection.fetch(
                f"{REPORT} WHERE p.room_id = $1 AND"
                " ($3::boolean IS NULL OR (p.resolved_at IS NOT NULL) > $3"
                "  OR ((p.resolved_at IS NOT NULL) = $3 AND p.id < $4))"
                " ORDER BY p.resolved_at IS NOT NULL, p.id DESC LIMIT $2",
                room_id,
                limit,
                *(last or (None, None)),
            )
        )

    async def of_all(self, *, public_only: bool, limit: int, last: tuple[bool, UUID] | None) -> list[Any]:
        """As `of_room`."""
        return await self._sealing.reports(
            await self._connection.fetch(
                f"{REPORT} WHERE (NOT $1 OR r.visibility = 'public') AND"
                " ($3::boolean IS NULL OR (p.resolved_at IS NOT NULL) > $3"
                "  OR ((p.resolved_at IS NOT NULL) = $3 AND p.id < $4))"
                " ORDER BY p.resolved_at IS NOT NULL, p.id DESC LIMIT $2",
                public_only,
                limit,
                *(last or (None, None)),
            )
        )


class GrantQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def add(self, grant_id: UUID, room_id: UUID, user_id: UUID, reason: str, minutes: int) -> Any:
        return await self._connection.fetchrow(
            "INSERT INTO messages.access_grants (id, room_id, user_id, reason, at, until)"
            " VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp() + make_interval(mins => $5)) RETURNING *",
            grant_id,
            room_id,
            user_id,
            reason,
            minutes,
        )

    async def granted(self, room_id: UUID, user_id: UUID) -> bool:
        """Whether the user has access at this moment."""
        found: bool = await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM messages.access_grants"
            " WHERE room_id = $1 AND user_id = $2 AND until > clock_timestamp())",
            room_id,
            user_id,
        )
        return found


def _columns(sealed: Sealed | None) -> tuple[bytes | None, int | None]:
    return (None, None) if sealed is None else (sealed.blob, sealed.version)
