"""Membership: join, leave, add, remove, roles."""

import asyncio

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused


async def test_joining_a_public_room_tells_the_room_and_the_users_other_devices(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "one", "two")
    joined = await suite.join(newcomer, room.id)
    assert (joined.role, joined.from_seq, joined.head, joined.member_count) == ("member", 4, 4, 2)
    assert joined.unread == 0, "a newcomer has nothing unread"
    event = (await suite.events(owner, room.id))[-1]
    assert (event.event.user_id, event.event.role, event.event.actor_id) == (
        newcomer.user_id,
        "member",
        newcomer.user_id,
    )
    assert (await suite.own_events(newcomer))[-1].event.from_seq == 4


async def test_joining_twice_succeeds_and_writes_no_event(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner, newcomer)
    before = len(await suite.own_events(newcomer))
    again = await suite.join(newcomer, room.id)
    assert again.head == 2
    assert len(await suite.own_events(newcomer)) == before
    assert (await suite.join(owner, room.id)).role == "owner"


async def test_leaving_and_joining_again_make_two_intervals(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest, history="since_join")
    await suite.send(owner, room.id, "first stay")
    await suite.leave(guest, room.id)
    left = (await suite.own_events(guest))[-1].event
    assert (left.room_id, left.to_seq, left.reason) == (room.id, 4, "left")
    await suite.send(owner, room.id, "in between")
    await suite.join(guest, room.id)
    await suite.send(owner, room.id, "second stay")
    assert [message.body for message in (await suite.page(guest, room.id)).items] == ["first stay", "second stay"]
    seqs = [event.seq for event in await suite.events(guest, room.id)]
    assert seqs == [2, 3, 6, 7], "his own leaving and what lay between are not his to see"
    assert [event.seq for event in await suite.events(owner, room.id)] == list(range(1, 8))


async def test_leaving_twice_succeeds_and_writes_no_event(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, guest)
    await suite.leave(guest, room.id)
    await suite.leave(guest, room.id)
    assert (await suite.mine(owner, room.id)).head == 3


async def test_the_last_owner_names_another_before_he_leaves(suite) -> None:
    owner, heir = suite.user(), suite.user()
    room = await suite.room(owner, heir)
    with suite.refused(Code.LAST_OWNER):
        await suite.leave(owner, room.id)
    with suite.refused(Code.LAST_OWNER):
        await suite.set_role(owner, room.id, owner, "member")
    await suite.set_role(owner, room.id, heir, "owner")
    await suite.leave(owner, room.id)
    assert (await suite.mine(heir, room.id)).role == "owner"


async def test_an_owner_may_step_down_while_another_remains(suite) -> None:
    owner, heir = suite.user(), suite.user()
    room = await suite.room(owner, heir)
    await suite.set_role(owner, room.id, heir, "owner")
    assert (await suite.set_role(owner, room.id, owner, "member")).role == "member"
    with suite.refused(Code.FORBIDDEN):
        await suite.set_role(owner, room.id, heir, "member")


async def test_of_two_owners_who_leave_at_once_one_stays(suite) -> None:
    for _ in range(5):
        owners, member = [suite.user(), suite.user()], suite.user()
        room = await suite.room(owners[0], owners[1], member)
        await suite.set_role(owners[0], room.id, owners[1], "owner")
        outcomes = await asyncio.gather(*(suite.leave(owner, room.id) for owner in owners), return_exceptions=True)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        assert [refusal.code for refusal in refusals] == [Code.LAST_OWNER]


async def test_when_the_only_member_leaves_the_room_is_deleted(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.leave(owner, room.id)
    with suite.refused(Code.NOT_FOUND):
        await suite.join(suite.user(), room.id)
    assert (
        suite.kinds([suite.decode(event.frame) for event in (await suite.hub_range(f"room:{room.id}")).events])[-1]
        == "room.deleted"
    )


async def test_adding_takes_effect_at_once_and_a_second_time_changes_nothing(suite) -> None:
    owner, guest = suite.user(), suite.user()
    room = await suite.room(owner, visibility="private")
    member = await suite.add(owner, room.id, guest, "moderator")
    assert (member.user_id, member.role, member.from_seq) == (guest.user_id, "moderator", 2)
    assert (await suite.add(owner, room.id, guest, "member")) == member
    assert (await suite.mine(guest, room.id)).head == 2
    own = (await suite.own_events(guest))[0].event
    assert (own.room_id, own.from_seq, own.actor_id) == (room.id, 2, owner.user_id)


async def test_who_may_add_whom_depends_on_room_and_role(suite) -> None:
    owner, moderator, member = suite.user(), suite.user(), suite.user()
    public = await suite.room(owner, member)
    await suite.add(member, public.id, suite.user())
    with suite.refused(Code.FORBIDDEN):
        await suite.add(member, public.id, suite.user(), "moderator")
    private = await suite.room(owner, member, visibility="private")
    with suite.refused(Code.FORBIDDEN):
        await suite.add(member, private.id, suite.user())
    await suite.add(owner, private.id, moderator, "moderator")
    await suite.add(moderator, private.id, suite.user())
    with suite.refused(Code.FORBIDDEN):
        await suite.add(moderator, private.id, suite.user(), "moderator")


async def test_somebody_whom_auth_does_not_know_cannot_be_added(suite) -> None:
    owner, nobody = suite.user(), suite.user()
    suite.unknown.add(nobody.user_id)
    room = await suite.room(owner)
    with suite.refused(Code.NOT_FOUND):
        await suite.add(owner, room.id, nobody)
    assert (await suite.mine(owner, room.id)).head == 1


async def test_an_office_adds_nobody_to_a_private_room(suite) -> None:
    admin = suite.user("admin")
    room = await suite.room(suite.user(), visibility="private")
    with suite.refused(Code.NOT_FOUND):
        await suite.add(admin, room.id, admin)


async def test_a_role_is_given_by_owners_and_a_second_time_changes_nothing(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    await suite.set_role(owner, room.id, member, "moderator")
    event = (await suite.events(member, room.id))[-1]
    assert (event.event.user_id, event.event.role) == (member.user_id, "moderator")
    await suite.set_role(owner, room.id, member, "moderator")
    assert (await suite.mine(owner, room.id)).head == event.seq
    with suite.refused(Code.FORBIDDEN):
        await suite.set_role(member, room.id, member, "owner")
    with suite.refused(Code.NOT_FOUND):
        await suite.set_role(owner, room.id, suite.user(), "moderator")


async def test_who_is_removed_learns_it_from_his_own_stream(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    await suite.remove(owner, room.id, member, "spam")
    left = (await suite.own_events(member))[-1].event
    assert (left.room_id, left.to_seq, left.reason, left.actor_id) == (room.id, 3, "removed", owner.user_id)
    event = (await suite.events(owner, room.id))[-1].event
    assert (event.user_id, event.reason) == (member.user_id, "spam")
    await suite.remove(owner, room.id, member)
    assert (await suite.mine(owner, room.id)).head == 3, "who is gone already is not removed again"
    assert (await suite.join(member, room.id)).role == "member", "removing is no ban"


@pytest.mark.parametrize("office", ["moderator", "admin"])
async def test_a_global_office_moderates_a_public_room_without_seeing_its_content(suite, office) -> None:
    officer, owner, moderator, member = suite.user(office), suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, moderator, member)
    await suite.set_role(owner, room.id, moderator, "moderator")
    await suite.remove(officer, room.id, member)
    for target in (moderator, owner):
        with suite.refused(Code.FORBIDDEN):
            await suite.remove(officer, room.id, target)
    for call in (suite.page, suite.events, suite.members):
        with suite.refused(Code.NOT_A_MEMBER):
            await call(officer, room.id)


async def test_in_a_private_room_an_admin_moderates_and_a_global_moderator_does_not(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member, visibility="private")
    with suite.refused(Code.NOT_FOUND):
        await suite.remove(suite.user("moderator"), room.id, member)
    admin = suite.user("admin")
    for call in (suite.get, suite.page, suite.events, suite.members):
        with suite.refused(Code.NOT_FOUND):
            await call(admin, room.id)
    await suite.remove(admin, room.id, member)
    assert (await suite.mine(owner, room.id)).member_count == 1


async def test_the_list_of_members_pages_without_loss(suite) -> None:
    owner = suite.user()
    guests = [suite.user() for _ in range(6)]
    room = await suite.room(owner, *guests)
    found, cursor = [], None
    while True:
        page = await suite.members(owner, room.id, limit=3, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    assert len(found) == 7
    assert {member.user_id for member in found} == {owner.user_id, *(guest.user_id for guest in guests)}
    assert {member.role for member in found} == {"owner", "member"}
    other = await suite.room(owner)
    page = await suite.members(owner, room.id, limit=3)
    with suite.refused(Code.BAD_CURSOR):
        await suite.members(owner, other.id, cursor=page.next)


async def test_the_member_count_follows_every_change(suite) -> None:
    owner, guests = suite.user(), [suite.user() for _ in range(8)]
    room = await suite.room(owner)
    await asyncio.gather(*(suite.join(guest, room.id) for guest in guests))
    await asyncio.gather(*(suite.leave(guest, room.id) for guest in guests[:3]))
    assert (await suite.mine(owner, room.id)).member_count == 6
    seqs = [event.seq for event in await suite.events(owner, room.id)]
    assert seqs == list(range(1, 13)), "dense, whoever came first"
    assert (
        len((await suite.rpc.call(contract.LIST_MEMBERS, contract.ListMembers(actor=owner, room_id=room.id))).items)
        == 6
    )
