"""A server that is late, talks rubbish, goes away at the worst moment or says things twice: nothing hangs, nothing is lost."""

import asyncio
from typing import Any

import httpx2
import pytest

from parley_client import ApiError, Client, Event, Gone, Resync, Stopped, socket
from parley_client.events import Notice

from .fake_server import OWN, ROOM, STREAM, Peer, event_frame, serving, until

pytestmark = pytest.mark.usefixtures("impatient")


async def works(peer: Peer) -> None:
    await peer.open()
    await peer.acknowledge_all()


async def taken(client: Client, count: int) -> list[Notice]:
    """The next so many of `events()`."""
    found: list[Notice] = []
    async with asyncio.timeout(5):
        async for notice in client.events():
            found.append(notice)
            if len(found) == count:
                break
    return found


def seqs(notices: list[Notice]) -> list[int]:
    return [notice.seq for notice in notices if isinstance(notice, Event)]


async def test_a_hello_or_a_ready_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "OPEN_WITHIN_S", 0.2)

    async def silent(peer: Peer) -> None:
        await peer.until_gone()

    async def silent_later(peer: Peer) -> None:
        await peer.greet()
        await peer.tell({"type": "ping"})
        await peer.until_gone()

    async with serving(silent, silent_later, works) as server, server.client() as client:
        await client.connect()
        assert len(server.connected_at) == 3


@pytest.mark.parametrize(
    "rubbish",
    ["not JSON", "[1]", '"text"', "null", '{"type":"event"}', '{"type":"event","stream":1,"seq":"x","event":{}}',
     '{"type":"ready","id":0}', "\ud800".encode("utf-8", "replace").decode() + "{", "{" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("when", ["instead of hello", "instead of ready", "when live"])
async def test_rubbish_ends_the_connection_and_not_the_client(rubbish: str, when: str) -> None:
    async def babbles(peer: Peer) -> None:
        if when == "instead of ready":
            await peer.greet()
        elif when == "when live":
            await peer.open()
        await peer.tell(rubbish)
        await peer.until_gone()

    async with serving(babbles, works) as server, server.client() as client:
        assert (await client.send(ROOM, "all the same")).seq == 1
        assert len(server.connected_at) == 2


@pytest.mark.parametrize("code", [1011, 1012, 4029])
async def test_closing_in_the_middle_of_auth_is_a_reason_to_come_back(code: int) -> None:
    async def before_hello(peer: Peer) -> None:
        await peer.close(code)

    async def before_ready(peer: Peer) -> None:
        await peer.greet()
        await peer.close(code)

    async def before_live(peer: Peer) -> None:
        await peer.greet()
        await peer.ready()
        peer.cut()

    async with serving(before_hello, before_ready, before_live, works) as server, server.client() as client:
        assert (await client.send(ROOM, "at last")).seq == 1
        assert [auth.get("last_close", {}).get("code") for auth in server.auths] == [code, code, 1006]


@pytest.mark.parametrize("greeted", [True, False])
async def test_a_stop_in_the_middle_of_auth_is_obeyed(greeted: bool) -> None:
    async def refuses(peer: Peer) -> None:
        if greeted:
            await peer.greet()
            await peer.tell({"type": "error", "id": 0, "code": "bad_token", "detail": "Not one of ours."})
        await peer.close(4500, "the token is not good")

    async with serving(refuses) as server, server.client() as client:
        with pytest.raises(Stopped, match="4500"):
            await client.connect()
        assert len(server.connected_at) == 1


async def test_an_ack_that_comes_twice_counts_once() -> None:
    async def stutters(peer: Peer) -> None:
        await peer.open()
        while True:
            command = await peer.heard()
            await peer.ack(command)
            await peer.ack(command)

    async with serving(stutters) as server, server.client() as client:
        heard: list[dict[str, Any]] = []
        client.on_frame(heard.append)
        acks = [await client.send(ROOM, "x", client_msg_id=f"{number}") for number in range(3)]
        assert [ack.seq for ack in acks] == [1, 2, 3]
        assert server.committed == ["0", "1", "2"]
        assert heard == []


async def test_an_answer_to_nothing_and_an_unknown_frame_do_no_harm() -> None:
    async def confused(peer: Peer) -> None:
        await peer.open()
        await peer.tell({"type": "ack", "id": 999})
        await peer.tell({"type": "error", "code": "invalid", "detail": "of nothing"})
        await peer.tell({"type": "of a later version", "x": 1})
        await peer.tell({"type": "typing", "room_id": str(ROOM), "user_id": str(ROOM), "for_ms": 3000})
        await peer.acknowledge_all()

    async with serving(confused) as server, server.client() as client:
        heard: list[dict[str, Any]] = []
        client.on_frame(heard.append)
        await client.send(ROOM, "x")
        assert [frame["type"] for frame in heard] == ["of a later version", "typing"]


async def test_a_reconnect_frame_brings_the_client_back_within_its_window() -> None:
    async def drains(peer: Peer) -> None:
        await peer.open()
        await peer.tell({"type": "reconnect", "after_ms": 40, "reason": "restart"})
        await peer.close(4001, "drain")

    async with serving(drains, works) as server, server.client() as client:
        await client.connect()
        await until(lambda: len(server.auths) == 2)
        assert server.auths[1]["last_close"] == {"code": 4001, "reason": "drain"}
        await client.send(ROOM, "x")


async def test_a_server_that_no_token_contents_is_not_asked_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def waited(pause: float) -> tuple[float, float]:
        waits.append(pause)
        return 0.001, pause * 2

    monkeypatch.setattr(socket, "jittered", waited)
    # Who was connected for longer than this begins anew, and a busy machine takes its time.
    monkeypatch.setattr(socket, "LONGEST_PAUSE_S", 60.0)

    async def discontent(peer: Peer) -> None:
        await peer.greet()
        await peer.close(4014, "expired")

    async with serving(*[discontent] * 5, works) as server, server.client() as client:
        await client.connect()
    assert server.refreshes == 5
    # At once after the first, and with longer and longer pauses after the others.
    assert waits == [0.01 * 2**number for number in range(4)]


async def test_a_send_whose_ack_was_lost_is_one_message() -> None:
    async def forgets_to_say(peer: Peer) -> None:
        await peer.open()
        peer._server.commit(await peer.heard())
        peer.cut()

    async with serving(forgets_to_say, works) as server, server.client() as client:
        acks = await asyncio.gather(*(client.send(ROOM, "x", client_msg_id=f"{number}") for number in range(5)))
        assert [ack.seq for ack in acks] == [1, 2, 3, 4, 5]
        assert server.committed == ["0", "1", "2", "3", "4"]


async def test_what_is_sent_before_the_first_connection_keeps_its_order() -> None:
    async def absent(peer: Peer) -> None:
        peer.cut()

    async with serving(absent, absent, works) as server, server.client() as client:
        early = [asyncio.create_task(client.send(ROOM, "x", client_msg_id=f"{number}")) for number in range(5)]
        await client.connect()
        late = client.send(ROOM, "x", client_msg_id="5")
        await asyncio.gather(*early, late)
        assert server.committed == [f"{number}" for number in range(6)]
        assert client.unsent == 0


# -- events


async def test_a_hole_is_filled_from_the_log_and_what_was_seen_is_not_shown_again() -> None:
    asked: list[dict[str, str]] = []

    async def log(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        after = int(request.url.params["after"])
        items = [
            {key: value for key, value in event_frame(seq).items() if key != "type"} for seq in (after + 1, after + 2)
        ]
        return httpx2.Response(200, json={"items": items, "next": None})

    async def jumps(peer: Peer) -> None:
        await peer.open(streams={STREAM: {"status": "current", "head": 2}})
        for seq in (3, 2, 3, 8, 4, 9):
            await peer.event(seq)

    async with serving(jumps) as server, server.client() as client:
        server.log = log
        assert seqs(await taken(client, 7)) == [3, 4, 5, 6, 7, 8, 9]
        assert [(entry["after"]) for entry in asked] == ["3", "5"]


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        (410, "resync", [Resync(STREAM, 4)]),
        (404, "not_found", []),
        (403, "not_a_member", []),
    ],
)
async def test_a_hole_that_cannot_be_filled_is_said_and_stops_nobody(
    status: int, code: str, shown: list[Notice]
) -> None:
    async def log(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, json={"code": code, "detail": "No."})

    async def jumps(peer: Peer) -> None:
        await peer.open(streams={STREAM: {"status": "current", "head": 2}})
        await peer.event(5)
        await peer.event(1, OWN, kind="room.left", room_id=str(ROOM), to_seq=6, reason="left")

    async with serving(jumps) as server, server.client() as client:
        server.log = log
        notices = await taken(client, 2 if not shown else 4)
        assert notices[: len(shown)] == shown
        assert notices[-1] == Gone(STREAM)
        assert client.state == "live"


async def test_the_log_out_of_reach_means_another_connection() -> None:
    answers = [httpx2.Response(503, json={"code": "unavailable", "detail": "Later."}), httpx2.ConnectError("refused")]

    async def log(request: httpx2.Request) -> httpx2.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def jumps(peer: Peer) -> None:
        await peer.open(streams={STREAM: {"status": "current", "head": 2}})
        await peer.event(5)
        await peer.until_gone()

    async def replays(peer: Peer) -> None:
        auth = await peer.greet()
        assert auth["resume"]["at"][STREAM] == 2
        await peer.ready(streams={STREAM: {"status": "recovered", "head": 5}})
        for seq in (3, 4, 5):
            await peer.event(seq)
        await peer.tell({"type": "live"})

    async with serving(jumps, jumps, replays) as server, server.client() as client:
        server.log = log
        assert seqs(await taken(client, 3)) == [3, 4, 5]


async def test_a_connection_that_dies_while_a_hole_is_filled_freezes_nothing() -> None:
    gate = asyncio.Event()

    async def log(request: httpx2.Request) -> httpx2.Response:
        await gate.wait()
        return httpx2.Response(200, json={"items": [], "next": None})

    async def jumps_and_dies(peer: Peer) -> None:
        await peer.open(streams={STREAM: {"status": "current", "head": 2}})
        await peer.event(5)
        await peer.heard()
        peer.cut()

    async with serving(jumps_and_dies, works) as server, server.client() as client:
        server.log = log
        await client.connect()
        sending = asyncio.create_task(client.send(ROOM, "x"))
        # The client is still at the hole; a send that is tried again and again on the dead socket would let nobody else run.
        await until(
            lambda: client._connection._socket is not None and client._connection._socket.close_code is not None
        )
        for _ in range(100):
            await asyncio.sleep(0)
        assert not sending.done()
        gate.set()
        assert (await sending).seq == 1


async def test_positions_take_another_client_further() -> None:
    async def speaks(peer: Peer) -> None:
        await peer.open(streams={STREAM: {"status": "current", "head": 2}})
        for seq in (3, 4, 5):
            await peer.event(seq)

    async with serving(speaks, works) as server:
        async with server.client() as first:
            assert seqs(await taken(first, 1)) == [3]
            kept = first.positions
            # What has arrived and was not looked at is not among them.
            await until(lambda: first._positions.at[STREAM] == 5)
            assert first.positions == kept
        async with server.client(positions=kept) as second:
            await second.connect()
        assert server.auths[1]["resume"] == {"epoch": server.epoch, "at": {STREAM: 3, OWN: 0}}


# -- the end


async def test_closing_the_client_ends_whoever_waits_and_it_cannot_be_used_again() -> None:
    async def mute(peer: Peer) -> None:
        await peer.open()
        await peer.until_gone()

    async with serving(mute) as server, server.client() as client:
        sending = asyncio.create_task(client.send(ROOM, "x"))
        listening = asyncio.create_task(taken(client, 1))
        await client.connect()
        await until(lambda: client.state == "live" and client.unsent == 1)
        await client.close()
        for task in (sending, listening):
            with pytest.raises(Stopped, match="the client was closed"):
                await task
        with pytest.raises(Stopped, match="the client was closed"):
            await client.send(ROOM, "x")
        assert len(server.connected_at) == 1


async def test_a_client_that_never_connected_closes() -> None:
    async with serving(works) as server:
        client = server.client()
        await client.close()
        with pytest.raises(Stopped):
            await client.connect()


async def test_without_tokens_everything_says_so() -> None:
    async with serving(works) as server, Client(server.url) as client:
        for use in (client.connect(), client.send(ROOM, "x"), client.me()):
            with pytest.raises(ApiError) as refused:
                await use
            assert refused.value.code == "unauthenticated"
        assert server.connected_at == []
