"""Positions: the newest of a second, in one call, and kept while nobody takes them."""

from typing import Any, cast
from uuid import UUID

import pytest

from parley_gateway.live import positions as positions_module
from parley_gateway.live.positions import MOST_IN_CALL, Positions
from parley_shared.contracts.messages import FLUSH_POSITIONS, Empty, FlushPositions
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient

from .harness import FakeRpc, until
from .live_harness import Gateway

USER, ROOM = new_id(), new_id()


class Flushing:
    def __init__(self) -> None:
        self.rpc = FakeRpc()
        self.rpc.on(FLUSH_POSITIONS, Empty())
        self.positions = Positions(cast(RpcClient, self.rpc))
        self.answers: list[Refused | None] = []

    def note(self, delivered: int, read: int = 0, *, user: UUID = USER, room: UUID = ROOM, ask: bool = False) -> None:
        flushed = self.answers.append if ask else None
        self.positions.note(user, room, delivered_seq=delivered, read_seq=read, flushed=flushed)

    @property
    def flushed(self) -> list[list[tuple[int, int]]]:
        return [
            [(position.delivered_seq, position.read_seq) for position in request.positions]
            for request in self.rpc.requests(FLUSH_POSITIONS)
        ]


async def test_the_greatest_of_each_wins_in_whatever_order_they_come() -> None:
    it = Flushing()
    for delivered, read in ((3, 1), (7, 0), (5, 4), (2, 2)):
        it.note(delivered, read)
    it.note(1, room=new_id())
    await it.positions._flush()
    assert it.flushed == [[(7, 4), (1, 0)]]
    await it.positions._flush()
    assert len(it.flushed) == 1, "nothing is new"


async def test_a_call_carries_a_thousand_at_most() -> None:
    it = Flushing()
    for number in range(2 * MOST_IN_CALL + 1):
        it.note(number, user=new_id())
    await it.positions._flush()
    assert [len(call) for call in it.flushed] == [MOST_IN_CALL, MOST_IN_CALL, 1]


async def test_a_command_that_asks_is_answered_when_its_flush_is_committed() -> None:
    it = Flushing()
    it.note(1, ask=True)
    it.note(2, ask=True)
    assert it.answers == []
    await it.positions._flush()
    assert it.answers == [None, None]


async def test_what_could_not_be_flushed_is_kept_and_yields_to_what_is_newer() -> None:
    it = Flushing()
    other = new_id()
    it.rpc.on(FLUSH_POSITIONS, unavailable("away"))
    it.note(5, 3, ask=True)
    it.note(9, room=other)
    await it.positions._flush()
    assert [answer and answer.code for answer in it.answers] == [Code.UNAVAILABLE]
    it.note(6, 2)
    it.rpc.on(FLUSH_POSITIONS, Empty())
    await it.positions._flush()
    assert sorted(it.flushed[-1]) == [(6, 3), (9, 0)]


async def test_what_was_refused_for_good_is_not_asked_again() -> None:
    it = Flushing()
    it.rpc.on(FLUSH_POSITIONS, Refused(Code.INTERNAL, "a bug"))
    it.note(5)
    await it.positions._flush()
    await it.positions._flush()
    assert len(it.flushed) == 1


async def test_while_nobody_takes_them_they_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_module, "MOST_KEPT", 2)
    it = Flushing()
    for _ in range(3):
        it.note(1, user=new_id(), ask=True)
    assert [answer and answer.code for answer in it.answers] == [Code.UNAVAILABLE]
    it.note(2, user=next(iter(it.positions._newest))[0], ask=True)


async def test_a_surprise_does_not_end_the_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_module, "FLUSH_S", 0.01)
    it = Flushing()
    surprises = 0

    def bug(_request: FlushPositions) -> Empty:
        nonlocal surprises
        surprises += 1
        raise ValueError("a bug")

    it.rpc.on(FLUSH_POSITIONS, bug)
    await it.positions.start()
    it.note(1)
    await until(lambda: surprises == 1)
    it.rpc.on(FLUSH_POSITIONS, Empty())
    it.note(2)
    await until(lambda: [(2, 0)] in it.flushed)
    it.note(3)
    await it.positions.stop()
    assert it.flushed[-1] == [(3, 0)], "the last ones go out at the end"


@pytest.mark.parametrize("seq", [-1, 2**63, 10**30])
@pytest.mark.parametrize("kind", ["read", "delivered"])
async def test_a_seq_that_no_database_holds_never_gets_there(gateway: Gateway, kind: str, seq: int) -> None:
    peer = await gateway.signed_in()
    asked: dict[str, Any] = {"type": kind, "room_id": str(ROOM), "seq": seq}
    await peer.say(asked)
    refused = await peer.json()
    assert (refused["code"], "id" in refused) == ("invalid", False)
    await peer.say({**asked, "id": 3})
    refused = await peer.json()
    assert (refused["code"], refused["id"]) == ("invalid", 3)
    await peer.say({**asked, "id": 4, "seq": 2**63 - 1})
    assert await peer.json() == {"type": "ack", "id": 4}
    (request,) = gateway.rpc.requests(FLUSH_POSITIONS)
    assert [position.delivered_seq for position in request.positions] == [2**63 - 1]
