"""Rooms: made, found, changed, deleted, restored."""

import asyncio

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id


async def test_seq_1_of_a_new_room_is_its_owners_joining(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner, name="  Kaffeeküche  ", topic="Anything", visibility="private")
    assert (room.name, room.topic, room.role, room.head, room.from_seq) == ("Kaffeeküche", "Anything", "owner", 1, 1)
    assert (room.history, room.member_count, room.unread, room.rev) == ("since_join", 1, 0, 1)
    events = await suite.events(owner, room.id)
    assert suite.kinds(events) == ["member.joined"]
    assert (events[0].seq, events[0].event.user_id, events[0].event.role) == (1, owner.user_id, "owner")
    own = await suite.own_events(owner)
    assert (own[-1].event.room_id, own[-1].event.from_seq) == (room.id, 1)


async def test_a_names_characters_are_composed(suite) -> None:
    room = await suite.room(suite.user(), name="Cafe\u0301")
    assert room.name == "Caf\u00e9"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": ""}, Code.INVALID),
        ({"name": "   "}, Code.INVALID),
        ({"name": "x" * 81}, Code.INVALID),
        ({"name": "nul\0"}, Code.BAD_TEXT),
        ({"topic": "x" * 501}, Code.INVALID),
        ({"language": "klingon"}, Code.INVALID),
    ],
)
async def test_a_room_with_a_wrong_field_is_not_made(suite, fields, code) -> None:
    owner = suite.user()
    with suite.refused(code):
        await suite.room(owner, **fields)
    assert (await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=owner))).items == []


async def test_a_repeated_creation_under_one_key_answers_the_same_room(suite) -> None:
    owner = suite.user()
    command = contract.CreateRoom(actor=owner, name="Once", idempotency_key="k1")
    answers = await asyncio.gather(*(suite.rpc.call(contract.CREATE_ROOM, command) for _ in range(5)))
    assert len({answer.room.id for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1
    with suite.refused(Code.IDEMPOTENCY_MISMATCH):
        await suite.rpc.call(contract.CREATE_ROOM, contract.CreateRoom(actor=owner, name="Twice", idempotency_key="k1"))
    other = await suite.rpc.call(
        contract.CREATE_ROOM, contract.CreateRoom(actor=suite.user(), name="Once", idempotency_key="k1")
    )
    assert other.created, "a key is its user's own"


async def test_my_rooms_come_most_recently_active_first_and_page_without_loss(suite) -> None:
    owner = suite.user()
    rooms = [(await suite.room(owner, name=f"Room {index}")).id for index in range(7)]
    await suite.send(owner, rooms[2], "I am the newest")
    expected = [rooms[2], *(room for room in reversed(rooms) if room != rooms[2])]
    found, cursor = [], None
    while True:
        page = await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=owner, limit=3, cursor=cursor))
        found += page.items
        cursor = page.next
        if cursor is None:
            break
        assert len(page.items) == 3
    assert [room.id for room in found] == expected
    assert found[0].last_message.body == "I am the newest"
    assert found[1].last_message is None


async def test_many_long_last_messages_are_cut_into_pages_that_nats_can_carry(suite) -> None:
    owner = suite.user()
    for index in range(40):
        room = await suite.room(owner, name=f"Long {index}")
        await suite.send(owner, room.id, "\U0001f642" * 8_000)
    seen: set = set()
    cursor = None
    pages = 0
    while True:
        page = await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=owner, limit=200, cursor=cursor))
        assert not seen & {room.id for room in page.items}
        seen |= {room.id for room in page.items}
        pages += 1
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == 40
    assert pages > 1


async def test_the_directory_lists_public_rooms_by_name_and_takes_no_wildcards(suite) -> None:
    owner, other = suite.user(), suite.user()
    tag = str(new_id())[-12:]
    names = [
        f"{tag} 100% cotton",
        f"{tag} 100 cotton",
        f"{tag} under_score",
        f"{tag} underXscore",
        f"{tag} back\\slash",
    ]
    for name in names:
        await suite.room(owner, name=name)
    await suite.room(owner, name=f"{tag} private", visibility="private")

    async def find(query: str) -> list[str]:
        answer = await suite.rpc.call(contract.DIRECTORY, contract.Directory(actor=other, query=query))
        return [room.name for room in answer.items]

    assert await find(tag) == sorted(names, key=str.lower)
    assert await find(f"{tag} 100%") == [f"{tag} 100% cotton"]
    assert await find(f"{tag} under_") == [f"{tag} under_score"]
    assert await find(f"{tag} back\\") == [f"{tag} back\\slash"]
    assert await find(f"{tag.upper()} UNDERX") == [f"{tag} underXscore"]
    assert await find(tag + "nothing") == []
    answer = await suite.rpc.call(contract.DIRECTORY, contract.Directory(actor=owner, query=tag))
    assert all(room.joined and room.member_count == 1 for room in answer.items)
    answer = await suite.rpc.call(contract.DIRECTORY, contract.Directory(actor=other, query=tag))
    assert not any(room.joined for room in answer.items)


async def test_the_directory_finds_names_in_every_script_whatever_their_case(suite) -> None:
    owner = suite.user()
    tag = str(new_id())[-12:]
    await suite.room(owner, name=f"{tag} ÄRGER ЖУК")
    for query in (f"{tag} ärger", f"{tag} ÄRGER", f"{tag} Ärger жук"):
        answer = await suite.rpc.call(contract.DIRECTORY, contract.Directory(actor=owner, query=query))
        assert [room.name for room in answer.items] == [f"{tag} ÄRGER ЖУК"], query


async def test_the_directorys_pages_neither_repeat_nor_skip_a_name(suite) -> None:
    owner = suite.user()
    tag = str(new_id())[-12:]
    names = [
        f"{tag} {name}" for name in ("Äpfel", "apfel", "Zebra", "ÉTÉ", "été", "Öl", "öl", "ZEBRA", "Ωmega", "ωmega")
    ]
    for name in names:
        await suite.room(owner, name=name)
    found: list[str] = []
    cursor = None
    for _ in range(len(names) + 1):
        page = await suite.rpc.call(
            contract.DIRECTORY, contract.Directory(actor=owner, query=tag, limit=1, cursor=cursor)
        )
        found += [room.name for room in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(found) == sorted(names)


async def test_an_update_names_the_rev_it_was_based_on(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    changed = (await suite.update(owner, room.id, room.rev, name="New", topic="News")).room
    assert (changed.name, changed.topic, changed.rev) == ("New", "News", room.rev + 1)
    event = (await suite.events(member, room.id))[-1]
    assert (event.seq, event.event.room.name, event.event.room.rev) == (changed.head, "New", changed.rev)
    with pytest.raises(Refused) as caught:
        await suite.update(owner, room.id, room.rev, name="Newer")
    assert caught.value.code == Code.REV_CONFLICT
    assert b'"name":"New"' in bytes(caught.value.current)
    again = (await suite.update(owner, room.id, changed.rev, name="New")).room
    assert (again.rev, again.head) == (changed.rev, changed.head), "what is so already writes no event"


async def test_of_two_updates_based_on_one_rev_one_wins(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    outcomes = await asyncio.gather(
        *(suite.update(owner, room.id, room.rev, topic=f"Topic {index}") for index in range(6)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Refused) for outcome in outcomes) == 1
    assert (await suite.mine(owner, room.id)).rev == room.rev + 1


async def test_settings_are_the_owners(suite) -> None:
    owner, member, moderator = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, member, moderator)
    await suite.set_role(owner, room.id, moderator, "moderator")
    rev = (await suite.mine(owner, room.id)).rev
    for actor in (member, moderator):
        with suite.refused(Code.FORBIDDEN):
            await suite.update(actor, room.id, rev, name="Mine")
        with suite.refused(Code.FORBIDDEN):
            await suite.delete(actor, room.id)


async def test_an_outsider_without_an_office_is_told_so_by_a_public_room(suite) -> None:
    """protocol.md: content is `not_a_member`; a call of office without the office is `forbidden`."""
    owner, outsider, member = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, member)
    with suite.refused(Code.FORBIDDEN):
        await suite.update(outsider, room.id, room.rev, name="Mine")
    with suite.refused(Code.FORBIDDEN):
        await suite.delete(outsider, room.id)
    with suite.refused(Code.FORBIDDEN):
        await suite.remove(outsider, room.id, member)
    with suite.refused(Code.FORBIDDEN):
        await suite.set_role(outsider, room.id, member, "moderator")


async def test_a_moderator_may_set_slow_mode_and_no_other_setting(suite) -> None:
    owner, moderator, member = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, moderator, member)
    await suite.set_role(owner, room.id, moderator, "moderator")
    rev = (await suite.mine(owner, room.id)).rev
    assert (await suite.update(moderator, room.id, rev, slow_mode_s=30)).room.slow_mode_s == 30
    with suite.refused(Code.FORBIDDEN):
        await suite.update(moderator, room.id, rev + 1, slow_mode_s=0, name="Mine")
    with suite.refused(Code.FORBIDDEN):
        await suite.update(member, room.id, rev + 1, slow_mode_s=0)


async def test_a_deleted_room_is_gone_for_all_but_its_owners_who_may_undo_it(suite) -> None:
    owner, member, outsider = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, member)
    [sent] = await suite.send(member, room.id, "Before")
    await suite.delete(owner, room.id)
    head = (await suite.mine(owner, room.id)).head
    assert head == sent.seq + 1
    assert (await suite.mine(owner, room.id)).deleted_at is not None
    for actor in (member, outsider):
        for call in (suite.get, suite.events, suite.page, suite.join, suite.restore, suite.members):
            with suite.refused(Code.NOT_FOUND):
                await call(actor, room.id)
    left = (await suite.own_events(member))[-1].event
    assert (left.room_id, left.to_seq, left.reason) == (room.id, head + 1, "deleted")
    [outcome] = await suite.try_send(suite.message(owner, room.id))
    assert isinstance(outcome, contract.NotAccepted)
    found = await suite.rpc.call(contract.DIRECTORY, contract.Directory(actor=outsider, query=room.name))
    assert room.id not in {item.id for item in found.items}

    await suite.delete(owner, room.id)
    assert (await suite.mine(owner, room.id)).head == head, "a second deletion writes nothing"

    restored = await suite.restore(owner, room.id)
    assert (restored.head, restored.deleted_at) == (head + 1, None)
    joined = (await suite.own_events(member))[-1].event
    assert (joined.room_id, joined.from_seq) == (room.id, head + 1)
    assert suite.kinds(await suite.events(member, room.id))[-2:] == ["room.deleted", "room.restored"]
    assert (await suite.page(member, room.id)).items[-1].body == "Before"
    assert (await suite.mine(member, room.id)).role == "member"
    assert (await suite.restore(owner, room.id)).head == head + 1, "nor does a second restoration"


async def test_a_member_of_before_sees_his_old_interval_again_after_a_restoration(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, visibility="private")
    await suite.send(owner, room.id, "Too early")
    await suite.add(owner, room.id, member)
    await suite.send(owner, room.id, "In time")
    await suite.delete(owner, room.id)
    await suite.restore(owner, room.id)
    await suite.send(owner, room.id, "After")
    assert [message.body for message in (await suite.page(member, room.id)).items] == ["In time", "After"]


async def test_deleting_and_restoring_leaves_the_rev_as_the_events_say(suite) -> None:
    """No event carries another rev, so a client that applies them must not be refused with the one that it has."""
    owner = suite.user()
    room = await suite.room(owner)
    await suite.delete(owner, room.id)
    await suite.restore(owner, room.id)
    assert (await suite.update(owner, room.id, room.rev, name="Still mine")).room.name == "Still mine"


async def test_nothing_is_logged_while_a_room_is_deleted_so_that_restoring_brings_everybody_back(suite) -> None:
    owner, second, member = suite.user(), suite.user(), suite.user()
    room = await suite.room(owner, second, member)
    await suite.set_role(owner, room.id, second, "owner")
    await suite.delete(owner, room.id)
    head = (await suite.mine(owner, room.id)).head
    with pytest.raises(Refused):
        await suite.leave(second, room.id)
    assert (await suite.mine(owner, room.id)).head == head
    await suite.restore(owner, room.id)
    assert (await suite.mine(member, room.id)).member_count == 3


async def test_after_seven_days_a_deletion_cannot_be_undone(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.delete(owner, room.id)
    await suite.database.execute(
        "UPDATE messages.rooms SET deleted_at = deleted_at - interval '7 days 1 second' WHERE id = $1", room.id
    )
    with suite.refused(Code.NOT_FOUND):
        await suite.restore(owner, room.id)


async def test_the_same_people_get_the_same_direct_room(suite) -> None:
    first, second, third = suite.user(), suite.user(), suite.user()
    made = await suite.direct(first, second)
    assert made.created
    assert (made.room.kind, made.room.name, made.room.visibility, made.room.history) == (
        "direct",
        None,
        "private",
        "all",
    )
    assert set(made.room.user_ids) == {first.user_id, second.user_id}
    for actor, others in ((second, [first]), (first, [second, second]), (first, [first, second])):
        again = await suite.direct(actor, *others)
        assert (again.room.id, again.created) == (made.room.id, False)
    assert (await suite.direct(first, second, third)).room.id != made.room.id
    assert suite.kinds(await suite.events(second, made.room.id)) == ["member.joined"] * 2
    assert (await suite.own_events(second))[-2].event.room_id == made.room.id


async def test_a_direct_room_with_oneself_alone_is_a_place_for_notes(suite) -> None:
    actor = suite.user()
    made = await suite.direct(actor)
    assert (made.room.user_ids, (await suite.direct(actor, actor)).room.id) == ([actor.user_id], made.room.id)


async def test_a_direct_room_holds_eight_people_with_the_caller(suite) -> None:
    actor = suite.user()
    assert (await suite.direct(actor, *(suite.user() for _ in range(7)))).room.member_count == 8
    with suite.refused(Code.INVALID):
        await suite.direct(actor, *(suite.user() for _ in range(8)))


async def test_a_direct_room_needs_people_who_can_be_addressed(suite) -> None:
    nobody = suite.user()
    suite.unknown.add(nobody.user_id)
    with suite.refused(Code.NOT_FOUND):
        await suite.direct(suite.user(), nobody)


async def test_the_members_of_a_direct_room_are_fixed(suite) -> None:
    first, second, third = suite.user(), suite.user(), suite.user()
    room_id = (await suite.direct(first, second)).room.id
    for attempt in (
        suite.leave(first, room_id),
        suite.add(first, room_id, third),
        suite.remove(first, room_id, second),
        suite.set_role(first, room_id, second, "owner"),
    ):
        with suite.refused(Code.FIXED_MEMBERS):
            await attempt
    for attempt in (suite.join(third, room_id), suite.get(third, room_id), suite.page(third, room_id)):
        with suite.refused(Code.NOT_FOUND):
            await attempt
    assert (await suite.mine(first, room_id)).head == 2


async def test_office_does_not_change_a_direct_room_either(suite) -> None:
    first, second, admin = suite.user(), suite.user(), suite.user("admin")
    room = (await suite.direct(first, second)).room
    with suite.refused(Code.FIXED_MEMBERS):
        await suite.rpc.call(
            contract.REMOVE_MEMBER, contract.RemoveMember(actor=admin, room_id=room.id, user_id=second.user_id)
        )
    with suite.refused(Code.FIXED_MEMBERS):
        await suite.rpc.call(
            contract.UPDATE_ROOM, contract.UpdateRoom(actor=admin, room_id=room.id, rev=room.rev, slow_mode_s=60)
        )
    assert (await suite.mine(first, room.id)).head == room.head
