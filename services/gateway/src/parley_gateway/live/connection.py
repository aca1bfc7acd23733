"""One client's WebSocket: its life, its reading, its writing. Reading is synchronous; whatever must wait is a task of its own.

What the frames ask for is said elsewhere: in `opening` until the socket is live, in `commands` from then on.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import structlog

from parley_gateway.live import figures, wrong_frames
from parley_gateway.live.context import LiveContext
from parley_gateway.live.following import Following
from parley_gateway.live.framing import frame
from parley_gateway.live.hub import Item
from parley_gateway.live.protocol import SocketProtocol
from parley_gateway.tokens import Claims
from parley_shared.addresses import ip_prefix
from parley_shared.contracts import frames
from parley_shared.contracts.base import Actor
from parley_shared.contracts.frames import CloseCode
from parley_shared.contracts.presence import ConnectionClosed
from parley_shared.correlation import bound
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.limits import (
    AUTH_TIMEOUT_S,
    FRAME_BYTES,
    HEARTBEAT_MS,
    SLOW_READER_BYTES,
    SLOW_READER_EVENTS,
)

log = structlog.get_logger(__name__)

SILENCE_S = 2.4 * HEARTBEAT_MS / 1000
"""Without any frame for so long the peer is taken for dead (4009): two pings unanswered, and some patience."""
FRAMES_BURST = 200
MOST_SENDS_IN_FLIGHT = 1024
"""Unanswered sends of one socket, past which it is not read until half of them are answered."""
MOST_COMMANDS_WAITING = 64
STALLED_S = 30.0
"""A peer that takes nothing of what it is catching up with for so long is closed (4008): what waits for it is in memory."""

_PING = frame(frames.PingFrame())

_decode = wrong_frames.decode

Handler = Callable[["Connection", Any], None]  # Any: the frame, of the type that the table has it under
Handlers = Mapping[type[frames.Command], Handler]
"""What each type of frame asks for. A type that is missing must wait for `live`."""


class Phase(Enum):
    GREETED = "greeted"
    AUTHENTICATING = "authenticating"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """A reader of hubs (see hub.Reader) and a sink of its socket (see protocol.Sink). handlers: for the phase it is in."""

    def __init__(
        self, socket: SocketProtocol, context: LiveContext, handlers: Handlers, *, ip: str, user_agent: str
    ) -> None:
        self.id = new_id()
        self.ip = ip
        self.user_agent = user_agent
        self.phase = Phase.GREETED
        self.opened_at = datetime.now(UTC)
        self.context = context
        self.handlers = handlers
        self.claims: Claims | None = None
        self.following = Following(self, context.hubs, context.rpc)
        self.own_stream = ""
        self.device_id = ""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._context = bound(connection_id=str(self.id))
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._actor: Actor | None = None
        self._slow = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiting_events = 0
        self._in_flight = 0
        self._reading_paused = False
        self._allowance = float(FRAMES_BURST)
        self._counted_at = self._loop.time()
        self._last_life = self._loop.time()
        self.silent = False
        self._commands: deque[tuple[int, Coroutine[None, None, None]]] = deque()
        self._command_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # -- its life

    def greet(self) -> None:
        """`hello`, and ten seconds for an answer to it."""
        if self.phase is Phase.CLOSED:
            return
        self.write(
            frames.Hello(
                protocol=frames.PROTOCOL,
                heartbeat_ms=HEARTBEAT_MS,
                max_frame_bytes=FRAME_BYTES,
                server_time=datetime.now(UTC),
                connection_id=self.id,
            )
        )
        self._timers["auth"] = self._loop.call_later(
            AUTH_TIMEOUT_S, self.close, CloseCode.NO_AUTH, "no auth frame in time"
        )
        self._timers["heartbeat"] = self._loop.call_later(HEARTBEAT_MS / 1000, self._beat)
        log.info(
            "connection.open",
            connection_id=str(self.id),
            ip_prefix=ip_prefix(self.ip),
            user_agent=self.user_agent[:200],
        )

    @property
    def actor(self) -> Actor:
        """Whoever the token says. Raises RuntimeError before that is known."""
        if self._actor is None:
            raise RuntimeError("not authenticated yet")
        return self._actor

    @property
    def user_id(self) -> UUID:
        return self.actor.user_id

    @property
    def session_id(self) -> UUID:
        return self.actor.session_id

    @property
    def is_open(self) -> bool:
        """`live` has been said, and the socket is not closed since."""
        return self.phase is Phase.OPEN

    @property
    def is_closed(self) -> bool:
        """It speaks no more; the socket may still be there."""
        return self.phase is Phase.CLOSED

    def begin_authenticating(self) -> None:
        """The auth frame is there: nobody waits for it any more."""
        self.phase = Phase.AUTHENTICATING
        self._timers.pop("auth").cancel()

    def take_claims(self, claims: Claims) -> None:
        """Of the first token, and of every later one; the socket ends with the newest."""
        self.claims = claims
        self._actor = Actor(user_id=claims.user_id, session_id=claims.session_id, role=claims.role)
        if "expiry" in self._timers:
            self._timers["expiry"].cancel()
        seconds = max(0.0, claims.expires_at - time.time())
        self._timers["expiry"] = self._loop.call_later(
            seconds, self.close, CloseCode.TOKEN_EXPIRED, "the access token has expired"
        )

    def close(self, code: int, reason: str) -> None:
        """Close with a code of the protocol; nothing is written or read any more."""
        self._socket.close(code, reason)
        self._end()

    def on_lost(self) -> None:
        """The transport is gone, whoever ended it."""
        self._end()
        if not self.finished.done():
            self.finished.set_result(None)
            code, reason, side = self._socket.ending
            traffic = self._socket.traffic
            if self._actor is not None:
                self.context.lease.closed(
                    ConnectionClosed(
                        connection_id=self.id,
                        user_id=self._actor.user_id,
                        closed_at=datetime.now(UTC),
                        code=code,
                        side=side,
                        reason=reason,
                        **traffic,
                    )
                )
            log.info(
                "connection.close",
                connection_id=str(self.id),
                user_id=None if self._actor is None else str(self._actor.user_id),
                session_id=None if self._actor is None else str(self._actor.session_id),
                code=code,
                reason=reason,
                side=side,
                seconds=round(time.time() - self.opened_at.timestamp(), 3),
                bytes_in=traffic["bytes_in"],
                bytes_out=traffic["bytes_out"],
                queue_peak=traffic["queue_peak"],
            )

    def _end(self) -> None:
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for _, work in self._commands:
            work.close()
        self._commands.clear()
        self._writable.set()
        self.following.end()
        self.context.watches.forget(self)
        self.context.roster.forget(self)

    def ask_to_come_back(self, after_ms: int, reason: str) -> None:
        """Tell the client to come back within a window; the caller closes the socket, now or later."""
        if self.phase is not Phase.CLOSED:
            self.write(frames.Reconnect(after_ms=after_ms, reason=reason))

    def _beat(self) -> None:
        if self._loop.time() - self._last_life > SILENCE_S:
            self.close(CloseCode.NO_HEARTBEAT, "nothing heard for too long")
            return
        self._socket.write(_PING)
        self._timers["heartbeat"] = self._loop.call_later(HEARTBEAT_MS / 1000, self._beat)

    def spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """A task that ends with the connection. If it fails that is a bug of ours, and the client comes back (1011)."""
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection.bug", connection_id=str(self.id), exc_info=error)
            self.close(1011, "internal error")

    def probe(self) -> None:
        """See lease.Attended."""
        self.silent = True
        if self.phase is not Phase.CLOSED:
            self._socket.write(_PING)

    # -- writing

    def write(self, message: msgspec.Struct) -> None:
        """An answer. Who asks and asks and does not read them is too slow as well."""
        self._socket.write(frame(message))
        if self._slow and self._socket.waiting_bytes > SLOW_READER_BYTES:
            self.close(CloseCode.TOO_SLOW, "too slow: answers are not read")

    def write_framed(self, framed: bytes) -> None:
        """Frames that somebody has built already."""
        self._socket.write(framed)

    async def writable(self) -> None:
        """Wait until the peer has taken most of what was written. Returns at once when the connection has ended."""
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(STALLED_S):
                await self._writable.wait()
        except TimeoutError:
            self.close(CloseCode.TOO_SLOW, "too slow: resume from your last seq")

    def write_events(self, stream: str, framed: bytes, items: list[Item]) -> None:
        """See hub.Reader. One write for all; a reader that does not take them is closed with 4008."""
        if self.phase is not Phase.OPEN:
            return
        self._socket.write(framed)
        if self._slow:
            self._waiting_events += len(items)
            if self._waiting_events > SLOW_READER_EVENTS or self._socket.waiting_bytes > SLOW_READER_BYTES:
                self.close(CloseCode.TOO_SLOW, "too slow: resume from your last seq")
                return
        if stream == self.own_stream:
            for item in items:
                self.following.heed(item)

    def write_hint(self, framed: bytes) -> None:
        """See hub.Reader: the first thing that is dropped for a slow reader."""
        if self._slow:
            figures.hints_dropped.inc()
        elif self.phase is Phase.OPEN:
            self._socket.write(framed)

    def answer(self, identifier: int | None, refusal: Refused | None) -> None:
        """The `ack` or the `error` of a command, unless nobody is there to read it."""
        if self.phase is Phase.CLOSED:
            return
        if refusal is not None:
            figures.refused.labels(str(refusal.code)).inc()
            self.write(
                frames.Error(
                    id=identifier,
                    code=str(refusal.code),
                    detail=refusal.detail,
                    retry_after_ms=refusal.retry_after_ms,
                    errors=refusal.errors,
                )
            )
        elif identifier is not None:
            self.write(frames.Ack(id=identifier))

    def on_slow(self, slow: bool) -> None:
        self._slow = slow
        self._waiting_events = 0
        if slow:
            figures.slow.inc()
            self._writable.clear()
        else:
            self._writable.set()

    @property
    def is_slow(self) -> bool:
        """The peer does not take what is written; hints are dropped."""
        return self._slow

    def follows(self, stream: str) -> bool:
        """Whether it gets the events of this stream."""
        return stream in self.following.streams

    def on_standing_changed(self) -> None:
        """See following.Follower."""
        self.context.watches.recheck(self)

    def on_detached(self, stream: str) -> None:
        self.following.streams.discard(stream)

    # -- reading

    def on_ping(self) -> bool:
        """See protocol.Sink. It costs an answer, and so counts like any frame; who does not read need not be answered."""
        return self._allowed() and not self._slow

    def on_pong(self) -> None:
        self._last_life = self._loop.time()
        self.silent = False

    def on_binary(self) -> None:
        self.close(CloseCode.BAD_FRAME, "binary frames are not part of the protocol")

    def on_text(self, data: bytes) -> None:
        """Every text frame; rate, shape, then what it asks for."""
        if self.phase is Phase.CLOSED or not self._allowed():
            return
        try:
            command = _decode(data)
        except wrong_frames.UNREADABLE:
            self._on_wrong_frame(data)
            return
        kind = type(command)
        figures.frames_by_type[kind].inc()
        handler = self.handlers.get(kind)
        if handler is None:
            refusal = Refused(Code.UNAUTHENTICATED, "Send an auth frame first, and wait for ready.")
            self.answer(command.id, refusal)
        else:
            handler(self, command)

    def _allowed(self) -> bool:
        """A sign of life, within a token bucket per socket; past it the socket is closed (4029)."""
        now = self._last_life = self._loop.time()
        self.silent = False
        limit = self.context.frames_per_second
        if limit is None:
            return True
        self._allowance = min(FRAMES_BURST, self._allowance + (now - self._counted_at) * limit)
        self._counted_at = now
        if self._allowance < 1:
            self.close(CloseCode.TOO_MANY, f"more than {limit} frames a second")
            return False
        self._allowance -= 1
        return True

    def _on_wrong_frame(self, data: bytes) -> None:
        figures.wrong_frames.inc()
        wrong = wrong_frames.explain(data)
        if isinstance(wrong, wrong_frames.Fatal):
            self.close(wrong.code, wrong.reason)
            return
        log.info("frame.refused", connection_id=str(self.id), kind=wrong.kind)
        self.answer(wrong.id, wrong.refusal)

    # -- commands under way

    def in_turn(self, identifier: int, work: Coroutine[None, None, None]) -> None:
        """Do it after the commands before it, and acknowledge it; a refusal that it raises is the answer."""
        if len(self._commands) >= MOST_COMMANDS_WAITING:
            work.close()
            refusal = Refused(Code.RATE_LIMITED, "Too many commands are waiting.", retry_after_ms=1000)
            self.answer(identifier, refusal)
            return
        self._commands.append((identifier, work))
        if self._command_task is None:
            self._command_task = self.spawn(self._run_commands())

    async def _run_commands(self) -> None:
        try:
            while self._commands:
                identifier, work = self._commands.popleft()
                try:
                    await work
                except Refused as refusal:
                    self.answer(identifier, refusal)
                else:
                    self.answer(identifier, None)
        finally:
            self._command_task = None

    def send_begins(self) -> None:
        """Too many sends without an outcome, and the socket is not read for a while."""
        self._in_flight += 1
        if self._in_flight >= MOST_SENDS_IN_FLIGHT and not self._reading_paused:
            self._reading_paused = True
            self._socket.pause_reading()

    def send_ends(self) -> None:
        """A send has its outcome."""
        self._in_flight -= 1
        if self._reading_paused and self._in_flight <= MOST_SENDS_IN_FLIGHT // 2:
            self._reading_paused = False
            self._socket.go_on_reading()
