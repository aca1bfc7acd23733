"""Reports of messages, and the access that an admin gets to a room's content."""

import asyncio

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.contracts import moderation, notifications
from parley_shared.errors import Code
from parley_shared.ids import new_id


async def of_room(suite, actor, room_id, **page) -> moderation.Reports:
    return await suite.rpc.call(
        moderation.LIST_ROOM_REPORTS, moderation.ListRoomReports(actor=actor, room_id=room_id, **page)
    )


async def of_all(suite, actor, room_ids, token: str | None = None) -> list[moderation.Report]:
    """Those of these rooms, page by page."""
    found, cursor = [], None
    while True:
        page = await suite.rpc.call(
            moderation.LIST_REPORTS,
            moderation.ListReports(actor=actor, token=token or suite.token, limit=100, cursor=cursor),
        )
        found += [item for item in page.items if item.room_id in room_ids]
        if (cursor := page.next) is None:
            return found


async def resolve(suite, actor, report_id, resolution="Seen to", token: str | None = None) -> moderation.Report:
    return await suite.rpc.call(
        moderation.RESOLVE_REPORT,
        moderation.ResolveReport(actor=actor, token=token or suite.token, report_id=report_id, resolution=resolution),
    )


async def test_who_may_see_a_message_may_report_it_once_while_that_is_open(suite) -> None:
    owner, guest, other = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, guest, other)
    [sent] = await suite.send(other, room.id, "buy this")
    reported = await suite.report(guest, room.id, sent.message_id, "Spam")
    assert reported.created
    assert await suite.report(guest, room.id, sent.message_id, "Spam!") == moderation.Reported(
        id=reported.id, created=False
    )
    second = await suite.report(owner, room.id, sent.message_id, "Indeed")
    assert second.created
    listed = (await of_room(suite, owner, room.id)).items
    assert [item.id for item in listed] == [second.id, reported.id]
    first = listed[1]
    assert (first.message_id, first.message_seq, first.sender_id) == (sent.message_id, sent.seq, other.user_id)
    assert (first.room_id, first.reporter_id, first.reason) == (room.id, guest.user_id, "Spam")
    assert (first.resolved_at, first.resolved_by, first.resolution) == (None, None, None)
    resolved = await resolve(suite, owner, reported.id)
    assert (resolved.resolved_by, resolved.resolution) == (owner.user_id, "Seen to")
    assert await resolve(suite, owner, reported.id) == resolved
    assert [item.id for item in (await of_room(suite, owner, room.id)).items] == [second.id, reported.id]
    again = await suite.report(guest, room.id, sent.message_id)
    assert again.created
    assert [item.id for item in (await of_room(suite, owner, room.id)).items] == [again.id, second.id, reported.id]


async def test_of_the_same_report_at_once_one_is_made(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    [sent] = await suite.send(owner, room.id)
    made = await asyncio.gather(*(suite.report(guest, room.id, sent.message_id) for _ in range(8)))
    assert len({reported.id for reported in made}) == 1
    assert [reported.created for reported in made].count(True) == 1


async def test_what_one_may_not_see_one_cannot_report(suite) -> None:
    owner, guest, stranger = suite.user(), suite.user(), suite.user()
    private = await suite.room(owner, visibility="private")
    public = await suite.room(owner)
    [early] = await suite.send(owner, private.id, "before he came")
    await suite.add(owner, private.id, guest)
    for actor, message_id in ((guest, early.message_id), (guest, new_id()), (stranger, early.message_id)):
        with suite.refused(Code.NOT_FOUND):
            await suite.report(actor, private.id, message_id)
    [sent] = await suite.send(owner, public.id)
    with suite.refused(Code.NOT_A_MEMBER):
        await suite.report(stranger, public.id, sent.message_id)
    for reason in ("", "   ", "x" * 501):
        with suite.refused(Code.INVALID):
            await suite.report(owner, public.id, sent.message_id, reason)


async def test_reports_are_for_moderators_and_of_all_rooms_for_office(suite) -> None:
    owner, member, moderator = suite.user(), suite.user(), suite.user()
    boss, warden = suite.user("admin"), suite.user("moderator")
    rooms = [await suite.room(owner, member, visibility=visibility) for visibility in ("public", "private")]
    ids = []
    for room in rooms:
        await suite.add(owner, room.id, moderator, "moderator")
        [sent] = await suite.send(owner, room.id)
        ids.append((await suite.report(member, room.id, sent.message_id)).id)
        assert [item.id for item in (await of_room(suite, moderator, room.id)).items] == [ids[-1]]
        with suite.refused(Code.FORBIDDEN):
            await of_room(suite, member, room.id)
        assert [item.id for item in (await of_room(suite, boss, room.id)).items] == [ids[-1]]
    public, private = rooms
    assert [item.id for item in (await of_room(suite, warden, public.id)).items] == [ids[0]]
    with suite.refused(Code.NOT_FOUND):
        await of_room(suite, warden, private.id)
    both = {room.id for room in rooms}
    assert {item.id for item in await of_all(suite, boss, both)} == set(ids)
    assert {item.id for item in await of_all(suite, warden, both)} == {ids[0]}
    with suite.refused(Code.FORBIDDEN):
        await of_all(suite, moderator, both)
    for actor in (member, suite.user()):
        with suite.refused(Code.NOT_FOUND):
            await resolve(suite, actor, ids[0])
    with suite.refused(Code.NOT_FOUND):
        await resolve(suite, warden, ids[1])
    with suite.refused(Code.NOT_FOUND):
        await resolve(suite, boss, new_id())
    assert (await resolve(suite, warden, ids[0])).resolved_by == warden.user_id
    assert (await resolve(suite, moderator, ids[1])).resolved_by == moderator.user_id
    assert (await resolve(suite, boss, ids[1], "Another view")).resolution == "Another view"


async def test_office_needs_its_own_token_and_its_role_of_today(suite) -> None:
    owner, boss = suite.user(), suite.user("admin")
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id)
    reported = await suite.report(owner, room.id, sent.message_id)
    for call in (
        of_all(suite, boss, {room.id}, "stolen"),
        resolve(suite, boss, reported.id, token="stolen"),
        suite.grant(boss, room.id, token="stolen"),
    ):
        with suite.refused(Code.BAD_TOKEN):
            await call
    # The gateway still says admin; auth knows better.
    suite.roles[boss.user_id] = "user"
    for call in (of_all(suite, boss, {room.id}), suite.grant(boss, room.id)):
        with suite.refused(Code.FORBIDDEN):
            await call


async def test_a_deleted_rooms_reports_are_gone_until_it_is_restored(suite) -> None:
    owner, boss = suite.user(), suite.user("admin")
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id)
    reported = await suite.report(owner, room.id, sent.message_id)
    await suite.delete(owner, room.id)
    assert await of_all(suite, boss, {room.id}) == []
    with suite.refused(Code.NOT_FOUND):
        await resolve(suite, boss, reported.id)
    await suite.restore(owner, room.id)
    assert [item.id for item in await of_all(suite, boss, {room.id})] == [reported.id]


async def test_the_lists_have_pages(suite) -> None:
    owner, other = suite.user(), suite.user()
    room = await suite.room(owner, other)
    sent = await suite.send(owner, room.id, *"abcde")
    made = [await suite.report(other, room.id, item.message_id) for item in sent]
    for index in (4, 1):
        await resolve(suite, owner, made[index].id)
    found, cursor = [], None
    while True:
        page = await of_room(suite, owner, room.id, limit=2, cursor=cursor)
        found += [item.id for item in page.items]
        if (cursor := page.next) is None:
            break
    assert found == [made[index].id for index in (3, 2, 0, 4, 1)]
    with suite.refused(Code.BAD_CURSOR):
        await of_room(suite, owner, room.id, cursor="x")


# -- access


async def test_an_admin_reads_a_private_room_after_a_grant_and_only_reads(suite) -> None:
    owner, boss = suite.user(), suite.user("admin")
    room = await suite.room(owner, visibility="private", history="since_join")
    [sent] = await suite.send(owner, room.id, "among ourselves")
    reading = (
        lambda: suite.page(boss, room.id),
        lambda: suite.events(boss, room.id),
        lambda: suite.message_of(boss, room.id, sent.message_id),
    )
    for read in reading:
        with suite.refused(Code.NOT_FOUND):
            await read()
    grant = await suite.grant(boss, room.id, 10, "A complaint")
    assert (grant.room_id, grant.user_id, grant.reason) == (room.id, boss.user_id, "A complaint")
    assert (grant.until - grant.at).total_seconds() == pytest.approx(600, abs=1)
    assert [item.body for item in (await reading[0]()).items] == ["among ourselves"]
    assert suite.kinds(await reading[1]()) == ["member.joined", "message.created"]
    assert (await reading[2]()).body == "among ourselves"
    for refused in (
        suite.members(boss, room.id),
        suite.join(boss, room.id),
        suite.add(boss, room.id, boss),
        suite.read(boss, room.id, 1),
        suite.report(boss, room.id, sent.message_id),
        suite.mine(boss, room.id),
        suite.status(boss, room.id, sent),
        suite.follow(boss, room.id, sent),
        suite.react(boss, room.id, sent, "like"),
        suite.pin(boss, room.id, sent),
        suite.revisions(boss, room.id, sent),
    ):
        with suite.refused(Code.NOT_FOUND):
            await refused
    [outcome] = await suite.try_send(suite.message(boss, room.id))
    assert outcome.code == "not_found"
    assert [item.room_id for item in (await suite.open(boss)).memberships] == []
    other = suite.user("admin")
    with suite.refused(Code.NOT_FOUND):
        await suite.page(other, room.id)
    await suite.database.execute("UPDATE messages.access_grants SET until = clock_timestamp() WHERE id = $1", grant.id)
    for read in reading:
        with suite.refused(Code.NOT_FOUND):
            await read()


async def test_the_owners_are_told_who_got_access(suite) -> None:
    owner, heir, member, boss = suite.user(), suite.user(), suite.user(), suite.user("admin")
    room = await suite.room(owner, member, visibility="private")
    await suite.add(owner, room.id, heir, "owner")
    await suite.grant(boss, room.id)
    for person in (owner, heir):
        event = (await suite.own_events(person))[-1].event.notification
        assert (event.kind, event.room_id, event.actor_id, event.message_id) == (
            "access",
            room.id,
            boss.user_id,
            None,
        )
        page = await suite.rpc.call(
            notifications.LIST_NOTIFICATIONS, notifications.ListNotifications(actor=person, unread=True)
        )
        assert page.items[0].kind == "access"
    told = [
        event.event.notification.kind
        for event in await suite.own_events(member)
        if hasattr(event.event, "notification")
    ]
    assert "access" not in told


async def test_of_a_direct_room_everybody_in_it_is_told(suite) -> None:
    one, other, boss = suite.user(), suite.user(), suite.user("admin")
    room = (await suite.direct(one, other)).room
    await suite.grant(boss, room.id)
    for person in (one, other):
        assert (await suite.own_events(person))[-1].event.notification.kind == "access"


async def test_who_reports_everything_has_to_wait_and_a_repeated_report_is_free(suite) -> None:
    owner, zealot = suite.user(), suite.user()
    room = await suite.room(owner, zealot)
    sent = await suite.send(owner, room.id, *(f"message {number}" for number in range(70)))
    await suite.report(zealot, room.id, sent[0].message_id)
    for _ in range(70):
        await suite.report(zealot, room.id, sent[0].message_id)
    with suite.refused(Code.RATE_LIMITED) as caught:
        for item in sent:
            await suite.report(zealot, room.id, item.message_id)
    made = len((await of_room(suite, owner, room.id, limit=200)).items)
    assert 60 <= made < 70
    await asyncio.sleep(caught.value.retry_after_ms / 1000)
    assert (await suite.report(zealot, room.id, sent[made].message_id)).created


async def test_with_access_a_member_sees_what_was_before_he_joined(suite) -> None:
    owner, boss = suite.user(), suite.user("admin")
    room = await suite.room(owner, visibility="private")
    await suite.send(owner, room.id, "before")
    await suite.add(owner, room.id, boss)
    assert (await suite.page(boss, room.id)).items == []
    await suite.grant(boss, room.id)
    assert [item.body for item in (await suite.page(boss, room.id)).items] == ["before"]


async def test_access_needs_an_admin_a_reason_and_an_end(suite) -> None:
    owner, boss = suite.user(), suite.user("admin")
    room = await suite.room(owner)
    for somebody in (owner, suite.user("moderator")):
        with suite.refused(Code.FORBIDDEN):
            await suite.grant(somebody, room.id)
    for minutes, reason in ((0, "why"), (1_441, "why"), (-5, "why"), (10, ""), (10, "  "), (10, "x" * 501)):
        with suite.refused(Code.INVALID):
            await suite.grant(boss, room.id, minutes, reason)
    with suite.refused(Code.NOT_FOUND):
        await suite.grant(boss, new_id())
    direct = (await suite.direct(owner, suite.user())).room
    await suite.send(owner, direct.id, "just us")
    await suite.grant(boss, direct.id)
    assert [item.body for item in (await suite.page(boss, direct.id)).items] == ["just us"]
    await suite.delete(owner, room.id)
    with suite.refused(Code.NOT_FOUND):
        await suite.grant(boss, room.id)
    assert isinstance(await suite.get(owner, room.id), contract.RoomAnswer)
