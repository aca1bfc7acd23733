"""Who is there follows from leases and reports: exactly once each, in order, and never from the dead."""

from datetime import UTC, datetime, timedelta

import pytest

from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import Gateway, World, choose, closed, opened, status


async def test_somebody_is_online_while_any_of_his_sockets_is_open(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    assert await status(parts, user) == "offline"
    phone, laptop = await gateway.open(user), await gateway.open(user)
    await world.until_told(user, "online")
    await gateway.close(phone)
    await parts.jobs.watch()
    assert await status(parts, user) == "online"
    await gateway.close(laptop)
    await parts.jobs.watch()
    assert await status(parts, user) == "online", "the grace has only begun"
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert (await world.until_told(user, "offline")).shown.last_seen is not None
    assert await status(parts, user) == "offline"
    assert [item.shown.status for item in world.told] == ["online", "offline"]


async def test_who_comes_back_within_the_grace_was_never_away(world: World) -> None:
    parts = await world.replica()
    first, second, user = await Gateway(parts).register(), await Gateway(parts, "gateway-2").register(), new_id()
    socket = await first.open(user)
    await first.close(socket, code=4001, side="server")
    await second.open(user)
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert await status(parts, user) == "online"
    await world.until_told(user, "online")
    assert len(world.told) == 1


async def test_the_grace_begins_with_the_last_socket(world: World) -> None:
    parts = await world.replica(grace_seconds=3.5)
    gateway, user = await Gateway(parts).register(), new_id()
    await gateway.close(await gateway.open(user))
    due = await world.database.fetchval(
        "SELECT offline_at - clock_timestamp() FROM presence.people WHERE user_id = $1", user
    )
    assert timedelta(seconds=2) < due <= timedelta(seconds=3.5)


async def test_a_gateway_that_is_silent_for_its_leases_life_takes_its_people_with_it(world: World) -> None:
    parts = await world.replica()
    dead, alive = await Gateway(parts).register(), await Gateway(parts, "gateway-2").register()
    here, there, both = new_id(), new_id(), new_id()
    lost = await dead.open(here)
    await dead.open(both)
    await alive.open(there)
    await alive.open(both)
    await world.run_out(dead)
    await parts.jobs.watch()
    assert await status(parts, here) == "online", "its clients have the grace to come back elsewhere"
    await world.pass_grace(here, there, both)
    await parts.jobs.watch()
    assert [await status(parts, user) for user in (here, there, both)] == ["offline", "online", "online"]
    row = await world.database.fetchrow("SELECT * FROM presence.connections WHERE id = $1", lost.connection_id)
    assert (row["side"], row["code"], row["closed_at"] >= row["opened_at"]) == ("gateway lost", None, True)


async def test_a_lease_that_has_run_out_stays_dead_whatever_comes_under_it(world: World) -> None:
    parts = await world.replica()
    paused, user, ghost = await Gateway(parts).register(), new_id(), new_id()
    socket = await paused.open(user)
    await world.run_out(paused)
    for reaped in (False, True):
        assert not await paused.renew()
        assert not await paused.report([opened(ghost)])
        await paused.leases.register(_same_lease(paused))
        assert not await paused.renew()
        if not reaped:
            await parts.jobs.watch()
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert [await status(parts, somebody) for somebody in (user, ghost)] == ["offline", "offline"]
    # Awake, it begins anew, and says who is still there: nobody but who is.
    await paused.register()
    assert await paused.report([socket])
    assert [await status(parts, somebody) for somebody in (user, ghost)] == ["online", "offline"]
    row = await world.database.fetchrow("SELECT * FROM presence.connections WHERE id = $1", socket.connection_id)
    assert (row["closed_at"], row["side"], row["lease_id"]) == (None, None, paused.lease_id)


def _same_lease(gateway: Gateway) -> object:
    from parley_shared.contracts.presence import RegisterLease

    return RegisterLease(lease_id=gateway.lease_id, gateway=gateway.name)


async def test_a_socket_that_moved_to_a_new_lease_is_not_ended_by_the_old_one(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    old = gateway.lease_id
    await world.run_out(gateway)
    await gateway.register()
    assert await gateway.report([socket])
    await parts.jobs.watch()
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert await status(parts, user) == "online"
    assert await world.database.fetchval("SELECT ended_at IS NOT NULL FROM presence.leases WHERE id = $1", old)


async def test_a_report_that_comes_twice_counts_once(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = opened(user)
    assert await gateway.report([socket])
    assert await gateway.repeat([socket])
    assert await gateway.close(socket)
    gateway.batch -= 1
    assert await gateway.repeat([socket]), "the lease is alive"
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert await status(parts, user) == "offline", "a report that was late has brought nobody back"


async def test_a_socket_that_opened_and_closed_within_one_report_leaves_a_trace_but_nobody_online(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = opened(user)
    assert await gateway.report([socket], [closed(socket)])
    assert await status(parts, user) == "offline"
    row = await world.database.fetchrow("SELECT * FROM presence.connections WHERE id = $1", socket.connection_id)
    assert (row["code"], row["bytes_out"]) == (1000, 2_000)
    assert await world.database.fetchval("SELECT last_seen FROM presence.people WHERE user_id = $1", user)


async def test_how_a_socket_ended_is_kept_although_its_gateway_had_been_given_up(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    await world.run_out(gateway)
    await parts.jobs.watch()
    await gateway.register()
    assert await gateway.close(socket, code=4008, side="server", reason="too slow")
    row = await world.database.fetchrow("SELECT * FROM presence.connections WHERE id = $1", socket.connection_id)
    assert (row["side"], row["code"], row["reason"]) == ("server", 4008, "too slow")


async def test_an_orderly_end_leaves_nobody_behind(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    await gateway.open(user)
    await gateway.leases.release(_same_lease(gateway))
    await parts.jobs.watch()
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert await status(parts, user) == "offline"


async def test_a_renewal_is_one_statement_however_many_are_connected(world: World) -> None:
    parts = await world.replica()
    gateway = await Gateway(parts).register()
    assert await gateway.report([opened(new_id()) for _ in range(1_000)])
    world.statements.clear()
    for _ in range(5):
        assert await gateway.renew()
    assert len(world.statements) == 5
    assert {statement.split()[0] for statement in world.statements} == {"UPDATE"}


async def test_a_report_costs_the_same_for_one_and_for_a_thousand(world: World) -> None:
    parts = await world.replica()
    gateway = await Gateway(parts).register()
    counts = []
    for size in (1, 1_000):
        world.statements.clear()
        assert await gateway.report([opened(new_id()) for _ in range(size)])
        counts.append(len(world.statements))
    assert counts[0] == counts[1] <= 8
    with pytest.raises(Refused) as refused:
        await gateway.report([opened(new_id()) for _ in range(1_001)])
    assert refused.value.code == Code.INVALID


async def test_more_than_a_thousand_lost_sockets_are_ended(world: World) -> None:
    parts = await world.replica()
    gateway, people = await Gateway(parts).register(), [new_id() for _ in range(2_100)]
    for start in range(0, len(people), 700):
        assert await gateway.report([opened(user) for user in people[start : start + 700]])
    await world.run_out(gateway)
    await parts.jobs.watch()
    await world.pass_grace(*people)
    await parts.jobs.watch()
    assert await world.database.fetchval("SELECT count(*) FROM presence.people WHERE online") == 0
    assert await world.database.fetchval("SELECT count(*) FROM presence.connections WHERE closed_at IS NULL") == 0


async def test_what_no_database_takes_does_not_hold_up_the_others(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = opened(user, device_id="a\0b", client="\0", user_agent="x\0", last_close_code=1006, last_close_reason="\0")
    assert await gateway.report([socket, opened(new_id())])
    assert await gateway.close(socket, reason="a\0")
    assert await status(parts, user) == "online"


async def test_last_seen_is_when_the_gateway_was_heard_of_last(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    assert await gateway.report([opened(user, opened_at=long_ago)])
    await world.database.execute("UPDATE presence.leases SET renewed_at = $2 WHERE id = $1", gateway.lease_id, long_ago)
    await world.run_out(gateway)
    await parts.jobs.watch()
    await world.pass_grace(user)
    await parts.jobs.watch()
    assert (await world.until_told(user, "offline")).shown.last_seen == long_ago


async def test_a_clock_that_runs_ahead_makes_nobody_seen_in_the_future(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    await gateway.close(socket, closed_at=datetime.now(UTC) + timedelta(hours=1))
    seen = await world.database.fetchval(
        "SELECT last_seen <= clock_timestamp() FROM presence.people WHERE user_id = $1", user
    )
    assert seen is True


async def test_the_log_is_forgotten_in_time_and_the_open_stay(world: World) -> None:
    parts = await world.replica(log_days=30)
    gateway, user = await Gateway(parts).register(), new_id()
    old = datetime.now(UTC) - timedelta(days=31)
    gone, still = opened(user, opened_at=old), opened(user, opened_at=old)
    assert await gateway.report([gone, still], [closed(gone, closed_at=old)])
    recent = await gateway.open(user)
    await gateway.close(recent)
    await parts.jobs.clean()
    left = {row["id"] for row in await world.database.fetch("SELECT id FROM presence.connections")}
    assert left == {still.connection_id, recent.connection_id}


async def test_what_is_held_about_somebody_can_be_erased(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    await choose(parts, user, "busy", "in a meeting")
    async with parts.use_cases.leases._begin() as store:
        assert await store.erase(user) == {"connections": 1, "presence": 1}
    assert await gateway.close(socket)
    assert await world.database.fetchval("SELECT count(*) FROM presence.people WHERE user_id = $1", user) == 0
