"""One send transaction: what it locks, what it looks up, and whom it lets through. What it writes: writing.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from parley_messages.domain.access import moderates
from parley_messages.domain.rates import FloodLimit, RateWindow
from parley_messages.domain.sending import Checked, as_outcome, refuse_blocked, refuse_muted, refuse_room
from parley_messages.keys import RoomKeys
from parley_messages.publisher import Committed
from parley_messages.store.send import LockedRoom, SendStore, ThreadMessage
from parley_messages.writing import NewMessage, committed, stored_hash, write
from parley_shared.contracts.messages import Accepted, NotAccepted
from parley_shared.errors import Code
from parley_shared.ids import new_id
from parley_shared.limits import MENTION_ALL_MEMBERS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)

Tag = TypeVar("Tag")


@dataclass(slots=True)
class BatchResult(Generic[Tag]):
    """What became of each send once the transaction is committed; skipped ones belong to rooms that somebody else held.

    keyless: sends to a sealed room whose key has yet to be unwrapped, in their order. left_work: somebody is to be told of something
    (see fanout).
    """

    outcomes: list[tuple[Tag, Accepted | NotAccepted]] = field(default_factory=list)
    skipped: list[Tag] = field(default_factory=list)
    keyless: list[Tag] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    left_work: bool = False


class Batch:
    """Runs between BEGIN and COMMIT; nothing of it counts before COMMIT has returned."""

    def __init__(
        self,
        store: SendStore,
        keys: RoomKeys,
        limits: Mapping[str, int | None],
        flood: FloodLimit | None,
        *,
        wait_ms: int | None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._limits = limits
        self._flood = flood
        self._wait_ms = wait_ms
        self._windows: dict[UUID, RateWindow] = {}
        self._touched: set[UUID] = set()
        self._roots: dict[tuple[UUID, UUID], ThreadMessage] = {}
        self._members: set[tuple[UUID, UUID]] = set()
        self._last_sent: dict[tuple[UUID, UUID], datetime | None] = {}
        self._blocked: set[tuple[UUID, UUID]] = set()

    async def run(self, sends: list[tuple[Tag, Checked]]) -> BatchResult[Tag]:
        """Decide and write. The tags say whose outcome is whose."""
        result: BatchResult[Tag] = BatchResult()
        wanted = sorted({send.room_id for _, send in sends})
        rooms = await self._store.lock_rooms(wanted, wait_ms=self._wait_ms)
        if len(rooms) < len(wanted):
            sends = await self._without_missing(sends, rooms, wanted, result)
        sends = self._without_keyless(sends, rooms, result)
        if not sends:
            return result
        found = await self._look_up(sends, rooms)
        new: list[NewMessage] = []
        first: dict[tuple[UUID, UUID, str], tuple[NewMessage, int]] = {}
        for (tag, send), row in zip(sends, found, strict=True):
            key = (send.room_id, send.sender_id, send.client_msg_id)
            twin = first.get(key)
            if twin is not None:
                outcome: Accepted | NotAccepted = _as_duplicate(
                    twin[1] == send.payload_hash, twin[0].id, twin[0].seq, twin[0].n, twin[0].created_at
                )
            else:
                decided = self._decide(send, rooms[send.room_id], row)
                if isinstance(decided, NewMessage):
                    new.append(decided)
                    first[key] = (decided, send.payload_hash)
                    outcome = Accepted(
                        message_id=decided.id,
                        seq=decided.seq,
                        n=decided.n,
                        created_at=decided.created_at,
                        duplicate=False,
                    )
                else:
                    outcome = decided
            result.outcomes.append((tag, outcome))
        if new:
            windows = {user: self._windows[user].pack() for user in sorted(self._touched)}
            result.left_work = await write(self._store, new, list(rooms.values()), windows)
            result.committed = [committed(message) for message in new]
        return result

    async def _without_missing(
        self,
        sends: list[tuple[Tag, Checked]],
        rooms: dict[UUID, LockedRoom],
        wanted: list[UUID],
        result: BatchResult[Tag],
    ) -> list[tuple[Tag, Checked]]:
        held = await self._store.existing([room_id for room_id in wanted if room_id not in rooms])
        rest: list[tuple[Tag, Checked]] = []
        for tag, send in sends:
            if send.room_id in rooms:
                rest.append((tag, send))
            elif send.room_id in held:
                result.skipped.append(tag)
            else:
                result.outcomes.append((tag, as_outcome(refuse_room(visible=False))))
        return rest

    def _without_keyless(
        self, sends: list[tuple[Tag, Checked]], rooms: dict[UUID, LockedRoom], result: BatchResult[Tag]
    ) -> list[tuple[Tag, Checked]]:
        """Unwrapping a key may take a question to somebody far away, for which nobody's transaction waits."""
        sealed = [room for room in rooms.values() if room.key_version]
        if not sealed:
            return sends
        for room in sealed:
            room.key = self._keys.known(room.id, room.key_version)
        missing = {room.id for room in sealed if room.key is None}
        result.keyless += [tag for tag, send in sends if send.room_id in missing]
        return [(tag, send) for tag, send in sends if send.room_id not in missing]

    async def _look_up(self, sends: list[tuple[Tag, Checked]], rooms: dict[UUID, LockedRoom]) -> list[Any]:
        limited = {send.sender_id: limit for _, send in sends if (limit := self._limits.get(send.role)) is not None}
        found, windows = await self._store.look_up(
            [send.room_id for _, send in sends],
            [send.sender_id for _, send in sends],
            [send.client_msg_id for _, send in sends],
            sorted(limited),
        )
        self._windows = {user: RateWindow(limited[user], packed) for user, packed in windows.items()}
        replies = {(send.room_id, send.thread_root_id) for _, send in sends if send.thread_root_id is not None}
        if replies:
            self._roots = await self._store.thread_roots(sorted(replies))
            higher = {(room, root.root_id) for (room, _), root in self._roots.items() if root.root_id is not None}
            if higher:
                self._roots |= await self._store.thread_roots(sorted(higher))
        named = {(send.room_id, user) for _, send in sends for user in send.mentioned}
        if named:
            self._members = await self._store.members_among(sorted(named))
        slow = {(send.room_id, send.sender_id) for _, send in sends if rooms[send.room_id].slow_mode_s}
        if slow:
            self._last_sent = await self._store.last_sent(sorted(slow))
        between_two = {
            (send.room_id, send.sender_id)
            for _, send in sends
            if rooms[send.room_id].kind == "direct" and rooms[send.room_id].member_count == 2
        }
        if between_two:
            self._blocked = await self._store.blocked(sorted(between_two))
        return found

    def _decide(self, send: Checked, room: LockedRoom, row: Any) -> "NewMessage | Accepted | NotAccepted":
        if row[1] is None or room.deleted:
            return as_outcome(refuse_room(visible=room.visibility == "public" and not room.deleted))
        if row[2] is not None:
            return _as_duplicate(row[6] == stored_hash(send, room), row[2], row[3], row[4], row[5])
        if send.refusal is not None:
            return as_outcome(send.refusal)
        at = max(room.now, room.last_at)
        role, muted_until = row[9], row[10]
        if muted_until is not None and muted_until > at:
            return as_outcome(refuse_muted(muted_until, at))
        if (send.room_id, send.sender_id) in self._blocked:
            return as_outcome(refuse_blocked())
        root: ThreadMessage | None = None
        if send.thread_root_id is not None:
            root = self._root(send.room_id, send.thread_root_id)
            if root is None or (room.history == "since_join" and root.seq < row[1]):
                return NotAccepted(
                    code=str(Code.NOT_FOUND), detail="There is no such message to reply to, or you may not see it."
                )
            if root.deleted:
                return NotAccepted(code=str(Code.DELETED), detail="The message that you reply to has been deleted.")
        office = moderates(role, send.role, public=room.visibility == "public")
        wait = 0 if office else self._slow_mode(send, room, at)
        if wait:
            return NotAccepted(
                code=str(Code.SLOW_MODE),
                detail=f"In this room everybody may write once in {room.slow_mode_s} seconds.",
                retry_after_ms=wait,
            )
        if self._flood is not None and (wait := self._flood.wait_ms(room.flood_at, at)):
            return NotAccepted(
                code=str(Code.RATE_LIMITED), detail="Too much is being written in this room.", retry_after_ms=wait
            )
        window = self._windows.get(send.sender_id)
        if window is not None:
            now = max((at - _EPOCH) // _MICROSECOND, window.newest)
            wait = window.admit(now)
            if wait:
                return NotAccepted(
                    code=str(Code.RATE_LIMITED),
                    detail="You have sent as many messages as may be sent in a minute.",
                    retry_after_ms=wait // 1000 + 1,
                )
            at = _EPOCH + timedelta(microseconds=now)
            self._touched.add(send.sender_id)
        if self._flood is not None:
            room.flood_at = self._flood.after(room.flood_at, at)
        if room.slow_mode_s:
            self._last_sent[send.room_id, send.sender_id] = at
        room.head += 1
        room.last_at = at
        if root is None:
            room.n += 1
        return NewMessage(
            new_id(),
            room,
            room.head,
            room.n if root is None else None,
            root,
            at,
            send,
            tuple(user for user in send.mentioned if (send.room_id, user) in self._members),
            send.mention_all and office and room.member_count <= MENTION_ALL_MEMBERS,
        )

    def _slow_mode(self, send: Checked, room: LockedRoom, at: datetime) -> int:
        """The ms that are still to wait."""
        last = self._last_sent.get((send.room_id, send.sender_id)) if room.slow_mode_s else None
        if last is None:
            return 0
        return max(0, -((at - last - timedelta(seconds=room.slow_mode_s)) // _MILLISECOND))

    def _root(self, room_id: UUID, message_id: UUID) -> ThreadMessage | None:
        """The thread's root: a reply to a reply belongs to the root. To a deleted reply nobody replies."""
        found = self._roots.get((room_id, message_id))
        if found is None or found.root_id is None or found.deleted:
            return found
        return self._root(room_id, found.root_id)


def _as_duplicate(
    same: bool, message_id: UUID, seq: int, n: int | None, created_at: datetime
) -> Accepted | NotAccepted:
    """same: the payload is that of the message under this client_msg_id."""
    if not same:
        return NotAccepted(
            code=str(Code.IDEMPOTENCY_MISMATCH),
            detail="Another message was sent under this client_msg_id; choose a new one.",
        )
    return Accepted(message_id=message_id, seq=seq, n=n, created_at=created_at, duplicate=True)
