"""How far a message has come, as each may know it; and who is told of positions."""

import asyncio

import msgspec

from parley_shared.contracts import conversation as said
from parley_shared.contracts import messages as contract
from parley_shared.contracts.frames import Receipt
from parley_shared.contracts.live import HEADER_EXCEPT, HEADER_KIND, live_subject


async def deliver(suite, actor, room, seq: int) -> None:
    position = contract.Position(user_id=actor.user_id, room_id=room.id, delivered_seq=seq, read_seq=0)
    await suite.rpc.call(contract.FLUSH_POSITIONS, contract.FlushPositions(positions=[position]))


async def block(suite, one, other) -> None:
    await suite.database.execute(
        "INSERT INTO messages.blocks (user_id, blocked_id, at) VALUES ($1, $2, now())", one.user_id, other.user_id
    )


def states(status: said.MessageStatus) -> dict:
    return {recipient.user_id: recipient.state for recipient in status.recipients}


async def test_a_message_is_sent_then_delivered_then_read(suite) -> None:
    sender, one, other, third = (suite.user() for _ in range(4))
    room = await suite.room(sender, one, other, third)
    [sent] = await suite.send(sender, room.id, "hello")
    await deliver(suite, one, room, sent.seq)
    await suite.read(other, room.id, sent.seq)
    for viewer in (sender, one, other, third):
        status = await suite.status(viewer, room.id, sent)
        assert (status.members, status.delivered, status.read) == (3, 2, 1)
        assert states(status) == {one.user_id: "delivered", other.user_id: "read", third.user_id: "sent"}
        assert [recipient.user_id for recipient in status.recipients] == sorted(states(status))


async def test_only_those_it_was_sent_to_count(suite) -> None:
    sender, member, left, late = (suite.user() for _ in range(4))
    room = await suite.room(sender, member, left)
    [sent] = await suite.send(sender, room.id, "hello")
    await suite.leave(left, room.id)
    await suite.join(late, room.id)
    status = await suite.status(sender, room.id, sent)
    assert (status.members, list(states(status))) == (1, [member.user_id])


async def test_alone_nobody_is_to_receive_anything(suite) -> None:
    sender = suite.user()
    room = await suite.room(sender)
    [sent] = await suite.send(sender, room.id, "hello?")
    assert await suite.status(sender, room.id, sent) == said.MessageStatus(
        members=0, delivered=0, read=0, recipients=[]
    )


async def test_without_receipts_reading_shows_as_delivered_both_ways(suite) -> None:
    sender, quiet, open_one = suite.user(), suite.user(), suite.user()
    suite.receipts_off.add(quiet.user_id)
    room = await suite.room(sender, quiet, open_one)
    [sent] = await suite.send(sender, room.id, "hello")
    await suite.read(quiet, room.id, sent.seq)
    await suite.read(open_one, room.id, sent.seq)
    status = await suite.status(sender, room.id, sent)
    assert states(status) == {quiet.user_id: "delivered", open_one.user_id: "read"}
    assert (status.delivered, status.read) == (2, 1)
    own = await suite.status(quiet, room.id, sent)
    assert states(own) == {quiet.user_id: "read", open_one.user_id: "delivered"}
    assert own.read == 1


async def test_a_block_hides_two_people_from_each_other(suite) -> None:
    sender, blocked, blocker, other = (suite.user() for _ in range(4))
    room = await suite.room(sender, blocked, blocker, other)
    await block(suite, sender, blocked)
    await block(suite, blocker, sender)
    [sent] = await suite.send(sender, room.id, "hello")
    for reader in (blocked, blocker, other):
        await suite.read(reader, room.id, sent.seq)
    assert states(await suite.status(sender, room.id, sent)) == {
        blocked.user_id: "sent",
        blocker.user_id: "sent",
        other.user_id: "read",
    }


async def test_above_a_hundred_members_there_are_counts_alone(suite) -> None:
    sender, reader = suite.user(), suite.user()
    room = await suite.room(sender, reader)
    [sent] = await suite.send(sender, room.id, "hello")
    await suite.read(reader, room.id, sent.seq)
    await suite.database.execute("UPDATE messages.rooms SET member_count = 101 WHERE id = $1", room.id)
    assert await suite.status(sender, room.id, sent) == said.MessageStatus(
        members=1, delivered=1, read=1, recipients=None
    )


async def heard(suite, nats, subjects: list[str], work) -> list[tuple[str, Receipt, set[str]]]:
    """(subject, receipt, whom it is kept from) of all receipts there until one comes for which nobody was told before."""
    bus = nats.bus("operator")
    await bus.connect()
    found: list = []

    async def note(message) -> None:
        if message.headers and message.headers.get(HEADER_KIND) == "receipt":
            hidden = set(filter(None, message.headers.get(HEADER_EXCEPT, "").split(",")))
            found.append((message.subject, msgspec.json.decode(message.data, type=Receipt), hidden))

    for subject in subjects:
        await bus.client.subscribe(subject, cb=note)
    await bus.client.flush()
    await work()
    # The calls are answered after the receipts have been handed to the bus, so that they are at most a moment behind.
    async with asyncio.timeout(5):
        while not found:
            await asyncio.sleep(0.01)
    await bus.client.flush()
    await bus.close()
    return found


async def test_who_wants_no_receipts_tells_his_own_devices_alone(suite, nats) -> None:
    sender, quiet = suite.user(), suite.user()
    suite.receipts_off.add(quiet.user_id)
    room = await suite.room(sender, quiet)
    [sent] = await suite.send(sender, room.id, "hello")
    subjects = [live_subject("room", room.id), live_subject("user", quiet.user_id)]
    found = await heard(suite, nats, subjects, lambda: suite.read(quiet, room.id, sent.seq))
    assert [(subject, receipt.read_seq) for subject, receipt, _ in found] == [
        (live_subject("user", quiet.user_id), sent.seq)
    ]


async def test_nor_is_he_told_of_others_nor_who_has_blocked_or_was(suite, nats) -> None:
    sender, reader, quiet, blocker, blocked, away = (suite.user() for _ in range(6))
    suite.receipts_off.add(quiet.user_id)
    room = await suite.room(sender, reader, quiet, blocker, blocked)
    await block(suite, blocker, reader)
    await block(suite, reader, blocked)
    await block(suite, away, reader)
    [sent] = await suite.send(sender, room.id, "hello")
    found = await heard(suite, nats, [live_subject("room", room.id)], lambda: suite.read(reader, room.id, sent.seq))
    [(_, receipt, hidden)] = found
    assert (receipt.user_id, receipt.read_seq) == (reader.user_id, sent.seq)
    assert hidden == {str(person.user_id) for person in (quiet, blocker, blocked)}
