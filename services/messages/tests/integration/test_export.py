"""What somebody takes along is everything of his, once, and nothing of others."""

from typing import Any

import pytest

from parley_messages.usecases import export
from parley_shared.contracts.export import EXPORT_MESSAGES, ExportPage
from parley_shared.contracts.notifications import BLOCK_USER, BlockUser
from parley_shared.errors import Code


async def taken(suite: Any, actor: Any) -> tuple[list[dict[str, Any]], int]:
    """All lines, and in how many pages."""
    lines: list[dict[str, Any]] = []
    cursor, pages = None, 0
    while True:
        page = await suite.rpc.call(EXPORT_MESSAGES, ExportPage(actor=actor, cursor=cursor))
        lines += page.items
        pages += 1
        cursor = page.next
        if cursor is None:
            return lines, pages


def of(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


async def test_it_is_everything_of_ones_own_and_nothing_of_others(suite) -> None:
    me, other, blocked = suite.user(), suite.user(), suite.user()
    suite.names["me.export"] = me.user_id
    rooms = [await suite.room(me, other), await suite.room(other, me)]
    left = await suite.room(other, me)
    for room in (*rooms, left):
        [sent] = await suite.send(me, room.id, "first")
        await suite.edit(me, room.id, sent, 1, "second")
        [theirs] = await suite.send(other, room.id, "not mine, @me.export")
        await suite.react(me, room.id, theirs, "like")
        await suite.react(other, room.id, sent, "like")
        await suite.send(me, room.id, "a reply", thread_root_id=theirs.message_id)
    await suite.leave(me, left.id)
    await suite.rpc.call(BLOCK_USER, BlockUser(actor=me, user_id=blocked.user_id))
    lines, pages = await taken(suite, me)
    assert pages == 1
    assert {line["room_id"] for line in of(lines, "membership")} == {str(room.id) for room in (*rooms, left)}
    assert [line["to_seq"] is None for line in of(lines, "membership") if line["room_id"] == str(left.id)] == [False]
    assert len(of(lines, "message")) == 6
    assert sorted(line["body"] for line in of(lines, "revision")) == ["a reply"] * 3 + ["first"] * 3 + ["second"] * 3
    assert [line["reaction"] for line in of(lines, "reaction")] == ["like"] * 3
    assert len(of(lines, "follow")) >= 3
    assert [line["blocked_id"] for line in of(lines, "block")] == [str(blocked.user_id)]
    assert "not mine" not in str(lines)


async def test_pages_hold_each_line_once(suite, monkeypatch: pytest.MonkeyPatch) -> None:
    me = suite.user()
    for _ in range(3):
        room = await suite.room(me)
        for sent in await suite.send(me, room.id, *["x"] * 5):
            await suite.react(me, room.id, sent, "like")
            await suite.react(me, room.id, sent, "\N{THUMBS UP SIGN}")
    whole, _ = await taken(suite, me)
    monkeypatch.setattr(export, "PAGE_MAX", 4)
    small, pages = await taken(suite, me)
    assert pages > 10
    assert small == whole
    monkeypatch.setattr(export, "REPLY_BYTES", 300)
    smaller, more = await taken(suite, me)
    assert more > pages
    assert smaller == whole


async def test_a_page_fits_into_an_answer_however_long_the_messages(suite) -> None:
    me = suite.user()
    room = await suite.room(me)
    for _ in range(4):
        await suite.send(me, room.id, *["\N{GRINNING FACE}" * 8000] * 10)
    lines, pages = await taken(suite, me)
    assert pages > 1
    assert len(of(lines, "revision")) == 40


@pytest.mark.parametrize("cursor", ["nonsense", "WyJleHBvcnQiLDk5LFtdXQ", "WyJleHBvcnQiLDAsWzFdXQ", "WyJleHBvcnQiXQ"])
async def test_a_cursor_of_ones_own_making_is_refused(suite, cursor: str) -> None:
    with suite.refused(Code.BAD_CURSOR):
        await suite.rpc.call(EXPORT_MESSAGES, ExportPage(actor=suite.user(), cursor=cursor))
