"""The SDK through real gateways: it signs in, comes back and goes on by itself, and neither loses nor doubles anything."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from parley_client import ApiError, Client, Event, Gone, MemoryStore, Resync, Stopped, Tokens
from parley_client.events import Notice
from parley_client.models import Room
from tests.conftest import GENEROUS, Suite
from tests.protocol_client import PASSWORD

ACCESS_S = 5
"""How long an access token lives in the suite of `shaken`."""


class Entrance:
    """What stands before gateways in earnest: one address, and connections that go to whichever gateway is there."""

    def __init__(self, suite: Suite) -> None:
        self._targets = [("127.0.0.1", suite.port + number) for number in range(len(suite.urls))]
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.shut = False
        self.opened = 0
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Everything that is open ends in the middle."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self.shut:
                await self._relay(reader, writer)
        self._tasks.discard(task)
        writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for target in self._targets:
            try:
                inward, outward = await asyncio.open_connection(*target)
            except OSError:
                continue
            self.opened += 1
            try:
                ends = [asyncio.create_task(pump(reader, outward)), asyncio.create_task(pump(inward, writer))]
                try:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for end in ends:
                        end.cancel()
                    await asyncio.gather(*ends, return_exceptions=True)
            finally:
                outward.transport.abort()
            return


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


class Listener:
    """Iterates over a client's events for as long as the test runs."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.notices: list[Notice] = []
        self.task = asyncio.create_task(self._listen())
        # It ends with the client's Stopped, which only one test looks at.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _listen(self) -> None:
        async for notice in self.client.events():
            self.notices.append(notice)

    def bodies(self, room: Room) -> list[str | None]:
        found = [notice for notice in self.notices if isinstance(notice, Event) and notice.stream == f"room:{room.id}"]
        return [event.message.body for event in found if event.message is not None]

    def seqs(self, room: Room) -> list[int]:
        return [
            notice.seq for notice in self.notices if isinstance(notice, Event) and notice.stream == f"room:{room.id}"
        ]

    def resyncs(self) -> list[Notice]:
        return [notice for notice in self.notices if isinstance(notice, Resync)]


async def until(condition: Callable[[], bool], within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def shaken() -> Iterator[Suite]:
    """A suite of its own, whose gateways die and whose access tokens live for seconds."""
    running = Suite(2, {**GENEROUS, "PARLEY_MESSAGES": "2", "PARLEY_AUTH_ACCESS_LIFETIME_S": str(ACCESS_S)})
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
async def entrance(shaken: Suite) -> AsyncIterator[Entrance]:
    await asyncio.get_running_loop().run_in_executor(None, shaken.until_ready)
    found = Entrance(shaken)
    await found.open()
    yield found
    await found.close()


@contextlib.asynccontextmanager
async def people(url: str, count: int = 2) -> AsyncIterator[list[Client]]:
    """So many clients, newly registered and signed in."""
    async with contextlib.AsyncExitStack() as stack:
        found = [await stack.enter_async_context(Client(url)) for _ in range(count)]
        for client in found:
            await client.register(f"u{secrets.token_hex(6)}", PASSWORD)
        yield found


async def a_room(owner: Client, *others: Client, **more: Any) -> Room:
    room = await owner.create_room("a room", **{"visibility": "public", **more})
    for other in others:
        await other.join(room.id)
    return room


# -- coming back


async def test_a_killed_gateway_costs_neither_a_message_nor_its_place(shaken: Suite, entrance: Entrance) -> None:
    async with people(entrance.url, 3) as (alice, bob, carol):
        room = await a_room(alice, bob, carol)
        listeners = [Listener(client) for client in (alice, bob, carol)]
        for client in (alice, bob, carol):
            await client.connect()
        sends = []
        for number in range(300):
            sends.append(asyncio.create_task(alice.send(room.id, f"{number}")))
            if number == 150:
                await sends[100]
                shaken.kill("gateway", 0)
        acks = await asyncio.wait_for(asyncio.gather(*sends), 60)
        assert [ack.seq for ack in acks] == list(range(acks[0].seq, acks[0].seq + 300))
        assert alice.unsent == 0
        for listener in listeners:
            await until(lambda listener=listener: acks[-1].seq in listener.seqs(room))  # type: ignore[misc]
            assert listener.bodies(room) == [f"{number}" for number in range(300)]
            assert listener.seqs(room) == list(range(acks[0].seq, acks[0].seq + 300))
            assert listener.resyncs() == []


async def test_what_is_sent_without_a_connection_arrives_once_and_in_order(entrance: Entrance) -> None:
    async with people(entrance.url) as (alice, bob):
        rooms = [await a_room(alice, bob) for _ in range(2)]
        listener = Listener(bob)
        await alice.connect()
        await bob.connect()
        for _ in range(2):
            entrance.shut = True
            entrance.cut()
            await until(lambda: alice.state != "live")
            sends = [
                asyncio.create_task(alice.send(room.id, f"{room.id} {number}"))
                for number in range(20)
                for room in rooms
            ]
            await asyncio.sleep(0)
            assert alice.unsent == 40
            entrance.shut = False
            await asyncio.wait_for(asyncio.gather(*sends), 30)
        for room in rooms:
            wanted = [f"{room.id} {number}" for number in range(20)] * 2
            await until(lambda room=room, wanted=wanted: len(listener.bodies(room)) >= len(wanted))  # type: ignore[misc]
            assert listener.bodies(room) == wanted
            page = await alice.messages(room.id, limit=200)
            assert [message.body for message in page.items] == wanted


async def test_a_socket_outlives_its_access_tokens_without_a_break(entrance: Entrance) -> None:
    async with people(entrance.url) as (alice, bob):
        room = await a_room(alice, bob)
        listener = Listener(bob)
        await asyncio.gather(alice.connect(), bob.connect())
        opened = {id(client._connection._socket) for client in (alice, bob)}
        # Past the expiry of the tokens that the sockets were opened with, at which the server would close them.
        expired_at = max(alice.api.expires_at, bob.api.expires_at) + 1
        count = 0
        while time.time() < expired_at:
            await alice.send(room.id, f"{count}")
            count += 1
            await asyncio.sleep(0.1)
        assert {id(client._connection._socket) for client in (alice, bob)} == opened
        await until(lambda: len(listener.bodies(room)) == count)


async def test_a_token_that_expires_on_the_open_socket_is_replaced_by_another_connection(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with people(entrance.url) as (alice, bob):
        room = await a_room(alice, bob)
        listener = Listener(bob)

        async def asleep(socket: object) -> None:
            """As if the machine had slept when the new token was due."""

        monkeypatch.setattr(bob._connection, "_keep_token", asleep)
        await bob.connect()
        socket = bob._connection._socket
        assert socket is not None
        await asyncio.wait_for(socket.wait_closed(), 3 * ACCESS_S)
        assert socket.close_code == 4014
        ack = await alice.send(room.id, "are you back?")
        await until(lambda: ack.seq in listener.seqs(room))
        assert listener.resyncs() == []
        assert bob._connection._socket is not socket


async def test_tokens_and_positions_of_one_program_take_the_next_one_further(entrance: Entrance) -> None:
    async with people(entrance.url, 1) as (alice,):
        room = await a_room(alice)
        name = f"u{secrets.token_hex(6)}"
        store = MemoryStore()
        async with Client(entrance.url, store=store) as bob:
            await bob.register(name, PASSWORD)
            await bob.join(room.id)
            await bob.connect()
            await alice.send(room.id, "first")
            async for notice in bob.events():
                if isinstance(notice, Event) and notice.message is not None:
                    break
            kept = bob.positions
        last = [await alice.send(room.id, f"missed {number}") for number in range(5)][-1]
        async with Client(entrance.url, store=store, positions=kept) as again:
            listener = Listener(again)
            await until(lambda: last.seq in listener.seqs(room))
            assert listener.bodies(room) == [f"missed {number}" for number in range(5)]
            assert listener.resyncs() == []
            listener.task.cancel()


# -- events


async def test_too_much_missed_is_a_resync_and_then_everything_again(suite: Suite) -> None:
    async with people(suite.urls[0], 1) as (alice,):
        room = await a_room(alice)
        name = f"u{secrets.token_hex(6)}"
        async with Client(suite.urls[0]) as bob:
            await bob.register(name, PASSWORD)
            await bob.join(room.id)
            await bob.connect()
            kept = bob.positions
        acks = await asyncio.gather(*(alice.post(room.id, f"{number}") for number in range(501)))
        head = max(ack.seq for ack in acks)
        async with Client(suite.urls[1], username=name, password=PASSWORD, positions=kept) as bob:
            listener = Listener(bob)
            await until(lambda: bool(listener.notices))
            assert listener.notices == [Resync(f"room:{room.id}", head)]
            ack = await alice.send(room.id, "now")
            await until(lambda: ack.seq in listener.seqs(room))
            assert listener.seqs(room) == [ack.seq]


async def test_joining_leaving_and_coming_back_are_no_gaps(suite: Suite) -> None:
    async with people(suite.urls[0]) as (alice, bob):
        listener = Listener(bob)
        await bob.connect()
        room = await a_room(alice)
        stream = f"room:{room.id}"
        await alice.send(room.id, "before")
        await bob.join(room.id)
        ack = await alice.send(room.id, "with Bob")
        await until(lambda: ack.seq in listener.seqs(room))
        await bob.leave(room.id)
        await until(lambda: Gone(stream) in listener.notices)
        await alice.send(room.id, "without Bob")
        with pytest.raises(ApiError) as refused:
            await bob.send(room.id, "am I in?")
        assert refused.value.code == "not_a_member"
        await bob.join(room.id)
        ack = await alice.send(room.id, "with Bob again")
        await until(lambda: ack.seq in listener.seqs(room))
        assert listener.bodies(room) == ["with Bob", "with Bob again"]
        seqs = listener.seqs(room)
        assert seqs == sorted(set(seqs))
        assert listener.resyncs() == []


async def test_a_logout_stops_the_client_for_good(suite: Suite) -> None:
    async with people(suite.urls[0], 1) as (alice,):
        listener = Listener(alice)
        await alice.connect()
        current = next(session for session in (await alice.sessions()).items if session.current)
        await alice.end_session(current.id)
        with pytest.raises(Stopped) as stopped:
            await asyncio.wait_for(listener.task, 10)
        assert stopped.value.code == 4503
        with pytest.raises(Stopped):
            await alice.connect()
        assert alice.state == "stopped"


# -- calls and errors


async def test_errors_have_types_and_codes(suite: Suite) -> None:
    url = suite.urls[0]
    name = f"u{secrets.token_hex(6)}"
    for use, status, code in (
        (lambda client: client.me(), 401, "unauthenticated"),
        (lambda client: client.api.login(name, PASSWORD), 401, "bad_credentials"),
        (lambda client: client.register("no spaces", PASSWORD), 422, "invalid"),
        (lambda client: client.register(name, "aaaaaaaaaaaaaaaaaaaa"), 422, "weak_password"),
    ):
        async with Client(url) as nobody:
            with pytest.raises(ApiError) as refused:
                await use(nobody)
            assert (refused.value.status, refused.value.code) == (status, code)
    async with people(url) as (alice, bob):
        room = await a_room(alice)
        with pytest.raises(ApiError) as refused:
            await bob.messages(room.id)
        assert (refused.value.status, refused.value.code) == (403, "not_a_member")
        with pytest.raises(ApiError) as refused:
            await alice.send(room.id, "")
        assert (refused.value.code, "body" in refused.value.errors) == ("invalid", True)
        ack = await alice.send(room.id, "once", client_msg_id="key")
        assert (await alice.post(room.id, "once", client_msg_id="key")).seq == ack.seq
        with pytest.raises(ApiError) as refused:
            await alice.send(room.id, "another", client_msg_id="key")
        assert refused.value.code == "idempotency_mismatch"
        await alice.update_room(room.id, room.rev, topic="one")
        with pytest.raises(ApiError) as refused:
            await alice.update_room(room.id, room.rev, topic="two")
        assert (refused.value.status, refused.value.code) == (409, "rev_conflict")
        assert refused.value.current["topic"] == "one"
        assert refused.value.request_id
        with pytest.raises(ApiError) as refused:
            await alice.change_password("not the right one at all", "another long passphrase")
        assert refused.value.code == "bad_credentials"


async def test_the_calls_of_a_small_community(suite: Suite) -> None:
    async with people(suite.urls[1], 3) as (alice, bob, carol):
        me = await alice.me()
        assert (await alice.update_me(me.rev, display_name="Alice")).display_name == "Alice"
        key = secrets.token_hex(8)
        room = await alice.create_room("Küche", visibility="private", idempotency_key=key, topic="soup")
        assert (await alice.create_room("Küche", visibility="private", idempotency_key=key, topic="soup")).id == room.id
        bobs, carols = (await bob.me()).id, (await carol.me()).id
        assert (await alice.add_member(room.id, bobs)).role == "member"
        assert (await alice.set_role(room.id, bobs, "moderator")).role == "moderator"
        assert {member.user_id for member in (await bob.members(room.id)).items} == {me.id, bobs}
        message = await alice.post(room.id, "over HTTP")
        assert (await bob.message(room.id, message.id)).body == "over HTTP"
        assert (await bob.rooms()).items[0].unread == 1
        assert (await bob.mark_read(room.id, message.seq)).unread == 0
        events = await bob.events_after(f"room:{room.id}", 0)
        assert [frame.seq for frame in events.items] == list(range(events.items[0].seq, message.seq + 1))
        await alice.remove_member(room.id, bobs)
        with pytest.raises(ApiError, match="not_found"):
            await bob.room(room.id)
        direct = await bob.direct([carols])
        assert (await carol.direct([bobs])).id == direct.id
        assert {user.id for user in (await alice.users(ids=[bobs, carols])).items} == {bobs, carols}
        await alice.delete_room(room.id)
        assert (await alice.restore_room(room.id)).name == "Küche"
        await alice.change_password(PASSWORD, "another long passphrase")
        assert (await alice.me()).id == me.id


async def test_a_stolen_refresh_token_ends_the_session_with_a_code(suite: Suite) -> None:
    store = MemoryStore()
    async with Client(suite.urls[0], store=store) as alice:
        await alice.register(f"u{secrets.token_hex(6)}", PASSWORD)
        stolen = store.load()
        assert stolen is not None
        await alice.api.token(fresh=True)
        await alice.api.token(fresh=True)
        old = Tokens(access_token=stolen.access_token, refresh_token=stolen.refresh_token, expires_at=0)
        async with Client(suite.urls[0], store=MemoryStore(old)) as thief:
            with pytest.raises(ApiError, match="bad_token"):
                await thief.me()
        with pytest.raises(ApiError, match="bad_token"):
            await alice.api.token(fresh=True)
