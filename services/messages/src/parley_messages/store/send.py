"""The statements of the send transaction, on one dedicated asyncpg connection. Four round trips a batch, plus COMMIT."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from parley_messages.keys import RoomKey
from parley_shared.telemetry import statement

LOCK_ROOMS = """
    SELECT id, kind, visibility, history, deleted_at, head, n, last_at, clock_timestamp() AS now, member_count, slow_mode_s,
           flood_at, key_version
    FROM messages.rooms WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

LOCK_FREE_ROOMS = LOCK_ROOMS + " SKIP LOCKED"

EXISTING_ROOMS = "SELECT id FROM messages.rooms WHERE id = ANY($1::uuid[])"

# Membership, duplicates and rates in one answer. It runs after the rooms are locked, in a snapshot of its own, so whatever
# another replica committed to these rooms is seen. Rates are locked in the order of user ids: no two writers can deadlock.
LOOK_UP = """
    WITH rates AS MATERIALIZED (
        SELECT user_id, accepted FROM messages.sender_rates
        WHERE user_id = ANY($4::uuid[]) ORDER BY user_id FOR NO KEY UPDATE
    )
    SELECT w.i, m.from_seq, d.id, d.seq, d.n, d.created_at, d.payload_hash, NULL::uuid AS user_id, NULL::bytea AS accepted,
           m.role, m.muted_until
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS w (room_id, user_id, client_msg_id, i)
    LEFT JOIN messages.members m ON m.room_id = w.room_id AND m.user_id = w.user_id AND m.to_seq IS NULL
    LEFT JOIN messages.messages d
        ON d.room_id = w.room_id AND d.sender_id = w.user_id AND d.client_msg_id = w.client_msg_id
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, user_id, accepted, NULL, NULL FROM rates
"""

# Whoever has never sent has no row to lock; without one, two replicas could each accept a full window.
MAKE_RATES = """
    INSERT INTO messages.sender_rates (user_id, accepted)
    SELECT u, ''::bytea FROM unnest($1::uuid[]) AS u ORDER BY u ON CONFLICT DO NOTHING
"""

LOCK_RATES = """
    SELECT user_id, accepted FROM messages.sender_rates
    WHERE user_id = ANY($1::uuid[]) ORDER BY user_id FOR NO KEY UPDATE
"""

# What only some sends need: one statement each, and none for a batch without them.

MENTIONED = """
    SELECT m.room_id, m.user_id FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, user_id)
    JOIN messages.members m ON m.room_id = w.room_id AND m.user_id = w.user_id AND m.to_seq IS NULL
"""

LAST_SENT = """
    SELECT p.room_id, p.user_id, p.last_sent_at FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, user_id)
    JOIN messages.positions p ON p.room_id = w.room_id AND p.user_id = w.user_id
"""

# Between two people a block ends it; in a larger direct room messages still arrive.
BLOCKED = """
    SELECT w.room_id, w.user_id FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, user_id)
    WHERE EXISTS (
        SELECT FROM messages.members o
        JOIN messages.blocks b ON (b.user_id = o.user_id AND b.blocked_id = w.user_id)
            OR (b.user_id = w.user_id AND b.blocked_id = o.user_id)
        WHERE o.room_id = w.room_id AND o.to_seq IS NULL AND o.user_id <> w.user_id
    )
"""

THREAD_ROOTS = """
    SELECT m.room_id, m.id, m.seq, m.thread_root_id, m.deleted_at, m.sender_id
    FROM unnest($1::uuid[], $2::uuid[]) AS w (room_id, id)
    JOIN messages.messages m ON m.room_id = w.room_id AND m.id = w.id
"""

WRITE = """
    WITH new_messages AS (
        INSERT INTO messages.messages (
            room_id, id, seq, n, sender_id, client_msg_id, payload_hash, format, thread_root_id, mentions,
            rev, reply_count, created_at, mention_all, media
        )
        SELECT room_id, id, seq, n, sender_id, client_msg_id, payload_hash, format, thread_root_id, mentions::uuid[], 1, 0,
               created_at, mention_all, media::jsonb
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
                    $9::uuid[], $10::timestamptz[], $25::text[], $26::boolean[], $29::text[])
            AS w (room_id, id, seq, n, sender_id, client_msg_id, payload_hash, format, thread_root_id, created_at, mentions,
                  mention_all, media)
    ), new_revisions AS (
        INSERT INTO messages.message_revisions (room_id, message_id, rev, body, format, actor, at, sealed, key_version)
        SELECT room_id, id, 1, body, format, sender_id, created_at, sealed, key_version
        FROM unnest($1::uuid[], $2::uuid[], $11::text[], $8::text[], $5::uuid[], $10::timestamptz[], $30::bytea[], $31::integer[])
            AS w (room_id, id, body, format, sender_id, created_at, sealed, key_version)
    ), new_events AS (
        INSERT INTO messages.events (stream, seq, at, kind, actor, message_id, rev, replica)
        SELECT stream, seq, created_at, 'message.created', sender_id, id, 1, $33::text
        FROM unnest($12::text[], $3::bigint[], $10::timestamptz[], $5::uuid[], $2::uuid[])
            AS w (stream, seq, created_at, sender_id, id)
    ), new_outbox AS (
        INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds, trace)
        SELECT stream, from_seq, to_seq, '{message.created}', trace
        FROM unnest($13::text[], $14::bigint[], $15::bigint[], $32::text[]) AS w (stream, from_seq, to_seq, trace)
    ), counted AS (
        UPDATE messages.rooms r SET head = w.head, n = w.n, last_at = w.last_at, flood_at = w.flood_at
        FROM unnest($16::uuid[], $15::bigint[], $17::bigint[], $18::timestamptz[], $27::timestamptz[])
            AS w (id, head, n, last_at, flood_at)
        WHERE r.id = w.id
    ), moved AS (
        UPDATE messages.positions p
        SET delivered_seq = greatest(p.delivered_seq, w.seq), read_seq = w.seq, read_n = w.n, last_sent_at = w.last_sent_at
        FROM unnest($19::uuid[], $20::uuid[], $21::bigint[], $22::bigint[], $28::timestamptz[])
            AS w (room_id, user_id, seq, n, last_sent_at)
        WHERE p.room_id = w.room_id AND p.user_id = w.user_id AND p.read_seq < w.seq
    )
    UPDATE messages.sender_rates s SET accepted = w.accepted
    FROM unnest($23::uuid[], $24::bytea[]) AS w (user_id, accepted) WHERE s.user_id = w.user_id
"""

COUNT_REPLIES = """
    UPDATE messages.messages m SET reply_count = m.reply_count + w.replies, last_reply_at = w.at
    FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[]) AS w (room_id, id, replies, at)
    WHERE m.room_id = w.room_id AND m.id = w.id
"""

# Who writes in a thread follows it, whatever he chose before; its author and who is mentioned do unless they chose not to.
FOLLOW = """
    INSERT INTO messages.thread_followers AS f (room_id, root_id, user_id, following, since_seq)
    SELECT room_id, root_id, user_id, true, since_seq
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS w (room_id, root_id, user_id, since_seq)
    ORDER BY room_id, root_id, user_id
    ON CONFLICT (room_id, root_id, user_id) DO UPDATE SET following = true, since_seq = excluded.since_seq
    WHERE NOT f.following AND (f.room_id, f.root_id, f.user_id) IN (SELECT * FROM unnest($5::uuid[], $6::uuid[], $7::uuid[]))
"""

CARRY = """
    INSERT INTO messages.message_images (room_id, message_id, image_id, live)
    SELECT *, true FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])
"""

FAN_OUT = "INSERT INTO messages.fanout (room_id, message_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])"


@dataclass(slots=True)
class LockedRoom:
    """A room whose row this transaction holds; head, n and last_at move as sends are accepted. key_version: 0 if it is not
    sealed; key: that version, if this replica has it."""

    id: UUID
    kind: str
    visibility: str
    history: str
    deleted: bool
    head: int
    n: int
    last_at: datetime
    now: datetime
    member_count: int
    slow_mode_s: int
    flood_at: datetime | None
    key_version: int
    first: int
    key: RoomKey | None = None


class ThreadMessage(NamedTuple):
    """A message that somebody replies to; root_id: its own root, if it is a reply itself."""

    id: UUID
    seq: int
    root_id: UUID | None
    deleted: bool
    sender_id: UUID


class SendStore:
    """The send path's connection. Plans are forced to the indexes, so that a cold or freshly filled table changes nothing."""

    def __init__(self, connection: asyncpg.Connection, replica: str) -> None:
        self._connection = connection
        self._replica = replica
        self._prepared: dict[str, Any] = {}  # Any: asyncpg's PreparedStatement has no types

    @classmethod
    async def connect(cls, url: str, application_name: str, replica: str) -> "SendStore":
        """A connection of its own; prepared statements live as long as it does. replica: noted with each message."""
        connection = await asyncpg.connect(
            url,
            timeout=5,
            command_timeout=30,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",
                "enable_seqscan": "off",
                "enable_hashjoin": "off",
                "enable_mergejoin": "off",
                # Nor may it read all members once and compare: cheap while there are a hundred, ruinous with a million.
                "enable_bitmapscan": "off",
                "enable_material": "off",
            },
        )
        store = cls(connection, replica)
        for prepared in (LOCK_ROOMS, LOCK_FREE_ROOMS, LOOK_UP, WRITE):
            await store._statement(prepared)
        return store

    @property
    def connection(self) -> asyncpg.Connection:
        return self._connection

    @property
    def closed(self) -> bool:
        return bool(self._connection.is_closed())

    async def close(self) -> None:
        self._connection.terminate()

    async def _statement(self, sql: str) -> Any:
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = await self._connection.prepare(sql)
        return statement

    async def _fetch(self, sql: str, *arguments: object) -> list[Any]:
        with statement(sql):
            return list(await (await self._statement(sql)).fetch(*arguments))

    async def begin(self) -> None:
        await self._connection.execute("BEGIN")

    async def commit(self) -> None:
        with statement("COMMIT"):
            await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        await self._connection.execute("ROLLBACK")

    async def lock_rooms(self, ids: Sequence[UUID], *, wait_ms: int | None) -> dict[UUID, LockedRoom]:
        """Locked rooms by id. wait_ms None: those locked elsewhere are left out; else each is waited for so long.

        Raises asyncpg.LockNotAvailableError after wait_ms.
        """
        if wait_ms is not None:
            await self._connection.execute(f"SET LOCAL lock_timeout = {int(wait_ms)}")
        rows = await self._fetch(LOCK_FREE_ROOMS if wait_ms is None else LOCK_ROOMS, ids)
        if wait_ms is not None:
            await self._connection.execute("SET LOCAL lock_timeout = 0")
        return {
            row[0]: LockedRoom(
                id=row[0],
                kind=row[1],
                visibility=row[2],
                history=row[3],
                deleted=row[4] is not None,
                head=row[5],
                n=row[6],
                last_at=row[7],
                now=row[8],
                member_count=row[9],
                slow_mode_s=row[10],
                flood_at=row[11],
                key_version=row[12],
                first=row[5] + 1,
            )
            for row in rows
        }

    async def existing(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these rooms there are, locked or not."""
        return {row[0] for row in await self._fetch(EXISTING_ROOMS, ids)}

    async def look_up(
        self, rooms: list[UUID], users: list[UUID], client_msg_ids: list[str], limited: list[UUID]
    ) -> tuple[list[Any], dict[UUID, bytes]]:
        """Per send a row of LOOK_UP (membership and duplicate); and the limited users' windows, locked."""
        found: list[Any] = [None] * len(rooms)
        windows: dict[UUID, bytes] = {}
        for row in await self._fetch(LOOK_UP, rooms, users, client_msg_ids, limited):
            if row[0] is None:
                windows[row[7]] = row[8]
            else:
                found[row[0] - 1] = row
        missing = [user for user in limited if user not in windows]
        if missing:
            await self._fetch(MAKE_RATES, missing)
            windows.update({row[0]: row[1] for row in await self._fetch(LOCK_RATES, missing)})
        return found, windows

    async def thread_roots(self, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], ThreadMessage]:
        """Of these (room, message) those that exist."""
        rows = await self._fetch(THREAD_ROOTS, [room for room, _ in wanted], [message for _, message in wanted])
        return {(row[0], row[1]): ThreadMessage(row[1], row[2], row[3], row[4] is not None, row[5]) for row in rows}

    async def members_among(self, pairs: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Those of these (room, user) who are members now."""
        rows = await self._fetch(MENTIONED, [room for room, _ in pairs], [user for _, user in pairs])
        return {(row[0], row[1]) for row in rows}

    async def last_sent(self, pairs: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], datetime | None]:
        """When each (room, user) last sent something there."""
        rows = await self._fetch(LAST_SENT, [room for room, _ in pairs], [user for _, user in pairs])
        return {(row[0], row[1]): row[2] for row in rows}

    async def blocked(self, pairs: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Of these (direct room of two, sender) those with a block between the two."""
        rows = await self._fetch(BLOCKED, [room for room, _ in pairs], [user for _, user in pairs])
        return {(row[0], row[1]) for row in rows}

    async def write(self, columns: Sequence[object]) -> None:
        """Everything that a batch changes, in one statement; `columns` as WRITE numbers them, without the replica."""
        await self._fetch(WRITE, *columns, self._replica)

    async def count_replies(self, counts: dict[tuple[UUID, UUID], tuple[int, datetime]]) -> None:
        """(room, root) → how many more replies, and when the last was written."""
        await self._fetch(
            COUNT_REPLIES,
            [room for room, _ in counts],
            [root for _, root in counts],
            [count for count, _ in counts.values()],
            [at for _, at in counts.values()],
        )

    async def follow(self, since: dict[tuple[UUID, UUID, UUID], int], wrote: set[tuple[UUID, UUID, UUID]]) -> None:
        """(room, root, user) → the seq after which replies count for them. wrote: those who did not merely get named."""
        await self._fetch(
            FOLLOW,
            [room for room, _, _ in since],
            [root for _, root, _ in since],
            [user for _, _, user in since],
            list(since.values()),
            [room for room, _, _ in wrote],
            [root for _, root, _ in wrote],
            [user for _, _, user in wrote],
        )

    async def carry(self, images: Sequence[tuple[UUID, UUID, UUID]]) -> None:
        """(room, message, image) of messages with images."""
        await self._fetch(
            CARRY,
            [room for room, _, _ in images],
            [message for _, message, _ in images],
            [image for _, _, image in images],
        )

    async def fan_out(self, messages: Sequence[tuple[UUID, UUID]]) -> None:
        """Leave work for after the commit: (room, message) of those that somebody must be notified of."""
        await self._fetch(FAN_OUT, [room for room, _ in messages], [message for _, message in messages])
