"""What a gateway remembers of messages' ways, what it tells of it, and how all of them are asked."""

import asyncio
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from parley_gateway.live import journeys
from parley_gateway.live.hubs import Hubs
from parley_gateway.live.journeys import MOST_MOMENTS, MOST_ROOMS, Journeys, Memory
from parley_shared.contracts import journey as contract
from parley_shared.contracts.live import JourneyDevice, JourneyPart, JourneyQuestion, live_subject
from parley_shared.contracts.messages import MessageRequest
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import new_id, room_stream
from parley_shared.messaging.connection import Bus

from .harness import World


class Reader:
    """As much of a connection as is asked."""

    def __init__(self, user_id: UUID, device_id: str = "") -> None:
        self.user_id = user_id
        self.session_id = new_id()
        self.device_id = device_id


def stream() -> str:
    return room_stream(new_id())


def test_what_was_handed_over_is_known_with_its_moment() -> None:
    memory, room = Memory(), stream()
    memory.handed(room, 4, 7)
    memory.handed(room, 7, 8)
    assert [memory.when(room, seq)[0] for seq in (4, 5, 7, 8, 9)] == [False, True, True, True, False]
    (_, first), (_, last) = memory.when(room, 5), memory.when(room, 8)
    assert first is not None
    assert last is not None
    assert first <= last


def test_of_what_is_long_past_the_moment_is_forgotten_and_not_the_fact() -> None:
    memory, room = Memory(), stream()
    for seq in range(MOST_MOMENTS + 10):
        memory.handed(room, seq, seq + 1)
    assert memory.when(room, 1) == (True, None)
    assert memory.when(room, MOST_MOMENTS + 10)[1] is not None


def test_what_lies_between_two_stretches_was_not_handed_over() -> None:
    memory, room = Memory(), stream()
    memory.handed(room, 0, 3)
    memory.handed(room, 9, 10)
    assert [memory.when(room, seq)[0] for seq in (3, 5, 9, 10)] == [False, False, False, True]


def test_what_somebody_had_missed_and_was_told_counts_without_a_moment() -> None:
    memory, room = Memory(), stream()
    memory.handed(room, 10, 12)
    memory.handed(room, 4, 12)
    assert memory.when(room, 5) == (True, None)
    assert memory.when(room, 11)[1] is not None
    memory.handed(room, 0, 2)
    assert [memory.when(room, seq)[0] for seq in (2, 4, 5, 12)] == [False, False, True, True]


def test_the_least_recently_used_room_is_forgotten_first() -> None:
    memory, first, second = Memory(), stream(), stream()
    memory.handed(first, 0, 1)
    memory.handed(second, 0, 1)
    for _ in range(MOST_ROOMS - 2):
        memory.handed(stream(), 0, 1)
    memory.handed(first, 1, 2)
    memory.handed(stream(), 0, 1)
    assert memory.when(first, 1)[0]
    assert not memory.when(second, 1)[0]


def test_of_peoples_own_streams_nothing_is_remembered() -> None:
    memory = Memory()
    memory.handed("user:x", 0, 1)
    assert memory.when("user:x", 1) == (False, None)


def test_a_device_is_told_by_what_it_has_said_and_by_whether_it_is_there() -> None:
    memory, room, me = Memory(), new_id(), new_id()
    phone, laptop = Reader(me, "phone"), Reader(me, "laptop")
    memory.noted(me, phone.session_id, room, delivered=5, read=0, device_id="phone")
    memory.noted(me, phone.session_id, room, delivered=3, read=3)
    found = memory.devices(room, 5, None, {laptop.session_id: cast(Any, laptop)})
    by_name = {device.device_id: device for device in found}
    assert (by_name["phone"].delivered, by_name["phone"].read, by_name["phone"].connected) == (True, False, False)
    assert (by_name["laptop"].delivered, by_name["laptop"].at, by_name["laptop"].connected) == (False, None, True)
    assert [device.read for device in memory.devices(room, 3, me, {})] == [True]
    assert memory.devices(room, 5, new_id(), {laptop.session_id: cast(Any, laptop)}) == []


def test_positions_are_forgotten_by_rooms_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "MOST_POSITIONS", 3)
    memory, old, new = Memory(), new_id(), new_id()
    for room in (old, old, new, new):
        memory.noted(new_id(), new_id(), room, delivered=1, read=1)
    assert memory.devices(old, 1, None, {}) == []
    assert len(memory.devices(new, 1, None, {})) == 2


# -- asking


class Wire:
    """Subjects and who listens, for as many gateways as a test has."""

    def __init__(self) -> None:
        self.listeners: list[tuple[str, Any]] = []
        self.inboxes = 0

    @property
    def client(self) -> "Wire":
        return self

    def new_inbox(self) -> str:
        self.inboxes += 1
        return f"_INBOX.{self.inboxes}"

    async def subscribe(self, subject: str, *, cb: Any) -> None:
        self.listeners.append((subject.rstrip("*>"), cb))

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        for prefix, callback in self.listeners:
            if subject.startswith(prefix):
                await callback(Message(self, subject, data, reply))


class Message:
    def __init__(self, wire: Wire, subject: str, data: bytes, reply: str) -> None:
        self.wire, self.subject, self.data, self.reply = wire, subject, data, reply

    async def respond(self, data: bytes) -> None:
        await self.wire.publish(self.reply, data)


class Rooms:
    def __init__(self) -> None:
        self.there: list[Reader] = []

    def readers(self, _stream: str) -> list[Reader]:
        return self.there


async def gateway(wire: Wire, name: str) -> tuple[Journeys, Memory, Rooms]:
    memory, rooms = Memory(), Rooms()
    found = Journeys(cast(Bus, wire), cast(Hubs, rooms), memory, gateway=name)
    await found.start()
    return found, memory, rooms


async def test_every_gateway_is_asked_and_one_that_asks_for_a_user_hears_of_his_devices_alone() -> None:
    wire, room, me, other = Wire(), new_id(), new_id(), new_id()
    first, here, _ = await gateway(wire, "gateway-1")
    _, there, rooms = await gateway(wire, "gateway-2")
    here.handed(room_stream(room), 0, 1)
    rooms.there = [Reader(me, "phone"), Reader(other, "theirs")]
    there.handed(room_stream(room), 0, 1)
    parts = await first.ask(room, 1, None)
    assert [(part.gateway, part.handed_over, part.readers) for part in parts] == [
        ("gateway-1", True, 0),
        ("gateway-2", True, 2),
    ]
    [_, part] = await first.ask(room, 1, me)
    assert (part.readers, [device.device_id for device in part.devices]) == (1, ["phone"])


async def test_what_is_no_question_or_no_answer_is_passed_over() -> None:
    wire, room = Wire(), new_id()
    first, _, _ = await gateway(wire, "gateway-1")
    await wire.publish("parley.live.journey.1.nobody", b"{}")
    await wire.publish(live_subject("journey", room), b"rubbish")
    await wire.publish("_INBOX.1.999", b"late")
    asking = asyncio.create_task(first.ask(room, 1, None))
    await asyncio.sleep(0)
    await wire.publish("_INBOX.1.1", b"rubbish")
    assert [part.gateway for part in await asking] == ["gateway-1"]


def test_a_question_says_nothing_but_seq_and_whose() -> None:
    assert msgspec.json.encode(JourneyQuestion(seq=3)) == b'{"seq":3,"user_id":null}'


# -- the route


def known(world: World, viewer: Any) -> contract.MessageJourney:
    at = "2026-11-24T12:00:00Z"
    return msgspec.convert(
        {
            "message_id": new_id(), "room_id": new_id(), "sender_id": world.me, "viewer": viewer, "rev": 1, "edited_at": None,
            "deleted_at": None, "committed": {"at": at, "seq": 7, "n": 3, "replica": "messages-1"},
            "published": {"relayed": True, "waiting_since": None}, "members": 0, "delivered": 0, "read": 0, "recipients": [],
            "notified": 0, "waiting": False, "notifications": [],
        },
        contract.MessageJourney,
    )  # fmt: skip


@pytest.mark.parametrize("viewer", ["sender", "support"])
async def test_a_sender_asks_for_his_devices_and_support_for_all(world: World, viewer: str) -> None:
    answer = known(world, viewer)
    world.rpc.on(contract.JOURNEY, answer)
    device = JourneyDevice(
        user_id=world.me, session_id=world.session, device_id="", connected=True, delivered=True, read=False, at=None
    )
    silent = JourneyPart(gateway="gateway-1", handed_over=False, at=None, readers=3, devices=[])
    world.journeys.parts = [
        silent,
        JourneyPart(gateway="gateway-2", handed_over=True, at=None, readers=1, devices=[device]),
    ]
    got = await world.http.get(f"/api/v1/rooms/{answer.room_id}/messages/{answer.message_id}/journey")
    assert got.status_code == 200, got.text
    body = got.json()
    assert [part["gateway"] for part in body["gateways"]] == ["gateway-2"]
    assert body["committed"] == {"at": "2026-11-24T12:00:00Z", "seq": 7, "n": 3, "replica": "messages-1"}
    assert world.journeys.asked == [(answer.room_id, 7, world.me if viewer == "sender" else None)]
    [request] = world.rpc.requests(contract.JOURNEY)
    assert isinstance(request, MessageRequest)


@pytest.mark.parametrize(
    ("refusal", "status"), [(not_found("message"), 404), (Refused(Code.FORBIDDEN, "Not yours."), 403)]
)
async def test_who_may_not_see_it_is_told_nothing_and_no_gateway_is_asked(
    world: World, refusal: Refused, status: int
) -> None:
    world.rpc.on(contract.JOURNEY, refusal)
    got = await world.http.get(f"/api/v1/rooms/{new_id()}/messages/{new_id()}/journey")
    assert got.status_code == status
    assert world.journeys.asked == []
