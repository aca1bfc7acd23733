"""Periodic work: the relay to JetStream, heads, partitions of the log, purging. On a database where nothing else runs."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest_asyncio
from nats.js.errors import NotFoundError

from parley_messages.epoch import Epoch
from parley_messages.jobs import PURGED_TABLES, RELAY_ROWS, HeadsJob, HousekeepingJob, RelayJob
from parley_messages.keys import RoomKeys
from parley_messages.store import Database
from parley_shared import embedded
from parley_shared.contracts.live import HEADS, Advanced, Heads, heads_subject
from parley_shared.ids import event_bucket, live_bucket, new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.permissions import EVENT_STREAM
from parley_shared.service import repeat


@pytest_asyncio.fixture
async def epoch() -> Epoch:
    return Epoch()


@pytest_asyncio.fixture
async def database(quiet, epoch) -> AsyncIterator[Database]:
    database = await Database.connect(
        await quiet.migrated("messages"), application_name="jobs", size=4, on_connect=epoch.check, keys=RoomKeys(None)
    )
    yield database
    await database.close()


@pytest_asyncio.fixture
async def admin(quiet) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(quiet.admin_url)
    yield connection
    await connection.close()


async def a_room(admin: asyncpg.Connection, *, deleted: str | None = None, head: int = 3) -> UUID:
    """A room's bare row; deleted: how long ago, as an interval."""
    room_id = new_id()
    await admin.execute(
        "INSERT INTO messages.rooms (id, kind, name, topic, visibility, encryption, history, language, slow_mode_s, rev,"
        " created_by, created_at, deleted_at, head, floor, n, member_count, last_at)"
        " VALUES ($1, 'room', 'A room', '', 'public', 'plain', 'all', 'simple', 0, 1, $1, clock_timestamp(),"
        " clock_timestamp() - $2::text::interval, $3, 0, 0, 0, clock_timestamp())",
        room_id,
        deleted,
        head,
    )
    return room_id


async def advance(admin: asyncpg.Connection, stream: str, first: int, last: int) -> None:
    await admin.execute(
        "INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds) VALUES ($1, $2, $3, '{message.created}')",
        stream,
        first,
        last,
    )


async def relayed(bus: Bus, *streams: str) -> list[Advanced]:
    """All that JetStream holds of these streams, in its order."""
    js = bus.client.jetstream()
    found: list[Advanced] = []
    for bucket in sorted({event_bucket(UUID(stream.partition(":")[2])) for stream in streams}):
        subscription = await js.subscribe(f"parley.evt.messages.v1.advanced.{bucket}", ordered_consumer=True)
        with contextlib.suppress(TimeoutError):
            while True:
                message = await subscription.next_msg(timeout=0.4)
                advanced = msgspec.json.decode(message.data, type=Advanced)
                if advanced.stream in streams:
                    found.append(advanced)
        await subscription.unsubscribe()
    return found


@pytest_asyncio.fixture
async def operator(nats) -> AsyncIterator[Bus]:
    bus = nats.bus("operator")
    await bus.connect()
    yield bus
    await bus.close()


async def turn(job: RelayJob) -> None:
    """One run with something to do, so that it does not wait a second for it."""
    job.wake()
    await job.run()


# -- the relay


async def test_the_relay_moves_the_outbox_to_jetstream(database, admin, messages_bus, operator, epoch) -> None:
    stream = f"room:{new_id()}"
    for seq in range(1, 6):
        await advance(admin, stream, seq, seq)
    await turn(RelayJob(database, messages_bus, epoch, "one"))
    # What a stream has grown by since the last turn is one row there.
    assert [(event.from_seq, event.to_seq) for event in await relayed(operator, stream)] == [(1, 5)]
    assert await admin.fetchval("SELECT count(*) FROM messages.outbox") == 0
    [first, *_] = await relayed(operator, stream)
    assert (first.epoch, first.kinds) == (epoch.value, ["message.created"])


async def test_the_stream_keeps_a_day_and_a_gigabyte_and_knows_doubles_for_two_minutes(
    database, messages_bus, operator, epoch
) -> None:
    await turn(RelayJob(database, messages_bus, epoch, "one"))
    config = (await operator.client.jetstream().stream_info(EVENT_STREAM)).config
    assert (config.max_age, config.max_bytes, config.duplicate_window) == (24 * 3600, 1024**3, 120)
    assert config.subjects == ["parley.evt.messages.v1.>"]
    assert (config.retention, config.discard) == ("limits", "old")


async def test_a_crash_between_publishing_and_deleting_relays_nothing_twice(
    database, admin, messages_bus, operator, epoch, monkeypatch
) -> None:
    streams = [f"room:{new_id()}" for _ in range(4)]
    for stream in streams:
        await advance(admin, stream, 1, 3)
    dying = RelayJob(database, messages_bus, epoch, "one")
    original = dying._publish

    async def publish_and_die(row: Any) -> None:
        await original(row)
        if row.stream == streams[2]:
            # By now JetStream has some of the rows, and PostgreSQL still all of them.
            raise ConnectionResetError("died here")

    monkeypatch.setattr(dying, "_publish", publish_and_die)
    with contextlib.suppress(ConnectionError):
        await turn(dying)
    assert await admin.fetchval("SELECT count(*) FROM messages.outbox") == 4
    await admin.execute("DELETE FROM messages.leases")
    await turn(RelayJob(database, messages_bus, epoch, "its successor"))
    assert sorted(event.stream for event in await relayed(operator, *streams)) == sorted(streams)
    assert await admin.fetchval("SELECT count(*) FROM messages.outbox") == 0


async def test_of_two_relays_one_works_at_a_time(database, admin, messages_bus, operator, epoch) -> None:
    stream = f"room:{new_id()}"
    for seq in range(1, 41):
        await advance(admin, stream, seq, seq)
    jobs = [RelayJob(database, messages_bus, epoch, name) for name in ("one", "two")]
    await asyncio.gather(*(turn(job) for job in jobs for _ in range(2)))
    assert covered(await relayed(operator, stream)) == list(range(1, 41))


def covered(events: list[Advanced]) -> list[int]:
    """Every seq that was told of, in the order of telling."""
    return [seq for event in events for seq in range(event.from_seq, event.to_seq + 1)]


async def test_more_rows_than_one_turn_holds_are_all_relayed(database, admin, messages_bus, operator, epoch) -> None:
    stream = f"room:{new_id()}"
    await admin.execute(
        "INSERT INTO messages.outbox (stream, from_seq, to_seq, kinds)"
        " SELECT $1, n, n, '{message.created}' FROM generate_series(1, $2::int) n",
        stream,
        RELAY_ROWS + 100,
    )
    await turn(RelayJob(database, messages_bus, epoch, "one"))
    assert covered(await relayed(operator, stream)) == list(range(1, RELAY_ROWS + 101))


async def test_a_deleted_stream_is_made_again(database, admin, messages_bus, operator, epoch) -> None:
    job = RelayJob(database, messages_bus, epoch, "one")
    await turn(job)
    with contextlib.suppress(NotFoundError):
        await operator.client.jetstream().delete_stream(EVENT_STREAM)
    stream = f"room:{new_id()}"
    await advance(admin, stream, 1, 1)
    for _ in range(3):
        with contextlib.suppress(ConnectionError):
            await turn(job)
    assert [event.to_seq for event in await relayed(operator, stream)] == [1]


async def test_without_jetstream_rows_wait_and_the_relay_does_not_hammer(database, admin, epoch, tmp_path) -> None:
    config = tmp_path / "nats.conf"
    port = embedded.free_port()
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}"}))
    server = subprocess.Popen(embedded.nats_command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bus = Bus(f"nats://127.0.0.1:{port}", name="test", user="", password="")
    try:
        await bus.connect()
        await advance(admin, f"room:{new_id()}", 1, 1)
        job = RelayJob(database, bus, epoch, "one")
        attempts = 0
        original = job._ensure_stream

        async def counted() -> None:
            nonlocal attempts
            attempts += 1
            await original()

        job._ensure_stream = counted
        task = asyncio.create_task(repeat("relay", 0.02, job.run))
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert 1 <= attempts <= 5, attempts
        assert await admin.fetchval("SELECT count(*) FROM messages.outbox") == 1
    finally:
        await bus.close()
        server.terminate()
        server.wait(5)


# -- heads


async def heard(operator: Bus, room_id: UUID) -> asyncio.Queue[tuple[float, Heads]]:
    """Heads that name this room, with when they came."""
    queue: asyncio.Queue[tuple[float, Heads]] = asyncio.Queue()

    async def note(message: Any) -> None:
        heads = msgspec.json.decode(message.data, type=Heads)
        if room_id in heads.heads:
            queue.put_nowait((time.monotonic(), heads))

    await operator.client.subscribe(heads_subject("room", live_bucket(room_id)), cb=note)
    await operator.client.flush()
    return queue


async def test_heads_tell_of_what_nobody_published(database, admin, messages_bus, operator, epoch) -> None:
    room_id = await a_room(admin, head=17)
    queue = await heard(operator, room_id)
    await HeadsJob(database, messages_bus, epoch, "one", 0.5).run()
    _, heads = await asyncio.wait_for(queue.get(), 2)
    assert (heads.epoch, heads.heads[room_id]) == (epoch.value, 17)


async def test_heads_of_users_go_to_the_users_bucket(database, admin, messages_bus, operator, epoch) -> None:
    user_id = new_id()
    await admin.execute("INSERT INTO messages.user_streams VALUES ($1, 4, 0, clock_timestamp())", user_id)
    got: asyncio.Future[Heads] = asyncio.get_running_loop().create_future()

    async def note(message: Any) -> None:
        heads = msgspec.json.decode(message.data, type=Heads)
        if user_id in heads.heads and not got.done():
            got.set_result(heads)

    await operator.client.subscribe(f"parley.live.user.{live_bucket(user_id)}.{HEADS}", cb=note)
    await operator.client.flush()
    await HeadsJob(database, messages_bus, epoch, "one", 0.5).run()
    assert (await asyncio.wait_for(got, 2)).heads[user_id] == 4


async def test_heads_leave_out_what_has_been_quiet_for_long(database, admin, messages_bus, operator, epoch) -> None:
    busy, idle = await a_room(admin), await a_room(admin)
    await admin.execute("UPDATE messages.rooms SET last_at = last_at - interval '31 seconds' WHERE id = $1", idle)
    quiet_queue, queue = await heard(operator, idle), await heard(operator, busy)
    await HeadsJob(database, messages_bus, epoch, "one", 0.5).run()
    await asyncio.wait_for(queue.get(), 2)
    assert quiet_queue.empty()


async def test_a_survivor_publishes_heads_before_anybody_waits_longer_than_the_promise(
    quiet, nats, admin, operator, start_replica, postgres
) -> None:
    """Every 5 s, and what a dead replica hid is seen within 6 s: so no pause may exceed the interval by more than a fifth."""
    every = 1.0
    room_id = await a_room(admin)
    queue = await heard(operator, room_id)
    settings = {"heads_seconds": every, "postgres_url": await quiet.migrated("messages")}
    async with contextlib.AsyncExitStack() as stack:
        replicas = {name: contextlib.AsyncExitStack() for name in ("a", "b")}
        for name, replica in replicas.items():
            stack.push_async_callback(replica.aclose)
            await replica.enter_async_context(start_replica(instance=name, **settings))
            # Their clocks tick apart, as those of two machines do.
            await asyncio.sleep(every / 2)
        await asyncio.wait_for(queue.get(), 5)
        # The holder dies when it has just published: nothing can be older than that.
        last, _ = await asyncio.wait_for(queue.get(), 5)
        holder = await admin.fetchval("SELECT holder FROM messages.leases WHERE name = 'heads'")
        await replicas[holder.split()[0]].aclose()
        after, _ = await asyncio.wait_for(queue.get(), 5)
        assert after - last <= every * 1.2 + 0.2


# -- housekeeping


async def make_old_partition(admin: asyncpg.Connection, weeks_ago: int) -> str:
    """A partition of the log that time would have made."""
    row = await admin.fetchrow(
        "SELECT week, week + interval '7 days' AS ends, 'events_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD') AS name"
        " FROM (SELECT date_trunc('week', clock_timestamp(), 'UTC') - make_interval(weeks => $1) AS week)",
        weeks_ago,
    )
    await admin.execute("SET ROLE parley_messages_owner")
    await admin.execute(
        f"CREATE TABLE messages.{row['name']} PARTITION OF messages.events"
        f" FOR VALUES FROM ('{row['week'].isoformat()}') TO ('{row['ends'].isoformat()}')"
    )
    await admin.execute("RESET ROLE")
    return str(row["name"])


async def log(admin: asyncpg.Connection, stream: str, seq: int, age: str) -> None:
    await admin.execute(
        "INSERT INTO messages.events (stream, seq, at, kind) VALUES ($1, $2, clock_timestamp() - $3::text::interval, 'x')",
        stream,
        seq,
        age,
    )


async def test_dropping_a_partition_raises_the_floor_of_the_streams_in_it(database, admin) -> None:
    room_id, other = await a_room(admin, head=4), await a_room(admin, head=1)
    user_id = new_id()
    await admin.execute("INSERT INTO messages.user_streams VALUES ($1, 2, 0, clock_timestamp())", user_id)
    old = await make_old_partition(admin, 8)
    for seq in (1, 2, 3):
        await log(admin, f"room:{room_id}", seq, "56 days")
    await log(admin, f"room:{room_id}", 4, "1 hour")
    await log(admin, f"user:{user_id}", 1, "56 days")
    await log(admin, f"user:{user_id}", 2, "1 hour")
    await log(admin, f"room:{other}", 1, "1 hour")
    await HousekeepingJob(database, "one", 30).run()
    assert await admin.fetchval("SELECT to_regclass($1)", f"messages.{old}") is None
    floors = dict(await admin.fetch("SELECT id, floor FROM messages.rooms"))
    assert (floors[room_id], floors[other]) == (3, 0)
    assert await admin.fetchval("SELECT floor FROM messages.user_streams WHERE user_id = $1", user_id) == 1
    left = await admin.fetch("SELECT seq FROM messages.events WHERE stream = $1", f"room:{room_id}")
    assert [row["seq"] for row in left] == [4]


async def test_what_may_still_be_replayed_is_kept_and_what_comes_is_prepared(database, admin) -> None:
    kept = await make_old_partition(admin, 4)
    await HousekeepingJob(database, "one", 30).run()
    assert await admin.fetchval("SELECT to_regclass($1)", f"messages.{kept}") is not None
    await admin.execute(
        "INSERT INTO messages.events (stream, seq, at, kind)"
        " VALUES ('room:x', 1, clock_timestamp() + interval '28 days', 'x')"
    )


async def test_dropping_waits_for_nobody_so_that_nobody_waits_for_it(quiet, database, admin) -> None:
    """A long read of the log holds the drop up; what comes behind the drop must not be held up with it."""
    await make_old_partition(admin, 8)
    reader = await asyncpg.connect(quiet.admin_url)
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch("SELECT count(*) FROM messages.events")
    task = asyncio.create_task(HousekeepingJob(database, "one", 30).run())
    try:
        await asyncio.sleep(0.3)
        async with asyncio.timeout(4):
            await log(admin, "room:x", 1, "1 hour")
    finally:
        await transaction.rollback()
        await reader.close()
        await asyncio.gather(task, return_exceptions=True)


CONVERSATION = (
    "INSERT INTO messages.reactions SELECT room_id, id, 'like', sender_id, seq, now() FROM messages.messages WHERE room_id = $1",
    "INSERT INTO messages.thread_followers VALUES ($1, $1, $1, true, 1)",
    "INSERT INTO messages.fanout (room_id, message_id) VALUES ($1, $1)",
    "INSERT INTO messages.notifications (user_id, seq, id, kind, room_id, message_seq, at)"
    " VALUES ($1, 1, $1, 'invitation', $1, 1, now())",
    "INSERT INTO messages.sanctions VALUES ($1, $1, 'ban', NULL, NULL, $1, now())",
    "INSERT INTO messages.reports (id, room_id, message_id, reporter_id, reason, at) VALUES ($1, $1, $1, $1, 'why', now())",
    "INSERT INTO messages.access_grants VALUES ($1, $1, $1, 'why', now(), now())",
    "INSERT INTO messages.room_keys VALUES ($1, 1, 'a key', 'x', 1, now())",
    "INSERT INTO messages.message_images SELECT room_id, id, id, true FROM messages.messages WHERE room_id = $1",
)
OUTLIVE_A_ROOM = {"audit", "idempotency_keys", "message_images"}


async def test_what_has_run_out_is_forgotten(database, admin) -> None:
    room_id = await a_room(admin)
    for kind, until in (("mute", "-1 second"), ("ban", "1 hour")):
        await admin.execute(
            "INSERT INTO messages.sanctions VALUES ($1, $1, $2, clock_timestamp() + $3::text::interval, NULL, $1, now())",
            room_id,
            kind,
            until,
        )
    await HousekeepingJob(database, "one", 30).run()
    assert [row["kind"] for row in await admin.fetch("SELECT kind FROM messages.sanctions")] == ["ban"]


async def test_rooms_whose_undo_has_run_out_are_purged_and_others_are_not(database, admin) -> None:
    expired, recent, alive = (
        await a_room(admin, deleted="8 days"),
        await a_room(admin, deleted="6 days"),
        await a_room(admin),
    )
    for room_id in (expired, recent, alive):
        await admin.execute(
            "INSERT INTO messages.messages (room_id, id, seq, n, sender_id, client_msg_id, payload_hash, format, mentions,"
            " rev, reply_count, created_at)"
            " SELECT $1, gen_random_uuid(), n, n, $1, n::text, 0, 'plain', '{}', 1, 0, clock_timestamp()"
            " FROM generate_series(1, 20) n",
            room_id,
        )
        await admin.execute(
            "INSERT INTO messages.message_revisions SELECT room_id, id, 1, 'body', 'plain', sender_id, NULL, created_at"
            " FROM messages.messages WHERE room_id = $1",
            room_id,
        )
        await admin.execute("INSERT INTO messages.members VALUES ($1, $1, 1, 4, 'owner', now(), now())", room_id)
        await admin.execute("INSERT INTO messages.positions VALUES ($1, $1, 1, 1, 1)", room_id)
        for statement in CONVERSATION:
            await admin.execute(statement, room_id)
        await log(admin, f"room:{room_id}", 1, "1 hour")
    await HousekeepingJob(database, "one", 30).run()
    tables = await admin.fetch(
        "SELECT c.table_name FROM information_schema.columns c JOIN pg_class t ON t.relname = c.table_name"
        " WHERE c.table_schema = 'messages' AND c.column_name = 'room_id' AND NOT t.relispartition"
    )
    for table in {row["table_name"] for row in tables} - OUTLIVE_A_ROOM:
        left = {row["room_id"] for row in await admin.fetch(f"SELECT DISTINCT room_id FROM messages.{table}")}
        assert expired not in left, table
        assert table not in PURGED_TABLES or left == {recent, alive}, table
    dead = await admin.fetch("SELECT room_id, live, count(*) FROM messages.message_images GROUP BY 1, 2 ORDER BY 2")
    assert {tuple(row) for row in dead} == {(expired, False, 20), (recent, True, 20), (alive, True, 20)}
    assert {row["id"] for row in await admin.fetch("SELECT id FROM messages.rooms")} == {recent, alive}
    assert await admin.fetchval("SELECT count(*) FROM messages.events WHERE stream = $1", f"room:{expired}") == 0


async def test_idempotency_keys_are_forgotten_after_a_day(database, admin) -> None:
    for key, age in (("old", "25 hours"), ("new", "23 hours")):
        await admin.execute(
            "INSERT INTO messages.idempotency_keys VALUES ($1, $2, 0, $1, clock_timestamp() - $3::text::interval)",
            new_id(),
            key,
            age,
        )
    await HousekeepingJob(database, "one", 30).run()
    assert [row["key"] for row in await admin.fetch("SELECT key FROM messages.idempotency_keys")] == ["new"]
