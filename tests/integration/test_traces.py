"""One message is one trace: from the frame or request to the group commit, JetStream, every gateway and search; by the files that the
suite's exporters write."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_command import Terminal
from tests.pictures import png
from tests.protocol_client import Frame, Person

WITHIN_S = 60.0


@dataclass(frozen=True)
class Span:
    """where: the process's instance. links: ids of spans."""

    trace: str
    id: str
    parent: str
    name: str
    where: str
    links: tuple[str, ...]
    attributes: dict[str, Any]


def spans(suite: Suite, trace: str) -> list[Span]:
    """What has been exported of it so far."""
    found = []
    for path in sorted(suite.kept("traces").glob("*.jsonl*")):
        for line in path.read_text().splitlines():
            if trace in line and line.endswith("}"):
                found += [span for span in _spans(json.loads(line)) if span.trace == trace]
    return found


def _spans(batch: dict[str, Any]) -> list[Span]:
    return [
        Span(
            trace=span["traceId"],
            id=span["spanId"],
            parent=span.get("parentSpanId", ""),
            name=span["name"],
            where=_said(resource["resource"]["attributes"])["service.instance.id"],
            links=tuple(link["spanId"] for link in span.get("links", [])),
            attributes=_said(span.get("attributes", [])),
        )
        for resource in batch["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def _said(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in listed}


async def until(suite: Suite, trace: str, *names: str, deliveries: int = 0) -> list[Span]:
    """Once there is a span of each of these names, and from so many gateways that the event was delivered."""
    found: list[Span] = []
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = spans(suite, trace)
                there = {span.name for span in found}
                if set(names) <= there and len(delivered_by(found)) >= deliveries:
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        missing = sorted(set(names) - {span.name for span in found})
        raise AssertionError(
            f"missing: {missing}; there are {sorted((span.where, span.name) for span in found)}"
        ) from None


def delivered_by(found: list[Span]) -> set[str]:
    return {span.where for span in found if span.name == "deliver"}


def asked() -> tuple[str, str]:
    """(trace id, traceparent)"""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{secrets.token_hex(8)}-01"


def assert_whole(found: list[Span], traceparent: str) -> None:
    """Every span hangs below another one of the trace, but those that hang below the client's."""
    known = {span.id for span in found} | {traceparent.split("-")[2]}
    assert {span.name for span in found if span.parent not in known} == set()


def assert_from_queue_to_search(found: list[Span], traceparent: str, message: Frame) -> None:
    assert_whole(found, traceparent)
    by_name: dict[str, list[Span]] = {}
    for span in found:
        by_name.setdefault(span.name, []).append(span)
    [commit], [batch], [send] = by_name["commit"], by_name["batch"], by_name["send"]
    assert commit.attributes["parley.message_id"] == send.attributes["parley.message_id"] == message["id"]
    assert commit.links == (batch.id,)
    assert {commit.parent, batch.parent} == {send.id}
    assert commit.where.startswith("messages-")
    assert "sql COMMIT" in {span.name for span in found if span.parent == batch.id}
    [relay], [index] = by_name["relay"], by_name["index"]
    assert (relay.parent, index.parent) == (send.id, relay.id)
    assert index.where.startswith("search-")
    assert {span.where for span in found if span.name.startswith("sql")} >= {commit.where, index.where}
    # What search asks of messages, and what messages reads for it.
    assert {"call messages index_ranges", "messages index_ranges"} <= by_name.keys()
    for span in by_name["deliver"]:
        assert (span.parent, span.attributes["parley.held"]) == (send.id, False)


SEND = ("send", "batch", "commit", "relay", "index batch", "index", "sql COMMIT", "messages index_ranges")


async def two_rooms(person: NewPerson) -> tuple[Person, Person, str]:
    """Whose index has all of the room. What came before a traced message is otherwise read late, and the message with it: then its own
    event finds nothing left to ask messages for."""
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    first = f"first{secrets.token_hex(6)}"
    await bob.call("POST", f"/rooms/{room}/messages", 201, json={"client_msg_id": secrets.token_hex(8), "body": first})
    async with asyncio.timeout(WITHIN_S):
        while not (await bob.call("GET", "/search", params={"q": first}))["items"]:
            await asyncio.sleep(0.2)
    return alice, bob, room


async def test_a_send_over_the_socket_is_one_trace_to_every_gateway_and_to_search(
    suite: Suite, person: NewPerson
) -> None:
    alice, bob, room = await two_rooms(person)
    sender, receiver = await alice.open(), await bob.open()
    trace, traceparent = asked()
    ack = await sender.command(
        "send", room_id=room, body="secret words", client_msg_id=secrets.token_hex(8), trace=traceparent
    )
    assert ack["type"] == "ack"
    await receiver.until_seq(f"room:{room}", ack["seq"])
    found = await until(suite, trace, *SEND, deliveries=2)
    assert delivered_by(found) == {"gateway-1", "gateway-2"}
    assert_from_queue_to_search(found, traceparent, {"id": ack["message_id"]})


async def test_a_send_over_http_is_one_trace_as_well(suite: Suite, person: NewPerson) -> None:
    alice, bob, room = await two_rooms(person)
    _, receiver = await alice.open(), await bob.open()
    trace, traceparent = asked()
    message = await alice.call(
        "POST",
        f"/rooms/{room}/messages",
        201,
        json={"client_msg_id": secrets.token_hex(8), "body": "secret words"},
        headers={"traceparent": traceparent},
    )
    await receiver.until_seq(f"room:{room}", message["seq"])
    found = await until(suite, trace, *SEND, "POST /rooms/{room_id}/messages", "messages get_message", deliveries=2)
    assert_from_queue_to_search(found, traceparent, message)
    [request] = [span for span in found if span.name == "POST /rooms/{room_id}/messages"]
    assert request.attributes["http.response.status_code"] == "201"
    [send] = [span for span in found if span.name == "send"]
    assert send.parent == request.id


async def test_an_edit_goes_the_same_way(suite: Suite, person: NewPerson) -> None:
    alice, bob, room = await two_rooms(person)
    sender, _ = await alice.open(), await bob.open()
    said = await sender.say(room, "before")
    trace, traceparent = asked()
    answer = await sender.command(
        "edit", room_id=room, message_id=said["message_id"], rev=1, body="secret words", trace=traceparent
    )
    assert answer["type"] == "ack"
    found = await until(suite, trace, "edit", "messages edit_message", "relay", "index", deliveries=2)
    assert_whole(found, traceparent)


async def test_an_upload_shows_what_s3_took_on_both_sides(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    trace, traceparent = asked()
    await alice.call(
        "POST", "/media", 201, files={"file": ("a.png", png(64, 48))}, headers={"traceparent": traceparent}
    )
    found = await until(suite, trace, "POST /media", "s3 put", "media finish_upload")
    assert_whole(found, traceparent)
    assert {span.where.partition("-")[0] for span in found if span.name == "s3 put"} == {"gateway", "media"}
    assert any(span.name.startswith("sql") and span.where.startswith("media") for span in found)


async def test_of_what_was_written_nothing_is_in_any_trace(suite: Suite, person: NewPerson) -> None:
    alice, bob, room = await two_rooms(person)
    sender = await alice.open()
    canary = f"canary{secrets.token_hex(8)}"
    trace, traceparent = asked()
    await sender.command(
        "send", room_id=room, body=f"{canary} @{bob.username}", client_msg_id=secrets.token_hex(8), trace=traceparent
    )
    await alice.call("GET", "/search", params={"q": canary}, headers={"traceparent": asked()[1]})
    await until(suite, trace, *SEND)
    for path in suite.kept("traces").iterdir():
        text = path.read_text()
        assert canary not in text
        assert bob.username not in text


async def test_who_does_not_ask_is_not_recorded_by_a_framework_either(suite: Suite, person: NewPerson) -> None:
    """One in a thousand would be; a library that instruments itself would record all of them."""
    alice = await person()
    trace, traceparent = asked()
    room = await alice.room()
    for _ in range(20):
        await alice.call("GET", f"/rooms/{room}")
    await alice.call("GET", f"/rooms/{room}", headers={"traceparent": traceparent})
    await until(suite, trace, "GET /rooms/{room_id}")
    text = "".join(path.read_text() for path in suite.kept("traces").glob("gateway-*"))
    assert room not in text
    assert text.count('"GET /rooms/{room_id}"') < 10


async def test_parley_trace_shows_the_waterfall(suite: Suite, person: NewPerson, tmp_path: Path) -> None:
    alice, bob, room = await two_rooms(person)
    sender, _ = await alice.open(), await bob.open()
    trace, traceparent = asked()
    ack = await sender.command(
        "send", room_id=room, body="hello", client_msg_id=secrets.token_hex(8), trace=traceparent
    )
    await until(suite, trace, *SEND, deliveries=2)
    shown = await Terminal(suite, tmp_path).run("trace", ack["message_id"], "--home", str(suite.home))
    assert shown.startswith(f"trace {trace}")
    lines = [line.split() for line in shown.splitlines()]
    for name, where in (("send", "gateway-1"), ("batch", "messages-"), ("deliver", "gateway-2"), ("index", "search-")):
        assert any(name in words and any(word.startswith(where) for word in words) for words in lines), (name, shown)
