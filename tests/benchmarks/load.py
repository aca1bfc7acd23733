"""The load: one process that holds all sockets, sends, and counts what comes back.

It reads a `Plan` as JSON from its standard input and writes a `Measured` as JSON to its standard output. The three servers
that are measured (the suite, the textbook variant, the bare fan-out) begin their frames with the same bytes, so the same
code drives all of them and its own cost is the same beside each.
"""

import asyncio
import itertools
import random
import sys
import time
import uuid
from collections.abc import Callable

import msgspec
import picows
import psutil
import uvloop

CONNECTING_AT_ONCE = 50
CONNECT_S = 60.0
DRAIN_S = 10.0
BODY = "x" * 200
LIVE = b"live\n"
"""Said when all sockets are open, before the first message."""
SHOWN_ERRORS = 3


class Everything(msgspec.Struct):
    """What people do besides sending. user_ids, usernames: of the tokens, in their order.

    mention_every: one message in so many names somebody. read_every: a member says so after each so many messages.
    """

    user_ids: list[str]
    usernames: list[str]
    mention_every: int = 10
    read_every: int = 10


class Announcement(msgspec.Struct):
    """Somebody writes to a large room every so often, beside the load. who: an index of tokens."""

    room: str
    who: int
    body: str
    every_s: float


class Plan(msgspec.Struct):
    """url: of the WebSocket. tokens: one socket each. rooms: id and who is in it, as indices of tokens.

    rounds: send `in_flight` at once and wait until every member has every one of them, then again; otherwise each ack
    lets somebody send the next. in_flight 0: nobody says anything. watch: roots of process trees by name, whose CPU time is
    measured. trace_every: one message in so many asks to be traced; 0: none.
    """

    url: str
    tokens: list[str]
    rooms: list[tuple[str, list[int]]]
    in_flight: int
    rounds: bool
    warm_up_s: float
    seconds: float
    watch: dict[str, list[int]]
    everything: Everything | None = None
    announcement: Announcement | None = None
    trace_every: int = 0


class Measured(msgspec.Struct):
    """Of the measured seconds: messages acknowledged (`rounds`: delivered to all), latencies in ms, CPU in µs per message (for
    each user and minute, if nobody says anything).

    missing: deliveries that had not come when the load had ended and everything had had time to arrive; 0 is right.
    """

    messages: int
    seconds: float
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]
    deliveries: int
    missing: int
    errors: int
    event_bytes: int


class Socket(picows.WSListener):
    """One member. It looks at a frame's first bytes only: parsing JSON would cost more than the servers take."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self.event_bytes = 0
        self.errors = 0
        self.closing = False
        self.sent: dict[int, float] = {}
        self.transport: picows.WSTransport | None = None
        self.on_ack: Callable[[float], None] = _ignore
        self.on_event: Callable[[], None] | None = None
        self.read_every = 0
        self.watched: list[str] = []

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if not self.closing:
            self.errors += 1
        if not self.live.done():
            self.live.set_exception(ConnectionError("closed before it was live"))

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        kind = data[9:12]  # of {"type":"…
        if kind == b"eve":
            if data.find(b'"message.created"', 0, 200) < 0:
                return
            self.events += 1
            self.event_bytes = len(data)
            if self.read_every and self.events % self.read_every == 0:
                self._read(data)
            if self.on_event is not None:
                self.on_event()
        elif kind == b"ack":
            begin = data.index(b'"id":') + 5
            end = begin
            while 48 <= data[end] <= 57:
                end += 1
            began = self.sent.pop(int(data[begin:end]), None)
            if began is not None:
                self.on_ack(time.perf_counter() - began)
        elif kind == b"hel":
            self._write(msgspec.json.encode({"type": "auth", "id": 0, "token": self.token}))
        elif kind == b"liv":
            if self.watched:
                self._write(msgspec.json.encode({"type": "watch_presence", "id": 0, "user_ids": self.watched}))
            if not self.live.done():
                self.live.set_result(None)
        elif kind == b"pin":
            self._write(b'{"type":"pong"}')
        elif kind == b"err":
            self.errors += 1
            if self.errors <= SHOWN_ERRORS:
                sys.stderr.write(f"refused: {data[:300]!r}\n")

    def say(self, room: str, identifier: int, body: str = BODY, trace: bytes = b"") -> None:
        self.sent[identifier] = time.perf_counter()
        self._write(
            b'{"type":"send","id":%d,"client_msg_id":"%s","room_id":"%s","body":"%s"%s}'
            % (identifier, uuid.uuid4().hex.encode(), room.encode(), body.encode(), trace)
        )

    def _read(self, event: bytes) -> None:
        """Up to this event: {"type":"event","stream":"room:<36 characters>","seq":…"""
        room = event[31:67]
        begin = event.index(b'"seq":', 67) + 6
        self._write(b'{"type":"read","room_id":"%s","seq":%s}' % (room, event[begin : event.index(b",", begin)]))

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.send(picows.WSMsgType.TEXT, data)


def _ignore(_latency: float) -> None:
    """An ack outside the measured seconds."""


def _asking() -> bytes:
    return b',"trace":"00-%s-%s-01"' % (uuid.uuid4().hex.encode(), uuid.uuid4().hex[:16].encode())


def cpu_seconds(watch: dict[str, list[int]]) -> dict[str, float]:
    """User and system time of every tree so far, that of children which have ended included."""
    spent = {}
    for name, roots in watch.items():
        total = 0.0
        for root in roots:
            parent = psutil.Process(root)
            own = parent.cpu_times()
            # A backend of PostgreSQL that ends takes its share along into its parent's "children".
            total += own.user + own.system + own.children_user + own.children_system
            for child in parent.children(recursive=True):
                try:
                    times = child.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += times.user + times.system
        spent[name] = total
    return spent


class Load:
    """All sockets of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sockets: list[Socket] = []
        self.pairs: list[tuple[Socket, str, int]] = []
        self.ids = itertools.count(1)
        self.latencies: list[float] = []
        self.recording = False
        self.until = 0.0
        self.expected = 0
        self.delivered = 0
        self.all_delivered: asyncio.Future[None] | None = None
        self.messages = 0

    async def run(self) -> Measured:
        plan = self.plan
        for begin in range(0, len(plan.tokens), CONNECTING_AT_ONCE):
            some = range(begin, min(begin + CONNECTING_AT_ONCE, len(plan.tokens)))
            self.sockets += await asyncio.gather(*map(self._connect, some))
        self.pairs = [(self.sockets[who], room, len(members)) for room, members in plan.rooms for who in members]
        await asyncio.sleep(0.5)
        sys.stdout.buffer.write(LIVE)
        sys.stdout.buffer.flush()
        drive = self._rounds if plan.rounds else self._by_acks if plan.in_flight else asyncio.sleep
        announcing = None if plan.announcement is None else asyncio.create_task(self._announce(plan.announcement))
        await drive(plan.warm_up_s)
        await self._drained()
        self.latencies.clear()
        self.messages = 0
        before_events = sum(socket.events for socket in self.sockets)
        before, began, own = cpu_seconds(plan.watch), time.perf_counter(), time.process_time()
        self.recording = True
        await drive(plan.seconds)
        self.recording = False
        ended, own = time.perf_counter(), time.process_time() - own
        after = cpu_seconds(plan.watch)
        if announcing is not None:
            announcing.cancel()
        # In silence, what is paid for is a user's minute.
        messages = self.messages if plan.in_flight else len(self.sockets) * (ended - began) / 60
        missing = await self._drained()
        for socket in self.sockets:
            socket.closing = True
            if socket.transport is not None:
                socket.transport.disconnect()
        if not messages:
            raise RuntimeError("not one message was answered")
        ordered = sorted(self.latencies) or [0.0]
        cpu = {name: (after[name] - before[name]) / messages * 1e6 for name in before}
        return Measured(
            messages=self.messages,
            seconds=ended - began,
            rate=self.messages / (ended - began),
            p50_ms=ordered[len(ordered) // 2] * 1e3,
            p99_ms=ordered[int(len(ordered) * 0.99)] * 1e3,
            cpu_us={**cpu, "load": own / messages * 1e6},
            deliveries=sum(socket.events for socket in self.sockets) - before_events,
            missing=missing,
            errors=sum(socket.errors for socket in self.sockets),
            event_bytes=max(socket.event_bytes for socket in self.sockets),
        )

    async def _connect(self, who: int) -> Socket:
        socket = Socket(self.plan.tokens[who])
        extras = self.plan.everything
        if extras is not None:
            socket.read_every = extras.read_every
            company = next((members for _, members in self.plan.rooms if who in members), [])
            socket.watched = [extras.user_ids[other] for other in company[:200] if other != who]
        await picows.ws_connect(lambda: socket, self.plan.url)
        await asyncio.wait_for(socket.live, CONNECT_S)
        return socket

    def _say(self) -> None:
        socket, room, members = random.choice(self.pairs)
        self.expected += members
        identifier = next(self.ids)
        extras = self.plan.everything
        if extras is None or identifier % extras.mention_every:
            every = self.plan.trace_every
            socket.say(room, identifier, trace=_asking() if every and identifier % every == 0 else b"")
        else:
            company = next(members for name, members in self.plan.rooms if name == room)
            socket.say(room, identifier, f"@{extras.usernames[random.choice(company)]} {BODY}")

    async def _announce(self, announcement: Announcement) -> None:
        socket = self.sockets[announcement.who]
        while True:
            await asyncio.sleep(announcement.every_s)
            # Its own ack is not one of the load's, so it is not noted as sent.
            identifier = next(self.ids)
            self.expected += len(self.sockets)
            socket.say(announcement.room, identifier, announcement.body)
            del socket.sent[identifier]

    async def _by_acks(self, seconds: float) -> None:
        """A closed loop: `in_flight` messages are on their way at any time."""
        self.until = time.perf_counter() + seconds

        def acked(latency: float) -> None:
            if time.perf_counter() > self.until:
                return
            self.messages += 1
            if self.recording:
                self.latencies.append(latency)
            self._say()

        for socket in self.sockets:
            socket.on_ack = acked
        for _ in range(self.plan.in_flight):
            self._say()
        await asyncio.sleep(seconds)

    async def _rounds(self, seconds: float) -> None:
        """Everybody must have everything before the next round: nothing piles up in a buffer where it would be counted as sent."""
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        self.delivered = sum(socket.events for socket in self.sockets)
        self.expected = self.delivered

        def event() -> None:
            self.delivered += 1
            if self.delivered == self.expected and self.all_delivered is not None:
                self.all_delivered.set_result(None)
                self.all_delivered = None

        for socket in self.sockets:
            socket.on_event = event
        while time.perf_counter() < until:
            done = self.all_delivered = loop.create_future()
            began = time.perf_counter()
            for _ in range(self.plan.in_flight):
                self._say()
            await asyncio.wait_for(done, CONNECT_S)
            self.messages += self.plan.in_flight
            self.latencies.append(time.perf_counter() - began)

    async def _drained(self) -> int:
        """Wait until all that was sent has been delivered; returns how many deliveries are missing after all."""
        deadline = time.perf_counter() + DRAIN_S
        while time.perf_counter() < deadline:
            # An ack that is still to come would let one more message be on its way in what is measured next.
            answered = not any(socket.sent for socket in self.sockets)
            if answered and self.expected == sum(socket.events for socket in self.sockets):
                return 0
            await asyncio.sleep(0.05)
        return self.expected - sum(socket.events for socket in self.sockets)


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    measured = uvloop.run(Load(plan).run())
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
