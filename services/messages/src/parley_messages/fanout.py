"""After the commit of a send: notifications for whom it concerns, in transactions of their own.

A send leaves one row of work, whoever many people it names; so a message to a thousand does not hold up anybody's send. Each
transaction here takes work that no other replica has in hand, writes at most 50 user streams in the order of their ids, and
notes in the same transaction how far it came: nobody is told twice, and a crash loses nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from prometheus_client import Counter

from parley_messages.publisher import LivePublisher
from parley_messages.store import Database, Store
from parley_messages.store.notifications import Recipient, Work
from parley_messages.usecases.changes import Changes, Notice

USERS: Final = 50
"""User streams in one transaction. Two hundred would be told sooner, and in the meantime hold up everybody's sends."""
BREATH_S: Final = 0.02
"""Between two transactions of one message, in which others are served."""
MESSAGES: Final = 100
"""Messages looked at in one transaction."""
GATHER_S: Final = 0.05
"""Between a commit and the look at what it left: where much is written, many messages share a transaction."""
PAUSE_S: Final = 1.0
"""After which work is looked for without being told of any: another replica may have died on it."""

_notified = Counter("parley_notifications", "Notifications written", ["kind"])


class FanoutJob:
    """advanced: called after each transaction that wrote to the outbox."""

    def __init__(self, database: Database, publisher: LivePublisher, advanced: Callable[[], None]) -> None:
        self._database = database
        self._publisher = publisher
        self._advanced = advanced
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Until no work is left; then wait for a wake or a second."""
        self._wake.clear()
        while await self._turn():  # noqa: ASYNC110 — a pause between two pieces of work; nothing is waited for
            await asyncio.sleep(BREATH_S)
        try:
            async with asyncio.timeout(PAUSE_S):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_S)

    async def _turn(self) -> bool:
        """One transaction; False if there was nothing to do."""
        async with self._database.begin() as store:
            work = await store.notifications.take(MESSAGES)
            if not work:
                return False
            recipients, unfinished = await store.notifications.recipients(work, USERS)
            changes = Changes(store, None)
            chosen = await _choose(store, work, recipients, unfinished)
            await changes.notify([_notice(work[recipient.work], recipient) for recipient in chosen])
        for recipient in chosen:
            _notified.labels(recipient.kind).inc()
        if chosen:
            self._advanced()
            await changes.publish(self._publisher)
        return True


async def _choose(
    store: Store, work: list[Work], recipients: list[Recipient], unfinished: dict[int, UUID]
) -> list[Recipient]:
    """Whole messages as long as they fit; the first that does not is begun, and goes on in the next transaction."""
    by_work: dict[int, list[Recipient]] = {}
    seen: set[tuple[UUID, UUID]] = set()
    for recipient in recipients:
        # A message may be in hand twice, for having been sent and for having been edited since.
        key = (work[recipient.work].message_id, recipient.user_id)
        if key not in seen:
            seen.add(key)
            by_work.setdefault(recipient.work, []).append(recipient)
    chosen: list[Recipient] = []
    done: list[int] = []
    for index, item in enumerate(work):
        people = by_work.get(index, [])
        room_left = USERS - len(chosen)
        if len(people) > room_left:
            if room_left:
                chosen += people[:room_left]
                await store.notifications.go_on_after(item.id, people[room_left - 1].user_id)
            break
        chosen += people
        if index in unfinished:
            await store.notifications.go_on_after(item.id, unfinished[index])
            break
        done.append(item.id)
    await store.notifications.done(done)
    return chosen


def _notice(work: Work, recipient: Recipient) -> Notice:
    return Notice(
        user_id=recipient.user_id,
        kind=recipient.kind,  # type: ignore[arg-type]
        room_id=work.room_id,
        message_id=work.message_id,
        message_seq=recipient.message_seq,
        thread_root_id=recipient.thread_root_id,
        actor_id=recipient.sender_id,
    )
