"""Whether a room's log, its state, what it counts for its members and what its messages carry say the same.

Every check is one statement over some rooms at once, each of them looked at from one seq to another, and answers with what does
not fit. Logs are compared above their floor only: below it state stands alone.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from parley_messages.store.images import Carried

FOUND_AT_ONCE: Final = 20
"""What one check names in one step; whoever has more than that in one step knows enough to look himself."""

# low: above it the log must tell of everything. A window that ends at the head is the last of its room.
_ROOMS = """
    WITH w AS (
        SELECT r.id AS room_id, 'room:' || r.id AS stream, g.after, g.upto, greatest(g.after, r.floor) AS low, r.head, r.n,
               r.member_count
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS g (id, after, upto) JOIN messages.rooms r ON r.id = g.id
    )
"""
_PEOPLE = """
    WITH w AS (
        SELECT u.user_id, 'user:' || u.user_id AS stream, g.after, g.upto, greatest(g.after, u.floor) AS low, u.head
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS g (id, after, upto)
        JOIN messages.user_streams u ON u.user_id = g.id
    )
"""

_LOGGED = """
    CROSS JOIN LATERAL (
        SELECT s.seq, lag(s.seq, 1, w.low) OVER (ORDER BY s.seq) AS before
        FROM (
            SELECT x.seq FROM messages.events x WHERE x.stream = w.stream AND x.seq > w.low AND x.seq <= w.upto
            UNION ALL SELECT w.upto + 1
        ) s
    ) e
"""
_HOLE = f"""
    SELECT w.stream, e.before + 1 AS seq, NULL::uuid AS message_id, NULL::uuid AS user_id,
           format('the log has nothing from %s to %s', e.before + 1, e.seq - 1) AS detail
    FROM w {_LOGGED} WHERE w.upto > w.low AND e.seq > e.before + 1
"""  # noqa: S608 — our own words
_DOUBLED = f"""
    SELECT w.stream, e.seq, NULL::uuid AS message_id, NULL::uuid AS user_id, 'the log has it more than once' AS detail
    FROM w {_LOGGED} WHERE w.upto > w.low AND e.seq = e.before
"""  # noqa: S608
_BEYOND = """
    SELECT w.stream, max(e.seq) AS seq, NULL::uuid AS message_id, NULL::uuid AS user_id,
           format('the log goes on to %s, the head is %s', max(e.seq), w.head) AS detail
    FROM w JOIN messages.events e ON e.stream = w.stream AND e.seq > w.head
    WHERE w.upto = w.head GROUP BY w.stream, w.head
"""

_LOST = """
    SELECT w.stream, e.seq, e.message_id, e.actor AS user_id, 'the log says that it was sent; there is no such message' AS detail
    FROM w
    JOIN messages.events e ON e.stream = w.stream AND e.seq > w.low AND e.seq <= w.upto AND e.kind = 'message.created'
    LEFT JOIN messages.messages m ON m.room_id = w.room_id AND m.id = e.message_id AND m.seq = e.seq
    WHERE m.id IS NULL
"""
_UNLOGGED = """
    SELECT w.stream, m.seq, m.id AS message_id, m.sender_id AS user_id, 'there is a message of which the log says nothing' AS detail
    FROM w
    JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.low
        AND m.seq <= CASE WHEN w.upto = w.head THEN 9223372036854775807 ELSE w.upto END
    LEFT JOIN messages.events e
        ON e.stream = w.stream AND e.seq = m.seq AND e.message_id = m.id AND e.kind = 'message.created'
    WHERE e.seq IS NULL
"""
# What an erased account wrote in a room that was deleted became tombstones without a word in its log.
_NOT_ERASED = "NOT EXISTS (SELECT FROM messages.erasures x WHERE x.user_id = {user})"
_CHANGED = f"""
    , c AS (
        SELECT w.room_id, e.message_id, max(e.rev) AS rev, bool_or(e.kind = 'message.deleted') AS deleted,
               coalesce((array_agg(e.kind ORDER BY e.seq DESC)
                   FILTER (WHERE e.kind IN ('message.pinned', 'message.unpinned')))[1] = 'message.pinned', false) AS pinned
        FROM w JOIN messages.events e ON e.stream = w.stream AND e.seq > w.low
        WHERE e.message_id IS NOT NULL GROUP BY w.room_id, e.message_id
    )
    SELECT w.stream, m.seq, m.id AS message_id, m.sender_id AS user_id,
           format('the log ends with revision %s%s%s, the message is at %s%s%s',
               c.rev, CASE WHEN c.deleted THEN ', deleted' END, CASE WHEN c.pinned AND NOT c.deleted THEN ', pinned' END,
               m.rev, CASE WHEN m.deleted_at IS NOT NULL THEN ', deleted' END,
               CASE WHEN m.pinned_at IS NOT NULL THEN ', pinned' END) AS detail
    FROM w
    JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.low AND m.seq <= w.upto
    JOIN c ON c.room_id = m.room_id AND c.message_id = m.id
    WHERE (
        c.rev IS DISTINCT FROM m.rev OR c.deleted <> (m.deleted_at IS NOT NULL)
        OR (c.pinned AND NOT c.deleted) <> (m.pinned_at IS NOT NULL)
    ) AND {_NOT_ERASED.format(user="m.sender_id")}
"""  # noqa: S608
_TEXTLESS = """
    SELECT w.stream, m.seq, m.id AS message_id, m.sender_id AS user_id,
           format('revision %s has no text, and the message is not deleted', m.rev) AS detail
    FROM w
    JOIN messages.messages m
        ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto AND m.deleted_at IS NULL
    LEFT JOIN messages.message_revisions r ON r.room_id = m.room_id AND r.message_id = m.id AND r.rev = m.rev
    WHERE r.rev IS NULL OR (r.body IS NULL AND r.sealed IS NULL)
"""
_LAST_N = """
    coalesce((
        SELECT y.n FROM messages.messages y
        WHERE y.room_id = w.room_id AND y.n IS NOT NULL AND y.seq <= {seq} ORDER BY y.seq DESC LIMIT 1
    ), 0)
"""
_ORDINALS = f"""
    SELECT w.stream, o.seq, o.id AS message_id, NULL::uuid AS user_id,
           format('its number among the messages is %s, after %s', o.n, o.before) AS detail
    FROM w CROSS JOIN LATERAL (
        SELECT m.id, m.seq, m.n, lag(m.n, 1, {_LAST_N.format(seq="w.after")}) OVER (ORDER BY m.seq) AS before
        FROM messages.messages m
        WHERE m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto AND m.n IS NOT NULL
    ) o
    WHERE o.n <> o.before + 1
"""  # noqa: S608
_COUNTED = f"""
    SELECT w.stream, w.head AS seq, NULL::uuid AS message_id, NULL::uuid AS user_id,
           format('the room counts %s messages, the last one is number %s', w.n, t.n) AS detail
    FROM w CROSS JOIN LATERAL (SELECT {_LAST_N.format(seq="w.head")} AS n) t
    WHERE w.upto = w.head AND t.n <> w.n
"""  # noqa: S608
_REPLIES = """
    SELECT w.stream, m.seq, m.id AS message_id, NULL::uuid AS user_id,
           format('it counts %s replies and has %s', m.reply_count, t.replies) AS detail
    FROM w
    JOIN messages.messages m
        ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto AND m.thread_root_id IS NULL
    CROSS JOIN LATERAL (
        SELECT count(*) AS replies FROM messages.messages x WHERE x.room_id = m.room_id AND x.thread_root_id = m.id
    ) t
    WHERE t.replies <> m.reply_count
"""
_REACTIONS = f"""
    , logged AS (
        SELECT DISTINCT ON (l.room_id, l.message_id, l.reaction, l.user_id) l.*
        FROM (
            SELECT w.room_id, e.message_id, e.meta ->> 'reaction' AS reaction, (e.meta ->> 'user_id')::uuid AS user_id,
                   e.seq, e.kind
            FROM w JOIN messages.events e ON e.stream = w.stream AND e.seq > w.low
            WHERE e.kind IN ('reaction.added', 'reaction.removed')
        ) l
        ORDER BY l.room_id, l.message_id, l.reaction, l.user_id, l.seq DESC
    ), living AS (
        SELECT w.stream, m.room_id, m.id AS message_id, m.seq AS message_seq
        FROM w JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.low AND m.seq <= w.upto
        WHERE m.deleted_at IS NULL
    ), wanted AS (
        SELECT l.room_id, l.message_id, l.reaction, l.user_id, l.seq
        FROM logged l JOIN living v ON v.room_id = l.room_id AND v.message_id = l.message_id
        WHERE l.kind = 'reaction.added'
    ), there AS (
        SELECT x.room_id, x.message_id, x.reaction, x.user_id, x.seq
        FROM living v JOIN messages.reactions x ON x.room_id = v.room_id AND x.message_id = v.message_id
    ), wrong AS (
        SELECT room_id, message_id, reaction, user_id, wanted.seq AS logged_at, there.seq AS stands_at
        FROM wanted FULL JOIN there USING (room_id, message_id, reaction, user_id)
        WHERE wanted.seq IS DISTINCT FROM there.seq
    )
    SELECT v.stream, v.message_seq AS seq, v.message_id, g.user_id,
           format('by the log this person''s reaction is of %s, in the state of %s',
               coalesce(g.logged_at::text, 'never'), coalesce(g.stands_at::text, 'never')) AS detail
    FROM wrong g JOIN living v ON v.room_id = g.room_id AND v.message_id = g.message_id
    WHERE {_NOT_ERASED.format(user="g.user_id")}
"""  # noqa: S608
# Who lost a room by its deletion was in it up to the seq after that event; who is back by its being restored began there.
_MEMBERS = f"""
    , found AS (
        SELECT w.stream, i.from_seq AS seq, i.user_id, 'somebody became a member without a word in the log' AS detail
        FROM w JOIN messages.members i ON i.room_id = w.room_id AND i.from_seq > w.low AND i.from_seq <= w.upto
        LEFT JOIN messages.events e ON e.stream = w.stream AND e.seq = i.from_seq AND (
            (e.kind = 'member.joined' AND (e.meta ->> 'user_id')::uuid = i.user_id) OR e.kind = 'room.restored'
        )
        WHERE e.seq IS NULL
        UNION ALL
        SELECT w.stream, i.to_seq, i.user_id, 'somebody''s membership ended without a word in the log'
        FROM w JOIN messages.members i ON i.room_id = w.room_id AND i.to_seq > w.low + 1 AND i.to_seq <= w.upto
        LEFT JOIN messages.events e ON e.stream = w.stream AND (
            (e.seq = i.to_seq AND e.kind IN ('member.left', 'member.removed') AND (e.meta ->> 'user_id')::uuid = i.user_id)
            OR (e.seq = i.to_seq - 1 AND e.kind = 'room.deleted')
        )
        WHERE e.seq IS NULL
        UNION ALL
        SELECT w.stream, e.seq, (e.meta ->> 'user_id')::uuid, format('the log says %s; no membership says so', e.kind)
        FROM w JOIN messages.events e ON e.stream = w.stream AND e.seq > w.low AND e.seq <= w.upto
            AND e.kind IN ('member.joined', 'member.left', 'member.removed')
        LEFT JOIN messages.members i ON i.room_id = w.room_id AND i.user_id = (e.meta ->> 'user_id')::uuid
            AND e.seq = CASE WHEN e.kind = 'member.joined' THEN i.from_seq ELSE i.to_seq END
        WHERE i.room_id IS NULL
    )
    SELECT f.stream, f.seq, NULL::uuid AS message_id, f.user_id, f.detail FROM found f
    WHERE {_NOT_ERASED.format(user="f.user_id")}
"""  # noqa: S608
_MEMBER_COUNT = """
    SELECT w.stream, w.head AS seq, NULL::uuid AS message_id, NULL::uuid AS user_id,
           format('the room counts %s members and has %s', w.member_count, t.members) AS detail
    FROM w CROSS JOIN LATERAL (
        SELECT count(*) AS members FROM messages.members i WHERE i.room_id = w.room_id AND i.to_seq IS NULL
    ) t
    WHERE w.upto = w.head AND t.members <> w.member_count
"""
# What is unread is the room's count less that at the position; so the position's must be that of its seq.
_UNREAD = f"""
    SELECT w.stream, p.read_seq AS seq, NULL::uuid AS message_id, i.user_id,
           CASE
               WHEN p.user_id IS NULL THEN 'a member has no position'
               WHEN p.read_seq > w.head OR p.delivered_seq < p.read_seq THEN
                   format('delivered up to %s and read up to %s, the head is %s', p.delivered_seq, p.read_seq, w.head)
               ELSE format('%s are unread by his position, and %s by the messages', w.n - p.read_n, w.n - t.n)
           END AS detail
    FROM w
    JOIN messages.members i ON i.room_id = w.room_id AND i.to_seq IS NULL
    LEFT JOIN messages.positions p ON p.room_id = i.room_id AND p.user_id = i.user_id
    CROSS JOIN LATERAL (SELECT {_LAST_N.format(seq="p.read_seq")} AS n) t
    WHERE w.upto = w.head
        AND (p.user_id IS NULL OR p.read_seq > w.head OR p.delivered_seq < p.read_seq OR p.read_n <> t.n)
"""  # noqa: S608
_CARRIED = """
    , wanted AS (
        SELECT m.room_id, m.id AS message_id, (d ->> 'id')::uuid AS image_id
        FROM w JOIN messages.messages m
            ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto AND m.media IS NOT NULL
        CROSS JOIN LATERAL jsonb_array_elements(m.media) d
    ), there AS (
        SELECT x.room_id, x.message_id, x.image_id
        FROM w JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto
        JOIN messages.message_images x ON x.room_id = m.room_id AND x.message_id = m.id AND x.live
    ), wrong AS (
        SELECT room_id, message_id, image_id, there.image_id IS NULL AS unnoted
        FROM wanted FULL JOIN there USING (room_id, message_id, image_id)
        WHERE wanted.image_id IS NULL OR there.image_id IS NULL
    )
    SELECT w.stream, m.seq, m.id AS message_id, NULL::uuid AS user_id,
           format(CASE WHEN g.unnoted THEN 'it shows image %s, of which nothing else knows'
                       ELSE 'image %s is kept for it, and it does not show it' END, g.image_id) AS detail
    FROM wrong g
    JOIN w ON w.room_id = g.room_id
    JOIN messages.messages m ON m.room_id = g.room_id AND m.id = g.message_id
"""
_UNTOLD = """
    SELECT w.stream, n.seq, n.message_id, n.user_id, 'there is a notification of which the log says nothing' AS detail
    FROM w
    JOIN messages.notifications n ON n.user_id = w.user_id AND n.seq > w.low
        AND n.seq <= CASE WHEN w.upto = w.head THEN 9223372036854775807 ELSE w.upto END
    LEFT JOIN messages.events e ON e.stream = w.stream AND e.seq = n.seq AND e.kind = 'notification.created'
    WHERE e.seq IS NULL
"""
# Notifications of a room go with it, seven days after it was deleted; the log keeps its word of them.
_UNNOTIFIED = """
    SELECT w.stream, e.seq, e.message_id, w.user_id, 'the log tells of a notification; there is none' AS detail
    FROM w
    JOIN messages.events e
        ON e.stream = w.stream AND e.seq > w.low AND e.seq <= w.upto AND e.kind = 'notification.created'
    JOIN messages.rooms r ON r.id = (e.meta -> 'notification' ->> 'room_id')::uuid AND r.deleted_at IS NULL
    LEFT JOIN messages.notifications n ON n.user_id = w.user_id AND n.seq = e.seq
    WHERE n.user_id IS NULL
"""

OF_ROOMS: Final = {
    "log.hole": _HOLE,
    "log.doubled": _DOUBLED,
    "log.beyond": _BEYOND,
    "state.lost": _LOST,
    "state.unlogged": _UNLOGGED,
    "state.changed": _CHANGED,
    "state.no_text": _TEXTLESS,
    "state.ordinal": _ORDINALS,
    "state.count": _COUNTED,
    "state.replies": _REPLIES,
    "state.reactions": _REACTIONS,
    "state.members": _MEMBERS,
    "state.member_count": _MEMBER_COUNT,
    "unread.position": _UNREAD,
    "images.carried": _CARRIED,
}
"""Kind of a divergence → the statement that finds it, of rooms."""
OF_PEOPLE: Final = {
    "log.hole": _HOLE,
    "log.doubled": _DOUBLED,
    "log.beyond": _BEYOND,
    "unread.unlogged": _UNTOLD,
    "unread.lost": _UNNOTIFIED,
}
"""The same of users' own streams."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stream, of a room or a user, from one seq to another: (after, upto]."""

    id: UUID
    after: int
    upto: int


class VerifyingQueries:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def hold_logs(self) -> None:
        """The first of a snapshot: partitions of logs stay until its end, so that floors and logs are of one moment."""
        await self._connection.execute("LOCK TABLE messages.events IN ACCESS SHARE MODE")

    async def rooms(self, first: UUID | None, only: UUID | None, limit: int) -> list[Any]:
        """(id, head) by id, from `first` on, without those that are about to be purged, or are being."""
        return list(
            await self._connection.fetch(
                "SELECT id, head FROM messages.rooms WHERE ($1::uuid IS NULL OR id >= $1) AND ($2::uuid IS NULL OR id = $2)"
                " AND (deleted_at IS NULL OR deleted_at > clock_timestamp() - interval '167 hours') ORDER BY id LIMIT $3",
                first,
                only,
                limit,
            )
        )

    async def people(self, first: UUID | None, limit: int) -> list[Any]:
        """(user_id, head) of users' own streams by id, from `first` on."""
        return list(
            await self._connection.fetch(
                "SELECT user_id, head FROM messages.user_streams WHERE ($1::uuid IS NULL OR user_id >= $1)"
                " ORDER BY user_id LIMIT $2",
                first,
                limit,
            )
        )

    async def total(self, table: str) -> int:
        """Of `rooms` or `user_streams`."""
        return int(await self._connection.fetchval(f"SELECT count(*) FROM messages.{table}"))  # noqa: S608 — our own names

    async def of_rooms(self, kind: str, windows: list[Window]) -> list[Any]:
        """(stream, seq, message_id, user_id, detail) of what does not fit, the first ones; one more than FOUND_AT_ONCE says that there
        are others."""
        return await self._found(_ROOMS, OF_ROOMS[kind], windows)

    async def of_people(self, kind: str, windows: list[Window]) -> list[Any]:
        """As `of_rooms`."""
        return await self._found(_PEOPLE, OF_PEOPLE[kind], windows)

    async def _found(self, these: str, check: str, windows: list[Window]) -> list[Any]:
        return await self._over(these, f"{check} ORDER BY 1, 2 LIMIT {FOUND_AT_ONCE + 1}", windows)

    async def messages(self, windows: list[Window]) -> int:
        """How many there are in these windows."""
        [row] = await self._over(
            _ROOMS,
            "SELECT count(*) FROM w JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto",
            windows,
        )
        return int(row[0])

    async def carried(self, windows: list[Window]) -> list[Carried]:
        """Images that messages in these windows carry now."""
        rows = await self._over(
            _ROOMS,
            "SELECT x.room_id, x.message_id, x.image_id FROM w"
            " JOIN messages.messages m ON m.room_id = w.room_id AND m.seq > w.after AND m.seq <= w.upto"
            " JOIN messages.message_images x ON x.room_id = m.room_id AND x.message_id = m.id AND x.live"
            " ORDER BY x.room_id, m.seq",
            windows,
        )
        return [Carried(*row) for row in rows]

    async def still_carried(self, image_ids: list[UUID]) -> set[UUID]:
        """Those of them that some message carries yet, whose sender is not being erased."""
        rows = await self._connection.fetch(
            "SELECT DISTINCT x.image_id FROM messages.message_images x"
            " JOIN messages.messages m ON m.room_id = x.room_id AND m.id = x.message_id"
            " WHERE x.image_id = ANY($1::uuid[]) AND x.live"
            " AND NOT EXISTS (SELECT FROM messages.erasures e WHERE e.user_id = m.sender_id)",
            image_ids,
        )
        return {row[0] for row in rows}

    async def _over(self, these: str, query: str, windows: list[Window]) -> list[Any]:
        return list(
            await self._connection.fetch(
                these + query,
                [window.id for window in windows],
                [window.after for window in windows],
                [window.upto for window in windows],
            )
        )
