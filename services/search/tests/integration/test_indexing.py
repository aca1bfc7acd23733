"""What becomes of rooms: new, behind, lost, gone, in another language, in another epoch, broken."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from parley_search import analysis
from parley_search.usecases import erasure, indexing
from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.erasure import Erase
from parley_shared.contracts.indexing import IndexWant
from parley_shared.contracts.live import Advanced
from parley_shared.contracts.search import IndexState
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id, user_stream

from .harness import Message, Room, World, actor, found, settle


def admin(token: str = "boss", role: str = "admin") -> AdminRequest:
    return AdminRequest(actor=actor(new_id(), role), token=token)  # type: ignore[arg-type]


async def entries(world: World) -> dict[UUID, tuple[int, bool]]:
    """(rev, whether it can be found) by message."""
    rows = await world.database.fetch("SELECT message_id, rev, vector IS NOT NULL FROM search.messages")
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: (row[1], row[2]) for row in rows}


def visible(*messages: Message) -> dict[UUID, tuple[int, bool]]:
    return {message.id: (message.rev, message.body is not None) for message in messages}


async def test_an_event_brings_the_message_that_it_tells_of_at_once(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    old = world.chat.send(room, "An old word")
    new = world.chat.send(room, "A new word")
    await parts.indexing.follow([world.chat.advanced(room, new.seq)])
    assert await found(parts, me, "word") == [new.id], "the room was not known, and what came before takes its time"
    await parts.indexing.page()
    assert await found(parts, me, "word") == [new.id, old.id]


async def test_edits_and_deletions_take_effect_by_their_events(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    edited, deleted = world.chat.send(room, "first"), world.chat.send(room, "first")
    await settle(parts)
    world.chat.edit(room, edited, "second")
    world.chat.delete(room, deleted)
    await parts.indexing.follow([world.chat.advanced(room, 4)])
    assert await found(parts, me, "first") == []
    assert await found(parts, me, "second") == [edited.id]
    assert await entries(world) == visible(edited, deleted)
    row = await world.database.fetchrow("SELECT * FROM search.messages WHERE message_id = $1", deleted.id)
    assert row["vector"] is None, "a tombstone knows neither words nor sender"


async def test_events_that_change_nothing_that_is_found_cost_no_question(world: World) -> None:
    parts = await world.replica()
    room = world.chat.room()
    world.chat.send(room, "word")
    await settle(parts)
    room.add("reaction.added")
    world.chat.asked.clear()
    await parts.indexing.follow(
        [
            world.chat.advanced(room, 3),
            world.chat.advanced(room, 1, 2),
            Advanced(
                epoch=world.chat.epoch,
                stream=user_stream(new_id()),
                from_seq=1,
                to_seq=1,
                kinds=["notification.created", "message.created"],
            ),
        ]
    )
    assert world.chat.asked == []


async def test_many_rooms_are_read_in_few_questions_even_if_an_answer_is_full(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    rooms = [world.chat.room(me) for _ in range(40)]
    sent = [world.chat.send(room, "word") for room in rooms for _ in range(3)]
    await settle(parts)
    late = [world.chat.send(room, "late") for room in rooms for _ in range(3)]
    world.chat.page = 50
    world.chat.asked.clear()
    await parts.indexing.follow([world.chat.advanced(room, 5) for room in rooms])
    assert len(world.chat.asked) < 120
    assert await found(parts, me, "late") == sorted((message.id for message in late), reverse=True)
    assert len(await entries(world)) == len(sent) + len(late)


async def test_what_the_log_has_forgotten_is_read_as_state(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    kept, gone = world.chat.send(room, "word"), world.chat.send(room, "word")
    await settle(parts)
    world.chat.delete(room, gone)
    new = world.chat.send(room, "word")
    room.floor = room.head
    await parts.comparing.compare()
    await parts.indexing.page()
    assert await found(parts, me, "word") == [new.id, kept.id]
    assert await entries(world) == visible(kept, gone, new)


async def test_a_long_room_is_paged_and_searched_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    sent = [world.chat.send(room, f"word {number}") for number in range(25)]
    await settle(parts)
    world.chat.page = 4
    await parts.rebuilding.rebuild(admin())
    pages = 0
    part = world.chat.part

    async def look() -> None:
        assert await found(parts, me, "word") == [message.id for message in reversed(sent)]
        assert await found(parts, me, "24") == [sent[24].id]

    def counted(want: IndexWant, most: int) -> object:
        nonlocal pages
        pages += 1
        return part(want, most)

    monkeypatch.setattr(world.chat, "part", counted)
    ask = parts.indexing._ask

    async def looked(*args: object) -> object:
        answer = await ask(*args)  # type: ignore[arg-type]
        await look()
        return answer

    monkeypatch.setattr(parts.indexing, "_ask", looked)
    await settle(parts)
    assert pages >= 7
    await look()
    assert await world.database.fetchval("SELECT array_agg(DISTINCT generation) FROM search.messages") == [2]


async def test_a_room_that_is_gone_or_sealed_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "FORGOTTEN_AT_ONCE", 2)
    parts = await world.replica()
    purged, sealed, stays = (world.chat.room() for _ in range(3))
    for room in (purged, sealed, stays):
        for _ in range(5):
            world.chat.send(room, "word")
    await settle(parts)
    del world.chat.rooms[purged.id]
    sealed.searchable = False
    await settle(parts)
    assert await entries(world) == visible(*stays.messages.values())
    assert [row[0] for row in await world.database.fetch("SELECT room_id FROM search.rooms")] == [stays.id]


async def test_an_answer_that_says_gone_has_the_room_forgotten_too(world: World) -> None:
    parts = await world.replica()
    room = world.chat.room()
    world.chat.send(room, "word")
    await settle(parts)
    late = world.chat.send(room, "word")
    event = world.chat.advanced(room, late.seq)
    del world.chat.rooms[room.id]
    await parts.indexing.follow([event])
    while await parts.indexing.forget():
        pass
    assert await entries(world) == {}
    await parts.indexing.follow([event])
    assert await entries(world) == {}


async def test_another_language_has_all_words_stemmed_anew(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me, language="english")
    sent = world.chat.send(room, "Häuser running")
    await settle(parts)
    assert await found(parts, me, "runs") == [sent.id]
    assert await found(parts, me, "Haus") == []
    world.chat.speak(room, "german")
    await parts.indexing.follow([world.chat.advanced(room, room.head)])
    while await parts.indexing.page():
        pass
    assert await found(parts, me, "runs") == []
    assert await found(parts, me, "Haus") == [sent.id]
    # Without an event comparing notices it.
    room.language = "simple"
    await settle(parts)
    assert await found(parts, me, "Haus") == []
    assert await found(parts, me, "hauser") == [sent.id]


async def test_another_epoch_means_that_everything_is_read_anew(world: World) -> None:
    """As after a backup was restored: messages are missing, seqs are taken by others, revs have gone back."""
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    kept = world.chat.send(room, "restored")
    lost = world.chat.send(room, "lost")
    world.chat.edit(room, kept, "edited after the backup")
    await settle(parts)
    world.chat.epoch = "epoch-2"
    kept.body, kept.rev = "restored", 1
    del room.messages[lost.id], room.log[2:]
    event_of_the_old_epoch = world.chat.advanced(room, 1)
    new = world.chat.send(room, "new")
    assert new.seq == lost.seq
    await parts.indexing.follow([world.chat.advanced(room, new.seq)])
    assert await found(parts, me, "new") == [new.id], "what is new need not wait"
    await settle(parts)
    assert await found(parts, me, "restored") == [kept.id]
    assert await entries(world) == visible(kept, new)
    state = await parts.rebuilding.state(admin())
    assert (state.epoch, state.rebuilding) == ("epoch-2", None)
    # What comes late from before changes nothing.
    world.chat.epoch = "epoch-1"
    old = world.chat.advanced(room, 1, 2)
    world.chat.epoch = "epoch-2"
    await parts.indexing.follow([old, event_of_the_old_epoch])
    assert await entries(world) == visible(kept, new)


async def test_a_room_that_is_being_forgotten_may_be_there_in_another_epoch(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    sent = world.chat.send(room, "word")
    await settle(parts)
    del world.chat.rooms[room.id]
    await parts.comparing.compare()
    world.chat.rooms[room.id] = room
    world.chat.epoch = "epoch-2"
    await settle(parts)
    assert await found(parts, me, "word") == [sent.id]


async def test_an_answer_of_another_epoch_is_not_taken(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    sent = world.chat.send(room, "word")
    await settle(parts)
    async with parts.indexing._database.begin() as store:
        known = await store.rooms.get([room.id])
    world.chat.edit(room, sent, "other")
    world.chat.epoch = "epoch-2"
    await parts.indexing.read(known.values(), "log")
    assert await world.database.fetchval("SELECT epoch FROM search.meta") == "epoch-2"
    assert await found(parts, me, "other") == [], "seqs of one epoch mean nothing in another"
    await settle(parts)
    assert await found(parts, me, "other") == [sent.id]


async def test_a_log_that_is_shorter_than_what_was_read_is_not_trusted(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    kept, lost = world.chat.send(room, "word"), world.chat.send(room, "word")
    await settle(parts)
    del room.messages[lost.id], room.log[2:]
    await settle(parts)
    assert await found(parts, me, "word") == [kept.id]
    assert await entries(world) == visible(kept)


async def test_a_room_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    rooms = [world.chat.room(me) for _ in range(7)]
    sent = [world.chat.send(room, "word") for room in rooms]
    world.chat.broken = {rooms[3].id}
    await parts.indexing.follow([world.chat.advanced(room, 2) for room in rooms])
    expected = [message.id for message in reversed(sent)]
    assert await found(parts, me, "word") == [message for message in expected if message != sent[3].id]
    world.chat.broken.clear()
    await settle(parts)
    assert await found(parts, me, "word") == expected


async def test_an_answer_that_leads_nowhere_is_not_asked_for_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = await world.replica()
    room = world.chat.room()
    sent = world.chat.send(room, "word")
    world.chat.page = 0
    await parts.indexing.follow([world.chat.advanced(room, sent.seq)])
    assert await entries(world) == {}
    world.chat.page = 1_000
    await settle(parts)
    assert await entries(world) == visible(sent)


async def test_a_text_that_breaks_the_analysis_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = await world.replica()
    me, sender = new_id(), new_id()
    world.chat.people["sender"] = sender
    room = world.chat.room(me)
    bad, good = world.chat.send(room, "poison", sender), world.chat.send(room, "word")
    whole = analysis.Analyser._tokens

    def fragile(self: analysis.Analyser, chunk: str) -> object:
        if chunk == "poison":
            raise ZeroDivisionError
        return whole(self, chunk)

    monkeypatch.setattr(analysis.Analyser, "_tokens", fragile)
    await settle(parts)
    assert await found(parts, me, "word") == [good.id]
    assert await found(parts, me, "from:sender") == [bad.id], "it is there, but for its words"


async def test_while_messages_is_away_nothing_is_lost(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    sent = world.chat.send(room, "word")
    world.chat.away = True
    for work in (
        parts.indexing.follow([world.chat.advanced(room, sent.seq)]),
        parts.comparing.compare(),
        found(parts, me, "word"),
    ):
        with pytest.raises(Refused) as refused:
            await work
        assert refused.value.code == Code.UNAVAILABLE
    world.chat.away = False
    await settle(parts)
    assert await found(parts, me, "word") == [sent.id]


# -- rebuilding


async def test_a_rebuild_says_how_far_it_has_come(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "PAGED_AT_ONCE", 1)
    parts = await world.replica()
    rooms = [world.chat.room() for _ in range(3)]
    sent = [world.chat.send(room, "word") for room in rooms]
    await settle(parts)
    assert await parts.rebuilding.state(admin()) == IndexState(
        messages=3, rooms=3, rooms_behind=0, epoch="epoch-1", rebuilding=None, done=0, total=0
    )
    begun = await parts.rebuilding.rebuild(admin())
    assert (begun.messages, begun.done, begun.total) == (3, 0, 3)
    assert begun.rebuilding is not None
    await parts.indexing.page()
    again = await parts.rebuilding.rebuild(admin())
    assert (again.rebuilding, again.done) == (begun.rebuilding, 1), "it is under way, and does not begin anew"
    await settle(parts)
    over = await parts.rebuilding.state(admin())
    assert (over.messages, over.rebuilding) == (3, None)
    assert await entries(world) == visible(*sent)


async def test_only_admins_rebuild(world: World) -> None:
    parts = await world.replica()
    for token, role, code in (
        ("boss", "user", Code.FORBIDDEN),
        ("boss", "moderator", Code.FORBIDDEN),
        ("mod", "admin", Code.FORBIDDEN),
        ("forged", "admin", Code.BAD_TOKEN),
    ):
        for verb in (parts.rebuilding.rebuild, parts.rebuilding.state):
            with pytest.raises(Refused) as refused:
                await verb(admin(token, role))
            assert refused.value.code == code
    assert await world.database.fetchval("SELECT rebuilding FROM search.meta") is None


async def test_what_an_older_analysis_made_is_made_anew_and_what_a_newer_one_made_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = await world.replica()
    me = new_id()
    room = world.chat.room(me)
    sent = world.chat.send(room, "word")
    await settle(parts)
    await world.database.execute(
        "UPDATE search.messages SET vector = 'dorw'; UPDATE search.meta SET analysis = analysis + 1"
    )
    assert not await parts.rebuilding.renew_analysis()
    await settle(parts)
    assert await found(parts, me, "word") == []
    await world.database.execute("UPDATE search.meta SET analysis = 0")
    assert await parts.rebuilding.renew_analysis()
    assert not await parts.rebuilding.renew_analysis()
    await settle(parts)
    assert await found(parts, me, "word") == [sent.id]


async def test_a_rebuild_removes_what_messages_does_not_have(world: World) -> None:
    parts = await world.replica()
    me = new_id()
    room: Room = world.chat.room(me)
    kept, purged = world.chat.send(room, "word"), world.chat.send(room, "word")
    await settle(parts)
    del room.messages[purged.id]
    await parts.rebuilding.rebuild(admin())
    await settle(parts)
    assert await found(parts, me, "word") == [kept.id]
    assert await entries(world) == visible(kept)


# -- erasing


async def test_an_erased_account_is_not_found_by_words_nor_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "AT_ONCE", 2)
    parts = await world.replica()
    me, leaver, stayer = new_id(), new_id(), new_id()
    world.chat.people |= {"leaver": leaver, "stayer": stayer}
    rooms = [world.chat.room(me) for _ in range(3)]
    theirs = [world.chat.send(room, "word", leaver) for room in rooms for _ in range(3)]
    other = world.chat.send(rooms[0], "word", stayer)
    await settle(parts)
    erased = await parts.use_cases.erasure.erase(Erase(user_id=leaver, saga_id=new_id()))
    assert (erased.done, erased.counts) == (True, {"search_entries": 9})
    assert await found(parts, me, "word") == [other.id]
    assert await found(parts, me, "from:leaver") == []
    # The log is read again, as after a crash: what was erased does not come back.
    await world.database.execute("UPDATE search.rooms SET cursor = 0")
    await settle(parts)
    assert await found(parts, me, "word") == [other.id]
    for message in theirs:
        world.chat.delete(next(room for room in rooms if message.id in room.messages), message)
    await settle(parts)
    assert await entries(world) == visible(other, *theirs)
    again = await parts.use_cases.erasure.erase(Erase(user_id=leaver, saga_id=new_id()))
    assert (again.done, again.counts) == (True, {"search_entries": 0})


async def test_an_erasure_that_takes_long_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "WITHIN_S", -1.0)
    parts = await world.replica()
    assert not (await parts.use_cases.erasure.erase(Erase(user_id=new_id(), saga_id=new_id()))).done


async def test_times_are_kept_to_the_microsecond(world: World) -> None:
    parts = await world.replica()
    room = world.chat.room()
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    sent = world.chat.send(room, "word", at=at)
    await settle(parts)
    assert await world.database.fetchval("SELECT created_at FROM search.messages") == at
    world.chat.edit(room, sent, "other")
    await settle(parts)
    assert len(await entries(world)) == 1
