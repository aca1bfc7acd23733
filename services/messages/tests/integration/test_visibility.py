"""Who sees what: a private room is like none, and content is for present members."""

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id


def calls(suite, actor, other, message_id):
    """Every verb that names a room, as functions of the room's id."""
    return {
        "get": lambda room_id: suite.get(actor, room_id),
        "page": lambda room_id: suite.page(actor, room_id),
        "message": lambda room_id: suite.message_of(actor, room_id, message_id),
        "events": lambda room_id: suite.events(actor, room_id),
        "read": lambda room_id: suite.read(actor, room_id, 1),
        "members": lambda room_id: suite.members(actor, room_id),
        "join": lambda room_id: suite.join(actor, room_id),
        "leave": lambda room_id: suite.leave(actor, room_id),
        "add": lambda room_id: suite.add(actor, room_id, other),
        "set_role": lambda room_id: suite.set_role(actor, room_id, other, "moderator"),
        "remove": lambda room_id: suite.remove(actor, room_id, other),
        "update": lambda room_id: suite.update(actor, room_id, 1, name="Mine"),
        "delete": lambda room_id: suite.delete(actor, room_id),
        "restore": lambda room_id: suite.restore(actor, room_id),
    }


async def test_a_private_room_is_indistinguishable_from_an_absent_one(suite, same_but_for) -> None:
    owner, member = suite.user(), suite.user()
    private = await suite.room(owner, member, visibility="private")
    direct = (await suite.direct(owner, member)).room
    deleted = await suite.room(owner, member)
    [sent] = await suite.send(owner, private.id, "Secret")
    await suite.delete(owner, deleted.id)
    absent = new_id()
    stranger = suite.user()
    for name, call in calls(suite, stranger, member, sent.message_id).items():
        refusals = {}
        for room_id in (private.id, direct.id, deleted.id, absent):
            try:
                await call(room_id)
            except Refused as refusal:
                refusals[room_id] = refusal
        assert set(refusals) == {private.id, direct.id, deleted.id, absent}, name
        for room_id, refusal in refusals.items():
            assert refusal.code == Code.NOT_FOUND, name
            assert same_but_for(refusal, refusals[absent], room_id, absent), name
    for room_id in (private.id, direct.id, absent):
        [outcome] = await suite.try_send(suite.message(stranger, room_id))
        assert isinstance(outcome, contract.NotAccepted)
        assert outcome.code == Code.NOT_FOUND


async def test_who_has_left_a_private_room_is_a_stranger_to_it(suite) -> None:
    owner, former = suite.user(), suite.user()
    room = await suite.room(owner, former, visibility="private", history="all")
    [sent] = await suite.send(owner, room.id, "While he was there")
    await suite.leave(former, room.id)
    for call in (suite.get, suite.page, suite.events, suite.members):
        with suite.refused(Code.NOT_FOUND):
            await call(former, room.id)
    with suite.refused(Code.NOT_FOUND):
        await suite.message_of(former, room.id, sent.message_id)


async def test_a_public_room_shows_itself_to_everybody_and_its_content_to_members(suite) -> None:
    owner, former = suite.user(), suite.user()
    room = await suite.room(owner, former, name="Open")
    [sent] = await suite.send(owner, room.id, "Hello")
    await suite.leave(former, room.id)
    for actor in (former, suite.user(), suite.user("admin"), suite.user("moderator")):
        answer = await suite.get(actor, room.id)
        assert answer.room is None
        assert (answer.directory.name, answer.directory.joined) == ("Open", False)
        # Global moderators and admins may invite people into public rooms; what is in them they do not see either.
        content = {"page", "message", "events", "read", "members", "add"} - ({"add"} if actor.role != "user" else set())
        for name, call in calls(suite, actor, owner, sent.message_id).items():
            if name in content:
                with suite.refused(Code.NOT_A_MEMBER):
                    await call(room.id)
        [outcome] = await suite.try_send(suite.message(actor, room.id))
        assert outcome.code == Code.NOT_A_MEMBER


async def test_with_history_all_a_newcomer_sees_the_room_from_its_beginning(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner, history="all")
    sent = await suite.send(owner, room.id, "one", "two")
    await suite.join(newcomer, room.id)
    assert [message.body for message in (await suite.page(newcomer, room.id)).items] == ["one", "two"]
    assert (await suite.message_of(newcomer, room.id, sent[0].message_id)).body == "one"
    assert [event.seq for event in await suite.events(newcomer, room.id)] == [1, 2, 3, 4]


async def test_with_since_join_a_newcomer_sees_what_came_after_him_in_every_way_of_looking(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner, history="since_join")
    before = await suite.send(owner, room.id, "before one", "before two")
    await suite.join(newcomer, room.id)
    after = await suite.send(owner, room.id, "after")
    seq = after[0].seq
    for where in ({}, {"before": 2**62}, {"after": 0}, {"around": before[0].seq}, {"around": seq}, {"before": seq + 1}):
        assert [item.body for item in (await suite.page(newcomer, room.id, **where)).items] == ["after"], where
    assert (await suite.page(newcomer, room.id, before=seq)).items == []
    for hidden in before:
        with suite.refused(Code.NOT_FOUND):
            await suite.message_of(newcomer, room.id, hidden.message_id)
    assert [event.seq for event in await suite.events(newcomer, room.id)] == [4, 5]
    [outcome] = await suite.try_send(suite.message(newcomer, room.id, "?", thread_root_id=before[0].message_id))
    assert outcome.code == Code.NOT_FOUND
    rooms = await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=newcomer))
    assert rooms.items[0].last_message.body == "after"


async def test_an_owner_who_opens_the_history_opens_all_of_it(suite) -> None:
    owner, newcomer = suite.user(), suite.user()
    room = await suite.room(owner, history="since_join")
    await suite.send(owner, room.id, "before")
    await suite.join(newcomer, room.id)
    assert (await suite.page(newcomer, room.id)).items == []
    await suite.update(owner, room.id, room.rev, history="all")
    assert [message.body for message in (await suite.page(newcomer, room.id)).items] == ["before"]


async def test_a_users_stream_is_his_alone(suite) -> None:
    owner, spy = suite.user(), suite.user()
    room = await suite.room(owner)
    resume = contract.ResumeFrom(
        epoch=(await suite.open(spy)).epoch, at={f"user:{owner.user_id}": 0, f"room:{room.id}": 0}
    )
    states = (await suite.open(spy, resume)).streams
    assert {state.stream: state.status for state in states[1:]} == dict.fromkeys(resume.at, "gone")
    wants = [contract.ReplayWant(stream=stream, after=0, upto=2**62) for stream in resume.at]
    replayed = await suite.rpc.call(contract.REPLAY, contract.Replay(actor=spy, wants=wants))
    assert all(part.gone and not part.frames for part in replayed.parts)
