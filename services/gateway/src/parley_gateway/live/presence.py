"""Whom each socket watches, and what it was last told of them.

Hints of changes arrive by bucket, from users whom somebody here watches, and go out once a second, the newest of each. A hint
may be lost, and who may see whom may change: each list is asked for again every half minute, and at once when its owner
joined or left a room or blocked somebody.
"""

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from parley_gateway.live.framing import frame
from parley_shared.contracts.base import Actor
from parley_shared.contracts.frames import PresenceFrame
from parley_shared.contracts.live import bucket_subject
from parley_shared.contracts.presence import GET_PRESENCE, GetPresence, Presence, PresenceChanged, Seen
from parley_shared.correlation import detached
from parley_shared.errors import Refused, invalid, unavailable
from parley_shared.ids import live_bucket
from parley_shared.limits import PRESENCE_WINDOW_MS, WATCH_USERS
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

CHECK_S = 30.0
RETRY_S = 5.0
STALE_S = 60.0
"""A list that could not be checked for so long is told nothing any more: nobody knows who may see whom."""
CHECKS_AT_ONCE = 16
RETURN_S = 2.0
"""Over which all lists are asked for again after NATS was away."""
SWEEP_TURNS = 15
_SUBJECT = "parley.live.presence."

_decode = msgspec.json.Decoder(PresenceChanged).decode


class Watcher(Protocol):
    """A connection, as this module sees it."""

    @property
    def actor(self) -> Actor: ...

    @property
    def user_id(self) -> UUID: ...

    @property
    def is_slow(self) -> bool: ...

    def write_hint(self, framed: bytes) -> None: ...


@dataclass(slots=True)
class _User:
    """The newest that is known here of somebody: as others see him, and as he sees himself."""

    watchers: dict[Watcher, None] = field(default_factory=dict)
    shown: Presence | None = None
    shown_rev: int = -1
    own: Presence | None = None
    own_rev: int = -1


@dataclass(slots=True)
class _List:
    """ids: whom the client watches. told: what it was told of whom it may see (None: not yet). oneself: the owner is followed
    for the gateway's own purposes."""

    ids: tuple[UUID, ...]
    oneself: bool = False
    told: dict[UUID, Presence | None] = field(default_factory=dict)
    checked_at: float = float("-inf")
    due_at: float = 0.0
    checking: bool = False


class Watches:
    """The lists of all sockets of this gateway."""

    def __init__(self, bus: Bus, rpc: RpcClient) -> None:
        self._bus = bus
        self._rpc = rpc
        self._lists: dict[Watcher, _List] = {}
        self._users: dict[UUID, _User] = {}
        self._changed: set[UUID] = set()
        self._due: deque[tuple[Watcher, _List]] = deque()
        self._subscriptions: dict[int, Subscription] = {}
        self._in_bucket: dict[int, set[UUID]] = {}
        self._subscribing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        bus.restored.append(self._check_all_soon)
        bus.dropped.append(self._on_dropped)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        tasks = [*self._tasks, *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- what connections ask for

    async def watch(self, watcher: Watcher, ids: list[UUID]) -> None:
        """Replace the list, and tell how those on it are who may be seen.

        Raises Refused: INVALID above 200, UNAVAILABLE; then nobody is watched.
        """
        wanted = tuple(dict.fromkeys(ids))
        if len(wanted) > WATCH_USERS:
            raise invalid(user_ids=f"at most {WATCH_USERS}")
        before = self._lists.get(watcher)
        found = _List(wanted, oneself=before is not None and before.oneself)
        self._put(watcher, found)
        try:
            await self._subscribe(found)
            await self._check(watcher, found)
        except Refused:
            if self._lists.get(watcher) is found:
                self._put(watcher, _List((), oneself=found.oneself))
            raise

    async def status_of(self, watcher: Watcher) -> str | None:
        """What the watcher's own user wants to be shown as; None if nobody knows. From now on his changes are heard of."""
        found = self._lists.get(watcher)
        if found is None or not found.oneself:
            found = _List(() if found is None else found.ids, True, {} if found is None else found.told)
            self._put(watcher, found)
            try:
                await self._subscribe(found)
                await self._check(watcher, found)
            except Refused:
                return None
        user = self._users.get(watcher.user_id)
        fresh = asyncio.get_running_loop().time() - found.checked_at < STALE_S
        return user.own.status if fresh and user is not None and user.own is not None else None

    def recheck(self, watcher: Watcher) -> None:
        """Whom this one may see may have changed."""
        found = self._lists.get(watcher)
        if found is not None:
            found.due_at = 0.0

    def forget(self, watcher: Watcher) -> None:
        """The connection has ended."""
        found = self._lists.pop(watcher, None)
        if found is not None:
            self._let_go(watcher, found, ())

    # -- lists

    def _put(self, watcher: Watcher, found: _List) -> None:
        before = self._lists.get(watcher)
        self._lists[watcher] = found
        found.due_at = asyncio.get_running_loop().time() + CHECK_S
        keep = self._of(watcher, found)
        for user_id in keep:
            user = self._users.get(user_id)
            if user is None:
                user = self._users[user_id] = _User()
                self._in_bucket.setdefault(live_bucket(user_id), set()).add(user_id)
            user.watchers[watcher] = None
        if before is not None:
            self._let_go(watcher, before, keep)

    def _let_go(self, watcher: Watcher, found: _List, keep: tuple[UUID, ...]) -> None:
        for user_id in set(self._of(watcher, found)) - set(keep):
            user = self._users[user_id]
            user.watchers.pop(watcher, None)
            if not user.watchers:
                del self._users[user_id]
                self._in_bucket[live_bucket(user_id)].discard(user_id)

    @staticmethod
    def _of(watcher: Watcher, found: _List) -> tuple[UUID, ...]:
        return (*found.ids, watcher.user_id) if found.oneself and watcher.user_id not in found.ids else found.ids

    async def _check(self, watcher: Watcher, found: _List) -> None:
        """Ask who may be seen, and how they are. Raises Refused: UNAVAILABLE."""
        ids = list(self._of(watcher, found))
        found.checking = True
        try:
            items = []
            if ids:
                items = (await self._rpc.call(GET_PRESENCE, GetPresence(actor=watcher.actor, user_ids=ids))).items
        finally:
            found.checking = False
        if self._lists.get(watcher) is not found:
            return
        now = asyncio.get_running_loop().time()
        found.checked_at = now
        found.due_at = now + CHECK_S * random.uniform(0.8, 1.0)  # noqa: S311 — jitter, not a secret
        listed = set(found.ids)
        seen = set()
        for item in items:
            user_id = item.presence.user_id
            self._note(watcher, item)
            if user_id in listed:
                seen.add(user_id)
                found.told.setdefault(user_id, None)
                self._tell(watcher, found, user_id)
        for user_id in found.told.keys() - seen:
            told = found.told.pop(user_id)
            if told is not None and told.status != "offline":
                # Whom one may no longer see looks like somebody who has gone.
                watcher.write_hint(_framed(Presence(user_id=user_id, status="offline")))

    def _note(self, watcher: Watcher, item: Seen) -> None:
        user = self._users[item.presence.user_id]
        if item.presence.user_id == watcher.user_id:
            if item.rev > user.own_rev:
                user.own_rev, user.own = item.rev, item.presence
        elif item.rev > user.shown_rev:
            user.shown_rev, user.shown = item.rev, item.presence

    def _tell(self, watcher: Watcher, found: _List, user_id: UUID) -> None:
        """Unless that is what it was told last. A slow reader is told at the next check."""
        user = self._users[user_id]
        presence = user.own if user_id == watcher.user_id else user.shown
        if presence is not None and found.told[user_id] != presence and not watcher.is_slow:
            found.told[user_id] = presence
            watcher.write_hint(_framed(presence))

    # -- the bus

    async def _subscribe(self, found: _List) -> None:
        """Before asking, over the same connection (see Hubs): what changes in between arrives either way.

        Raises Refused: UNAVAILABLE.
        """
        async with self._subscribing:
            missing = [
                bucket for bucket, users in self._in_bucket.items() if users and bucket not in self._subscriptions
            ]
            if not missing:
                return
            try:
                for bucket in missing:
                    self._subscriptions[bucket] = await self._bus.client.subscribe(
                        bucket_subject("presence", bucket), cb=self._on_message
                    )
            except (NatsError, OSError, TimeoutError):
                raise unavailable("The message bus is away for the moment; try again.") from None

    async def _on_message(self, message: Msg) -> None:
        try:
            news = _decode(message.data)
        except msgspec.MsgspecError as error:
            log.error("presence.hint", error=str(error))
            return
        user = self._users.get(news.shown.user_id)
        if user is None:
            return
        if news.rev > user.shown_rev:
            user.shown_rev, user.shown = news.rev, news.shown
            self._changed.add(news.shown.user_id)
        if news.rev > user.own_rev:
            user.own_rev, user.own = news.rev, news.own
            self._changed.add(news.shown.user_id)

    def _on_dropped(self, subject: str) -> None:
        if subject.startswith(_SUBJECT):
            self._check_all_soon()

    def _check_all_soon(self) -> None:
        now = asyncio.get_running_loop().time()
        for found in self._lists.values():
            found.due_at = min(found.due_at, now + random.uniform(0, RETURN_S))  # noqa: S311 — jitter, not a secret

    # -- once a second

    async def _run(self) -> None:
        turns = 0
        while True:
            await asyncio.sleep(PRESENCE_WINDOW_MS / 1000)
            turns += 1
            try:
                self.turn()
                if turns % SWEEP_TURNS == 0:
                    await self._sweep()
            except Exception:
                # Without this task nobody would hear of any change again.
                log.exception("presence.bug")

    def turn(self) -> None:
        """Tell what has changed, and begin the checks that are due."""
        now = asyncio.get_running_loop().time()
        changed, self._changed = self._changed, set()
        for user_id in changed:
            user = self._users.get(user_id)
            for watcher in [] if user is None else list(user.watchers):
                found = self._lists[watcher]
                if user_id in found.told and now - found.checked_at < STALE_S:
                    self._tell(watcher, found, user_id)
        for watcher, found in self._lists.items():
            if found.due_at <= now and not found.checking:
                found.due_at = now + RETRY_S
                found.checking = True
                self._due.append((watcher, found))
        for _ in range(min(len(self._due), CHECKS_AT_ONCE - len(self._tasks))):
            self._spawn(self._check_due())

    async def _check_due(self) -> None:
        """One of several who work off what is due."""
        while self._due:
            watcher, found = self._due.popleft()
            if self._lists.get(watcher) is found:
                try:
                    await self._check(watcher, found)
                except Refused as refusal:
                    log.debug("presence.unchecked", code=str(refusal.code))

    async def _sweep(self) -> None:
        """Leave buckets of which nobody is watched any more."""
        async with self._subscribing:
            for bucket, users in list(self._in_bucket.items()):
                if not users:
                    del self._in_bucket[bucket]
                    if bucket in self._subscriptions:
                        await self._subscriptions.pop(bucket).unsubscribe()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("presence.bug", exc_info=error)


def _framed(presence: Presence) -> bytes:
    return frame(
        PresenceFrame(
            user_id=presence.user_id, status=presence.status, last_seen=presence.last_seen, text=presence.text
        )
    )
