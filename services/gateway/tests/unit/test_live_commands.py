"""What a live socket asks for, what it is sent, and what it has missed."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from parley_gateway.live import connection as connection_module
from parley_gateway.live import positions as positions_module
from parley_gateway.live.commands import HANDLERS
from parley_gateway.live.opening import HANDLERS as OPENING
from parley_shared.contracts import frames, messages
from parley_shared.contracts.live import HEADER_MEMBERS, HEADER_SEQS, bucket_subject, live_subject
from parley_shared.errors import Code, Refused
from parley_shared.ids import live_bucket, new_id, room_stream, user_stream
from parley_shared.limits import RESUME_BYTES

from .harness import until
from .live_harness import Gateway, Json, Peer

ROOM = new_id()
AT = datetime(2026, 11, 24, tzinfo=UTC)


class Note:
    """A message of the bus."""

    def __init__(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        self.subject, self.data, self.headers = subject, data, headers


async def publish(gateway: Gateway, kind: Any, identifier: UUID, seq: int, body: Json, members: str = "") -> None:
    callback = gateway.bus.subscribed[bucket_subject(kind, live_bucket(identifier))]
    frame = msgspec.json.encode({"type": "event", "stream": f"{kind}:{identifier}", "seq": seq, "event": body})
    headers = {HEADER_SEQS: f"{seq}-{seq}"} | ({HEADER_MEMBERS: members} if members else {})
    await callback(Note(live_subject(kind, identifier), frame, headers))


def event(kind: str, **more: Any) -> Json:
    return {"kind": kind, "at": "2026-11-24T00:00:00Z", "actor_id": None, **more}


def accept(request: messages.SendMany) -> messages.SentMany:
    return messages.SentMany(
        outcomes=[
            messages.Accepted(message_id=new_id(), seq=place, n=place, created_at=AT, duplicate=False)
            for place, _ in enumerate(request.sends, start=1)
        ]
    )


def a_send(number: int, body: str = "hello") -> Json:
    return {"type": "send", "id": number, "client_msg_id": f"m{number}", "room_id": str(ROOM), "body": body}


async def following(gateway: Gateway, stream: str) -> None:
    (connection,) = gateway.live._roster
    await until(lambda: stream in gateway.live._hubs._hubs and gateway.live._hubs._hubs[stream].readers == 1)
    assert stream in connection.following.streams


def test_every_frame_that_a_client_may_send_has_a_handler() -> None:
    """A new frame without one would be answered `unauthenticated`."""
    missing = set(frames.ClientFrame.__args__) - HANDLERS.keys()
    assert not missing
    assert OPENING.keys() <= HANDLERS.keys()


async def test_sends_are_answered_by_their_ids_and_go_with_the_actor_of_the_token(gateway: Gateway) -> None:
    gateway.rpc.on(messages.SEND_MANY, accept)
    peer = await gateway.signed_in()
    for number in (7, 3):
        await peer.say({**a_send(number), "actor": {"user_id": str(new_id()), "role": "admin"}})
    answers = [await peer.json() for _ in range(2)]
    assert [(answer["type"], answer["id"], answer["duplicate"]) for answer in answers] == [
        ("ack", 7, False),
        ("ack", 3, False),
    ]
    for request in gateway.rpc.requests(messages.SEND_MANY):
        for sent in request.sends:
            assert (sent.actor.user_id, sent.actor.session_id, sent.actor.role) == (gateway.me, gateway.session, "user")


async def test_a_refused_send_says_why(gateway: Gateway) -> None:
    refused = messages.NotAccepted(code="rate_limited", detail="Slowly.", retry_after_ms=400)
    gateway.rpc.on(messages.SEND_MANY, messages.SentMany(outcomes=[refused]))
    peer = await gateway.signed_in()
    await peer.say(a_send(1))
    expected = {"type": "error", "id": 1, "code": "rate_limited", "detail": "Slowly.", "retry_after_ms": 400}
    assert await peer.json() == expected


async def test_a_socket_with_too_much_under_way_is_not_read_until_half_is_answered(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MOST_SENDS_IN_FLIGHT", 4)
    go = asyncio.Event()

    async def later(request: messages.SendMany) -> messages.SentMany:
        await go.wait()
        return accept(request)

    gateway.rpc.on(messages.SEND_MANY, later)
    peer = await gateway.signed_in()
    (connection,) = gateway.live._roster
    for number in range(4):
        await peer.say(a_send(number))
    await until(lambda: connection._socket.read_paused)
    for number in range(4, 10):
        await peer.say(a_send(number))
    go.set()
    assert [(await peer.json())["id"] for _ in range(10)] == list(range(10))
    assert not connection._socket.read_paused


async def test_outcomes_for_a_socket_that_is_gone_go_nowhere(gateway: Gateway) -> None:
    go = asyncio.Event()

    async def later(request: messages.SendMany) -> messages.SentMany:
        await go.wait()
        return accept(request)

    gateway.rpc.on(messages.SEND_MANY, later)
    peer = await gateway.signed_in()
    await peer.say(a_send(1))
    await until(lambda: len(gateway.rpc.requests(messages.SEND_MANY)) == 1)
    peer.hang_up()
    await until(lambda: len(gateway.live._roster) == 0)
    go.set()
    gateway.rpc.on(messages.SEND_MANY, accept)
    again = await gateway.signed_in()
    await again.say(a_send(2))
    assert (await again.json())["id"] == 2


async def test_commands_of_a_socket_are_done_one_after_the_other(gateway: Gateway) -> None:
    running: list[UUID] = []
    most = 0

    async def take(request: messages.RoomRequest) -> messages.Empty:
        nonlocal most
        running.append(request.room_id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.remove(request.room_id)
        if request.room_id == ROOM:
            raise Refused(Code.NOT_FOUND, "There is no such room.")
        return messages.Empty()

    gateway.rpc.on(messages.JOIN, take)
    gateway.rpc.on(messages.LEAVE, take)
    peer = await gateway.signed_in()
    asked = [("join", new_id()), ("leave", ROOM), ("leave", new_id()), ("join", ROOM)]
    for number, (kind, room) in enumerate(asked):
        await peer.say({"type": kind, "id": number, "room_id": str(room)})
    answers = [await peer.json() for _ in asked]
    assert [(answer["id"], answer["type"]) for answer in answers] == [
        (0, "ack"),
        (1, "error"),
        (2, "ack"),
        (3, "error"),
    ]
    assert most == 1


async def test_too_many_waiting_commands_are_refused_at_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MOST_COMMANDS_WAITING", 2)
    go = asyncio.Event()

    async def later(_request: messages.RoomRequest) -> messages.Empty:
        await go.wait()
        return messages.Empty()

    gateway.rpc.on(messages.JOIN, later)
    peer = await gateway.signed_in()
    await peer.say({"type": "join", "id": 0, "room_id": str(ROOM)})
    await until(lambda: len(gateway.rpc.requests(messages.JOIN)) == 1)
    for number in range(1, 4):
        await peer.say({"type": "join", "id": number, "room_id": str(ROOM)})
    refused = await peer.json()
    assert (refused["id"], refused["code"]) == (3, "rate_limited")
    go.set()
    assert [(await peer.json())["id"] for _ in range(3)] == [0, 1, 2]


async def test_a_read_with_an_id_is_acknowledged_when_it_is_committed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions_module, "FLUSH_S", 0.01)
    peer = await gateway.signed_in()
    await peer.say({"type": "delivered", "room_id": str(ROOM), "seq": 9})
    await peer.say({"type": "read", "id": 5, "room_id": str(ROOM), "seq": 4})
    assert await peer.json() == {"type": "ack", "id": 5}
    (request,) = gateway.rpc.requests(messages.FLUSH_POSITIONS)
    (position,) = request.positions
    assert (position.user_id, position.delivered_seq, position.read_seq) == (gateway.me, 9, 4)


async def test_the_own_stream_says_which_rooms_are_followed(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    await following(gateway, user_stream(gateway.me))
    joined = event("room.joined", room_id=str(ROOM), from_seq=5)
    gateway.rpc.on(
        messages.STREAM_HEADS,
        lambda request: messages.StreamHeadsAnswer(epoch="1", heads=dict.fromkeys(request.streams, 4)),
    )
    await publish(gateway, "user", gateway.me, 1, joined)
    assert (await peer.json())["event"]["kind"] == "room.joined"
    await following(gateway, room_stream(ROOM))
    await publish(gateway, "room", ROOM, 5, event("member.joined", user_id=str(gateway.me), role="member"))
    assert (await peer.json())["seq"] == 5
    left = event("room.left", room_id=str(ROOM), to_seq=6, reason="removed")
    await publish(gateway, "user", gateway.me, 2, left)
    assert (await peer.json())["event"]["kind"] == "room.left"
    gone = event("member.removed", user_id=str(gateway.me))
    await publish(gateway, "room", ROOM, 6, gone, members=f"-{gateway.me}")
    await publish(gateway, "room", ROOM, 7, event("member.left", user_id=str(new_id())))
    await peer.say({"type": "ping"})
    assert await peer.json() == {"type": "pong"}, "nothing of the room any more"
    (connection,) = gateway.live._roster
    assert connection.following.streams == {user_stream(gateway.me)}


async def test_a_kind_of_event_that_this_gateway_does_not_know_passes_through(gateway: Gateway) -> None:
    peer = await gateway.signed_in()
    await following(gateway, user_stream(gateway.me))
    await publish(gateway, "user", gateway.me, 1, event("room.repainted", room_id=str(ROOM), colour={"of": "tomorrow"}))
    await publish(gateway, "user", gateway.me, 2, event("moon.risen", phase=1))
    assert [(await peer.json())["event"]["kind"] for _ in range(2)] == ["room.repainted", "moon.risen"]


class Missed:
    """A gateway whose user has missed `count` events of a room, `size` bytes each."""

    def __init__(self, gateway: Gateway, count: int, size: int = 10, *, gone: bool = False, step: int = 100) -> None:
        self.gateway, self.count, self.gone, self.step = gateway, count, gone, step
        self.padding = "x" * size
        gateway.rpc.on(messages.OPEN_SESSION, self.session)
        gateway.rpc.on(messages.REPLAY, self.replay)

    def session(self, request: messages.OpenSession) -> messages.SessionOpened:
        found = self.gateway.session_of(request)
        room = messages.StreamState(stream=room_stream(ROOM), status="recovered", head=self.count, after=0)
        return messages.SessionOpened(
            epoch="1", rooms=[], more_rooms=False, streams=[*found.streams, room], memberships=[]
        )

    def replay(self, request: messages.Replay) -> messages.Replayed:
        (want,) = request.wants
        if self.gone:
            part = messages.ReplayPart(stream=want.stream, frames=[], last=0, complete=True, gone=True)
            return messages.Replayed(parts=[part])
        seqs = range(want.after + 1, min(want.after + self.step, self.count) + 1)
        replayed = [msgspec.Raw(msgspec.json.encode({"type": "event", "seq": seq, "x": self.padding})) for seq in seqs]
        last = seqs[-1]
        part = messages.ReplayPart(stream=want.stream, frames=replayed, last=last, complete=last == self.count)
        return messages.Replayed(parts=[part])


async def resume(gateway: Gateway) -> tuple[Peer, str]:
    """A peer that has read `ready`, and what that says of the room."""
    peer = await gateway.connect()
    assert (await peer.json())["type"] == "hello"
    at = {"epoch": "1", "at": {room_stream(ROOM): 0}}
    await peer.say({"type": "auth", "id": 1, "token": gateway.token, "resume": at})
    ready = await peer.json()
    assert ready["type"] == "ready"
    return peer, ready["streams"][room_stream(ROOM)]["status"]


async def test_what_was_missed_comes_between_ready_and_live_in_order(gateway: Gateway) -> None:
    Missed(gateway, 250)
    peer, status = await resume(gateway)
    assert status == "recovered"
    assert [(await peer.json())["seq"] for _ in range(250)] == list(range(1, 251))
    assert await peer.json() == {"type": "live"}


@pytest.mark.parametrize(
    ("missed", "status"), [({"count": 40, "size": RESUME_BYTES // 20}, "resync"), ({"count": 3, "gone": True}, "gone")]
)
async def test_what_cannot_be_replayed_whole_is_not_replayed(gateway: Gateway, missed: Json, status: str) -> None:
    Missed(gateway, **missed)
    peer, said = await resume(gateway)
    assert said == status
    assert await peer.json() == {"type": "live"}


async def test_an_answer_without_parts_is_no_answer(gateway: Gateway) -> None:
    Missed(gateway, 3)
    gateway.rpc.on(messages.REPLAY, messages.Replayed(parts=[]))
    peer = await gateway.connect()
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    assert await peer.closed() == 1012
    assert len(gateway.rpc.requests(messages.REPLAY)) == 1


@pytest.mark.parametrize(
    ("code", "closes"), [(Code.INVALID, 4501), (Code.UNAVAILABLE, 1012), (Code.BAD_TOKEN, 4503), (Code.FORBIDDEN, 4503)]
)
async def test_a_session_that_is_refused_closes_with_its_code(gateway: Gateway, code: Code, closes: int) -> None:
    gateway.rpc.on(messages.OPEN_SESSION, Refused(code, "No."))
    peer = await gateway.connect()
    assert (await peer.json())["type"] == "hello"
    await peer.say({"type": "auth", "id": 1, "token": gateway.token})
    assert (await peer.json())["code"] == str(code)
    assert await peer.closed() == closes
