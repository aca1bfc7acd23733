"""One client's WebSocket: from `hello` to its close code. Reading is synchronous; whatever must wait is a task of its own."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import structlog

from parley_gateway.live.context import LiveContext
from parley_gateway.live.framing import frame, frame_text
from parley_gateway.live.hub import Item
from parley_gateway.live.protocol import SocketProtocol
from parley_gateway.live.resume import replay
from parley_gateway.tokens import Claims
from parley_shared.contracts import auth as auth_contract
from parley_shared.contracts import frames
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Actor
from parley_shared.contracts.frames import CloseCode
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id, room_stream, user_stream
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

_PING = frame(frames.PingFrame())
_PONG = frame(frames.PongFrame())
_LIVE = frame(frames.Live())

_decode = msgspec.json.Decoder(frames.ClientFrame).decode
_decode_event = msgspec.json.Decoder(frames.Event).decode
_COMMANDS = {command.__struct_config__.tag for command in frames.ClientFrame.__args__}


class Phase(Enum):
    GREETED = "greeted"
    AUTHENTICATING = "authenticating"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """A reader of hubs (see hub.Reader) and a sink of its socket (see protocol.Sink)."""

    def __init__(self, socket: SocketProtocol, context: LiveContext, *, ip: str, user_agent: str) -> None:
        self.id = new_id()
        self.ip = ip
        self.user_agent = user_agent
        self.phase = Phase.GREETED
        self.claims: Claims | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket = socket
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._actor: Actor | None = None
        self._streams: set[str] = set()
        self._own_stream = ""
        self._slow = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiting_events = 0
        self._in_flight = 0
        self._reading_paused = False
        self._allowance = float(FRAMES_BURST)
        self._counted_at = self._loop.time()
        self._last_life = self._loop.time()
        self._commands: deque[Callable[[], Awaitable[None]]] = deque()
        self._command_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._attaching = asyncio.Lock()
        self._opened_at = time.time()

    # -- its life

    def greet(self) -> None:
        """`hello`, and ten seconds for an answer to it."""
        self._write(
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
        log.info("connection.open", connection_id=str(self.id), user_agent=self.user_agent[:200])

    @property
    def user_id(self) -> UUID:
        if self._actor is None:
            raise RuntimeError("not authenticated yet")
        return self._actor.user_id

    def close(self, code: int, reason: str) -> None:
        """Close with a code of the protocol; nothing is written or read any more."""
        self._socket.close(code, reason)
        self._end()

    def on_lost(self) -> None:
        """The transport is gone, whoever ended it."""
        self._end()
        if not self.finished.done():
            self.finished.set_result(None)
            code, reason, side = self._socket.closed_by or (1006, "", "network")
            log.info(
                "connection.close",
                connection_id=str(self.id),
                user_id=None if self._actor is None else str(self._actor.user_id),
                session_id=None if self._actor is None else str(self._actor.session_id),
                code=code,
                reason=reason,
                side=side,
                seconds=round(time.time() - self._opened_at, 3),
            )

    def _end(self) -> None:
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._writable.set()
        self._context.hubs.detach(self, list(self._streams))
        self._context.roster.forget(self)

    def drain(self, after_ms: int, reason: str) -> None:
        """Tell the client to come back within a window; the caller closes the socket later."""
        if self.phase is not Phase.CLOSED:
            self._write(frames.Reconnect(after_ms=after_ms, reason=reason))

    def _beat(self) -> None:
        if self._loop.time() - self._last_life > SILENCE_S:
            self.close(CloseCode.NO_HEARTBEAT, "nothing heard for too long")
            return
        self._socket.write(_PING)
        self._timers["heartbeat"] = self._loop.call_later(HEARTBEAT_MS / 1000, self._beat)

    def _spawn(self, work: Any) -> None:  # Any: a coroutine of any result
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection.bug", connection_id=str(self.id), exc_info=error)
            self.close(1011, "internal error")

    # -- writing

    def _write(self, message: msgspec.Struct) -> None:
        self._socket.write(frame(message))

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
        if stream == self._own_stream:
            for item in items:
                self._follow(item)

    def write_hint(self, framed: bytes) -> None:
        """See hub.Reader: the first thing that is dropped for a slow reader."""
        if not self._slow and self.phase is Phase.OPEN:
            self._socket.write(framed)

    def on_slow(self, slow: bool) -> None:
        self._slow = slow
        self._waiting_events = 0
        if slow:
            self._writable.clear()
        else:
            self._writable.set()

    def on_detached(self, stream: str) -> None:
        self._streams.discard(stream)

    def _follow(self, item: Item) -> None:
        """The user's own stream says where he is a member from now on."""
        payload = item.framed[item.framed.index(b"{") :]
        body = _decode_event(payload).event
        if isinstance(body, frames.RoomJoined):
            self._attach_soon([(room_stream(body.room_id), body.from_seq - 1)])
        elif isinstance(body, frames.RoomLeft):
            stream = room_stream(body.room_id)
            self._streams.discard(stream)
            self._context.hubs.leave(self, stream, body.to_seq)

    # -- reading

    def on_life(self) -> None:
        self._last_life = self._loop.time()

    def on_binary(self) -> None:
        self.close(CloseCode.BAD_FRAME, "binary frames are not part of the protocol")

    def on_text(self, data: bytes) -> None:
        """Every text frame; rate, shape, then what it asks for."""
        if self.phase is Phase.CLOSED:
            return
        try:
            command = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if self._allowed():
                self._on_wrong_frame(data)
            return
        if isinstance(command, frames.Pong):
            return
        if not self._allowed():
            return
        if isinstance(command, frames.Send):
            if self.phase is Phase.OPEN:
                self._on_send(command)
                return
        elif isinstance(command, frames.Ping):
            self._socket.write(_PONG)
            return
        elif isinstance(command, frames.Auth):
            self._on_auth(command)
            return
        elif self.phase is Phase.OPEN:
            self._on_command(command)
            return
        self._error(command.id, Refused(Code.UNAUTHENTICATED, "Send an auth frame first, and wait for ready."))

    def _allowed(self) -> bool:
        """A token bucket per socket; past it the socket is closed (4029)."""
        limit = self._context.frames_per_second
        if limit is None:
            return True
        now = self._loop.time()
        self._allowance = min(FRAMES_BURST, self._allowance + (now - self._counted_at) * limit)
        self._counted_at = now
        if self._allowance < 1:
            self.close(CloseCode.TOO_MANY, f"more than {limit} frames a second")
            return False
        if self.phase is Phase.OPEN:
            self._allowance -= 1
        return True

    def _on_wrong_frame(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.close(1007, "not UTF-8")
            return
        try:
            # The library is stricter than JSON about lone surrogates; whether it is JSON at all, this one knows.
            found = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self.close(CloseCode.BAD_FRAME, "not a JSON object")
            return
        identifier = found.get("id")
        if isinstance(identifier, bool) or not isinstance(identifier, int):
            identifier = None
        kind = found.get("type")
        log.info("frame.refused", connection_id=str(self.id), kind=kind if kind in _COMMANDS else None)
        if kind not in _COMMANDS:
            self._error(identifier, Refused(Code.UNKNOWN_COMMAND, "There is no such type of frame."))
        elif _has_lone_surrogate(text):
            self._error(identifier, Refused(Code.BAD_TEXT, "The frame contains half of a surrogate pair."))
        else:
            try:
                _decode(data)
                why = "it cannot be read"
            except msgspec.MsgspecError as error:
                why = str(error)
            self._error(identifier, Refused(Code.INVALID, f"The frame is not as it must be: {why}."))

    def _error(self, identifier: int | None, refusal: Refused) -> None:
        self._write(
            frames.Error(
                id=identifier,
                code=str(refusal.code),
                detail=refusal.detail,
                retry_after_ms=refusal.retry_after_ms,
                errors=refusal.errors,
            )
        )

    # -- sending

    def _on_send(self, command: frames.Send) -> None:
        if self._actor is None:
            return
        self._in_flight += 1
        if self._in_flight >= MOST_SENDS_IN_FLIGHT and not self._reading_paused:
            self._reading_paused = True
            self._socket.transport.pause_reading()
        identifier = command.id
        self._context.lanes.put(
            contract.Send(
                actor=self._actor,
                room_id=command.room_id,
                client_msg_id=command.client_msg_id,
                body=command.body,
                format=command.format,
                thread_root_id=command.thread_root_id,
                media_ids=command.media_ids,
            ),
            lambda outcome: self._on_outcome(identifier, outcome),
        )

    def _on_outcome(self, identifier: int, outcome: contract.Accepted | contract.NotAccepted) -> None:
        self._in_flight -= 1
        if self._reading_paused and self._in_flight <= MOST_SENDS_IN_FLIGHT // 2:
            self._reading_paused = False
            self._socket.transport.resume_reading()
        if self.phase is Phase.CLOSED:
            return
        if isinstance(outcome, contract.Accepted):
            self._write(
                frames.SendAck(
                    id=identifier,
                    message_id=outcome.message_id,
                    seq=outcome.seq,
                    n=outcome.n,
                    created_at=outcome.created_at,
                    duplicate=outcome.duplicate,
                )
            )
        else:
            self._write(
                frames.Error(
                    id=identifier,
                    code=outcome.code,
                    detail=outcome.detail,
                    retry_after_ms=outcome.retry_after_ms,
                    errors=outcome.errors,
                )
            )

    # -- other commands, one after the other

    def _on_command(
        self, command: frames.Read | frames.Delivered | frames.Join | frames.Leave | frames.Refresh
    ) -> None:
        if isinstance(command, frames.Read | frames.Delivered):
            read = command.seq if isinstance(command, frames.Read) else 0
            identifier = command.id
            self._context.positions.note(
                self.user_id,
                command.room_id,
                delivered_seq=command.seq,
                read_seq=read,
                flushed=None if identifier is None else lambda refusal: self._answer(identifier, refusal),
            )
            return
        if len(self._commands) >= MOST_COMMANDS_WAITING:
            self._error(command.id, Refused(Code.RATE_LIMITED, "Too many commands are waiting.", retry_after_ms=1000))
            return
        self._commands.append(lambda: self._run_command(command))
        if self._command_task is None:
            self._command_task = self._loop.create_task(self._run_commands())
            self._tasks.add(self._command_task)
            self._command_task.add_done_callback(self._done)

    async def _run_commands(self) -> None:
        try:
            while self._commands:
                await self._commands.popleft()()
        finally:
            self._command_task = None

    async def _run_command(self, command: frames.Join | frames.Leave | frames.Refresh) -> None:
        try:
            if isinstance(command, frames.Refresh):
                await self._refresh(command)
            elif self._actor is not None:
                request = contract.RoomRequest(actor=self._actor, room_id=command.room_id)
                if isinstance(command, frames.Join):
                    await self._context.rpc.call(contract.JOIN, request)
                else:
                    await self._context.rpc.call(contract.LEAVE, request)
        except Refused as refusal:
            self._answer(command.id, refusal)
        else:
            self._answer(command.id, None)

    def _answer(self, identifier: int, refusal: Refused | None) -> None:
        if self.phase is Phase.CLOSED:
            return
        if refusal is None:
            self._write(frames.Ack(id=identifier))
        else:
            self._error(identifier, refusal)

    async def _refresh(self, command: frames.Refresh) -> None:
        claims = await self._context.verifier.verify(command.token)
        self._context.revocations.check(claims)
        if self.claims is None or (claims.user_id, claims.session_id) != (self.claims.user_id, self.claims.session_id):
            raise Refused(Code.BAD_TOKEN, "The token belongs to another session; open another socket for it.")
        self._take_claims(claims)

    def _take_claims(self, claims: Claims) -> None:
        self.claims = claims
        self._actor = Actor(user_id=claims.user_id, session_id=claims.session_id, role=claims.role)
        if "expiry" in self._timers:
            self._timers["expiry"].cancel()
        seconds = max(0.0, claims.expires_at - time.time())
        self._timers["expiry"] = self._loop.call_later(
            seconds, self.close, CloseCode.TOKEN_EXPIRED, "the access token has expired"
        )

    # -- authentication and resume

    def _on_auth(self, command: frames.Auth) -> None:
        if self.phase is not Phase.GREETED:
            self._error(command.id, Refused(Code.INVALID, "This socket is authenticated already; use refresh."))
            return
        if command.protocol != frames.PROTOCOL:
            self.close(CloseCode.UNKNOWN_PROTOCOL, f"this server speaks protocol {frames.PROTOCOL}")
            return
        self.phase = Phase.AUTHENTICATING
        self._timers.pop("auth").cancel()
        self._spawn(self._authenticate(command))

    async def _authenticate(self, command: frames.Auth) -> None:
        try:
            claims = await self._context.verifier.verify(command.token)
            state = self._context.revocations.standing(claims)
        except Refused as refusal:
            self._error(command.id, refusal)
            if refusal.code == Code.UNAVAILABLE:
                self.close(1012, "try again later")
            elif refusal.code == Code.TOKEN_EXPIRED:
                self.close(CloseCode.TOKEN_EXPIRED, "the access token has expired")
            else:
                self.close(CloseCode.BAD_TOKEN, "the token is not good")
            return
        if state is not None:
            self._error(command.id, Refused(Code.BAD_TOKEN, "The token has been revoked."))
            self.close(state, "the session has ended" if state == CloseCode.SESSION_ENDED else "a new token is needed")
            return
        self._take_claims(claims)
        if not self._context.roster.admit(self):
            self.close(CloseCode.TOO_MANY, "too many connections of this user")
            return
        if command.resume is not None and (wait_ms := self._context.resumes.take()):
            # Full jitter spreads those who came together.
            self.drain(random.randint(1, wait_ms), "many clients are coming back at this moment")  # noqa: S311
            self.close(CloseCode.DRAIN, "come back a little later")
            return
        try:
            await self._open(command)
        except Refused as refusal:
            self._error(command.id, refusal)
            if refusal.code == Code.UNAVAILABLE:
                self.close(1012, "try again later")
            elif refusal.code == Code.INVALID:
                self.close(CloseCode.BAD_FRAME, "the auth frame is not as it must be")
            else:
                self.close(CloseCode.SESSION_ENDED, "the account is not available")

    async def _open(self, command: frames.Auth) -> None:
        actor = self._actor
        if actor is None:
            return
        resume = None
        if command.resume is not None:
            resume = contract.ResumeFrom(epoch=command.resume.epoch, at=command.resume.at)
        rpc = self._context.rpc
        me, opened = await asyncio.gather(
            rpc.call(auth_contract.ME, auth_contract.OnlyActor(actor=actor)),
            rpc.call(contract.OPEN_SESSION, contract.OpenSession(actor=actor, resume=resume)),
        )
        self._context.hubs.note_epoch(opened.epoch)
        recovered = await replay(rpc, actor, opened.streams)
        self._own_stream = user_stream(actor.user_id)
        standing = {
            state.stream: frames.StreamStanding(status=recovered.status(state), head=state.head)
            for state in opened.streams
        }
        self._write(
            frames.Ready(
                id=command.id,
                session_id=actor.session_id,
                user=me,
                epoch=opened.epoch,
                rooms=opened.rooms,
                more_rooms=opened.more_rooms,
                streams=standing,
            )
        )
        for chunk in recovered.chunks:
            # Paced by the socket, and so not counted against the limit of a slow reader.
            await self._writable.wait()
            self._socket.write(chunk)
        await self._writable.wait()
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.OPEN
        self._socket.write(_LIVE)
        log.info(
            "connection.auth",
            connection_id=str(self.id),
            user_id=str(actor.user_id),
            session_id=str(actor.session_id),
            device_id=(command.device_id or "")[:64],
            client=(command.client or "")[:64],
            resume=recovered.outcome(opened.streams) if resume is not None else "none",
            last_close=None if command.last_close is None else command.last_close.code,
        )
        own = next(state for state in opened.streams if state.stream == self._own_stream)
        positions = [(self._own_stream, own.head)]
        positions += [(room_stream(member.room_id), member.head) for member in opened.memberships]
        await self._attach(positions)

    # -- hubs

    def _attach_soon(self, positions: list[tuple[str, int]]) -> None:
        self._streams.update(stream for stream, _ in positions)
        self._spawn(self._attach(positions))

    async def _attach(self, positions: list[tuple[str, int]]) -> None:
        """In the order asked for: a room left and joined again must end up at its newest joining."""
        async with self._attaching:
            self._streams.update(stream for stream, _ in positions)
            at = dict(positions)
            late = await self._context.hubs.attach(self, positions)
            while late and self.phase is Phase.OPEN:
                await self._catch_up(late, at)
                late = await self._context.hubs.attach(self, [(stream, at[stream]) for stream in late])
            if self.phase is Phase.CLOSED:
                self._context.hubs.detach(self, [stream for stream, _ in positions])

    async def _catch_up(self, late: list[str], at: dict[str, int]) -> None:
        """Bring this reader nearer to hubs that were ahead of it; streams that it may no longer see leave `late`."""
        wants = [contract.ReplayWant(stream=stream, after=at[stream], upto=2**62) for stream in late]
        try:
            answer = await self._context.rpc.call(contract.REPLAY, contract.Replay(actor=self._must(), wants=wants))
        except Refused:
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 — jitter, not a secret
            return
        for part in answer.parts:
            if part.gone:
                late.remove(part.stream)
                self._streams.discard(part.stream)
                continue
            for payload in part.frames:
                await self._writable.wait()
                self._deliver_late(part.stream, payload)
            at[part.stream] = max(at[part.stream], part.last)
        if not any(part.frames for part in answer.parts):
            await asyncio.sleep(0.05)

    def _must(self) -> Actor:
        if self._actor is None:
            raise RuntimeError("not authenticated yet")
        return self._actor

    def _deliver_late(self, stream: str, payload: msgspec.Raw) -> None:
        item = Item(0, frame_text(bytes(payload)))
        self._socket.write(item.framed)
        if stream == self._own_stream:
            self._follow(item)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _has_lone_surrogate(text: str) -> bool:
    """Whether a string of the document, once unescaped, holds half of a surrogate pair."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
