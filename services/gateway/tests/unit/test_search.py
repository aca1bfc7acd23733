"""Searching: ids from search, text and the last word on who may see it from messages, highlights from search again."""

from typing import Any

import msgspec
import pytest

from parley_gateway.examples import example
from parley_gateway.routes import search as search_module
from parley_shared.contracts import messages, search
from parley_shared.errors import unavailable
from parley_shared.ids import new_id
from parley_shared.limits import SEARCH_CHARS, SEARCH_PAGE

from .harness import World
from .test_problems import problem

PATH = "/api/v1/search"


def message(body: str) -> messages.Message:
    found = msgspec.convert(example(messages.Message), messages.Message)
    return msgspec.structs.replace(found, id=new_id(), body=body)


class Found:
    """Search finds these, each in a room of its language; messages renders `most` of them at a time."""

    def __init__(self, world: World, *found: messages.Message | None, most: int = 200) -> None:
        self._messages = {new_id() if each is None else each.id: each for each in found}
        self._most = most
        self.batches: list[list[str]] = []
        room = new_id()
        hits = [search.Hit(room_id=room, message_id=each, language="english") for each in self._messages]
        world.rpc.on(search.SEARCH, search.Hits(items=hits, next="further"))
        world.rpc.on(messages.RENDER_MESSAGES, self._render)
        world.rpc.on(search.HIGHLIGHT, self._highlight)

    def _render(self, request: messages.RenderMessages) -> messages.RenderedMessages:
        wanted = request.wanted[: self._most]
        return messages.RenderedMessages(items=[self._messages[each.message_id] for each in wanted])

    def _highlight(self, request: search.Highlight) -> search.Highlights:
        self.batches.append([text.body for text in request.texts])
        spans = [[(text.body.index("soup"), text.body.index("soup") + 4)] for text in request.texts]
        return search.Highlights(spans=spans)


async def test_hits_come_with_their_messages_and_where_the_words_are(world: World) -> None:
    first, second = message("soup"), message("the 🍲 is soup")
    Found(world, first, second)
    answer = await world.http.get(PATH, params={"q": "soup", "limit": 10})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [item["message"]["id"] for item in found["items"]] == [str(first.id), str(second.id)]
    # Code points, in which the bowl is one.
    assert [item["highlights"] for item in found["items"]] == [[[0, 4]], [[9, 13]]]
    assert found["next"] == "further"


async def test_what_is_out_of_sight_by_now_is_dropped_and_the_search_goes_on(world: World) -> None:
    seen = message("soup")
    Found(world, None, seen, None)
    found = (await world.http.get(PATH, params={"q": "soup"})).json()
    assert [item["message"]["id"] for item in found["items"]] == [str(seen.id)]
    assert found["next"] == "further"
    Found(world, None)
    found = (await world.http.get(PATH, params={"q": "soup"})).json()
    assert found == {"items": [], "next": "further"}


async def test_every_parameter_reaches_search(world: World) -> None:
    Found(world)
    room, sender = new_id(), new_id()
    given = {
        "q": 'from:alice "hot soup" -cold',
        "room_id": str(room),
        "sender_id": str(sender),
        "after": "2026-11-24T12:00:00+01:00",
        "before": "2026-11-25T00:00:00Z",
        "has": "image",
        "limit": "7",
        "cursor": "there",
    }
    assert (await world.http.get(PATH, params=given)).status_code == 200
    (asked,) = world.rpc.requests(search.SEARCH)
    assert (asked.q, asked.room_id, asked.sender_id, asked.has) == (given["q"], room, sender, "image")
    assert (asked.after.isoformat(), asked.before.isoformat()) == (
        "2026-11-24T12:00:00+01:00",
        "2026-11-25T00:00:00+00:00",
    )
    assert (asked.limit, asked.cursor, asked.actor.user_id) == (7, "there", world.me)


async def test_a_page_is_no_longer_than_what_fits_and_a_search_by_filters_asks_for_no_highlights(world: World) -> None:
    Found(world, message("soup"))
    found = (await world.http.get(PATH, params={"has": "image", "limit": 200})).json()
    assert found["items"][0]["highlights"] == []
    assert world.rpc.requests(search.SEARCH)[0].limit == SEARCH_PAGE
    assert not world.rpc.requests(search.HIGHLIGHT)


async def test_long_messages_are_rendered_and_highlighted_in_as_many_calls_as_it_takes(world: World) -> None:
    texts = [f"{'ä' * 7000} soup {number}" for number in range(20)]
    found = Found(world, *map(message, texts), most=3)
    answer = (await world.http.get(PATH, params={"q": "soup"})).json()
    assert [item["message"]["body"] for item in answer["items"]] == texts
    assert len(world.rpc.requests(messages.RENDER_MESSAGES)) == 7
    assert [body for batch in found.batches for body in batch] == texts
    for batch in found.batches:
        assert sum(len(body.encode()) for body in batch) <= search_module.HIGHLIGHT_BYTES


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"q": "x" * (SEARCH_CHARS + 1)}, "q"),
        ({"room_id": "kitchen"}, "room_id"),
        ({"after": "2026-11-24T12:00:00"}, "after"),
        ({"before": "yesterday"}, "before"),
        ({"has": "video"}, "has"),
        ({"limit": "201"}, "limit"),
    ],
)
async def test_what_cannot_be_meant_is_422(world: World, params: dict[str, Any], field: str) -> None:
    Found(world)
    assert problem(await world.http.get(PATH, params=params), 422, "invalid")["errors"].keys() == {field}
    assert not world.rpc.requests(search.SEARCH)


async def test_without_search_there_is_no_search(world: World) -> None:
    problem(await world.http.get(PATH, params={"q": "soup"}), 503, "unavailable")
    Found(world, message("soup"))
    for verb in (messages.RENDER_MESSAGES, search.HIGHLIGHT):
        world.rpc.on(verb, unavailable("away"))
        problem(await world.http.get(PATH, params={"q": "soup"}), 503, "unavailable")


async def test_an_admin_sees_how_the_index_stands_and_builds_it_anew(world: World) -> None:
    state = msgspec.convert(example(search.IndexState), search.IndexState)
    world.rpc.on(search.INDEX_STATE, state)
    world.rpc.on(search.REBUILD_INDEX, state)
    answer = await world.http.get("/api/v1/admin/search")
    assert (answer.status_code, answer.json()) == (200, msgspec.to_builtins(state))
    answer = await world.http.post("/api/v1/admin/search/rebuild")
    assert (answer.status_code, answer.json()) == (202, msgspec.to_builtins(state))
    assert world.rpc.requests(search.REBUILD_INDEX)[0].token == world.token
