"""One send transaction: what it locks, what it looks up, whom it lets through, and what it writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from parley_messages.domain.access import moderates
from parley_messages.domain.rates import FloodLimit, RateWindow
from parley_messages.domain.sending import Checked, refuse_blocked, refuse_muted, refuse_room
from parley_messages.publisher import Committed, render
from parley_messages.store.send import LockedRoom, SendStore, ThreadMessage
from parley_shared.contracts.frames import MessageCreated
from parley_shared.contracts.messages import Accepted, Message, NotAccepted
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id, room_stream
from parley_shared.limits import MENTION_ALL_MEMBERS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)

Tag = TypeVar("Tag")


@dataclass(slots=True)
class BatchResult(Generic[Tag]):
    """What became of each send once the transaction is committed; skipped ones belong to rooms that somebody else held."""

    outcomes: list[tuple[Tag, Accepted | NotAccepted]] = field(default_factory=list)
    skipped: list[Tag] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _New:
    """A message about to be written."""

    id: UUID
    room: LockedRoom
    seq: int
    n: int | None
    root: ThreadMessage | None
    created_at: datetime
    send: Checked
    mentions: tuple[UUID, ...]
    mention_all: bool

    @property
    def root_id(self) -> UUID | None:
        return None if self.root is None else self.root.id

    @property
    def notifies(self) -> bool:
        """Whether anybody may have to be told of it."""
        return bool(self.mentions or self.mention_all or self.root is not None or self.room.kind == "direct")


class Batch:
    """Runs between BEGIN and COMMIT; nothing of it counts before COMMIT has returned."""

    def __init__(
        self, store: SendStore, limits: Mapping[str, int | None], flood: FloodLimit | None, *, wait_ms: int | None
    ) -> None:
        self._store = store
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
        if not sends:
            return result
        found = await self._look_up(sends, rooms)
        new: list[_New] = []
        first: dict[tuple[UUID, UUID, str], tuple[_New, int]] = {}
        for (tag, send), row in zip(sends, found, strict=True):
            key = (send.room_id, send.sender_id, send.client_msg_id)
            twin = first.get(key)
            if twin is not None:
                outcome: Accepted | NotAccepted = _as_duplicate(
                    send, twin[1], twin[0].id, twin[0].seq, twin[0].n, twin[0].created_at
                )
            else:
                decided = self._decide(send, rooms[send.room_id], row)
                if isinstance(decided, _New):
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
            await self._write(new, rooms)
            result.committed = [_committed(message) for message in new]
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
                result.outcomes.append((tag, _refused(refuse_room(visible=False))))
        return rest

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

    def _decide(self, send: Checked, room: LockedRoom, row: Any) -> "_New | Accepted | NotAccepted":
        if row[1] is None or room.deleted:
            return _refused(refuse_room(visible=room.visibility == "public" and not room.deleted))
        if row[2] is not None:
            return _as_duplicate(send, row[6], row[2], row[3], row[4], row[5])
        at = max(room.now, room.last_at)
        role, muted_until = row[9], row[10]
        if muted_until is not None and muted_until > at:
            return _refused(refuse_muted(muted_until, at))
        if (send.room_id, send.sender_id) in self._blocked:
            return _refused(refuse_blocked())
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
        return _New(
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

    async def _write(self, new: list[_New], rooms: dict[UUID, LockedRoom]) -> None:
        changed = [room for room in rooms.values() if room.head >= room.first]
        moved: dict[tuple[UUID, UUID], tuple[int, int, datetime]] = {}
        replies: dict[tuple[UUID, UUID], tuple[int, datetime]] = {}
        ordinals = {room.id: room.n for room in changed}
        # n at each sender's last message: its own ordinal, or for a reply the room's at that moment. Walking backwards
        # over what was accepted gives it without a further look-up.
        for message in reversed(new):
            n = ordinals[message.room.id]
            moved.setdefault((message.room.id, message.send.sender_id), (message.seq, n, message.created_at))
            if message.n is not None:
                ordinals[message.room.id] = message.n - 1
            if message.root_id is not None:
                key = (message.room.id, message.root_id)
                count, newest = replies.get(key, (0, message.created_at))
                replies[key] = (count + 1, newest)
        # In the order of their keys, as a flush of positions locks them.
        moved = dict(sorted(moved.items()))
        touched = sorted(self._touched)
        await self._store.write(
            (
                [message.room.id for message in new],
                [message.id for message in new],
                [message.seq for message in new],
                [message.n for message in new],
                [message.send.sender_id for message in new],
                [message.send.client_msg_id for message in new],
                [message.send.payload_hash for message in new],
                [message.send.format for message in new],
                [message.root_id for message in new],
                [message.created_at for message in new],
                [message.send.body for message in new],
                [room_stream(message.room.id) for message in new],
                [room_stream(room.id) for room in changed],
                [room.first for room in changed],
                [room.head for room in changed],
                [room.id for room in changed],
                [room.n for room in changed],
                [room.last_at for room in changed],
                [room_id for room_id, _ in moved],
                [user_id for _, user_id in moved],
                [seq for seq, _, _ in moved.values()],
                [n for _, n, _ in moved.values()],
                touched,
                [self._windows[user].pack() for user in touched],
                ["{" + ",".join(map(str, message.mentions)) + "}" for message in new],
                [message.mention_all for message in new],
                [room.flood_at for room in changed],
                [at for _, _, at in moved.values()],
            )
        )
        if replies:
            await self._store.count_replies(replies)
            await self._follow([message for message in new if message.root is not None])
        work = [(message.room.id, message.id) for message in new if message.notifies]
        if work:
            await self._store.fan_out(work)

    async def _follow(self, replies: list[_New]) -> None:
        since: dict[tuple[UUID, UUID, UUID], int] = {}
        wrote: set[tuple[UUID, UUID, UUID]] = set()
        for message in replies:
            if message.root is None:
                continue
            thread = (message.room.id, message.root.id)
            since.setdefault((*thread, message.root.sender_id), message.root.seq)
            for user in (message.send.sender_id, *message.mentions):
                since.setdefault((*thread, user), message.seq - 1)
            wrote.add((*thread, message.send.sender_id))
        await self._store.follow(since, wrote)


def _refused(refusal: Refused) -> NotAccepted:
    return NotAccepted(code=str(refusal.code), detail=refusal.detail, retry_after_ms=refusal.retry_after_ms)


def _as_duplicate(
    send: Checked, payload_hash: int, message_id: UUID, seq: int, n: int | None, created_at: datetime
) -> Accepted | NotAccepted:
    if payload_hash != send.payload_hash:
        return NotAccepted(
            code=str(Code.IDEMPOTENCY_MISMATCH),
            detail="Another message was sent under this client_msg_id; choose a new one.",
        )
    return Accepted(message_id=message_id, seq=seq, n=n, created_at=created_at, duplicate=True)


def _committed(message: _New) -> Committed:
    send = message.send
    body = MessageCreated(
        at=message.created_at,
        actor_id=send.sender_id,
        message=Message(
            id=message.id,
            room_id=send.room_id,
            seq=message.seq,
            n=message.n,
            sender_id=send.sender_id,
            body=send.body,
            format=send.format,
            media=[],
            thread_root_id=message.root_id,
            reply_count=0,
            mentions=list(message.mentions),
            mention_all=message.mention_all,
            reactions=[],
            rev=1,
            edited_at=None,
            deleted=False,
            deleted_by=None,
            pinned=False,
            created_at=message.created_at,
        ),
    )
    return Committed("room", send.room_id, message.seq, render(room_stream(send.room_id), message.seq, body))
