"""Coming back: from the log, on any gateway, whole or not at all."""

import asyncio
import json
from typing import Any

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Person, Socket


async def talk(alice: Person, room: str, count: int) -> int:
    """So many messages; returns the last seq."""
    socket = await alice.open()
    identifiers = await socket.pipeline(room, [f"missed {number}" for number in range(count)])
    last = [await socket.answer(identifier) for identifier in identifiers][-1]["seq"]
    await socket.close()
    return int(last)


async def away(person: NewPerson, missed: int) -> tuple[Person, Person, str, dict[str, Any], int]:
    """Bob was there, left, and missed so much: (alice, bob, stream, his resume, head)."""
    alice, bob = await person(0), await person(0)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    socket = await bob.open()
    stream = f"room:{room}"
    position = socket.ready["rooms"][0]["head"]
    resume = {
        "epoch": socket.ready["epoch"],
        "at": {stream: position, f"user:{bob.id}": socket.ready["streams"][f"user:{bob.id}"]["head"]},
    }
    socket.cut()
    await socket.until_closed()
    head = await talk(alice, room, missed) if missed else position
    return alice, bob, stream, resume, head


async def come_back(suite: Suite, bob: Person, gateway: int, resume: dict[str, Any]) -> Socket:
    return await bob.at(suite.urls[gateway]).open(resume=resume)


async def test_nothing_missed_is_current(suite: Suite, person: NewPerson) -> None:
    _, bob, stream, resume, head = await away(person, 0)
    socket = await come_back(suite, bob, 1, resume)
    assert socket.ready["streams"][stream] == {"status": "current", "head": head}
    assert socket.ready["streams"][f"user:{bob.id}"]["status"] == "current"
    assert socket.seqs(stream) == []
    await socket.close()


async def test_one_and_500_missed_events_come_before_live_on_another_gateway(suite: Suite, person: NewPerson) -> None:
    for missed in (1, 500):
        alice, bob, stream, resume, head = await away(person, missed)
        socket = await come_back(suite, bob, 1, resume)
        assert socket.ready["streams"][stream] == {"status": "recovered", "head": head}
        kinds = [frame["type"] for frame in socket.frames]
        assert kinds[: kinds.index("live")].count("event") == missed
        assert socket.seqs(stream) == list(range(head - missed + 1, head + 1))
        # And from then on live.
        other = await alice.open()
        ack = await other.say(stream.removeprefix("room:"), "now")
        await socket.until_seq(stream, ack["seq"])
        assert socket.seqs(stream) == list(range(head - missed + 1, ack["seq"] + 1))
        await other.close()
        await socket.close()


async def test_501_missed_events_a_wrong_epoch_or_a_seq_beyond_the_head_is_a_resync(
    suite: Suite, person: NewPerson
) -> None:
    _, bob, stream, resume, head = await away(person, 501)
    socket = await come_back(suite, bob, 1, resume)
    assert socket.ready["streams"][stream] == {"status": "resync", "head": head}
    assert socket.seqs(stream) == []
    await socket.close()
    for changed in (
        {"epoch": "another", "at": {stream: head - 1}},
        {"epoch": resume["epoch"], "at": {stream: head + 1}},
    ):
        socket = await come_back(suite, bob, 0, changed)
        assert socket.ready["streams"][stream]["status"] == "resync"
        assert socket.seqs(stream) == []
        await socket.close()


async def test_a_room_that_one_has_left_or_never_seen_is_gone(suite: Suite, person: NewPerson) -> None:
    alice, bob, stream, resume, _ = await away(person, 2)
    private = await alice.room(visibility="private", history="since_join")
    await bob.call("POST", f"/rooms/{stream.removeprefix('room:')}/leave", 204)
    resume["at"][f"room:{private}"] = 0
    resume["at"]["room:01890000-0000-7000-8000-000000000000"] = 5
    socket = await come_back(suite, bob, 1, resume)
    for gone in (stream, f"room:{private}", "room:01890000-0000-7000-8000-000000000000"):
        assert socket.ready["streams"][gone]["status"] == "gone"
        assert socket.seqs(gone) == []
    own = socket.events(f"user:{bob.id}")
    assert [frame["event"]["kind"] for frame in own] == ["room.left"]
    await socket.close()


async def test_in_all_one_mebibyte_each_stream_whole_and_the_rest_is_a_resync(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(0)
    rooms = [await alice.room(f"room {number}") for number in range(5)]
    for room in rooms:
        await bob.call("POST", f"/rooms/{room}/join")
    socket = await bob.open()
    at = {f"room:{room['id']}": room["head"] for room in socket.ready["rooms"]}
    at = {f"room:{room}": at[f"room:{room}"] for room in rooms}
    epoch = socket.ready["epoch"]
    await socket.close()
    await asyncio.gather(*(talk(alice, room, 450) for room in rooms))
    socket = await come_back(suite, bob, 1, {"epoch": epoch, "at": at})
    statuses = [socket.ready["streams"][stream]["status"] for stream in at]
    recovered = statuses.count("recovered")
    assert statuses == ["recovered"] * recovered + ["resync"] * (5 - recovered)
    sizes = [sum(len(json.dumps(frame)) for frame in socket.events(stream)) for stream in at]
    assert 2 <= recovered <= 4
    assert sum(sizes) < 1024 * 1024 * 1.2 < max(sizes) * (recovered + 1) * 1.3
    for stream, status in zip(at, statuses, strict=True):
        assert len(socket.seqs(stream)) == (450 if status == "recovered" else 0)
    await socket.close()


async def test_what_is_said_while_one_comes_back_arrives_once_and_in_order(suite: Suite, person: NewPerson) -> None:
    alice, bob, stream, resume, head = await away(person, 100)
    room = stream.removeprefix("room:")
    talker = await alice.open()
    stop = asyncio.Event()

    async def keep_talking() -> int:
        last = head
        while not stop.is_set():
            last = (await talker.say(room, "more"))["seq"]
        return last

    task = asyncio.create_task(keep_talking())
    sockets = [await come_back(suite, bob, number % 2, resume) for number in range(6)]
    stop.set()
    last = await task
    for socket in sockets:
        await socket.until_seq(stream, last)
        assert socket.seqs(stream) == list(range(resume["at"][stream] + 1, last + 1))
        await socket.close()
    await talker.close()


async def test_history_is_stable_while_others_write(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    await talk(alice, room, 120)
    before = await bob.history(room)
    socket = await alice.open()
    pages: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 25}
    while True:
        page = await bob.call("GET", f"/rooms/{room}/messages", params=params)
        pages = page["items"] + pages
        await socket.say(room, "meanwhile")
        if page["next"] is None:
            break
        params = {"cursor": page["next"], "limit": 25}
    assert [message["seq"] for message in pages] == [message["seq"] for message in before]
    around = await bob.call("GET", f"/rooms/{room}/messages", params={"around": before[50]["seq"], "limit": 11})
    assert before[50]["id"] in [message["id"] for message in around["items"]]
    assert around["next"] is None
    events = await bob.call("GET", f"/rooms/{room}/events", params={"after": 0, "limit": 200})
    assert [item["seq"] for item in events["items"]] == list(range(1, len(events["items"]) + 1))
    await socket.close()
