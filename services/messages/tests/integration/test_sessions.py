"""Opening a session, resuming, and what gateways' hubs ask for."""

import asyncio

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def replayed(suite, actor, states) -> dict[str, list[int]]:
    """What a gateway pulls for every stream that says `recovered`: seqs by stream."""
    wants = [
        contract.ReplayWant(stream=state.stream, after=state.after, upto=state.head)
        for state in states
        if state.status == "recovered"
    ]
    found: dict[str, list[int]] = {}
    for _ in range(100):
        if not wants:
            return found
        answer = await suite.rpc.call(contract.REPLAY, contract.Replay(actor=actor, wants=wants))
        assert answer.parts
        for part in answer.parts:
            assert part.stream == wants[0].stream
            assert not part.gone
            found.setdefault(part.stream, []).extend(suite.decode(frame).seq for frame in part.frames)
            if part.complete:
                wants.pop(0)
            else:
                wants[0] = contract.ReplayWant(stream=part.stream, after=part.last, upto=wants[0].upto)
    raise AssertionError("the replay has no end")


async def resume(suite, actor, at: dict[str, int], epoch: str | None = None):
    epoch = epoch or (await suite.open(actor)).epoch
    return await suite.open(actor, contract.ResumeFrom(epoch=epoch, at=at))


def status(opened) -> dict[str, str]:
    return {state.stream: state.status for state in opened.streams}


async def test_who_is_new_has_an_empty_stream_of_his_own_and_no_rooms(suite) -> None:
    actor = suite.user()
    opened = await suite.open(actor)
    assert (opened.rooms, opened.memberships, opened.more_rooms) == ([], [], False)
    [own] = opened.streams
    assert (own.stream, own.status, own.head) == (f"user:{actor.user_id}", "current", 0)


async def test_a_session_shows_the_rooms_and_all_memberships(suite) -> None:
    owner, actor = suite.user(), suite.user()
    quiet, busy = await suite.room(owner, actor, name="Quiet"), await suite.room(owner, actor, name="Busy")
    left = await suite.room(owner, actor)
    await suite.leave(actor, left.id)
    await suite.send(owner, busy.id, "1", "2")
    opened = await suite.open(actor)
    assert [(room.name, room.unread, room.head) for room in opened.rooms] == [("Busy", 2, 4), ("Quiet", 0, 2)]
    assert {(member.room_id, member.from_seq, member.head) for member in opened.memberships} == {
        (quiet.id, 2, 2),
        (busy.id, 2, 4),
    }
    # Three times joined and told of the invitation, once left.
    assert opened.streams[0].head == 7


async def test_above_two_hundred_rooms_the_most_active_are_listed_and_all_are_members(suite) -> None:
    owner = suite.user()
    rooms = []
    for start in range(0, 203, 29):
        rooms += await asyncio.gather(*(suite.room(owner, name=str(index)) for index in range(start, start + 29)))
    opened = await suite.open(owner)
    assert (len(rooms), len(opened.rooms), opened.more_rooms, len(opened.memberships)) == (203, 200, True, 203)
    active = await suite.database.fetch(
        "SELECT id FROM messages.rooms WHERE id = ANY($1::uuid[]) ORDER BY last_at DESC, id DESC LIMIT 200",
        [room.id for room in rooms],
    )
    assert [room.id for room in opened.rooms] == [row["id"] for row in active]


@pytest.mark.parametrize("missed", [1, 499, 500])
async def test_up_to_five_hundred_missed_events_are_replayed(suite, missed) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    for start in range(0, missed, 100):
        await suite.send(owner, room.id, *(str(index) for index in range(start, min(start + 100, missed))))
    opened = await resume(suite, actor, {f"room:{room.id}": 2})
    assert status(opened)[f"room:{room.id}"] == "recovered"
    assert await replayed(suite, actor, opened.streams) == {f"room:{room.id}": list(range(3, 3 + missed))}


async def test_five_hundred_and_one_are_a_resync(suite) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    for _ in range(3):
        await suite.send(owner, room.id, *(str(index) for index in range(167)))
    assert status(await resume(suite, actor, {f"room:{room.id}": 2}))[f"room:{room.id}"] == "resync"
    assert status(await resume(suite, actor, {f"room:{room.id}": 3}))[f"room:{room.id}"] == "recovered"


async def test_each_way_of_having_lost_touch_has_its_status(suite) -> None:
    owner, actor = suite.user(), suite.user()
    rooms = {
        name: await suite.room(owner, actor) for name in ("current", "missed", "ahead", "left", "kicked", "deleted")
    }
    for room in rooms.values():
        await suite.send(owner, room.id, "hello")
    await suite.leave(actor, rooms["left"].id)
    await suite.remove(owner, rooms["kicked"].id, actor)
    await suite.delete(owner, rooms["deleted"].id)
    foreign = await suite.room(owner)
    stream = {name: f"room:{room.id}" for name, room in rooms.items()}
    at = {
        stream["current"]: 3,
        stream["missed"]: 2,
        stream["ahead"]: 4,
        stream["left"]: 3,
        stream["kicked"]: 3,
        stream["deleted"]: 3,
        f"room:{foreign.id}": 0,
        f"room:{new_id()}": 0,
        f"user:{owner.user_id}": 0,
        "no stream at all": 0,
    }
    opened = await resume(suite, actor, at)
    assert [state.status for state in opened.streams[1:]] == [
        "current", "recovered", "resync", "gone", "gone", "gone", "gone", "gone", "gone", "gone",
    ]  # fmt: skip
    assert [state.stream for state in opened.streams[1:]] == list(at)


async def test_another_epoch_means_to_read_everything_again(suite) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    at = {f"user:{actor.user_id}": 2, f"room:{room.id}": 2}
    assert set(status(await resume(suite, actor, at, epoch="another")).values()) == {"resync"}
    assert set(status(await resume(suite, actor, at)).values()) == {"current"}


async def test_below_the_floor_is_a_resync_and_the_floor_itself_is_not(suite) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    await suite.send(owner, room.id, "1", "2")
    await suite.database.execute("UPDATE messages.rooms SET floor = 3 WHERE id = $1", room.id)
    assert status(await resume(suite, actor, {f"room:{room.id}": 2}))[f"room:{room.id}"] == "resync"
    assert status(await resume(suite, actor, {f"room:{room.id}": 3}))[f"room:{room.id}"] == "recovered"


async def test_what_happened_in_ones_own_stream_comes_first(suite) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    at = {f"room:{room.id}": 2, f"user:{actor.user_id}": 1}
    await suite.send(owner, room.id, "hello")
    await suite.room(owner, actor)
    opened = await resume(suite, actor, at)
    assert list(await replayed(suite, actor, opened.streams)) == [f"user:{actor.user_id}", f"room:{room.id}"]


async def test_a_room_joined_again_is_replayed_from_its_newest_joining(suite) -> None:
    owner, actor = suite.user(), suite.user()
    room = await suite.room(owner, actor)
    await suite.send(owner, room.id, "heard")
    await suite.leave(actor, room.id)
    await suite.send(owner, room.id, "missed while away")
    await suite.join(actor, room.id)
    await suite.send(owner, room.id, "heard again")
    opened = await resume(suite, actor, {f"room:{room.id}": 2})
    assert await replayed(suite, actor, opened.streams) == {f"room:{room.id}": [6, 7]}
    want = contract.ReplayWant(stream=f"room:{room.id}", after=0, upto=2**62)
    answer = await suite.rpc.call(contract.REPLAY, contract.Replay(actor=actor, wants=[want]))
    assert [suite.decode(frame).seq for frame in answer.parts[0].frames] == [6, 7], "nor by asking for it"


async def test_a_resume_names_at_most_two_hundred_streams_besides_ones_own(suite) -> None:
    actor = suite.user()
    at = {f"room:{new_id()}": 0 for _ in range(200)} | {f"user:{actor.user_id}": 0}
    assert len((await resume(suite, actor, at)).streams) == 201
    with suite.refused(Code.INVALID):
        await resume(suite, actor, at | {f"room:{new_id()}": 0})


async def test_a_replay_too_large_for_one_answer_goes_on_where_it_stopped(suite) -> None:
    owner, actor = suite.user(), suite.user()
    rooms = [await suite.room(owner, actor) for _ in range(3)]
    for room in rooms:
        for _ in range(2):
            await suite.send(owner, room.id, *("\U0001f642" * 7_000 for _ in range(10)))
    opened = await resume(suite, actor, {f"room:{room.id}": 2 for room in rooms})
    assert await replayed(suite, actor, opened.streams) == {f"room:{room.id}": list(range(3, 23)) for room in rooms}


async def test_opening_a_session_takes_few_statements_however_many_rooms_there_are(suite, sessions, statements) -> None:
    owner = suite.user()
    rooms = [await suite.room(owner, name=str(index)) for index in range(40)]
    rooms.append((await suite.direct(owner, suite.user())).room)
    for room in rooms[:10]:
        await suite.send(owner, room.id, "hello")
    at = {f"room:{room.id}": 1 for room in rooms}
    command = contract.OpenSession(actor=owner)
    epoch = (await sessions.open(command)).epoch
    statements.clear()
    opened = await sessions.open(contract.OpenSession(actor=owner, resume=contract.ResumeFrom(epoch=epoch, at=at)))
    assert [state.status for state in opened.streams].count("recovered") == 11
    assert 1 <= len(statements) <= 5, statements


async def test_a_hub_gets_every_event_with_whom_it_lets_in_and_out(suite) -> None:
    owner, guest, kicked = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, guest, kicked)
    await suite.send(owner, room.id, "hello")
    await suite.leave(guest, room.id)
    await suite.remove(owner, room.id, kicked)
    answer = await suite.hub_range(f"room:{room.id}")
    assert (answer.head, answer.lost, [event.seq for event in answer.events]) == (6, False, [1, 2, 3, 4, 5, 6])
    assert [(event.joined, event.left) for event in answer.events] == [
        ([owner.user_id], []),
        ([guest.user_id], []),
        ([kicked.user_id], []),
        ([], []),
        ([], [guest.user_id]),
        ([], [kicked.user_id]),
    ]
    assert [event.seq for event in (await suite.hub_range(f"room:{room.id}", 4)).events] == [5, 6]
    own = await suite.hub_range(f"user:{guest.user_id}")
    assert suite.kinds([suite.decode(event.frame) for event in own.events]) == [
        "room.joined",
        "notification.created",
        "room.left",
    ]


async def test_a_hub_below_the_floor_has_lost_touch_and_one_at_the_head_has_not(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "1", "2")
    await suite.database.execute("UPDATE messages.rooms SET floor = 2 WHERE id = $1", room.id)
    assert (await suite.hub_range(f"room:{room.id}", 1)).lost
    assert [event.seq for event in (await suite.hub_range(f"room:{room.id}", 2)).events] == [3]
    at_head = await suite.hub_range(f"room:{room.id}", 3)
    assert (at_head.lost, at_head.events, at_head.head) == (False, [], 3)


async def test_a_hub_of_no_stream_is_at_zero(suite) -> None:
    for stream in (f"room:{new_id()}", f"user:{new_id()}", "nonsense", "room:nonsense"):
        answer = await suite.hub_range(stream)
        assert (answer.head, answer.lost, answer.events) == (0, False, [])


async def test_cache_and_log_say_the_same(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "1", "2")
    await suite.join(guest, room.id)
    await suite.send(guest, room.id, "3")
    warm = await suite.hub_range(f"room:{room.id}", 1)
    # A head that this replica did not make puts its cache out of play.
    await suite.update(owner, room.id, 1, topic="News")
    cold = await suite.hub_range(f"room:{room.id}", 1)
    assert [(event.seq, bytes(event.frame), event.joined) for event in warm.events] == [
        (event.seq, bytes(event.frame), event.joined) for event in cold.events[:-1]
    ]


async def test_heads_come_straight_from_the_database_and_unknown_streams_are_at_zero(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "1")
    streams = [f"room:{room.id}", f"user:{owner.user_id}", f"room:{new_id()}", "nonsense"]
    answer = await suite.rpc.call(contract.STREAM_HEADS, contract.StreamHeads(streams=streams))
    assert [answer.heads[stream] for stream in streams] == [2, 1, 0, 0]
    assert answer.epoch == (await suite.open(owner)).epoch
