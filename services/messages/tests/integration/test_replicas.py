"""Two replicas of messages at work on the same rooms: calls go to whichever is free."""

import asyncio
from collections import Counter
from itertools import pairwise

import msgspec
import pytest_asyncio

from parley_shared.contracts import messages as contract
from parley_shared.contracts.live import HEADER_MEMBERS, HEADER_SEQS, live_subject
from parley_shared.ids import new_id


@pytest_asyncio.fixture(autouse=True)
async def second(suite, start_replica):
    """The other replica; the first one is the suite's own."""
    async with start_replica():
        yield


async def test_one_direct_room_is_made_however_many_ask_for_it_at_once(suite) -> None:
    for _ in range(5):
        first, second = suite.user(), suite.user()
        answers = await asyncio.gather(
            *(suite.direct(actor, other) for actor, other in ((first, second), (second, first)) for _ in range(4))
        )
        assert len({answer.room.id for answer in answers}) == 1
        assert [answer.created for answer in answers].count(True) == 1
        [room_id] = {answer.room.id for answer in answers}
        assert (await suite.mine(first, room_id)).head == 2
        assert len(await suite.own_events(second)) == 1


async def test_joining_and_leaving_at_once_leaves_one_interval_or_none(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner)
    for _ in range(6):
        await asyncio.gather(
            *(call(guest, room.id) for call in (suite.join, suite.leave, suite.join, suite.leave, suite.join))
        )
        rows = await suite.database.fetch(
            "SELECT from_seq, to_seq FROM messages.members WHERE room_id = $1 AND user_id = $2 ORDER BY from_seq",
            room.id,
            guest.user_id,
        )
        assert all(row["to_seq"] is not None for row in rows[:-1])
        assert all(one["to_seq"] <= other["from_seq"] for one, other in pairwise(rows))
    count = await suite.database.fetchval(
        "SELECT count(*) FROM messages.members WHERE room_id = $1 AND to_seq IS NULL", room.id
    )
    assert (await suite.mine(owner, room.id)).member_count == count
    events = await suite.events(owner, room.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    of_guest = suite.kinds(events)[1:]
    assert of_guest == ["member.joined", "member.left"] * (len(of_guest) // 2) + ["member.joined"] * (len(of_guest) % 2)


async def test_a_retry_at_the_other_replica_gets_the_same_seq(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    for index in range(10):
        send = suite.message(owner, room.id, f"message {index}")
        outcomes = [outcome for [outcome] in await asyncio.gather(*(suite.try_send(send) for _ in range(6)))]
        assert len({(outcome.message_id, outcome.seq, outcome.n) for outcome in outcomes}) == 1
        assert [outcome.duplicate for outcome in outcomes].count(False) == 1
    assert (await suite.mine(owner, room.id)).head == 11


async def test_seqs_and_ordinals_are_dense_when_both_write_to_one_room(suite) -> None:
    people = [suite.user() for _ in range(6)]
    room = await suite.room(*people)
    outcomes = await asyncio.gather(
        *(suite.send(actor, room.id, *(f"{turn}" for _ in range(3))) for turn in range(8) for actor in people)
    )
    accepted = sorted((one for many in outcomes for one in many), key=lambda one: one.seq)
    assert [one.seq for one in accepted] == list(range(7, 7 + 144))
    assert [one.n for one in accepted] == list(range(1, 145))
    instants = [one.created_at for one in accepted]
    assert instants == sorted(instants)


async def test_nobody_sends_to_a_room_from_the_seq_of_his_removal_on(suite) -> None:
    for _ in range(6):
        owner, member = suite.user(), suite.user()
        room = await suite.room(owner, member)
        sends = [suite.try_send(*(suite.message(member, room.id) for _ in range(4))) for _ in range(6)]
        await asyncio.gather(*sends[:3], suite.remove(owner, room.id, member), *sends[3:])
        events = await suite.events(owner, room.id)
        kinds = suite.kinds(events)
        assert set(kinds[kinds.index("member.removed") + 1 :]) == set()


async def test_the_limit_of_ten_a_minute_holds_over_both(suite) -> None:
    limited = suite.user("moderator")
    room, other = await suite.room(limited), await suite.room(limited)
    outcomes = [
        outcome
        for many in await asyncio.gather(
            *(suite.try_send(suite.message(limited, target.id)) for _ in range(15) for target in (room, other))
        )
        for outcome in many
    ]
    accepted = [outcome for outcome in outcomes if isinstance(outcome, contract.Accepted)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, contract.NotAccepted)]
    assert (len(accepted), Counter(outcome.code for outcome in refused)) == (10, {"rate_limited": 20})
    assert all(0 < outcome.retry_after_ms <= 60_001 for outcome in refused)
    heads = [(await suite.mine(limited, target.id)).head for target in (room, other)]
    assert sum(heads) == 12, "a refusal leaves no hole"


async def test_a_change_of_membership_travels_live_and_alone(suite, nats) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner)
    bus = nats.bus("operator")
    await bus.connect()
    live: list[tuple[str, str | None, list]] = []

    async def note(message) -> None:
        headers = message.headers or {}
        if HEADER_SEQS in headers:
            frames = [suite.decode(line) for line in message.data.split(b"\n")]
            live.append((headers[HEADER_SEQS], headers.get(HEADER_MEMBERS), frames))

    await bus.client.subscribe(live_subject("room", room.id), cb=note)
    await bus.client.flush()
    await suite.send(owner, room.id, "1", "2", "3")
    await suite.join(guest, room.id)
    await suite.send(owner, room.id, "4")
    await suite.leave(guest, room.id)
    await asyncio.sleep(0.3)
    await bus.close()
    for seqs, members, frames in live:
        first, _, last = seqs.partition("-")
        assert [frame.seq for frame in frames] == list(range(int(first), int(last) + 1))
        assert members is None or len(frames) == 1
    seen = sorted(frame.seq for _, _, frames in live for frame in frames)
    assert seen == list(range(2, 8))
    assert {members for _, members, _ in live} == {None, f"+{guest.user_id}", f"-{guest.user_id}"}
    # What went out live is, byte for byte, what the log renders.
    logged = {event.seq: bytes(event.frame) for event in (await suite.hub_range(f"room:{room.id}", 1)).events}
    for _, _, frames in live:
        for frame in frames:
            assert msgspec.json.decode(msgspec.json.encode(frame)) == msgspec.json.decode(logged[frame.seq])


async def test_two_who_create_under_one_key_make_one_room(suite) -> None:
    owner = suite.user()
    command = contract.CreateRoom(actor=owner, name="Once", idempotency_key=str(new_id()))
    answers = await asyncio.gather(*(suite.rpc.call(contract.CREATE_ROOM, command) for _ in range(8)))
    assert len({answer.room.id for answer in answers}) == 1
    mine = await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=owner))
    assert len(mine.items) == 1
