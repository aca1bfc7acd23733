"""Sends wait in lanes: in order, one call in flight, everything that came meanwhile in the next."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley_gateway.live import lanes as lanes_module
from parley_gateway.live.lanes import Lanes
from parley_shared.contracts.base import Actor
from parley_shared.contracts.messages import SEND_MANY, Accepted, NotAccepted, Send, SendMany, SentMany
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id
from parley_shared.limits import SEND_BATCH, SEND_BATCH_BYTES
from parley_shared.messaging.rpc import RpcClient

from .harness import FakeRpc, until

ACTOR = Actor(user_id=new_id(), session_id=new_id(), role="user")
ROOM = new_id()


def send(body: str = "hello", room: UUID = ROOM, **more: Any) -> Send:
    return Send(actor=ACTOR, room_id=room, **{"client_msg_id": str(new_id()), "body": body, **more})


def accepted(seq: int = 1) -> Accepted:
    return Accepted(message_id=new_id(), seq=seq, n=seq, created_at=datetime.now(UTC), duplicate=False)


class Messages:
    """The other side. Each call waits for `go`, and is answered with its place in the order of all sends."""

    def __init__(self, *, count: int = 1) -> None:
        self.rpc = FakeRpc()
        self.rpc.on(SEND_MANY, self.take)
        self.lanes = Lanes(cast(RpcClient, self.rpc), count=count)
        self.go = asyncio.Event()
        self.in_flight = 0
        self.committed: list[Send] = []
        self.outcomes: list[Accepted | NotAccepted] = []

    async def take(self, request: SendMany) -> SentMany:
        self.in_flight += 1
        await self.go.wait()
        self.in_flight -= 1
        self.committed += request.sends
        first = len(self.committed) - len(request.sends) + 1
        return SentMany(outcomes=[accepted(first + place) for place in range(len(request.sends))])

    def put(self, sent: Send) -> None:
        self.lanes.put(sent, self.outcomes.append)

    @property
    def batches(self) -> list[list[str]]:
        return [[sent.body for sent in request.sends] for request in self.rpc.requests(SEND_MANY)]


@pytest.fixture
async def messages() -> AsyncIterator[Messages]:
    found = Messages()
    yield found
    found.go.set()
    await found.lanes.stop()


async def test_what_comes_while_a_call_is_away_goes_out_together(messages: Messages) -> None:
    for number in range(3):
        messages.put(send(str(number)))
    await until(lambda: messages.in_flight == 1)
    for number in range(3, 6):
        messages.put(send(str(number)))
    assert messages.batches == [["0", "1", "2"]]
    messages.go.set()
    await until(lambda: len(messages.outcomes) == 6)
    assert messages.batches == [["0", "1", "2"], ["3", "4", "5"]]
    assert [outcome.seq for outcome in messages.outcomes if isinstance(outcome, Accepted)] == [1, 2, 3, 4, 5, 6]


async def test_a_lane_has_one_call_in_flight_and_does_not_hold_up_another() -> None:
    messages = Messages(count=64)
    rooms = [new_id() for _ in range(50)]
    for room in rooms * 2:
        messages.put(send(room=room))
    lanes = {hash(room) % 64 for room in rooms}
    await until(lambda: messages.in_flight == len(lanes))
    messages.put(send(room=rooms[0]))
    await asyncio.sleep(0)
    assert messages.in_flight == len(lanes)
    messages.go.set()
    await until(lambda: len(messages.outcomes) == 101)
    await messages.lanes.stop()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60), st.integers(1, 4))
async def test_sends_to_one_room_stay_in_their_order(sends: list[tuple[int, int]], count: int) -> None:
    messages = Messages(count=count)
    messages.go.set()
    rooms = [new_id() for _ in range(6)]
    asked: dict[UUID, list[str]] = {}
    for number, (room, turns) in enumerate(sends):
        messages.put(send(str(number), room=rooms[room]))
        asked.setdefault(rooms[room], []).append(str(number))
        for _ in range(turns):
            await asyncio.sleep(0)
    await until(lambda: len(messages.outcomes) == len(sends))
    await messages.lanes.stop()
    found: dict[UUID, list[str]] = {}
    for sent in messages.committed:
        found.setdefault(sent.room_id, []).append(sent.body)
    assert found == asked


@pytest.mark.parametrize(
    "sent",
    [
        send("x" * 8_000),
        send("\x01" * 8_000),
        send("😀" * 8_000),
        send("x", client_msg_id="\x01" * 8_000),
        send("x", format="\x01" * 8_000),
        send("x", media_ids=[new_id()] * 1_600),
    ],
)
async def test_a_batch_is_bounded_in_number_and_in_bytes_whatever_clients_wrote(messages: Messages, sent: Send) -> None:
    messages.go.set()
    total = 3 * SEND_BATCH
    for _ in range(total):
        messages.put(sent)
    await until(lambda: len(messages.outcomes) == total)
    requests = messages.rpc.requests(SEND_MANY)
    assert len(requests) >= 3
    for request in requests:
        assert len(request.sends) <= SEND_BATCH
        assert len(msgspec.json.encode(request)) <= SEND_BATCH_BYTES


async def test_one_send_that_is_too_large_for_a_batch_travels_alone(messages: Messages) -> None:
    messages.go.set()
    for body in ("a", "\x01" * 100_000, "b"):
        messages.put(send(body))
    await until(lambda: len(messages.outcomes) == 3)
    assert [len(batch) for batch in messages.batches] == [1, 1, 1]


@pytest.mark.parametrize(
    ("failure", "code"),
    [(unavailable("away"), "unavailable"), (Refused(Code.FORBIDDEN, "no"), "unavailable"), (ValueError(), "internal")],
)
async def test_a_call_that_fails_is_an_outcome_for_each_and_the_next_goes_on(
    messages: Messages, failure: Exception, code: str
) -> None:
    def fail(_request: SendMany) -> SentMany:
        raise failure

    messages.rpc.on(SEND_MANY, fail)
    messages.put(send("0"))
    messages.put(send("1"))
    await until(lambda: len(messages.outcomes) == 2)
    assert [outcome.code for outcome in messages.outcomes if isinstance(outcome, NotAccepted)] == [code, code]
    messages.rpc.on(SEND_MANY, messages.take)
    messages.go.set()
    messages.put(send("2"))
    await until(lambda: len(messages.outcomes) == 3)
    assert isinstance(messages.outcomes[2], Accepted)


async def test_a_lost_reply_is_unavailable_and_what_waited_behind_it_goes_out(messages: Messages) -> None:
    lost = asyncio.Event()

    async def lose(_request: SendMany) -> SentMany:
        await lost.wait()
        raise unavailable("messages did not answer in time; try again.")

    messages.rpc.on(SEND_MANY, lose)
    messages.put(send("0"))
    await until(lambda: messages.batches == [["0"]])
    messages.put(send("1"))
    messages.rpc.on(SEND_MANY, messages.take)
    messages.go.set()
    lost.set()
    await until(lambda: len(messages.outcomes) == 2)
    first, second = messages.outcomes
    assert isinstance(first, NotAccepted)
    assert (first.code, first.retry_after_ms) == ("unavailable", 1000)
    assert isinstance(second, Accepted)


async def test_an_answer_with_too_few_outcomes_is_no_answer(messages: Messages) -> None:
    messages.rpc.on(SEND_MANY, SentMany(outcomes=[accepted()]))
    messages.put(send("0"))
    messages.put(send("1"))
    await until(lambda: len(messages.outcomes) == 2)
    assert [outcome.code for outcome in messages.outcomes if isinstance(outcome, NotAccepted)] == ["unavailable"] * 2


async def test_who_fails_to_take_his_outcome_does_not_keep_others_from_theirs(messages: Messages) -> None:
    def fail(_outcome: object) -> None:
        raise RuntimeError("the socket is gone")

    messages.go.set()
    messages.lanes.put(send("0"), fail)
    messages.put(send("1"))
    await until(lambda: len(messages.outcomes) == 1)
    messages.put(send("2"))
    await until(lambda: len(messages.outcomes) == 2)


async def test_a_full_lane_says_so_at_once(messages: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "MOST_WAITING", 2)
    for _ in range(3):
        messages.put(send())
    (outcome,) = messages.outcomes
    assert isinstance(outcome, NotAccepted)
    assert outcome.code == "unavailable"


async def test_http_gets_the_outcome_or_the_refusal(messages: Messages) -> None:
    messages.go.set()
    assert (await messages.lanes.send(send())).seq == 1
    refused = NotAccepted(code="rate_limited", detail="slower", retry_after_ms=5, errors={"body": "no"})
    messages.rpc.on(SEND_MANY, SentMany(outcomes=[refused]))
    with pytest.raises(Refused) as caught:
        await messages.lanes.send(send())
    assert (caught.value.code, caught.value.retry_after_ms, caught.value.errors) == (
        Code.RATE_LIMITED, 5, {"body": "no"},
    )  # fmt: skip


async def test_an_http_caller_who_goes_away_harms_nobody(messages: Messages) -> None:
    caller = asyncio.create_task(messages.lanes.send(send("0")))
    await until(lambda: messages.in_flight == 1)
    caller.cancel()
    messages.put(send("1"))
    messages.go.set()
    await until(lambda: len(messages.outcomes) == 1)
    assert messages.batches == [["0"], ["1"]]
