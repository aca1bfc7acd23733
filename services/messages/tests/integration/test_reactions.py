"""Reactions: which there are, who has them, how many, and how fast."""

import asyncio
from typing import Any

import pytest

from parley_shared.contracts import messages as contract
from parley_shared.errors import Code, Refused

KINDS = "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗😙😚🙂🤗🤩"


def plain(message: contract.Message) -> list[tuple[str, int, list, bool]]:
    return [(found.reaction, found.count, found.user_ids, found.mine) for found in message.reactions]


async def told(suite: Any, actor: Any, room_id: Any, after: int) -> list[tuple[str, str, Any, int]]:
    events = await suite.events(actor, room_id, after=after)
    return [
        (kind, event.event.reaction, event.event.user_id, event.event.count)
        for kind, event in zip(suite.kinds(events), events, strict=True)
    ]


async def test_a_reaction_is_told_and_shown_wherever_its_message_is(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [root] = await suite.send(owner, room.id, "root")
    [reply] = await suite.send(owner, room.id, "reply", thread_root_id=root.message_id)
    [sent] = await suite.send(owner, room.id, "newest")
    for message in (root, reply, sent):
        await suite.react(member, room.id, message, "👍")
        await suite.react(owner, room.id, message, "👍")
        await suite.react(owner, room.id, message, "like")
    assert await told(suite, owner, room.id, after=sent.seq + 6) == [
        ("reaction.added", "👍", member.user_id, 1),
        ("reaction.added", "👍", owner.user_id, 2),
        ("reaction.added", "like", owner.user_id, 1),
    ]
    wanted = [("like", 1, [owner.user_id], False), ("👍", 2, [member.user_id, owner.user_id], True)]
    thread = await suite.thread(member, room.id, root)
    rooms = await suite.rpc.call(contract.LIST_ROOMS, contract.ListRooms(actor=member))
    page = await suite.page(member, room.id)
    around = await suite.page(member, room.id, around=sent.seq)
    for shown in (
        await suite.message_of(member, room.id, reply.message_id),
        thread.root,
        thread.items[0],
        rooms.items[0].last_message,
        *page.items,
        *around.items,
    ):
        assert plain(shown) == wanted
    mine = await suite.message_of(owner, room.id, sent.message_id)
    assert [found.mine for found in mine.reactions] == [True, True]


async def test_repeating_a_reaction_and_taking_back_what_one_has_not_given_are_no_events(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "x")
    await suite.unreact(owner, room.id, sent, "👍")
    await suite.react(owner, room.id, sent, "👍")
    await suite.react(owner, room.id, sent, "👍")
    await suite.unreact(owner, room.id, sent, "👍")
    await suite.unreact(owner, room.id, sent, "👍")
    found = await told(suite, owner, room.id, after=sent.seq)
    assert [(kind, count) for kind, _, _, count in found] == [("reaction.added", 1), ("reaction.removed", 0)]
    assert (await suite.message_of(owner, room.id, sent.message_id)).reactions == []


async def test_like_and_dislike_take_each_others_place(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [sent] = await suite.send(owner, room.id, "x")
    await suite.react(member, room.id, sent, "like")
    await suite.react(owner, room.id, sent, "like")
    await suite.react(owner, room.id, sent, "❤️")
    before = (await suite.mine(owner, room.id)).head
    await suite.react(owner, room.id, sent, "dislike")
    await suite.react(owner, room.id, sent, "like")
    assert await told(suite, owner, room.id, after=before) == [
        ("reaction.removed", "like", owner.user_id, 1),
        ("reaction.added", "dislike", owner.user_id, 1),
        ("reaction.removed", "dislike", owner.user_id, 0),
        ("reaction.added", "like", owner.user_id, 2),
    ]
    shown = plain(await suite.message_of(owner, room.id, sent.message_id))
    assert shown == [("like", 2, [member.user_id, owner.user_id], True), ("❤️", 1, [owner.user_id], True)]


@pytest.mark.parametrize("reaction", ["❤", "❤️"])
async def test_one_emoji_written_in_two_ways_is_one_reaction(suite, reaction) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "x")
    await suite.react(owner, room.id, sent, reaction)
    await suite.react(owner, room.id, sent, "❤️")
    assert plain(await suite.message_of(owner, room.id, sent.message_id)) == [("❤️", 1, [owner.user_id], True)]
    await suite.unreact(owner, room.id, sent, "❤")
    assert (await suite.message_of(owner, room.id, sent.message_id)).reactions == []


@pytest.mark.parametrize(
    "reaction", ["", "Like", "love", "👍👍", "1", "#", "🇦", "a👍", "\0", "\ud800", "👍" * 500, " 👍"]
)
async def test_what_is_no_reaction_is_invalid(suite, reaction) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "x")
    for work in (suite.react, suite.unreact):
        with pytest.raises((Refused, UnicodeEncodeError)) as caught:
            await work(owner, room.id, sent, reaction)
        if isinstance(caught.value, Refused):
            assert (caught.value.code, list(caught.value.errors)) == (Code.INVALID, ["reaction"])


async def test_a_message_takes_twenty_kinds_and_of_those_any_number(suite) -> None:
    owner, member = suite.user(), suite.user()
    room = await suite.room(owner, member)
    [sent] = await suite.send(owner, room.id, "x")
    for reaction in KINDS[:19]:
        await suite.react(owner, room.id, sent, reaction)
    await suite.react(owner, room.id, sent, "like")
    for actor in (owner, member):
        with suite.refused(Code.INVALID) as caught:
            await suite.react(actor, room.id, sent, KINDS[20])
        assert "20" in caught.value.errors["reaction"]
    await suite.react(member, room.id, sent, KINDS[3])
    # Taking its opposite's place, it needs no room of its own; unless somebody else has that, too.
    await suite.react(owner, room.id, sent, "dislike")
    await suite.react(member, room.id, sent, "dislike")
    with suite.refused(Code.INVALID):
        await suite.react(owner, room.id, sent, "like")
    shown = plain(await suite.message_of(owner, room.id, sent.message_id))
    assert len(shown) == 20
    assert [found[0] for found in shown] == sorted(found[0] for found in shown)
    assert next(found for found in shown if found[0] == "dislike")[2] == [owner.user_id, member.user_id]


async def test_the_first_twenty_are_named_and_all_are_counted(suite) -> None:
    owner = suite.user()
    people = [suite.user() for _ in range(22)]
    room = await suite.room(owner, *people)
    [sent] = await suite.send(owner, room.id, "x")
    for person in people:
        await suite.react(person, room.id, sent, "👍")
    await suite.unreact(people[0], room.id, sent, "👍")
    await suite.react(people[0], room.id, sent, "👍")
    [found] = (await suite.message_of(people[21], room.id, sent.message_id)).reactions
    assert (found.count, found.mine) == (22, True)
    assert found.user_ids == [person.user_id for person in people[1:21]]


async def test_all_who_react_at_once_are_counted(suite) -> None:
    owner = suite.user()
    people = [suite.user() for _ in range(8)]
    room = await suite.room(owner, *people)
    [sent] = await suite.send(owner, room.id, "x")
    before = (await suite.mine(owner, room.id)).head
    await asyncio.gather(
        *(suite.react(person, room.id, sent, "🎉") for person in people),
        *(suite.react(person, room.id, sent, "🎉") for person in people),
    )
    found = await told(suite, owner, room.id, after=before)
    assert [count for _, _, _, count in found] == list(range(1, 9))


async def test_past_the_budget_one_is_told_how_long_to_wait_and_repeating_a_state_is_free(suite) -> None:
    actor = suite.user()
    room = await suite.room(actor)
    [sent] = await suite.send(actor, room.id, "x")
    accepted = 0
    reaction = "👍"
    with suite.refused(Code.RATE_LIMITED) as caught:
        while True:
            await (suite.unreact if accepted % 2 else suite.react)(actor, room.id, sent, reaction)
            accepted += 1
    wait = caught.value.retry_after_ms
    # A second or two have passed meanwhile, in which further ones were let through.
    assert 60 <= accepted <= 65
    assert 0 < wait <= 1000
    with suite.refused(Code.RATE_LIMITED):
        await suite.edit(actor, room.id, sent, 1, "y")
    # What is so already costs nothing, nor do sends and deletions.
    same = suite.unreact if accepted % 2 == 0 else suite.react
    await same(actor, room.id, sent, reaction)
    assert (await suite.edit(actor, room.id, sent, 1, "x")).rev == 1
    [other] = await suite.send(actor, room.id, "z")
    await suite.delete_message(actor, room.id, other)
    await asyncio.sleep(wait / 1000)
    await (suite.unreact if accepted % 2 else suite.react)(actor, room.id, sent, reaction)


async def test_the_budget_holds_for_all_that_comes_at_once(suite) -> None:
    actor = suite.user()
    rooms = [await suite.room(actor) for _ in range(3)]
    sent = [(room.id, message) for room in rooms for message in await suite.send(actor, room.id, *["x"] * 30)]
    before = await suite.database.fetchval("SELECT clock_timestamp()")
    found = await asyncio.gather(
        *(suite.react(actor, room_id, message, "👍") for room_id, message in sent), return_exceptions=True
    )
    seconds = (await suite.database.fetchval("SELECT clock_timestamp()") - before).total_seconds()
    refusals = [refusal for refusal in found if isinstance(refusal, Refused)]
    assert 60 <= len(found) - len(refusals) <= 61 + seconds
    assert {refusal.code for refusal in refusals} == {Code.RATE_LIMITED}
    # Whoever is refused has changed nothing.
    count = await suite.database.fetchval("SELECT count(*) FROM messages.reactions WHERE user_id = $1", actor.user_id)
    assert count == len(found) - len(refusals)
