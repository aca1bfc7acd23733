"""Sending through the verb: order, duplicates, refusals, and what happens when PostgreSQL stands in the way."""

import asyncio
import time

import asyncpg

from parley_messages.store.send import SendStore
from parley_messages.writer import Writer
from parley_shared.contracts import messages as contract
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def test_two_hundred_sends_of_one_sender_keep_their_order(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sent = await suite.send(owner, room.id, *(str(index) for index in range(200)))
    assert [one.seq for one in sent] == list(range(2, 202))
    assert [one.n for one in sent] == list(range(1, 201))
    assert [event.event.message.body for event in await suite.events(owner, room.id, after=1)] == [
        str(index) for index in range(200)
    ]


async def test_a_retry_gets_the_same_message_and_another_payload_under_its_key_is_refused(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [first] = await suite.send(owner, room.id, "hello", client_msg_id="k")
    [again] = await suite.send(owner, room.id, "hello", client_msg_id="k")
    assert (again.message_id, again.seq, again.n, again.created_at, again.duplicate) == (
        first.message_id,
        first.seq,
        first.n,
        first.created_at,
        True,
    )
    for other in ({"body": "another"}, {"body": "hello", "format": "plain"}):
        [outcome] = await suite.try_send(contract.Send(actor=owner, room_id=room.id, client_msg_id="k", **other))
        assert outcome.code == Code.IDEMPOTENCY_MISMATCH
    assert (await suite.mine(owner, room.id)).head == 2


async def test_duplicates_inside_one_batch_are_folded(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    one, other = suite.message(owner, room.id, "one"), suite.message(owner, room.id, "other")
    changed = contract.Send(actor=owner, room_id=room.id, client_msg_id=one.client_msg_id, body="changed")
    first, second, twin, mismatch = await suite.try_send(one, other, one, changed)
    assert (first.seq, second.seq, twin.seq) == (2, 3, 2)
    assert (first.duplicate, twin.duplicate) == (False, True)
    assert mismatch.code == Code.IDEMPOTENCY_MISMATCH


async def test_a_retry_after_deletion_still_answers_the_same_seq(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [first] = await suite.send(owner, room.id, "hello", client_msg_id="k")
    await suite.database.execute(
        "UPDATE messages.messages SET deleted_at = now(), deleted_by = $2 WHERE id = $1",
        first.message_id,
        owner.user_id,
    )
    [again] = await suite.send(owner, room.id, "hello", client_msg_id="k")
    assert (again.message_id, again.seq) == (first.message_id, first.seq)


async def test_refusals_leave_no_hole_and_hold_up_nobody_else_in_the_batch(suite) -> None:
    owner, stranger = suite.user(), suite.user()
    room, private = await suite.room(owner), await suite.room(owner, visibility="private")
    outcomes = await suite.try_send(
        suite.message(owner, room.id, "first"),
        suite.message(stranger, room.id),
        suite.message(stranger, private.id),
        suite.message(owner, new_id()),
        suite.message(owner, room.id, "nul\0"),
        suite.message(owner, room.id, ""),
        suite.message(owner, room.id, "x" * 8_001),
        suite.message(owner, room.id, format="html"),
        suite.message(owner, room.id, client_msg_id=""),
        suite.message(owner, room.id, thread_root_id=new_id()),
        suite.message(owner, room.id, media_ids=[new_id()]),
        suite.message(owner, room.id, "last" + "\u0301"),
    )
    assert [outcome.code if isinstance(outcome, contract.NotAccepted) else outcome.seq for outcome in outcomes] == [
        2,
        Code.NOT_A_MEMBER,
        Code.NOT_FOUND,
        Code.NOT_FOUND,
        Code.BAD_TEXT,
        Code.INVALID,
        Code.INVALID,
        Code.INVALID,
        Code.INVALID,
        Code.NOT_FOUND,
        Code.INVALID,
        3,
    ]
    assert [item.body for item in (await suite.page(owner, room.id)).items] == ["first", "las\u0074\u0301"]


async def test_an_eleventh_message_in_a_minute_is_refused_and_duplicates_are_free(suite) -> None:
    limited = suite.user("moderator")
    room = await suite.room(limited)
    sends = [suite.message(limited, room.id, str(index)) for index in range(12)]
    outcomes = await suite.try_send(*sends)
    assert [isinstance(outcome, contract.Accepted) for outcome in outcomes] == [True] * 10 + [False] * 2
    assert 59_000 < outcomes[10].retry_after_ms <= 60_001
    assert all(outcome.duplicate for outcome in await suite.try_send(*sends[:10]))
    # Time is the database's: what was accepted is made a minute older there.
    packed = await suite.database.fetchval(
        "SELECT accepted FROM messages.sender_rates WHERE user_id = $1", limited.user_id
    )
    older = b"".join(
        (int.from_bytes(packed[at : at + 8], "little") - 60_000_000).to_bytes(8, "little") + packed[at + 8 : at + 12]
        for at in range(0, len(packed), 12)
    )
    await suite.database.execute(
        "UPDATE messages.sender_rates SET accepted = $2 WHERE user_id = $1", limited.user_id, older
    )
    [outcome] = await suite.try_send(sends[11])
    assert isinstance(outcome, contract.Accepted)
    assert outcome.seq == 12


async def test_a_room_that_somebody_holds_does_not_hold_up_the_others(suite, postgres) -> None:
    owner = suite.user()
    held, free = await suite.room(owner), await suite.room(owner)
    connection = await asyncpg.connect(postgres.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT 1 FROM messages.rooms WHERE id = $1 FOR UPDATE", held.id)
    waiting = asyncio.create_task(suite.send(owner, held.id, "1", "2", "3"))
    await asyncio.sleep(0.05)
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        await suite.send(owner, free.id, "hello")
        slowest = max(slowest, time.monotonic() - began)
    assert not waiting.done()
    assert slowest < 0.5, slowest
    await transaction.rollback()
    await connection.close()
    assert [one.seq for one in await asyncio.wait_for(waiting, 5)] == [2, 3, 4]


async def test_a_room_that_stays_locked_is_answered_unavailable(suite, postgres) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    connection = await asyncpg.connect(postgres.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT 1 FROM messages.rooms WHERE id = $1 FOR UPDATE", room.id)
    [outcome] = await asyncio.wait_for(suite.try_send(suite.message(owner, room.id)), 8)
    assert outcome.code == Code.UNAVAILABLE
    assert outcome.retry_after_ms
    await transaction.rollback()
    await connection.close()
    await suite.send(owner, room.id, "now")


async def test_one_send_that_the_database_refuses_is_found_and_the_others_are_committed(suite) -> None:
    """Nothing that passes validation is known to be refused, so a trigger stands in for what is not known."""
    owner = suite.user()
    rooms = [await suite.room(owner) for _ in range(3)]
    await suite.database.execute(
        "CREATE FUNCTION messages.poison() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.body = 'poison' THEN RAISE 'poisoned'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER poison BEFORE INSERT ON messages.message_revisions FOR EACH ROW EXECUTE FUNCTION messages.poison()"
    )
    try:
        sends = [suite.message(owner, rooms[index % 3].id, str(index)) for index in range(30)]
        sends[17] = suite.message(owner, rooms[2].id, "poison")
        outcomes = await suite.try_send(*sends)
    finally:
        await suite.database.execute("DROP FUNCTION messages.poison() CASCADE")
    assert outcomes[17].code == Code.INTERNAL
    assert all(isinstance(outcome, contract.Accepted) for index, outcome in enumerate(outcomes) if index != 17)
    for room in rooms:
        seqs = [event.seq for event in await suite.events(owner, room.id)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [message.n for message in (await suite.page(owner, room.id)).items] == list(range(1, len(seqs)))


async def test_a_connection_lost_in_the_middle_is_answered_unavailable_and_a_retry_settles_it(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sends = [suite.message(owner, room.id, str(index)) for index in range(40)]

    async def persist(send) -> contract.Accepted:
        async with asyncio.timeout(10):
            while True:
                [outcome] = await suite.try_send(send)
                if isinstance(outcome, contract.Accepted):
                    return outcome
                assert outcome.code == Code.UNAVAILABLE, outcome
                await asyncio.sleep(0.02)

    async def cut() -> None:
        for _ in range(4):
            await asyncio.sleep(0.02)
            await suite.database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'parley-messages%writer'"
            )

    accepted, _ = await asyncio.gather(asyncio.gather(*(persist(send) for send in sends)), cut())
    assert sorted(one.seq for one in accepted) == list(range(2, 42))
    assert len((await suite.page(owner, room.id, limit=200)).items) == 40
    # The last cut may have hit a writer at rest; whoever comes next must find it connected again.
    await persist(suite.message(owner, room.id, "settled"))


async def test_a_writer_that_fails_to_reconnect_for_whatever_reason_goes_on_trying(suite, monkeypatch) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    failed: list[Exception] = []
    original = Writer._connect

    async def fails_first(self: Writer) -> SendStore:
        if len(failed) < 2:
            # What asyncpg raises when it is cut off while it prepares a statement; and what nobody foresaw.
            failed.append([asyncpg.exceptions.InternalClientError("cannot switch"), ValueError("a bug")][len(failed)])
            raise failed[-1]
        return await original(self)

    monkeypatch.setattr(Writer, "_connect", fails_first)
    await suite.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'parley-messages%writer'"
    )
    async with asyncio.timeout(10):
        while True:
            [outcome] = await suite.try_send(suite.message(owner, room.id))
            if isinstance(outcome, contract.Accepted) and len(failed) == 2:
                break
            await asyncio.sleep(0.02)
