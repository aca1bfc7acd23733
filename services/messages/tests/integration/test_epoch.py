"""The epoch: the same as long as the history is the same one, another one before the first write to another history."""

import asyncio

import asyncpg

from parley_messages.epoch import Epoch
from parley_shared.contracts import messages as contract
from parley_shared.errors import Refused


async def test_the_first_start_makes_an_epoch_and_everybody_agrees_on_it(quiet) -> None:
    url = await quiet.migrated("messages")
    connections = [await asyncpg.connect(url) for _ in range(6)]
    epochs = [Epoch() for _ in connections]
    await asyncio.gather(*(epoch.check(connection) for epoch, connection in zip(epochs, connections, strict=True)))
    assert len({epoch.value for epoch in epochs}) == 1
    assert epochs[0].value
    await epochs[0].check(connections[1])
    assert epochs[0].value == epochs[1].value
    for connection in connections:
        await connection.close()


async def test_another_database_or_another_timeline_makes_another_epoch_once(quiet) -> None:
    connection = await asyncpg.connect(await quiet.migrated("messages"))
    epoch, other = Epoch(), Epoch()
    await epoch.check(connection)
    seen = {epoch.value}
    for change in ("system_identifier = '1'", "timeline = timeline + 1"):
        # As after a restore: the row is that of another database.
        await connection.execute(f"UPDATE messages.meta SET {change}")
        await epoch.check(connection)
        await other.check(connection)
        assert epoch.value == other.value
        assert epoch.value not in seen
        seen.add(epoch.value)
        kept = await connection.fetchrow("SELECT system_identifier, timeline FROM messages.meta")
        real = await connection.fetchrow(
            "SELECT system_identifier::text, timeline_id FROM pg_control_system(), pg_control_checkpoint()"
        )
        assert tuple(kept) == tuple(real)
    await connection.close()


async def test_after_a_reconnect_to_another_history_clients_are_told_to_read_again(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    before = (await suite.open(owner)).epoch
    await suite.hub_range(f"room:{room.id}")
    await suite.database.execute("UPDATE messages.meta SET system_identifier = 'of another cluster'")
    await suite.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'parley-messages%'"
    )
    async with asyncio.timeout(10):
        while True:
            try:
                opened = await suite.open(owner, contract.ResumeFrom(epoch=before, at={f"room:{room.id}": 1}))
            except Refused as refusal:
                if refusal.code != "unavailable":
                    raise
            else:
                if opened.epoch != before:
                    break
            await asyncio.sleep(0.05)
    assert {state.stream: state.status for state in opened.streams}[f"room:{room.id}"] == "resync"
    async with asyncio.timeout(10):
        while True:
            [outcome] = await suite.try_send(suite.message(owner, room.id))
            if isinstance(outcome, contract.Accepted):
                break
            assert outcome.code == "unavailable"
            await asyncio.sleep(0.05)
