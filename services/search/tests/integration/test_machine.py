"""Whatever happens in whatever order, the index becomes what can be seen, and what was deleted never comes back."""

import asyncio
import copy
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from parley_search.analysis import Analysers
from parley_search.domain import IMAGE, sender_mark
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.erasure import Erase
from parley_shared.contracts.live import Advanced
from parley_shared.ids import new_id
from parley_shared.testing.fixtures import Nats, Postgres

from .harness import Message, Room, World, actor, settle

T = TypeVar("T")
ROOMS = st.integers(0, 2)
REPLICAS = st.integers(0, 1)
BODIES = st.sampled_from(["running word", "die Häuser", "", "東京都", "word word"])
ANALYSERS = Analysers()


class Machine(RuleBasedStateMachine):
    """Three rooms, two replicas, two people. messages is in memory, as it is today; what it once told may be told at any time."""

    postgres: ClassVar[Postgres]
    nats: ClassVar[Nats]
    runner: ClassVar[asyncio.Runner]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.world = World(self.postgres, self.nats)
        self.run(self.world.__aenter__())
        self.replicas = [self.run(self.world.replica()) for _ in range(2)]
        self.chat = self.world.chat
        # Answers are small, so that there are many of them.
        self.chat.page = 2
        self.rooms = [self.chat.room().id for _ in range(3)]
        self.senders = [new_id(), new_id()]
        self.told: list[Advanced] = []
        self.backup = copy.deepcopy(self.chat.rooms)
        self.buried: set[UUID] = set()
        self.forgiven: set[UUID] = set()
        self.erased: set[UUID] = set()
        self.late: list[asyncio.Task[Any]] = []

    def teardown(self) -> None:
        if hasattr(self, "replicas"):
            try:
                self.settle()
            finally:
                self.run(self.world.__aexit__())

    def _room(self, number: int) -> Room:
        """A room that was purged has a successor."""
        if self.rooms[number] not in self.chat.rooms:
            self.rooms[number] = self.chat.room().id
        return self.chat.rooms[self.rooms[number]]

    def _tell(self, room: Room, since: int) -> None:
        self.told.append(self.chat.advanced(room, since))

    # -- what people do

    @rule(number=ROOMS, body=BODIES, sender=st.integers(0, 1), image=st.booleans())
    def send(self, number: int, body: str, sender: int, image: bool) -> None:
        room = self._room(number)
        if self.senders[sender] in self.erased:
            self.senders[sender] = new_id()
        message = self.chat.send(room, body, self.senders[sender], has_image=image)
        self._tell(room, message.seq)

    def _some(self, room: Room, data: st.DataObject) -> Message | None:
        living = [message for message in room.messages.values() if message.body is not None]
        return data.draw(st.sampled_from(living)) if living else None

    @rule(number=ROOMS, body=BODIES, data=st.data())
    def edit(self, number: int, body: str, data: st.DataObject) -> None:
        room = self._room(number)
        message = self._some(room, data)
        if message is not None:
            self.chat.edit(room, message, body)
            self._tell(room, room.head)

    @rule(number=ROOMS, data=st.data())
    def delete(self, number: int, data: st.DataObject) -> None:
        room = self._room(number)
        message = self._some(room, data)
        if message is not None:
            self.chat.delete(room, message)
            self._tell(room, room.head)

    @rule(number=ROOMS, language=st.sampled_from(["english", "german", "simple"]))
    def speak(self, number: int, language: str) -> None:
        room = self._room(number)
        self.chat.speak(room, language)
        self._tell(room, room.head)

    @rule(number=ROOMS)
    def purge(self, number: int) -> None:
        del self.chat.rooms[self._room(number).id]

    @rule(number=ROOMS)
    def forget_log(self, number: int) -> None:
        room = self._room(number)
        room.floor = room.head

    @rule()
    def back_up(self) -> None:
        self.backup = copy.deepcopy(self.chat.rooms)

    @rule()
    def restore(self) -> None:
        """Everything since the backup has never been."""
        self.release()
        self.chat.rooms = copy.deepcopy(self.backup)
        self.chat.epoch += "'"
        # What was deleted since the backup is there again, until it is deleted again.
        self.forgiven |= self.buried
        self.buried.clear()
        self.erased.clear()

    @rule(sender=st.integers(0, 1), replica=REPLICAS)
    def erase(self, sender: int, replica: int) -> None:
        """messages first, as in the saga; its events come when they come."""
        user_id = self.senders[sender]
        self.erased.add(user_id)
        for room in self.chat.rooms.values():
            for message in list(room.messages.values()):
                if message.sender_id == user_id and message.body is not None:
                    self.chat.delete(room, message)
                    self._tell(room, room.head)
        self.run(self.replicas[replica].use_cases.erasure.erase(Erase(user_id=user_id, saga_id=new_id())))

    # -- what the index does

    @precondition(lambda self: self.told)
    @rule(data=st.data(), replica=REPLICAS)
    def follow(self, data: st.DataObject, replica: int) -> None:
        """Any events, in any order, as often as it happens."""
        events = data.draw(st.lists(st.sampled_from(self.told[-12:]), min_size=1, max_size=6))
        self.run(self.replicas[replica].indexing.follow(events))

    @precondition(lambda self: self.told)
    @rule(replica=REPLICAS)
    def follow_the_newest(self, replica: int) -> None:
        self.run(self.replicas[replica].indexing.follow(self.told[-1:]))

    @rule(replica=REPLICAS)
    def page(self, replica: int) -> None:
        self.run(self.replicas[replica].indexing.page())

    @rule(replica=REPLICAS)
    def compare(self, replica: int) -> None:
        self.run(self.replicas[replica].comparing.compare())

    @rule(replica=REPLICAS)
    def forget(self, replica: int) -> None:
        self.run(self.replicas[replica].indexing.forget())

    @rule(replica=REPLICAS)
    def rebuild(self, replica: int) -> None:
        self.run(self.replicas[replica].rebuilding.rebuild(AdminRequest(actor=actor(new_id(), "admin"), token="boss")))

    @rule()
    def leases_run_out(self) -> None:
        self.run(self.world.database.execute("UPDATE search.rooms SET lease_until = NULL"))

    def _work(self, replica: int, kind: str) -> Coroutine[Any, Any, Any]:
        parts = self.replicas[replica]
        work: dict[str, Any] = {
            "follow": lambda: parts.indexing.follow(self.told[-6:]),
            "page": parts.indexing.page,
            "compare": parts.comparing.compare,
        }
        return work[kind]()  # type: ignore[no-any-return]

    @rule(replica=REPLICAS, kind=st.sampled_from(["follow", "page", "compare"]), steps=st.integers(1, 60))
    def crash(self, replica: int, kind: str, steps: int) -> None:
        """In the middle of something."""

        async def die() -> None:
            task = asyncio.ensure_future(self._work(replica, kind))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.run(die())

    @precondition(lambda self: len(self.late) < 2)
    @rule(replica=REPLICAS, kind=st.sampled_from(["follow", "page"]))
    def answer_late(self, replica: int, kind: str) -> None:
        """messages has answered, and before the answer is there other things happen."""

        async def ask() -> None:
            held = self.chat.gate = asyncio.Event()
            asked = len(self.chat.asked)
            task = asyncio.ensure_future(self._work(replica, kind))
            async with asyncio.timeout(10):
                while not task.done() and len(self.chat.asked) == asked:
                    await asyncio.sleep(0.001)
            self.chat.gate = None
            if task.done():
                await task
            else:
                task.gate = held  # type: ignore[attr-defined]
                self.late.append(task)

        self.run(ask())

    @rule()
    def release(self) -> None:
        """Late answers arrive."""

        async def arrive() -> None:
            for task in self.late:
                task.gate.set()  # type: ignore[attr-defined]
                await task
            self.late.clear()

        self.run(arrive())

    # -- what must be

    @invariant()
    def what_was_buried_stays_buried(self) -> None:
        if hasattr(self, "replicas"):
            rows = self.run(self.world.database.fetch("SELECT message_id, vector IS NULL FROM search.messages"))
            assert len({row[0] for row in rows}) == len(rows)
            assert not {row[0] for row in rows if not row[1]} & self.buried
            self.buried |= {row[0] for row in rows if row[1]} - self.forgiven

    @rule()
    def settle(self) -> None:
        """Nothing is under way any more: the index is what messages has."""
        self.release()
        self.leases_run_out()
        self.run(settle(self.replicas[0]))
        expected = {}
        for room in self.chat.rooms.values():
            for message in room.messages.values():
                vector = None
                if message.body is not None:
                    marks = [sender_mark(message.sender_id), *([IMAGE] if message.has_image else [])]
                    vector = ANALYSERS.of(room.language).vector(message.body, marks)
                expected[room.id, message.id] = (message.seq, message.rev, vector)
        rows = self.run(
            self.world.database.fetch("SELECT room_id, message_id, seq, rev, vector::text FROM search.messages")
        )
        normal = self.run(self._normal({vector for _, _, vector in expected.values() if vector is not None}))
        assert {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows} == {
            key: (seq, rev, None if vector is None else normal[vector]) for key, (seq, rev, vector) in expected.items()
        }

    async def _normal(self, vectors: set[str]) -> dict[str, str]:
        """As PostgreSQL writes them."""
        ordered = sorted(vectors)
        rows = await self.world.database.fetch("SELECT v::tsvector::text FROM unnest($1::text[]) v", ordered)
        return {vector: row[0] for vector, row in zip(ordered, rows, strict=True)}


def test_the_index_becomes_what_can_be_seen(postgres: Postgres, nats: Nats) -> None:
    with asyncio.Runner() as runner:
        runner.run(postgres.migrated("search"))
        Machine.postgres, Machine.nats, Machine.runner = postgres, nats, runner
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
