"""Rooms that keep their messages for some days: what is older is gone, and nothing else."""

from secrets import token_hex
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from parley_messages.retention import MESSAGES, RetentionJob
from parley_shared.contracts import frames
from parley_shared.errors import Code


@pytest.fixture
def job(suite) -> RetentionJob:
    return suite.retention


@pytest_asyncio.fixture(autouse=True)
async def _free_lease(suite) -> None:
    await suite.database.execute("DELETE FROM messages.leases WHERE name = 'retention'")


async def keep(suite, owner, room, days: int | None) -> Any:
    rev = (await suite.mine(owner, room.id)).rev
    return await suite.update(owner, room.id, rev, retention_days=days)


async def age(suite, room_id: UUID, days: int, *message_ids: UUID) -> None:
    """As if they had been sent so many days ago."""
    await suite.database.execute(
        "UPDATE messages.messages SET created_at = created_at - make_interval(days => $2)"
        " WHERE room_id = $1 AND id = ANY($3::uuid[])",
        room_id,
        days,
        list(message_ids),
    )


async def test_what_is_older_than_a_room_keeps_is_gone_and_keeps_its_place(suite, job) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    canary = f"canary{token_hex(8)}"
    old, edited, young = await suite.send(owner, room.id, f"{canary} old", f"{canary} first", "young")
    [reply] = await suite.send(guest, room.id, f"{canary} reply", thread_root_id=old.message_id)
    await suite.edit(owner, room.id, edited, 1, f"{canary} second")
    await suite.react(guest, room.id, old, "like")
    await suite.pin(owner, room.id, old)
    await keep(suite, owner, room, 7)
    before = await suite.page(guest, room.id)
    await age(suite, room.id, 8, old.message_id, edited.message_id, reply.message_id)
    await age(suite, room.id, 6, young.message_id)
    head = (await suite.mine(owner, room.id)).head
    unread = (await suite.mine(guest, room.id)).unread
    await job.run()
    after = await suite.page(guest, room.id)
    assert [(item.id, item.seq, item.n) for item in after.items] == [
        (item.id, item.seq, item.n) for item in before.items
    ]
    assert [(item.body, item.deleted, item.deleted_by) for item in after.items] == [
        (None, True, None),
        (None, True, None),
        ("young", False, None),
    ]
    assert (after.items[0].reactions, after.items[0].pinned, after.items[0].reply_count) == ([], False, 1)
    assert (await suite.mine(guest, room.id)).unread == unread
    gone = (old.message_id, edited.message_id, reply.message_id)
    events = await suite.events(guest, room.id, after=head)
    assert [event.event.message_id for event in events] == [old.message_id, edited.message_id, reply.message_id]
    for event in events:
        assert isinstance(event.event, frames.MessageDeleted)
        assert (event.event.actor_id, event.event.deleted_by) == (None, None)
    # Nothing of it is left anywhere in the schema.
    for table in await suite.database.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'messages'"
    ):
        found = await suite.database.fetchval(
            f"SELECT count(*) FROM messages.{table['table_name']} WHERE {table['column_name']}::text LIKE '%{canary}%'"
        )
        assert found == 0, table
    assert (
        await suite.database.fetchval(
            "SELECT count(*) FROM messages.message_revisions WHERE message_id = ANY($1::uuid[])", list(gone)
        )
        == 0
    )
    with suite.refused(Code.DELETED):
        await suite.edit(owner, room.id, old, 2, "again")
    with suite.refused(Code.DELETED):
        await suite.report(guest, room.id, old.message_id)


async def test_a_second_run_finds_nothing_more_to_do(suite, job) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sent = await suite.send(owner, room.id, "one", "two")
    await keep(suite, owner, room, 1)
    await age(suite, room.id, 2, *(item.message_id for item in sent))
    await job.run()
    head = (await suite.mine(owner, room.id)).head
    await job.run()
    assert (await suite.mine(owner, room.id)).head == head


async def test_versions_of_a_message_that_was_deleted_before_go_without_a_word(suite, job) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "regrettable")
    await suite.delete_message(owner, room.id, sent, "a slip")
    await keep(suite, owner, room, 1)
    await age(suite, room.id, 2, sent.message_id)
    head = (await suite.mine(owner, room.id)).head
    await job.run()
    assert (await suite.mine(owner, room.id)).head == head
    assert (await suite.message_of(owner, room.id, sent.message_id)).deleted_by == owner.user_id
    assert (await suite.revisions(owner, room.id, sent)).items == []


async def test_more_than_one_batch_is_done_in_one_run(suite, job) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sent = await suite.send(owner, room.id, *(f"message {number}" for number in range(MESSAGES * 2 + 7)))
    await keep(suite, owner, room, 1)
    await age(suite, room.id, 2, *(item.message_id for item in sent))
    await job.run()
    assert (
        await suite.database.fetchval("SELECT count(*) FROM messages.message_revisions WHERE room_id = $1", room.id)
        == 0
    )
    mine = await suite.mine(owner, room.id)
    answer = await suite.hub_range(f"room:{room.id}", mine.head - 200)
    assert [event.seq for event in answer.events] == list(range(mine.head - 199, mine.head + 1))


async def test_a_room_without_retention_and_a_deleted_one_keep_everything(suite, job) -> None:
    owner = suite.user()
    forever, gone = await suite.room(owner), await suite.room(owner)
    for room in (forever, gone):
        [sent] = await suite.send(owner, room.id)
        await keep(suite, owner, room, 1)
        await age(suite, room.id, 100, sent.message_id)
    assert (await keep(suite, owner, forever, None)).room.retention_days is None
    await suite.delete(owner, gone.id)
    await job.run()
    for room in (forever, gone):
        assert [item.body for item in (await suite.page(owner, room.id)).items] == ["Hello"]


async def test_who_may_not_run_waits_for_his_turn(suite, job) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id)
    await keep(suite, owner, room, 1)
    await job.run()
    await age(suite, room.id, 2, sent.message_id)
    await suite.database.execute("UPDATE messages.leases SET holder = 'another' WHERE name = 'retention'")
    await job.run()
    assert (await suite.message_of(owner, room.id, sent.message_id)).body == "Hello"
    await suite.database.execute("UPDATE messages.leases SET until = clock_timestamp() WHERE name = 'retention'")
    await job.run()
    assert (await suite.message_of(owner, room.id, sent.message_id)).deleted


async def test_only_owners_say_how_long_a_room_keeps_what_is_said(suite) -> None:
    owner, chief, boss = suite.user(), suite.user(), suite.user("admin")
    room = await suite.room(owner)
    await suite.add(owner, room.id, chief, "moderator")
    for actor in (chief, boss):
        with suite.refused(Code.FORBIDDEN):
            await suite.update(actor, room.id, 1, retention_days=1)
    for days in (0, -1, 3_651):
        with suite.refused(Code.INVALID):
            await suite.update(owner, room.id, 1, retention_days=days)
    assert (await suite.update(owner, room.id, 1, retention_days=30)).room.retention_days == 30
    assert (await suite.update(owner, room.id, 2, topic="news")).room.retention_days == 30
    assert (await suite.events(owner, room.id))[-1].event.room.retention_days == 30
