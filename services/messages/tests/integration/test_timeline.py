"""Pages of messages, single messages, events."""

import base64
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from parley_messages.epoch import Epoch
from parley_messages.keys import RoomKeys
from parley_messages.store import Database
from parley_messages.store.sealing import Sealing
from parley_messages.store.streams import StreamQueries
from parley_messages.store.timeline import TimelineQueries
from parley_shared.contracts import messages as contract
from parley_shared.errors import Code
from parley_shared.ids import new_id


def bodies(page) -> list[str]:
    return [message.body for message in page.items]


async def walk(suite, actor, room_id, **where) -> list[str]:
    """All bodies along `next`, in the order of the pages."""
    found, cursor = [], None
    for _ in range(50):
        page = await suite.page(actor, room_id, cursor=cursor, **({} if cursor else where), limit=3)
        seqs = [message.seq for message in page.items]
        assert seqs == sorted(seqs), "ascending, whatever the direction"
        found.append(bodies(page))
        cursor = page.next
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


async def test_pages_exclude_their_seq_and_go_on_in_the_direction_asked_for(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sent = await suite.send(owner, room.id, *(f"m{index}" for index in range(8)))
    seqs = [accepted.seq for accepted in sent]
    assert await walk(suite, owner, room.id) == [["m5", "m6", "m7"], ["m2", "m3", "m4"], ["m0", "m1"]]
    assert await walk(suite, owner, room.id, before=seqs[5]) == [["m2", "m3", "m4"], ["m0", "m1"]]
    assert await walk(suite, owner, room.id, after=seqs[1]) == [["m2", "m3", "m4"], ["m5", "m6", "m7"]]
    assert bodies(await suite.page(owner, room.id, before=seqs[0])) == []
    assert bodies(await suite.page(owner, room.id, after=seqs[-1])) == []
    assert (await suite.page(owner, room.id, after=2**62)).items == []


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"'{{{','.join(map(str, value))}}}'"
    return f"'{value}'"


class Explained:
    """Instead of an answer: how many rows of messages, revisions and the log the server went through for it."""

    def __init__(self, connection) -> None:
        self._connection = connection
        self.read = 0

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """As a statement that this connection has had before: from the sixth time on the server may have one plan for all."""
        values = ", ".join(_literal(arg) for arg in args)
        await self._connection.execute(f"PREPARE page AS {query}")
        for _ in range(6):
            await self._connection.execute(f"EXECUTE page ({values})")
        [told] = json.loads(await self._connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page ({values})"))
        waiting = [told["Plan"]]
        for node in waiting:
            waiting += node.get("Plans", ())
            if node.get("Relation Name", "").startswith(("message", "event")):
                self.read += node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
        return []


@pytest.mark.parametrize("counted", [[], ["messages"], ["messages", "message_revisions", "events"]])
@pytest.mark.parametrize("what", ["before", "after", "events", "found"])
async def test_no_more_of_a_room_is_read_than_is_shown(suite, postgres, admin_pool, what, counted) -> None:
    """Also where nothing was counted yet, as in a new suite, or not all: the planner takes every room for a handful of rows then."""
    owner = suite.user()
    room = await suite.room(owner)
    for _ in range(30):
        sent = await suite.send(owner, room.id, *(f"m{index}" for index in range(100)))
    await admin_pool.execute(
        "SELECT pg_clear_relation_stats('messages', relname) FROM pg_class WHERE relname ~ '^(message|event)'"
    )
    await admin_pool.execute("DELETE FROM pg_statistic WHERE starelid::regclass::text ~ '^messages.(message|event)'")
    for table in counted:
        await admin_pool.execute(f"ANALYZE messages.{table}")
    database = await Database.connect(
        await postgres.migrated("messages"),
        application_name="plans",
        size=1,
        on_connect=Epoch().check,
        keys=RoomKeys(None),
    )
    async with database.connection() as connection:
        explained = Explained(connection)
        timeline = TimelineQueries(explained, Sealing(connection, RoomKeys(None)))
        streams = StreamQueries(explained, Sealing(connection, RoomKeys(None)))
        match what:
            case "before":
                await timeline.before(room.id, True, owner.user_id, 2**62, 20)
            case "after":
                await timeline.after(room.id, True, owner.user_id, 0, 20)
            case "events":
                await streams.events(f"room:{room.id}", room.id, 1_000, 2**62, 20)
            case "found":
                wanted = [(room.id, message.message_id) for message in sent[:20]]
                await timeline.seen_among(wanted, owner.user_id, admin=False)
    await database.close()
    assert explained.read == (60 if what == "events" else 40), "messages, the revision of each, and its line in the log"


async def test_around_includes_its_seq_and_has_no_next(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sent = await suite.send(owner, room.id, *(f"m{index}" for index in range(9)))
    page = await suite.page(owner, room.id, around=sent[4].seq, limit=5)
    assert (bodies(page), page.next) == (["m2", "m3", "m4", "m5", "m6"], None)
    assert "m0" in bodies(await suite.page(owner, room.id, around=sent[0].seq, limit=3))
    assert "m8" in bodies(await suite.page(owner, room.id, around=sent[8].seq, limit=3))


async def test_only_one_of_before_after_and_around_may_be_given_and_none_is_negative(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    for where in ({"before": 1, "after": 1}, {"around": 1, "after": 1}, {"before": -1}, {"after": -1}, {"around": -5}):
        with suite.refused(Code.INVALID):
            await suite.page(owner, room.id, **where)


async def test_replies_are_not_in_pages_and_count_at_their_root(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [root] = await suite.send(owner, room.id, "root")
    [reply] = await suite.send(owner, room.id, "reply", thread_root_id=root.message_id)
    [nested] = await suite.send(owner, room.id, "nested", thread_root_id=reply.message_id)
    [top] = await suite.send(owner, room.id, "top")
    assert (root.n, reply.n, nested.n, top.n) == (1, None, None, 2)
    page = await suite.page(owner, room.id)
    assert bodies(page) == ["root", "top"]
    assert page.items[0].reply_count == 2
    found = await suite.message_of(owner, room.id, nested.message_id)
    assert (found.thread_root_id, found.body) == (root.message_id, "nested"), "a reply to a reply belongs to the root"


async def test_a_deleted_message_keeps_its_place_and_nothing_else(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [first, second] = await suite.send(owner, room.id, "to be deleted", "stays")
    await suite.database.execute(
        "UPDATE messages.messages SET deleted_at = clock_timestamp(), deleted_by = $2 WHERE id = $1",
        first.message_id,
        owner.user_id,
    )
    page = await suite.page(owner, room.id)
    assert [(item.seq, item.body, item.deleted) for item in page.items] == [
        (first.seq, None, True),
        (second.seq, "stays", False),
    ]
    # An event of before shows what is there today; the page and the log never disagree. The other replica's cache is out of
    # play here, since nothing but a raised head would tell it.
    event = (await suite.events(owner, room.id, after=first.seq - 1))[0].event.message
    assert (event.deleted, event.body) == (True, None)


async def test_a_cursor_belongs_to_its_room(suite) -> None:
    owner = suite.user()
    room, other = await suite.room(owner), await suite.room(owner)
    await suite.send(owner, room.id, "1", "2", "3")
    page = await suite.page(owner, room.id, limit=1)
    with suite.refused(Code.BAD_CURSOR):
        await suite.page(owner, other.id, cursor=page.next)
    with suite.refused(Code.BAD_CURSOR):
        await suite.page(owner, room.id, cursor="nonsense")


def forged(question: str, *values: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([question, *values])).decode()


async def test_a_forged_cursor_is_refused_and_never_a_fault_of_ours(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "1")
    for values in (("before", 2**63), ("before", -(2**63)), ("sideways", 1), ("around", 2**64 - 1), ("after", "1")):
        with suite.refused(Code.BAD_CURSOR):
            await suite.page(owner, room.id, cursor=forged(f"messages:{room.id}", *values))
    for values in (("nul\0", str(new_id())), ("x", "no uuid")):
        with suite.refused(Code.BAD_CURSOR):
            await suite.rpc.call(
                contract.DIRECTORY, contract.Directory(actor=owner, cursor=forged("directory:", *values))
            )


async def test_long_messages_make_shorter_pages_that_together_are_all(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    for _ in range(4):
        await suite.send(owner, room.id, *("\U0001f642" * 7_900 + str(index) for index in range(10)))
    seen, cursor = [], None
    while True:
        page = await suite.page(owner, room.id, limit=200, cursor=cursor)
        assert page.items
        seen = [message.seq for message in page.items] + seen
        cursor = page.next
        if cursor is None:
            break
    assert seen == list(range(2, 42))


async def test_a_message_is_found_in_its_room_only(suite) -> None:
    owner = suite.user()
    room, other = await suite.room(owner), await suite.room(owner)
    [sent] = await suite.send(owner, room.id, "here")
    assert (await suite.message_of(owner, room.id, sent.message_id)).body == "here"
    for room_id, message_id in ((other.id, sent.message_id), (room.id, new_id())):
        with suite.refused(Code.NOT_FOUND):
            await suite.message_of(owner, room_id, message_id)


async def test_events_page_by_seq_to_the_head(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, *(str(index) for index in range(6)))
    after, found = 0, []
    for _ in range(10):
        answer = await suite.rpc.call(
            contract.ROOM_EVENTS, contract.RoomEvents(actor=owner, room_id=room.id, after=after, limit=3)
        )
        assert answer.head == 7
        found += [suite.decode(frame).seq for frame in answer.items]
        if answer.next is None:
            break
        after = int(answer.next)
    assert found == list(range(1, 8))


@pytest.mark.parametrize("after", [100, 2**62, 2**63, 2**70])
async def test_beyond_the_head_there_are_no_events(suite, after) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    answer = await suite.rpc.call(contract.ROOM_EVENTS, contract.RoomEvents(actor=owner, room_id=room.id, after=after))
    assert (answer.items, answer.head, answer.next) == ([], 1, None)
    own = await suite.rpc.call(contract.USER_EVENTS, contract.UserEvents(actor=owner, after=after))
    assert (own.items, own.head, own.next) == ([], 1, None)


async def test_below_the_floor_one_is_told_to_read_again(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, "1", "2", "3")
    await suite.database.execute("UPDATE messages.rooms SET floor = 2 WHERE id = $1", room.id)
    await suite.database.execute("UPDATE messages.user_streams SET floor = 1 WHERE user_id = $1", owner.user_id)
    with suite.refused(Code.RESYNC):
        await suite.events(owner, room.id, after=1)
    with suite.refused(Code.RESYNC):
        await suite.own_events(owner, after=0)
    assert [event.seq for event in await suite.events(owner, room.id, after=2)] == [3, 4]
    with suite.refused(Code.INVALID):
        await suite.events(owner, room.id, after=-1)


async def test_events_render_what_is_there_today(suite) -> None:
    owner = suite.user()
    room = await suite.room(owner, name="First")
    await suite.update(owner, room.id, 1, name="Second")
    await suite.update(owner, room.id, 2, name="Third")
    events = await suite.events(owner, room.id, after=1)
    assert [(event.event.room.name, event.event.room.rev) for event in events] == [("Third", 3)] * 2


async def test_a_replayed_root_and_its_replies_add_up_to_the_count_that_a_fresh_read_shows(suite) -> None:
    """Live, a root arrives with no replies and each reply counts one up; replay must mean the same."""
    owner = suite.user()
    room = await suite.room(owner)
    [root] = await suite.send(owner, room.id, "root")
    await suite.send(owner, room.id, "a", "b", thread_root_id=root.message_id)
    counted: dict[UUID, int] = {}
    for event in await suite.events(owner, room.id, after=1):
        message = event.event.message
        counted[message.id] = message.reply_count
        if message.thread_root_id is not None:
            counted[message.thread_root_id] += 1
    assert counted[root.message_id] == (await suite.message_of(owner, room.id, root.message_id)).reply_count == 2
