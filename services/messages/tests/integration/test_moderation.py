"""Mutes, kicks and bans: who may, whom it hits, when it ends."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.contracts import moderation
from parley_shared.errors import Code
from parley_shared.limits import FOREVER, SANCTION_MINUTES


async def run_out(suite, kind: str, room_id, user) -> None:
    """As if its time had passed, to the second."""
    await suite.database.execute(
        "UPDATE messages.sanctions SET until = clock_timestamp() WHERE room_id = $1 AND user_id = $2 AND kind = $3",
        room_id,
        user.user_id,
        kind,
    )
    if kind == "mute":
        await suite.database.execute(
            "UPDATE messages.members SET muted_until = clock_timestamp()"
            " WHERE room_id = $1 AND user_id = $2 AND to_seq IS NULL",
            room_id,
            user.user_id,
        )


async def listed(suite, verb, actor, room_id) -> list[moderation.Sanction]:
    return (await suite.rpc.call(verb, moderation.ListSanctions(actor=actor, room_id=room_id))).items


async def member_of(suite, actor, room_id, user) -> contract.Member:
    return next(item for item in (await suite.members(actor, room_id)).items if item.user_id == user.user_id)


async def test_who_is_muted_reads_and_does_not_write(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    before = datetime.now(UTC)
    sanction = await suite.mute(owner, room.id, guest, 10, "too loud")
    assert (sanction.user_id, sanction.actor_id, sanction.reason) == (guest.user_id, owner.user_id, "too loud")
    assert before + timedelta(minutes=9) < sanction.until < datetime.now(UTC) + timedelta(minutes=11)
    [outcome] = await suite.try_send(suite.message(guest, room.id))
    assert outcome.code == "muted"
    assert 9 * 60_000 < outcome.retry_after_ms <= 10 * 60_000 + 1
    await suite.send(owner, room.id, "hush")
    assert [item.body for item in (await suite.page(guest, room.id)).items] == ["hush"]
    event = (await suite.events(guest, room.id))[-2].event
    assert (event.user_id, event.role, event.muted_until) == (guest.user_id, "member", sanction.until)
    assert (await member_of(suite, guest, room.id, guest)).muted_until == sanction.until
    assert await listed(suite, moderation.LIST_MUTES, owner, room.id) == [sanction]


async def test_a_mute_ends_by_itself(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    await suite.mute(owner, room.id, guest, 1)
    await run_out(suite, "mute", room.id, guest)
    head = (await suite.mine(owner, room.id)).head
    await suite.send(guest, room.id, "back again")
    assert await listed(suite, moderation.LIST_MUTES, owner, room.id) == []
    await suite.unmute(owner, room.id, guest)
    assert (await suite.mine(owner, room.id)).head == head + 1, "what has ended is not ended again"


async def test_a_mute_without_end_lasts_until_it_is_lifted(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    assert (await suite.mute(owner, room.id, guest)).until is None
    head = (await suite.mine(owner, room.id)).head
    await suite.mute(owner, room.id, guest)
    assert (await suite.mine(owner, room.id)).head == head, "a second time writes no event"
    assert (await member_of(suite, owner, room.id, guest)).muted_until == FOREVER
    [outcome] = await suite.try_send(suite.message(guest, room.id))
    assert (outcome.code, outcome.retry_after_ms) == ("muted", None)
    await suite.unmute(owner, room.id, guest)
    await suite.unmute(owner, room.id, guest)
    assert (await suite.events(owner, room.id))[-1].event.muted_until is None
    assert (await suite.mine(owner, room.id)).head == head + 1
    await suite.send(guest, room.id)


async def test_leaving_and_joining_again_does_not_end_a_mute(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    sanction = await suite.mute(owner, room.id, guest, 10)
    await suite.leave(guest, room.id)
    joined = await suite.join(guest, room.id)
    [outcome] = await suite.try_send(suite.message(guest, room.id))
    assert outcome.code == "muted"
    assert suite.kinds(await suite.events(owner, room.id))[-2:] == ["member.joined", "member.updated"]
    assert (await suite.events(owner, room.id))[-1].event.muted_until == sanction.until
    assert joined.from_seq == joined.head - 1
    await suite.leave(guest, room.id)
    await suite.unmute(owner, room.id, guest)
    await suite.join(guest, room.id)
    await suite.send(guest, room.id)


async def test_who_is_no_member_may_be_muted_before_he_comes(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.mute(owner, room.id, guest)
    assert (await suite.mine(owner, room.id)).head == 1
    await suite.join(guest, room.id)
    [outcome] = await suite.try_send(suite.message(guest, room.id))
    assert outcome.code == "muted"


async def test_a_new_role_leaves_a_mute_as_it_is(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    sanction = await suite.mute(owner, room.id, guest, 10)
    await suite.set_role(owner, room.id, guest, "moderator")
    event = (await suite.events(owner, room.id))[-1].event
    assert (event.role, event.muted_until) == ("moderator", sanction.until)
    with suite.refused(Code.FORBIDDEN):
        await suite.unmute(guest, room.id, guest)


async def test_restoring_a_room_leaves_mutes_and_bans_as_they_were(suite) -> None:
    owner, guest, banned = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, guest, banned)
    await suite.mute(owner, room.id, guest)
    await suite.ban(owner, room.id, banned)
    await suite.delete(owner, room.id)
    await suite.restore(owner, room.id)
    assert (await member_of(suite, owner, room.id, guest)).muted_until == FOREVER
    assert banned.user_id not in {item.user_id for item in (await suite.members(owner, room.id)).items}
    with suite.refused(Code.BANNED):
        await suite.join(banned, room.id)


async def test_a_ban_ends_the_membership_and_lets_no_other_begin(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    sanction = await suite.ban(owner, room.id, guest, 10, "spam")
    event = (await suite.events(owner, room.id))[-1]
    assert suite.kinds([event]) == ["member.removed"]
    assert (event.event.user_id, event.event.reason, event.event.actor_id) == (guest.user_id, "spam", owner.user_id)
    left = (await suite.own_events(guest))[-1].event
    assert (left.room_id, left.to_seq, left.reason) == (room.id, event.seq, "banned")
    assert await listed(suite, moderation.LIST_BANS, owner, room.id) == [sanction]
    with suite.refused(Code.BANNED) as caught:
        await suite.join(guest, room.id)
    assert 9 * 60_000 < caught.value.retry_after_ms <= 10 * 60_000 + 1
    with suite.refused(Code.BANNED):
        await suite.add(owner, room.id, guest)
    with suite.refused(Code.NOT_A_MEMBER):
        await suite.page(guest, room.id)
    await suite.ban(owner, room.id, guest, 10)
    assert (await suite.mine(owner, room.id)).head == event.seq


async def test_a_ban_ends_by_itself_or_is_lifted(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    await suite.ban(owner, room.id, guest, 1)
    await run_out(suite, "ban", room.id, guest)
    await suite.join(guest, room.id)
    await suite.ban(owner, room.id, guest)
    with suite.refused(Code.BANNED) as caught:
        await suite.join(guest, room.id)
    assert caught.value.retry_after_ms is None
    await suite.unban(owner, room.id, guest)
    await suite.unban(owner, room.id, guest)
    await suite.join(guest, room.id)


async def test_waiting_as_long_as_a_refusal_says_succeeds(suite) -> None:
    owner, muted, banned = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, muted, banned)
    await suite.mute(owner, room.id, muted, 1)
    await suite.ban(owner, room.id, banned, 1)
    # A minute is long for a test; the last moments of it are as good.
    for table, column in (("sanctions", "until"), ("members", "muted_until")):
        await suite.database.execute(
            f"UPDATE messages.{table} SET {column} = clock_timestamp() + interval '250 ms'"
            f" WHERE room_id = $1 AND {column} IS NOT NULL",
            room.id,
        )
    [outcome] = await suite.try_send(suite.message(muted, room.id))
    with suite.refused(Code.BANNED) as caught:
        await suite.join(banned, room.id)
    await asyncio.sleep(max(outcome.retry_after_ms, caught.value.retry_after_ms) / 1000)
    await suite.send(muted, room.id)
    await suite.join(banned, room.id)


async def test_from_a_private_room_one_is_banned_without_knowing_it(suite, same_but_for) -> None:
    owner, guest, stranger = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, guest, visibility="private")
    await suite.ban(owner, room.id, guest)
    with suite.refused(Code.NOT_FOUND) as banned:
        await suite.join(guest, room.id)
    with suite.refused(Code.NOT_FOUND) as never:
        await suite.join(stranger, room.id)
    assert same_but_for(banned.value, never.value, room.id, room.id)


async def test_of_a_ban_and_a_join_at_once_the_ban_wins(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    for _ in range(8):
        guest = suite.user()
        await asyncio.gather(
            suite.ban(owner, room.id, guest), suite.join(guest, room.id), suite.add(owner, room.id, guest),
            return_exceptions=True,
        )  # fmt: skip
        with suite.refused(Code.NOT_A_MEMBER):
            await suite.page(guest, room.id)


async def test_a_kick_tells_why_and_one_may_come_back(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    await suite.remove(owner, room.id, guest, "cool down")
    assert (await suite.events(owner, room.id))[-1].event.reason == "cool down"
    assert (await suite.own_events(guest))[-1].event.reason == "removed"
    await suite.join(guest, room.id)


@pytest.mark.parametrize("deed", ["mute", "ban", "remove"])
async def test_nobody_acts_on_an_equal_or_higher_role(suite, deed) -> None:
    owner, chief, peer, member = (suite.user() for _ in range(4))
    boss, warden = suite.user("admin"), suite.user("moderator")
    room = await suite.room(owner, member, boss, warden)
    for moderator in (chief, peer):
        await suite.add(owner, room.id, moderator, "moderator")
    act = getattr(suite, deed)
    for actor, target in (
        (chief, owner), (chief, peer), (chief, chief), (member, chief), (member, member), (warden, peer), (warden, boss),
        (chief, warden), (chief, boss), (boss, peer), (boss, owner),
    ):  # fmt: skip
        if deed == "remove" and actor is target:
            continue  # one leaves
        with suite.refused(Code.FORBIDDEN):
            await act(actor, room.id, target)
    for actor, target in ((boss, member), (owner, warden), (owner, chief)):
        await act(actor, room.id, target)


async def test_office_reaches_where_it_should(suite) -> None:
    owner, guest = suite.user(), suite.user()
    boss, warden = suite.user("admin"), suite.user("moderator")
    public = await suite.room(owner, guest)
    private = await suite.room(owner, guest, visibility="private")
    await suite.mute(warden, public.id, guest)
    await suite.unmute(boss, public.id, guest)
    await suite.mute(boss, private.id, guest)
    with suite.refused(Code.NOT_FOUND):
        await suite.mute(warden, private.id, guest)
    with suite.refused(Code.NOT_FOUND):
        await listed(suite, moderation.LIST_BANS, warden, private.id)
    with suite.refused(Code.FORBIDDEN):
        await listed(suite, moderation.LIST_BANS, guest, public.id)
    with suite.refused(Code.FORBIDDEN):
        await suite.ban(suite.user(), public.id, guest)


async def test_in_a_direct_room_nobody_is_muted_or_banned(suite) -> None:
    one, other = suite.user(), suite.user()
    room = (await suite.direct(one, other)).room
    for deed in (suite.mute, suite.ban):
        with suite.refused(Code.FIXED_MEMBERS):
            await deed(one, room.id, other)
        with suite.refused(Code.NOT_FOUND):
            await deed(suite.user(), room.id, other)


async def test_whom_auth_does_not_know_cannot_be_banned_but_a_ban_of_him_lifted(suite) -> None:
    owner, nobody = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.ban(owner, room.id, nobody)
    suite.unknown.add(nobody.user_id)
    await suite.unban(owner, room.id, nobody)
    for deed in (suite.mute, suite.ban):
        with suite.refused(Code.NOT_FOUND):
            await deed(owner, room.id, nobody)


@pytest.mark.parametrize("minutes", [0, -1, SANCTION_MINUTES + 1, 2**40])
async def test_a_length_that_is_none_is_refused(suite, minutes) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    with suite.refused(Code.INVALID) as caught:
        await suite.mute(owner, room.id, guest, minutes)
    assert "minutes" in caught.value.errors
    with suite.refused(Code.INVALID):
        await suite.ban(owner, room.id, guest, reason="x" * 501)
    with suite.refused(Code.BAD_TEXT):
        await suite.ban(owner, room.id, guest, reason="\0")


async def test_the_lists_have_pages(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    people = sorted((suite.user() for _ in range(5)), key=lambda actor: actor.user_id)
    for person in people:
        await suite.ban(owner, room.id, person)
    found, cursor = [], None
    while True:
        page = await suite.rpc.call(
            moderation.LIST_BANS, moderation.ListSanctions(actor=owner, room_id=room.id, limit=2, cursor=cursor)
        )
        found += [item.user_id for item in page.items]
        if (cursor := page.next) is None:
            break
    assert found == [person.user_id for person in people]
    with suite.refused(Code.BAD_CURSOR):
        await suite.rpc.call(moderation.LIST_MUTES, moderation.ListSanctions(actor=owner, room_id=room.id, cursor="x"))
