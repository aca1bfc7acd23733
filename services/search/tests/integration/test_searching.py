"""What is found, by whom, and in which order."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from parley_search import handlers
from parley_search.store import finding
from parley_shared.contracts.search import HIGHLIGHT, SEARCH, Highlight, Search, Text
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.limits import BODY_CHARS
from parley_shared.messaging.rpc import RpcClient, RpcServer

from .harness import START, World, actor, found, search, settle


async def test_a_word_finds_its_messages_the_newest_first(world: World) -> None:
    me = new_id()
    room, other = world.chat.room(me), world.chat.room(me)
    first = world.chat.send(room, "The quick brown fox")
    second = world.chat.send(other, "Foxes are quick, too")
    world.chat.send(room, "A lazy dog")
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "fox") == [second.id, first.id]
    assert await found(parts, me, "quick fox") == [second.id, first.id]
    assert await found(parts, me, '"quick brown"') == [first.id]
    assert await found(parts, me, "quick -brown") == [second.id]
    assert await found(parts, me, "fox dog") == []
    hit = (await search(parts, me, "dog")).items[0]
    assert (hit.room_id, hit.language) == (room.id, "english")


async def test_only_rooms_and_intervals_that_one_may_see_now(world: World) -> None:
    me = new_id()
    mine, left, guest, foreign = (world.chat.room() for _ in range(4))
    sent = {
        room.id: [world.chat.send(room, f"word {number}") for number in range(6)]
        for room in (mine, left, guest, foreign)
    }
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "word") == []
    # The seqs of the messages are 2 to 7.
    mine.members[me] = None
    left.members[me] = [(1, 4)]
    guest.members[me] = [(2, 3), (5, None)]
    seen = [*sent[mine.id], *sent[left.id][:2], sent[guest.id][0], *sent[guest.id][3:]]
    assert set(await found(parts, me, "word")) == {message.id for message in seen}
    assert set(await found(parts, me, "word", room_id=guest.id)) == {
        message.id for message in (sent[guest.id][0], *sent[guest.id][3:])
    }
    assert await found(parts, me, "word", room_id=foreign.id) == []
    assert await found(parts, me, "word", room_id=new_id()) == []
    # From one moment to the next.
    del mine.members[me]
    assert not set(await found(parts, me, "word")) & {message.id for message in sent[mine.id]}


async def test_of_many_rooms_all_pages_of_the_scope_count(world: World) -> None:
    me = new_id()
    rooms = [world.chat.room(me) for _ in range(11)]
    sent = [world.chat.send(room, "word") for room in rooms]
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "word", limit=4) == [message.id for message in reversed(sent)]


async def test_a_sealed_room_is_never_found(world: World) -> None:
    me = new_id()
    room = world.chat.room(me, searchable=False)
    world.chat.send(room, "secret")
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "secret") == []
    assert await world.database.fetchval("SELECT count(*) FROM search.messages") == 0


async def test_from_takes_names(world: World) -> None:
    me, alice, bob = new_id(), new_id(), new_id()
    world.chat.people = {"alice": alice, "bob": bob}
    room = world.chat.room(me)
    hers, his, nobodys = (
        world.chat.send(room, "word", alice), world.chat.send(room, "word", bob), world.chat.send(room, "word"),
    )  # fmt: skip
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "word from:alice") == [hers.id]
    assert await found(parts, me, "from:@bob") == [his.id]
    assert await found(parts, me, "from:alice from:bob word") == [his.id, hers.id], "either of them"
    assert await found(parts, me, "word -from:alice") == [nobodys.id, his.id]
    assert await found(parts, me, "word from:nobody") == []
    assert await found(parts, me, "word from:nobody from:alice") == [hers.id]
    assert await found(parts, me, "word -from:nobody") == [nobodys.id, his.id, hers.id]
    assert await found(parts, me, "word", sender_id=bob) == [his.id]
    assert await found(parts, me, sender_id=bob) == [his.id]
    assert await found(parts, me, "from:alice", sender_id=bob) == [], "both is nobody"


async def test_in_takes_names_and_ids_of_rooms_of_ones_own(world: World) -> None:
    me = new_id()
    kitchen, same, direct = (
        world.chat.room(me, name="The Kitchen"), world.chat.room(me, name="the  KITCHEN"), world.chat.room(me, name=None),
    )  # fmt: skip
    foreign = world.chat.room(name="Cellar")
    sent = {room.id: world.chat.send(room, "word").id for room in (kitchen, same, direct, foreign)}
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, 'word in:"the kitchen"') == [sent[same.id], sent[kitchen.id]]
    assert await found(parts, me, 'in:"#Thé Kitchen"') == [sent[same.id], sent[kitchen.id]]
    assert await found(parts, me, f"word in:{direct.id}") == [sent[direct.id]]
    assert await found(parts, me, f"word in:{str(direct.id).upper()}") == [sent[direct.id]]
    assert await found(parts, me, "word in:cellar") == []
    assert await found(parts, me, f"word in:{foreign.id}") == []
    assert await found(parts, me, 'word -in:"the kitchen"') == [sent[direct.id]]
    assert await found(parts, me, f'in:"the kitchen" in:{direct.id}', room_id=same.id) == [sent[same.id]]
    # Nobody's words are another one's room.
    assert await found(parts, me, "in:kitchen") == []


async def test_images_and_days(world: World) -> None:
    me = new_id()
    room = world.chat.room(me)
    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (22, 23, 24)]
    plain, image, last = (
        world.chat.send(room, "word", at=days[0]),
        world.chat.send(room, "", at=days[1], has_image=True),
        world.chat.send(room, "word", at=days[2], has_image=True),
    )
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "has:image") == [last.id, image.id]
    assert await found(parts, me, has="image") == [last.id, image.id]
    assert await found(parts, me, "word has:image") == [last.id]
    assert await found(parts, me, "word -has:image") == [plain.id]
    assert await found(parts, me, "before:2026-11-24") == [image.id, plain.id]
    assert await found(parts, me, "after:2026-11-23") == [last.id, image.id]
    assert await found(parts, me, "after:2026-11-23 before:2026-11-24") == [image.id]
    assert await found(parts, me, "after:2026-11-24 before:2026-11-23") == []
    assert await found(parts, me, "word", before=days[2]) == [plain.id], "before excludes"
    assert await found(parts, me, "word", after=days[2]) == [last.id], "after includes"
    assert await found(parts, me, "after:2026-11-23", before=days[2]) == [image.id], "the narrower counts"


async def test_each_room_is_asked_in_its_language(world: World) -> None:
    me = new_id()
    english, german, plain = (
        world.chat.room(me, language="english"), world.chat.room(me, language="german"), world.chat.room(me, language="simple"),
    )  # fmt: skip
    sent = {
        (room.id, body): world.chat.send(room, body).id
        for room in (english, german, plain)
        for body in ("running shoes", "die Häuser")
    }
    parts = await world.replica()
    await settle(parts)
    assert await found(parts, me, "runs shoe") == [sent[english.id, "running shoes"]]
    assert await found(parts, me, "Haus") == [sent[german.id, "die Häuser"]]
    assert len(await found(parts, me, "hauser")) == 3
    assert len(await found(parts, me, '"running shoes"')) == 3


async def test_pages_stand_still_while_messages_arrive_and_go(world: World) -> None:
    me = new_id()
    room = world.chat.room(me)
    # Several of the same moment, whose ids decide.
    sent = [world.chat.send(room, "word", at=START + timedelta(seconds=number // 3)) for number in range(20)]
    parts = await world.replica()
    await settle(parts)
    order = [message.id for message in sorted(sent, key=lambda item: (item.created_at, item.id), reverse=True)]
    first = await search(parts, me, "word", limit=7)
    new = world.chat.send(room, "word", at=START + timedelta(days=1))
    world.chat.delete(room, next(message for message in sent if message.id == order[9]))
    await settle(parts)
    second = await search(parts, me, "word", limit=7, cursor=first.next)
    third = await search(parts, me, "word", limit=7, cursor=second.next)
    pages = [[item.message_id for item in page.items] for page in (first, second, third)]
    assert pages == [order[:7], [*order[7:9], *order[10:15]], order[15:]]
    assert third.next is None
    assert (await search(parts, me, "word", limit=1)).items[0].message_id == new.id


async def test_a_cursor_belongs_to_its_question_and_to_who_asked(world: World) -> None:
    me, other = new_id(), new_id()
    room = world.chat.room(me, other)
    for _ in range(3):
        world.chat.send(room, "word two")
    parts = await world.replica()
    await settle(parts)
    cursor = (await search(parts, me, "word", limit=1)).next
    assert len((await search(parts, me, "word", limit=2, cursor=cursor)).items) == 2, "the limit may change"
    elsewhere: list[tuple[Any, str, dict[str, Any]]] = [
        (other, "word", {}),
        (me, "two", {}),
        (me, "word", {"room_id": room.id}),
        (me, "word", {"has": "image"}),
        (me, "word", {"after": START}),
    ]
    for viewer, q, fields in elsewhere:
        with pytest.raises(Refused) as refused:
            await search(parts, viewer, q, cursor=cursor, **fields)
        assert refused.value.code == Code.BAD_CURSOR


@pytest.mark.parametrize(
    ("q", "fields", "code", "field"),
    [
        ("", {}, Code.INVALID, "q"),
        ("!!!", {}, Code.INVALID, "q"),
        ("-only -not", {}, Code.INVALID, "q"),
        ("-from:alice", {}, Code.INVALID, "q"),
        ("before:soon", {}, Code.INVALID, "q"),
        ("x" * 201, {}, Code.INVALID, "q"),
        ("a\0b", {}, Code.BAD_TEXT, None),
        ("word", {"limit": 0}, Code.INVALID, "limit"),
        ("word", {"limit": 201}, Code.INVALID, "limit"),
        ("word", {"after": START.replace(tzinfo=None)}, Code.INVALID, "after"),
        ("word", {"before": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, Code.INVALID, "before"),
        ("word", {"cursor": "?"}, Code.BAD_CURSOR, None),
        ("word", {"cursor": "W10"}, Code.BAD_CURSOR, None),
    ],
)
async def test_what_cannot_be_searched_for_is_refused_with_a_sentence(
    world: World, q: str, fields: dict[str, Any], code: Code, field: str | None
) -> None:
    parts = await world.replica()
    with pytest.raises(Refused) as refused:
        await search(parts, new_id(), q, **fields)
    assert refused.value.code == code
    assert field is None or list(refused.value.errors or {}) == [field]


async def test_what_takes_too_long_is_refused_and_says_how_to_narrow_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = new_id()
    world.chat.send(world.chat.room(me), "word")
    parts = await world.replica(query_seconds=0.3)
    await settle(parts)
    slow = finding._EXPECTED.replace("EXPLAIN (FORMAT JSON) SELECT", "SELECT pg_sleep(5)")
    monkeypatch.setattr(finding, "_EXPECTED", slow)
    with pytest.raises(Refused) as refused:
        await search(parts, me, "word")
    assert refused.value.code == Code.INVALID
    assert "in:room" in (refused.value.errors or {})["q"]


async def test_the_newest_of_a_room_need_no_word(world: World) -> None:
    me = new_id()
    room = world.chat.room(me, name="Kitchen")
    sent = [world.chat.send(room, f"number {number}") for number in range(4)]
    parts = await world.replica()
    await settle(parts)
    newest = [message.id for message in reversed(sent)]
    assert await found(parts, me, "in:kitchen") == newest
    assert await found(parts, me, room_id=room.id) == newest
    assert await found(parts, me, "in:kitchen -3") == newest[1:]


async def test_everything_can_be_asked_for_at_once(world: World) -> None:
    me, alice = new_id(), new_id()
    world.chat.people["alice"] = alice
    room = world.chat.room(me, name="Kitchen")
    sent = world.chat.send(room, "Fresh bread is in the oven", alice, at=START, has_image=True)
    world.chat.send(room, "Fresh bread is in the oven", at=START, has_image=True)
    parts = await world.replica()
    await settle(parts)
    q = '"fresh bread" ovens -cake from:alice in:kitchen has:image after:2026-03-01 before:2026-03-02'
    assert await found(parts, me, q) == [sent.id]


async def test_over_nats_as_the_gateway_asks(world: World) -> None:
    me = new_id()
    room = world.chat.room(me)
    sent = world.chat.send(room, "word")
    parts = await world.replica()
    await settle(parts)
    server = RpcServer(world.bus, service="search", version="0.0.0", outage=lambda _error: False)
    handlers.serve(server, parts.use_cases)
    await server.start()
    rpc = RpcClient(await world._connected("gateway"))
    await rpc.start()
    hits = await rpc.call(SEARCH, Search(actor=actor(me), q="word"))
    assert [item.message_id for item in hits.items] == [sent.id]
    texts = [Text(language="english", body="Words, words."), Text(language="simple", body="none")]
    shown = await rpc.call(HIGHLIGHT, Highlight(q="word", texts=texts))
    assert shown.spans == [[(0, 5), (7, 12)], []]
    await server.stop()


async def test_highlights_count_in_characters_and_know_the_language(world: World) -> None:
    highlight = (await world.replica()).use_cases.searching.highlight
    body = "👍🏽 Ångström: 東京都 — runs"
    for q, language, expected in (
        ("angstrom", "simple", ["Ångström"]),
        ("running", "english", ["runs"]),
        ("running", "simple", []),
        ("京都", "simple", ["京都"]),
        ("👍", "simple", ["👍🏽"]),
        ("-runs has:image", "english", []),
    ):
        [spans] = (await highlight(Highlight(q=q, texts=[Text(language=language, body=body)]))).spans
        assert [body[start:end] for start, end in spans] == expected
    # A page of the longest texts.
    whole = await highlight(Highlight(q="a b", texts=[Text(language="english", body="a b " * (BODY_CHARS // 4))] * 50))
    assert len(whole.spans[49]) == BODY_CHARS // 2
    with pytest.raises(Refused):
        await highlight(Highlight(q="x" * 201, texts=[]))
