"""How people see each other: what they choose, and who may know it."""

import asyncio

import pytest

from parley_presence.app import Parts
from parley_shared.contracts.presence import Connections, GetPresence, ListConnections, Presence
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

from .harness import Gateway, World, actor, choose, closed, look, opened, status


async def test_who_shares_a_room_is_seen_and_everybody_else_is_absent(world: World) -> None:
    parts = await world.replica()
    gateway = await Gateway(parts).register()
    me, friend, stranger = new_id(), new_id(), new_id()
    world.befriend(me, friend)
    assert await gateway.report([opened(friend), opened(stranger)])
    assert await look(parts, me, stranger, friend, new_id()) == {friend: Presence(user_id=friend, status="online")}


async def test_who_was_never_there_is_offline(world: World) -> None:
    parts = await world.replica()
    me, friend = new_id(), new_id()
    world.befriend(me, friend)
    assert await look(parts, me, friend) == {friend: Presence(user_id=friend, status="offline")}


async def test_oneself_is_always_seen_even_with_two_hundred_others(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    assert list(await look(parts, me, *(new_id() for _ in range(200)), me)) == [me]
    with pytest.raises(Refused) as refused:
        await look(parts, me, *(new_id() for _ in range(201)))
    assert refused.value.code == Code.INVALID


async def test_what_one_chooses_counts_while_one_is_there(world: World) -> None:
    parts = await world.replica()
    gateway, me, friend = await Gateway(parts).register(), new_id(), new_id()
    world.befriend(me, friend)
    assert await choose(parts, friend, "busy", "in a meeting") == Presence(
        user_id=friend, status="busy", text="in a meeting"
    )
    assert (await look(parts, me, friend))[friend].status == "offline"
    await gateway.open(friend)
    assert (await look(parts, me, friend))[friend] == Presence(user_id=friend, status="busy", text="in a meeting")
    await choose(parts, friend, "online")
    assert (await look(parts, me, friend))[friend] == Presence(user_id=friend, status="online")


async def test_a_repetition_is_told_to_nobody(world: World) -> None:
    parts = await world.replica()
    gateway, user = await Gateway(parts).register(), new_id()
    await gateway.open(user)
    await world.until_told(user, "online")
    for _ in range(3):
        await choose(parts, user, "away", "tea")
    await choose(parts, user, "busy")
    await world.until_told(user, "busy")
    assert [item.shown.status for item in world.told] == ["online", "away", "busy"]
    assert [item.rev for item in world.told] == sorted({item.rev for item in world.told})


async def test_nothing_of_what_an_invisible_one_does_can_be_seen(world: World) -> None:
    parts = await world.replica()
    gateway, me, friend = await Gateway(parts).register(), new_id(), new_id()
    world.befriend(me, friend)
    phone = await gateway.open(friend)
    await choose(parts, friend, "invisible", "sh")
    vanished = await look(parts, me, friend)
    assert vanished[friend].status == "offline"
    laptop = await gateway.open(friend)
    await choose(parts, friend, "invisible", "still here")
    await gateway.close(phone)
    await gateway.close(laptop)
    await world.pass_grace(friend)
    await parts.jobs.watch()
    assert await look(parts, me, friend) == vanished
    assert {item.shown for item in world.told[1:]} == {vanished[friend]}, "each hint looks like the one before"
    # And back again.
    await gateway.open(friend)
    assert await look(parts, me, friend) == vanished
    await choose(parts, friend, "online")
    assert (await look(parts, me, friend))[friend].status == "online"


async def test_who_is_offline_and_becomes_invisible_was_seen_when_he_was_seen(world: World) -> None:
    parts = await world.replica()
    gateway, me, friend = await Gateway(parts).register(), new_id(), new_id()
    world.befriend(me, friend)
    await gateway.close(await gateway.open(friend))
    await world.pass_grace(friend)
    await parts.jobs.watch()
    before = await look(parts, me, friend)
    await choose(parts, friend, "invisible")
    await choose(parts, friend, "busy")
    assert await look(parts, me, friend) == before


@pytest.mark.parametrize(
    ("text", "code"), [("x" * 101, Code.INVALID), ("a\0b", Code.BAD_TEXT), ("\ud800", Code.BAD_TEXT)]
)
async def test_a_text_has_a_hundred_characters_that_can_be_stored(world: World, text: str, code: Code) -> None:
    parts = await world.replica()
    with pytest.raises(Refused) as refused:
        await choose(parts, new_id(), "busy", text)
    assert refused.value.code == code
    assert (await choose(parts, new_id(), "busy", f"  {'é' * 100} ")).text == "é" * 100


async def test_two_replicas_say_the_same(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    here, there = await Gateway(one).register(), await Gateway(other, "gateway-2").register()
    user = new_id()
    for _ in range(20):
        sockets = await asyncio.gather(here.open(user), there.open(user))
        assert await status(one, user) == await status(other, user) == "online"
        # The last two sockets end at the same moment, in two replicas: one of them must notice that nobody is left.
        await asyncio.gather(here.close(sockets[0]), there.close(sockets[1]))
        due = "SELECT offline_at IS NOT NULL FROM presence.people WHERE user_id = $1"
        assert await world.database.fetchval(due, user) is True
        await world.pass_grace(user)
        await asyncio.gather(one.jobs.watch(), other.jobs.watch())
        assert await status(one, user) == "offline"
    told = [item.shown.status for item in world.told if item.shown.user_id == user]
    assert sorted(told) == ["offline"] * 20 + ["online"] * 20


async def test_many_who_come_and_go_at_once_do_not_get_in_each_others_way(world: World) -> None:
    replicas = [await world.replica(), await world.replica()]
    gateways = [await Gateway(replicas[number % 2], f"gateway-{number}").register() for number in range(4)]
    people = [new_id() for _ in range(30)]

    async def busy(gateway: Gateway, offset: int) -> None:
        for turn in range(10):
            order = people[offset + turn :] + people[: offset + turn]
            batch = [opened(user) for user in order]
            assert await gateway.report(batch)
            assert await gateway.report([], [closed(item) for item in reversed(batch)])

    await asyncio.gather(*(busy(gateway, 7 * number) for number, gateway in enumerate(gateways)))
    await world.pass_grace(*people)
    await asyncio.gather(*(parts.jobs.watch() for parts in replicas))
    assert {await status(replicas[0], user) for user in people} == {"offline"}


async def test_without_messages_nobody_but_oneself_is_seen(world: World) -> None:
    parts = await world.replica()
    me = new_id()

    async def away(*_: object) -> None:
        raise Refused(Code.UNAVAILABLE, "messages is not running at the moment; try again.")

    parts.use_cases.people._messages.may_see = away  # type: ignore[method-assign, assignment]
    with pytest.raises(Refused) as refused:
        await parts.use_cases.people.get(GetPresence(actor=actor(me), user_ids=[new_id()]))
    assert refused.value.code == Code.UNAVAILABLE
    assert list(await look(parts, me, me)) == [me]


# -- the log


async def ask(parts: Parts, token: str = "boss", role: str = "admin", **where: object) -> Connections:
    return await parts.use_cases.connections.list(
        ListConnections(actor=actor(new_id(), role), token=token, **where)  # type: ignore[arg-type]
    )


async def test_the_log_is_for_admins_whose_token_auth_confirms(world: World) -> None:
    parts = await world.replica()
    world.roles = {"boss": "admin", "mod": "moderator"}
    gateway, user = await Gateway(parts).register(), new_id()
    socket = await gateway.open(user)
    assert [item.connection_id for item in (await ask(parts, user_id=user)).items] == [socket.connection_id]
    for token, role, code in (
        ("boss", "user", Code.FORBIDDEN),
        ("boss", "moderator", Code.FORBIDDEN),
        ("mod", "admin", Code.FORBIDDEN),
        ("forged", "admin", Code.BAD_TOKEN),
    ):
        with pytest.raises(Refused) as refused:
            await ask(parts, token, role, user_id=user)
        assert refused.value.code == code


async def test_the_log_goes_back_page_by_page(world: World) -> None:
    parts = await world.replica()
    world.roles = {"boss": "admin"}
    gateway, user = await Gateway(parts).register(), new_id()
    at = opened(user).opened_at
    sockets = [opened(user, opened_at=at) for _ in range(7)]
    assert await gateway.report(sockets)
    found, cursor = [], None
    while True:
        page = await ask(parts, user_id=user, limit=3, cursor=cursor)
        found += [item.connection_id for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == sorted((item.connection_id for item in sockets), reverse=True)
    for bad in ({"limit": 0}, {"limit": 201}, {"cursor": "?"}, {"since": at.replace(tzinfo=None)}):
        with pytest.raises(Refused) as refused:
            await ask(parts, **bad)
        assert refused.value.code in (Code.INVALID, Code.BAD_CURSOR)
