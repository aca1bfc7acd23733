"""A send that is recorded shows in one trace: its wait and commit, the batch with its statements, the relay, and what is told."""

import asyncio

from parley_shared.contracts.live import HEADER_TRACES, live_subject
from parley_shared.telemetry import start_span, under, written

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
ASKED = f"00-{TRACE:032x}-00f067aa0ba902b7-01"


async def until(spans, *names: str) -> dict[str, list]:
    """The spans of our trace by name, once there are such."""
    async with asyncio.timeout(10):
        while True:
            found: dict[str, list] = {}
            for span in spans.get_finished_spans():
                if span.context.trace_id == TRACE:
                    found.setdefault(span.name, []).append(span)
            if set(names) <= found.keys():
                return found
            await asyncio.sleep(0.05)


async def test_a_recorded_send_is_one_trace_from_the_queue_to_the_relay(suite, spans, nats) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    bus = nats.bus("operator")
    await bus.connect()
    live: asyncio.Queue = asyncio.Queue()
    await bus.client.subscribe(live_subject("room", room.id), cb=live.put)
    await bus.client.flush()
    traced = suite.message(owner, room.id, "secret words", trace=ASKED)
    quiet = suite.message(owner, room.id, "others")
    [accepted, _] = await suite.try_send(traced, quiet)
    found = await until(spans, "commit", "batch", "sql COMMIT", "relay")
    [commit], [batch] = found["commit"], found["batch"]
    assert commit.attributes["parley.message_id"] == str(accepted.message_id)
    assert commit.parent.span_id == batch.parent.span_id == 0x00F067AA0BA902B7
    assert [link.context.span_id for link in commit.links] == [batch.context.span_id]
    assert {span.parent.span_id for name, spans in found.items() if name.startswith("sql") for span in spans} == {
        batch.context.span_id
    }
    message = await live.get()
    assert message.headers[HEADER_TRACES] == ASKED
    await bus.close()
    told = "\n".join(span.to_json() for span in spans.get_finished_spans())
    assert "secret words" not in told


async def test_what_is_not_recorded_makes_no_span_and_does_no_harm(suite, spans) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    await suite.send(owner, room.id, trace=ASKED[:-1] + "0")
    await suite.send(owner, room.id, trace="rubbish")
    await suite.send(owner, room.id)
    assert spans.get_finished_spans() == ()


async def test_a_change_by_rpc_is_traced_with_its_statements_and_its_event(suite, spans) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    [sent] = await suite.send(owner, room.id)
    span = start_span("test", ASKED)
    assert span is not None
    with under(span):
        await suite.edit(owner, room.id, sent, 1, "edited")
    found = await until(spans, "messages edit_message", "sql UPDATE", "relay")
    [relay], [served] = found["relay"], found["messages edit_message"]
    # The relay goes on from where the row was written, which is the verb's own span.
    assert relay.parent.span_id == served.context.span_id
    assert written(span).split("-")[1] == f"{TRACE:032x}"


async def test_many_recorded_sends_in_one_batch_are_linked_to_it(suite, spans) -> None:
    owner = suite.user()
    room = await suite.room(owner)
    sends = [
        suite.message(owner, room.id, trace=f"00-{TRACE + number:032x}-00f067aa0ba902b7-01") for number in range(40)
    ]
    await suite.try_send(*sends)
    async with asyncio.timeout(10):
        while sum(span.name == "commit" for span in spans.get_finished_spans()) < 40:
            await asyncio.sleep(0.05)
    batches = [span for span in spans.get_finished_spans() if span.name == "batch"]
    assert sum(len(batch.links) + 1 for batch in batches) <= 40
    assert all(len(batch.links) <= 32 for batch in batches)
