"""What presence is told of this gateway's sockets, whatever gets lost on the way."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_gateway.live import lease as lease_module
from parley_gateway.live.lease import MOST_IN_REPORT, Lease
from parley_shared.contracts import presence as contract
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient

from .harness import FakeRpc

AT = datetime(2026, 11, 24, tzinfo=UTC)


class Presence:
    """As the service does it: dead leases stay dead, and a batch counts once. before, after: requests that are to be lost, or
    answers."""

    def __init__(self) -> None:
        self.rpc = FakeRpc()
        self.seconds = 0.0
        self.batches: dict[UUID, int] = {}
        self.dead: set[UUID] = set()
        self.there: dict[UUID, UUID] = {}
        self.ended: dict[UUID, contract.ConnectionClosed] = {}
        self.released: list[UUID] = []
        self.before = self.after = 0
        for verb, answer in (
            (contract.REGISTER, self.register),
            (contract.RENEW, self.renew),
            (contract.REPORT, self.report),
            (contract.RELEASE, self.release),
        ):
            self.rpc.on(verb, self.faulty(answer))

    def faulty(self, answer: Any) -> Any:
        def serve(request: Any) -> Any:
            if self.before:
                self.before -= 1
                raise unavailable("It was lost on the way.")
            found = answer(request)
            if self.after:
                self.after -= 1
                raise unavailable("The answer was lost.")
            return found

        return serve

    def register(self, request: contract.RegisterLease) -> contract.LeaseRegistered:
        self.batches.setdefault(request.lease_id, 0)
        return contract.LeaseRegistered(seconds=self.seconds)

    def alive(self, lease_id: UUID) -> bool:
        return lease_id in self.batches and lease_id not in self.dead

    def renew(self, request: contract.LeaseRequest) -> contract.LeaseState:
        return contract.LeaseState(alive=self.alive(request.lease_id))

    def report(self, request: contract.ReportConnections) -> contract.LeaseState:
        if not self.alive(request.lease_id):
            return contract.LeaseState(alive=False)
        if request.batch > self.batches[request.lease_id]:
            self.batches[request.lease_id] = request.batch
            for opened in request.opened:
                if opened.connection_id not in self.ended:
                    self.there[opened.connection_id] = request.lease_id
            for closed in request.closed:
                self.there.pop(closed.connection_id, None)
                self.ended[closed.connection_id] = closed
        return contract.LeaseState(alive=True)

    def release(self, request: contract.LeaseRequest) -> Empty:
        self.released.append(request.lease_id)
        return Empty()

    def run_out(self) -> None:
        """All leases, and whoever was there under them."""
        self.dead |= self.batches.keys()
        self.there.clear()

    def lease(self) -> Lease:
        return Lease(cast(RpcClient, self.rpc), gateway="gateway-1")

    @property
    def reports(self) -> list[contract.ReportConnections]:
        return self.rpc.requests(contract.REPORT)


class Socket:
    """A connection of a client that answers probes only if told so."""

    def __init__(self, lease: Lease, **fields: Any) -> None:
        self.silent = False
        self.lease = lease
        self.opened = contract.ConnectionOpened(
            **{
                "connection_id": new_id(),
                "user_id": new_id(),
                "session_id": new_id(),
                "device_id": "",
                "client": "",
                "ip_prefix": "192.0.2.0/24",
                "user_agent": "",
                "opened_at": AT,
                "resume": "none",
                **fields,
            }
        )
        lease.opened(self, self.opened)

    @property
    def id(self) -> UUID:
        return self.opened.connection_id

    def probe(self) -> None:
        self.silent = True

    def close(self, code: int = 1000) -> None:
        self.lease.closed(
            contract.ConnectionClosed(
                connection_id=self.id,
                user_id=self.opened.user_id,
                closed_at=AT,
                code=code,
                side="client",
                reason="",
                bytes_in=0,
                bytes_out=0,
                queue_peak=0,
            )
        )


async def test_what_happened_is_reported_in_one_call_a_turn() -> None:
    presence = Presence()
    presence.seconds = 30
    lease = presence.lease()
    kept, gone = Socket(lease), Socket(lease)
    gone.close(4008)
    await lease.turn()
    await lease.turn()
    assert [(report.batch, len(report.opened), len(report.closed)) for report in presence.reports] == [(1, 2, 1)]
    assert list(presence.there) == [kept.id]
    assert presence.ended[gone.id].code == 4008
    assert len(presence.rpc.requests(contract.RENEW)) == 0, "it was renewed by registering"


async def test_a_report_holds_a_thousand_at_most_and_fits_into_a_message() -> None:
    presence = Presence()
    lease = presence.lease()
    sockets = [Socket(lease) for _ in range(MOST_IN_REPORT + 5)]
    # What a client may say of itself, at its longest once it is JSON.
    wordy = [Socket(lease, device_id="\x01" * 64, client="\x01" * 64, user_agent="\x01" * 200) for _ in range(1_500)]
    for socket in sockets:
        socket.close()
    await lease.turn()
    assert presence.there.keys() == {socket.id for socket in wordy}
    for report in presence.reports:
        assert len(report.opened) + len(report.closed) <= MOST_IN_REPORT
        assert len(msgspec.json.encode(report)) < 1_000_000


async def test_a_report_without_an_answer_is_sent_again_as_it_was() -> None:
    presence = Presence()
    presence.seconds = 30
    lease = presence.lease()
    await lease.turn()
    first = Socket(lease)
    presence.after = 1
    with pytest.raises(Refused):
        await lease.turn()
    second = Socket(lease)
    await lease.turn()
    assert [report.batch for report in presence.reports] == [1, 1, 2]
    assert presence.reports[0] == presence.reports[1]
    assert presence.there.keys() == {first.id, second.id}


async def test_after_a_lost_lease_only_who_is_heard_from_is_there() -> None:
    presence = Presence()
    lease = presence.lease()
    living, silent, gone = Socket(lease), Socket(lease), Socket(lease)
    await lease.turn()
    presence.run_out()
    await lease.turn()
    assert presence.there == {}, "nobody has answered yet"
    newcomer = Socket(lease)
    gone.close(1006)
    living.silent = False
    await lease.turn()
    assert presence.there.keys() == {living.id, newcomer.id}
    assert presence.ended[gone.id].code == 1006
    silent.silent = False
    await lease.turn()
    assert silent.id in presence.there
    assert len(set(presence.there.values())) == 1


async def test_a_report_that_is_refused_does_not_hold_up_what_follows() -> None:
    presence = Presence()
    lease = presence.lease()
    await lease.turn()
    Socket(lease)
    good = presence.rpc.answers[contract.REPORT.subject]
    presence.rpc.on(contract.REPORT, Refused(Code.INVALID, "That cannot be."))
    await lease._guarded(lease.turn())
    presence.rpc.on(contract.REPORT, good)
    after = Socket(lease)
    await lease._guarded(lease.turn())
    assert list(presence.there) == [after.id]


async def test_at_its_end_everything_is_reported_and_the_lease_given_back() -> None:
    presence = Presence()
    lease = presence.lease()
    socket = Socket(lease)
    await lease.turn()
    socket.close()
    await lease.stop()
    assert presence.there == {}
    assert presence.released == list(presence.batches)


async def test_without_presence_it_ends_all_the_same() -> None:
    presence = Presence()
    lease = presence.lease()
    await lease.start()
    Socket(lease)
    await asyncio.sleep(0)
    presence.before = 1_000
    await lease.stop()


async def test_while_presence_is_away_for_long_the_oldest_ends_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "MOST_KEPT", 3)
    presence = Presence()
    lease = presence.lease()
    stays, others = Socket(lease), [Socket(lease) for _ in range(5)]
    for socket in others:
        socket.close()
    await lease.turn()
    assert presence.ended.keys() == {socket.id for socket in others[2:]}
    assert list(presence.there) == [stays.id]


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["open", "turn", "run_out", "lose_request", "lose_answer"]),
        st.tuples(st.sampled_from(["close", "answer"]), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
async def test_in_the_end_presence_knows_exactly_who_is_there(steps: list[Any]) -> None:
    presence = Presence()
    lease = presence.lease()
    living: list[Socket] = []
    closed: list[Socket] = []
    for step in steps:
        match step:
            case "open":
                living.append(Socket(lease))
            case "turn":
                await lease._guarded(lease.turn())
                assert presence.there.keys() <= {socket.id for socket in living + closed}
            case "run_out":
                presence.run_out()
            case "lose_request":
                presence.before += 1
            case "lose_answer":
                presence.after += 1
            case ("close", place) if living:
                closed.append(living.pop(place % len(living)))
                closed[-1].close()
            case ("answer", place) if living:
                living[place % len(living)].silent = False
    presence.before = presence.after = 0
    for _ in range(3):
        await lease._guarded(lease.turn())
        for socket in living:
            socket.silent = False
    assert presence.there.keys() == {socket.id for socket in living}
    assert {socket.id for socket in closed} == presence.ended.keys()
