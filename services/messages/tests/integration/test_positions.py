"""Delivered and read: only growing, clamped, told as hints."""

import asyncio

import msgspec

from parley_shared.contracts import messages as contract
from parley_shared.contracts.frames import Receipt
from parley_shared.contracts.live import HEADER_KIND, HEADER_SEQS, live_subject
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def flush(suite, *positions: contract.Position) -> None:
    await suite.rpc.call(contract.FLUSH_POSITIONS, contract.FlushPositions(positions=list(positions)))


def position(actor, room, delivered: int, read: int) -> contract.Position:
    return contract.Position(user_id=actor.user_id, room_id=room.id, delivered_seq=delivered, read_seq=read)


async def row(suite, actor, room) -> tuple[int, int, int]:
    return tuple(
        await suite.database.fetchrow(
            "SELECT delivered_seq, read_seq, read_n FROM messages.positions WHERE room_id = $1 AND user_id = $2",
            room.id,
            actor.user_id,
        )
    )


async def test_reading_lowers_unread_and_never_raises_it(suite) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    sent = await suite.send(owner, room.id, *(str(index) for index in range(5)))
    assert (await suite.mine(reader, room.id)).unread == 5
    assert (await suite.read(reader, room.id, sent[1].seq)) == contract.ReadState(
        read_seq=sent[1].seq, unread=3, mentions=0
    )
    assert (await suite.read(reader, room.id, sent[0].seq)).unread == 3, "a position never goes back"
    assert (await suite.read(reader, room.id, 2**40)) == contract.ReadState(
        read_seq=sent[4].seq, unread=0, mentions=0
    ), "beyond the head means the head"
    with suite.refused(Code.INVALID):
        await suite.read(reader, room.id, -1)


async def test_what_is_no_top_level_message_is_not_unread(suite) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    [root] = await suite.send(owner, room.id, "root")
    await suite.send(owner, room.id, "reply", thread_root_id=root.message_id)
    await suite.join(suite.user(), room.id)
    await suite.update(owner, room.id, 1, topic="News")
    assert (await suite.mine(reader, room.id)).unread == 1
    head = (await suite.mine(reader, room.id)).head
    assert (await suite.read(reader, room.id, head)).unread == 0
    await suite.send(owner, room.id, "one more")
    assert (await suite.mine(reader, room.id)).unread == 1


async def test_ones_own_messages_are_never_unread(suite) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    await suite.send(owner, room.id, "a", "b")
    assert (await suite.mine(owner, room.id)).unread == 0
    await suite.send(reader, room.id, "sending moves the sender's position")
    assert (await suite.mine(reader, room.id)).unread == 0
    assert (await suite.mine(owner, room.id)).unread == 1


async def test_a_flush_raises_what_has_grown_and_passes_over_the_rest(suite) -> None:
    owner, reader, stranger = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, reader)
    sent = await suite.send(owner, room.id, "1", "2", "3")
    absent = contract.Position(user_id=reader.user_id, room_id=new_id(), delivered_seq=9, read_seq=9)
    await flush(suite, position(reader, room, sent[1].seq, sent[0].seq), position(stranger, room, 9, 9), absent)
    assert await row(suite, reader, room) == (sent[1].seq, sent[0].seq, 1)
    await flush(suite, position(reader, room, 1, 1))
    assert await row(suite, reader, room) == (sent[1].seq, sent[0].seq, 1)
    await flush(suite, position(reader, room, 0, sent[2].seq))
    assert await row(suite, reader, room) == (sent[2].seq, sent[2].seq, 3), "what is read has been delivered"
    await flush(suite, position(reader, room, 2**62, 2**62))
    assert await row(suite, reader, room) == (sent[2].seq, sent[2].seq, 3)


async def test_who_has_left_has_no_position_any_more(suite) -> None:
    owner, former = suite.user(), suite.user()
    room = await suite.room(owner, former)
    await suite.leave(former, room.id)
    [sent] = await suite.send(owner, room.id, "after")
    before = await row(suite, former, room)
    await flush(suite, position(former, room, sent.seq, sent.seq))
    assert await row(suite, former, room) == before


async def test_a_flush_holds_at_most_a_thousand(suite) -> None:
    actor = suite.user()
    one = contract.Position(user_id=actor.user_id, room_id=new_id(), delivered_seq=1, read_seq=1)
    with suite.refused(Code.INVALID):
        await flush(suite, *[one] * 1_001)


async def test_flushes_in_opposite_orders_and_sends_do_not_lock_each_other_out(suite) -> None:
    owner = suite.user()
    readers = [suite.user() for _ in range(6)]
    rooms = [await suite.room(owner, *readers) for _ in range(3)]
    pairs = [(reader, room) for reader in readers for room in rooms]
    for _ in range(8):
        sends = [suite.message(actor, room.id) for actor in readers for room in rooms]
        async with asyncio.timeout(5):
            outcomes, *_ = await asyncio.gather(
                suite.try_send(*sends),
                flush(suite, *(position(reader, room, 2**40, 2**40) for reader, room in pairs)),
                flush(suite, *(position(reader, room, 2**40, 2**40) for reader, room in reversed(pairs))),
                suite.try_send(*reversed([suite.message(actor, room.id) for actor in readers for room in rooms])),
            )
        assert all(isinstance(outcome, contract.Accepted) for outcome in outcomes)
    deadlocks = await suite.database.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == 0


async def receipts_of(suite, nats, room, work) -> list[Receipt]:
    bus = nats.bus("operator")
    await bus.connect()
    found: list[Receipt] = []

    async def note(message) -> None:
        if message.headers and message.headers.get(HEADER_KIND) == "receipt":
            assert HEADER_SEQS not in message.headers
            found.extend(msgspec.json.decode(line, type=Receipt) for line in message.data.splitlines())

    await bus.client.subscribe(live_subject("room", room.id), cb=note)
    await bus.client.flush()
    await work()
    await asyncio.sleep(0.2)
    await bus.close()
    return found


async def test_a_position_that_has_grown_is_told_to_the_room_once(suite, nats) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    [sent] = await suite.send(owner, room.id, "hello")

    async def work() -> None:
        await flush(suite, position(reader, room, sent.seq, 0))
        await suite.read(reader, room.id, sent.seq)
        await suite.read(reader, room.id, sent.seq)
        await flush(suite, position(reader, room, sent.seq, sent.seq))

    found = await receipts_of(suite, nats, room, work)
    assert [(receipt.user_id, receipt.delivered_seq, receipt.read_seq) for receipt in found] == [
        (reader.user_id, sent.seq, 1),
        (reader.user_id, sent.seq, sent.seq),
    ]


async def test_above_a_hundred_members_nobody_is_told_who_has_read(suite, nats) -> None:
    owner, reader = suite.user(), suite.user()
    room = await suite.room(owner, reader)
    [sent] = await suite.send(owner, room.id, "hello")
    await suite.database.execute("UPDATE messages.rooms SET member_count = 101 WHERE id = $1", room.id)
    assert await receipts_of(suite, nats, room, lambda: suite.read(reader, room.id, sent.seq)) == []
