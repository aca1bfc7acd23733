"""Leases, sockets and graces in any order: whatever happens, who is shown follows from who is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
import pytest
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

from parley_shared.contracts.presence import ConnectionOpened
from parley_shared.ids import new_id
from parley_shared.testing.fixtures import Nats, Postgres

from .harness import Gateway, World, choose, closed, opened, status

T = TypeVar("T")
PEOPLE = 3
GATEWAYS = st.integers(0, 2)


class Machine(RuleBasedStateMachine):
    """Three gateways, two replicas, three people. The model: which sockets live under which living lease, who is in his grace,
    and who wants to be seen."""

    postgres: ClassVar[Postgres]
    nats: ClassVar[Nats]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.postgres, self.nats)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        async def prepare() -> None:
            connection = await asyncpg.connect(self.postgres.owner_url("presence"))
            await connection.execute("TRUNCATE presence.leases, presence.people, presence.connections")
            await connection.close()
            await self.world.__aenter__()
            self.replicas = [await self.world.replica(), await self.world.replica()]
            self.gateways = [
                await Gateway(self.replicas[number % 2], f"gateway-{number}").register() for number in range(3)
            ]

        self.run(prepare())
        self.people = [new_id() for _ in range(PEOPLE)]
        self.sockets: list[dict[UUID, ConnectionOpened]] = [{}, {}, {}]
        self.dead: set[int] = set()
        self.unreaped: dict[UUID, UUID] = {}
        self.left: list[dict[UUID, ConnectionOpened]] = [{}, {}, {}]
        self.grace: set[UUID] = set()
        self.online: set[UUID] = set()
        self.hidden: set[UUID] = set()

    def teardown(self) -> None:
        if hasattr(self, "replicas"):
            self.run(self.world.__aexit__())

    def _settle(self, *people: UUID) -> None:
        """What the model says of them after something was reported of them."""
        for user in people:
            # A socket under a lease that has run out counts until that is noticed.
            there = any(user == item.user_id for sockets in self.sockets for item in sockets.values())
            if there or user in self.unreaped.values():
                self.online.add(user)
                self.grace.discard(user)
            elif user in self.online:
                self.grace.add(user)

    @rule(number=GATEWAYS, who=st.lists(st.integers(0, PEOPLE - 1), min_size=1, max_size=4), twice=st.booleans())
    def open(self, number: int, who: list[int], twice: bool) -> None:
        gateway, items = self.gateways[number], [opened(self.people[index]) for index in who]
        alive = self.run(gateway.report(items))
        assert alive == (number not in self.dead)
        if twice:
            assert self.run(gateway.repeat(items)) == alive
        if alive:
            self.sockets[number] |= {item.connection_id: item for item in items}
            self._settle(*(item.user_id for item in items))

    @precondition(lambda self: any(self.sockets))
    @rule(data=st.data(), twice=st.booleans())
    def close(self, data: st.DataObject, twice: bool) -> None:
        number = data.draw(st.sampled_from([index for index, sockets in enumerate(self.sockets) if sockets]))
        gateway, sockets = self.gateways[number], self.sockets[number]
        gone = data.draw(
            st.lists(st.sampled_from(list(sockets.values())), min_size=1, unique_by=lambda item: item.connection_id)
        )
        ends = [closed(item) for item in gone]
        alive = self.run(gateway.report([], ends))
        assert alive == (number not in self.dead)
        if twice:
            assert self.run(gateway.repeat([], ends)) == alive
        if alive:
            for item in gone:
                del sockets[item.connection_id]
            self._settle(*(item.user_id for item in gone))

    @rule(number=GATEWAYS)
    def renew(self, number: int) -> None:
        assert self.run(self.gateways[number].renew()) == (number not in self.dead)

    @rule(number=GATEWAYS)
    def run_out(self, number: int) -> None:
        if number not in self.dead:
            self.run(self.world.run_out(self.gateways[number]))
            self.dead.add(number)
            self.left[number] = self.sockets[number]
            self.unreaped |= {key: item.user_id for key, item in self.left[number].items()}
            self.sockets[number] = {}

    @rule(number=GATEWAYS, data=st.data())
    def register_anew(self, number: int, data: st.DataObject) -> None:
        """A gateway that was away finds some of its sockets still there."""
        if number in self.dead:
            gateway, left = self.gateways[number], list(self.left[number].values())
            self.run(gateway.register())
            self.dead.discard(number)
            still = (
                data.draw(st.lists(st.sampled_from(left), unique_by=lambda item: item.connection_id)) if left else []
            )
            assert self.run(gateway.report(still))
            for item in still:
                self.sockets[number][item.connection_id] = item
                self.unreaped.pop(item.connection_id, None)
            self._settle(*(item.user_id for item in still))

    @rule(replica=st.integers(0, 1))
    def watch(self, replica: int) -> None:
        lost = set(self.unreaped.values())
        self.unreaped.clear()
        self.run(self.replicas[replica].jobs.watch())
        self._settle(*lost)

    @rule()
    def time_passes(self) -> None:
        """Every grace that has begun is over, and that is noticed."""
        self.watch(0)
        self.run(self.world.pass_grace(*self.people))
        self.run(self.replicas[1].jobs.watch())
        self.online -= self.grace
        self.grace.clear()

    @rule(index=st.integers(0, PEOPLE - 1), invisible=st.booleans())
    def choose(self, index: int, invisible: bool) -> None:
        user = self.people[index]
        self.run(choose(self.replicas[0], user, "invisible" if invisible else "online"))
        (self.hidden.add if invisible else self.hidden.discard)(user)

    @invariant()
    def who_is_shown_follows_from_who_is_there(self) -> None:
        if hasattr(self, "people"):
            for user in self.people:
                wanted = "online" if user in self.online and user not in self.hidden else "offline"
                assert self.run(status(self.replicas[1], user)) == wanted


def test_who_is_shown_follows_from_who_is_there(postgres: Postgres, nats: Nats) -> None:
    with asyncio.Runner() as runner:
        runner.run(postgres.migrated("presence"))
        Machine.postgres, Machine.nats, Machine.runner = postgres, nats, runner
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("moved", [True, False])
async def test_a_socket_is_counted_once_wherever_it_is_reported(world: World, moved: bool) -> None:
    """By its old lease and its new one, before and after the old one is noticed to be over."""
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    await world.run_out(gateway)
    if not moved:
        await parts.jobs.watch()
    await gateway.register()
    assert await gateway.report([socket])
    await parts.jobs.watch()
    assert await gateway.close(socket)
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert await status(parts, user) == "offline"
