"""The WebSocket: connect, authenticate, resume, and come back whenever that is what the close code means."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from parley_client.errors import ApiError, Disconnected, ParleyError, Stopped
from parley_client.http import Api
from parley_client.models import EventFrame, Hello, Ready, Reconnect, Refusal

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
OPEN_WITHIN_S = 20.0
SILENCE_FACTOR = 1.5
"""Silence for so many heartbeats means that nobody is there any more."""
REFRESH_EARLY_S = 60.0
REFRESH_AGAIN_S = 5.0
RENEW = 4014
DRAIN = 4001
STOP_ALWAYS = (1007, 1009)

Frame = dict[str, Any]
Shape = TypeVar("Shape")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def means_stop(code: int) -> bool:
    """3500–3999 and 4500–4999 mean stop, and so do 1007 and 1009; everything else means: come back."""
    return 3500 <= code <= 3999 or 4500 <= code <= 4999 or code in STOP_ALWAYS


def jittered(pause: float) -> tuple[float, float]:
    """(how long to wait, the next pause), in seconds. Full jitter: those thrown out together shall not come back together."""
    return random.uniform(0, pause), min(pause * 2, LONGEST_PAUSE_S)  # noqa: S311 — jitter, not a secret


def _frame(data: str | bytes) -> Frame:
    """Raises MsgspecError for what is no JSON object in a text frame."""
    if isinstance(data, bytes):
        raise msgspec.ValidationError("a binary frame")
    return _decode(data)


class Connection:
    """Keeps one socket open, for as long as `run` runs.

    resume: what goes into `auth`. on_ready: told of each `ready`. on_event: each event frame, in order; awaited, so that a
    slow reader slows the socket. on_frame: everything else (receipts, typing, presence).
    """

    def __init__(
        self,
        api: Api,
        *,
        client_name: str,
        resume: Callable[[], Frame | None],
        on_ready: Callable[[Ready], Awaitable[None]],
        on_event: Callable[[EventFrame], Awaitable[None]],
        on_frame: Callable[[Frame], None],
    ) -> None:
        self._api = api
        self._client_name = client_name
        self._resume = resume
        self._on_ready = on_ready
        self._on_event = on_event
        self._on_frame = on_frame
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._socket: ClientConnection | None = None
        self._open = asyncio.Event()
        self._last_close: Frame | None = None
        self._come_back_at: float | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._heard_at: float | None = None
        self._given_up = ""
        self._closing: asyncio.Task[None] | None = None
        self._renew = False
        self._heartbeat_s = 25.0
        self.state = "connecting"
        self.stopped: ParleyError | None = None

    async def run(self) -> None:
        """Connect, and connect again. Raises Stopped when the server wants no more of this client, ApiError when signing in
        is needed."""
        try:
            await self._keep_coming_back()
        except ParleyError as error:
            self.stop(error)
            raise
        except Exception as error:
            # A bug: without this, whoever waits for an answer would wait for ever.
            log.exception("parley: bug")
            self.stop(Stopped(1006, f"a bug in the client: {error!r}"))
            raise

    async def _keep_coming_back(self) -> None:
        pause = FIRST_PAUSE_S
        renewed = False
        while True:
            self.state = "connecting"
            began = time.monotonic()
            code, reason = 1006, ""
            try:
                code, reason = await self._once()
                # Attempts that came to nothing are no connections: what ended the last one is still what ended it.
                self._last_close = {"code": code, "reason": reason[:100]}
            except (OSError, TimeoutError, websockets.WebSocketException, httpx2.HTTPError) as error:
                log.info("parley: no connection: %r", error)
            except msgspec.MsgspecError as error:
                log.warning("parley: the server said what is not of this protocol: %s", error)
                self._last_close = {"code": code, "reason": "not of this protocol"}
            except ApiError as error:
                if not error.passes:
                    raise
                log.info("parley: %s", error)
            finally:
                self._lose()
            if means_stop(code):
                raise Stopped(code, reason)
            again, renewed = renewed, code == RENEW
            if renewed:
                self._renew = True
                if not again:
                    continue
                # Twice in a row: a server that is content with no token shall not be asked without a pause.
            if self._come_back_at is not None:
                wait, self._come_back_at = max(0.0, self._come_back_at - time.monotonic()), None
            else:
                if time.monotonic() - began > LONGEST_PAUSE_S:
                    pause = FIRST_PAUSE_S
                wait, pause = jittered(pause)
            self.state = f"reconnecting in {wait:.1f} s"
            await asyncio.sleep(wait)

    async def command(self, frame: Frame, shape: type[Shape] = dict, *, within: float = 20.0) -> Shape:  # type: ignore[assignment]  # without a shape: the frame
        """Send a command once there is a connection, and return its ack as `shape`.

        Raises ApiError for an `error`, Disconnected if the connection goes before the answer comes, Stopped.
        """
        while not self._open.is_set():
            if self.stopped is not None:
                raise self.stopped
            await self._open.wait()
        socket = self._socket
        if self.stopped is not None or socket is None:
            raise self.stopped or Disconnected("not connected")
        identifier = next(self._ids)
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = future
        try:
            await socket.send(msgspec.json.encode({**frame, "id": identifier}), text=True)
            async with asyncio.timeout(within):
                answer = await future
        except TimeoutError:
            # An OSError as well, but the socket is as good as before.
            raise Disconnected(f"no answer in {within:.0f} s") from None
        except (websockets.WebSocketException, OSError) as error:
            # `run` may still be busy with what came before the end. Until it knows, nobody else shall try this socket: a
            # send that fails at once and is repeated at once would never let it.
            if socket is self._socket:
                self._open.clear()
            raise Disconnected(f"not sent: {error!r}") from None
        finally:
            self._waiting.pop(identifier, None)
        try:
            if answer["type"] == "ack":
                return msgspec.convert(answer, shape)
            refusal = msgspec.convert(answer, Refusal)
        except msgspec.ValidationError as error:
            log.warning("parley: the server said what is not of this protocol: %s", error)
            self._give_up(socket, "not of this protocol")
            raise Disconnected("what came was no answer") from None
        raise ApiError(refusal.code, refusal.detail, retry_after_ms=refusal.retry_after_ms, errors=refusal.errors)

    async def tell(self, frame: Frame) -> None:
        """A command without an answer, if there is a connection; positions and typing are worth no more."""
        if self._open.is_set() and self._socket is not None:
            try:
                await self._socket.send(msgspec.json.encode(frame), text=True)
            except (websockets.WebSocketException, OSError):
                return

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    # -- one connection

    async def _once(self) -> tuple[int, str]:
        token = await self._api.token(fresh=self._renew)
        self._renew = False
        url = self._api.base_url.replace("http", "ws", 1) + "/api/v1/ws"
        async with connect(url, max_size=None, ping_interval=None, compression=None, open_timeout=10) as socket:
            self._heard_at = time.monotonic()
            try:
                await self._authenticate(socket, token)
                await self._talk(socket, token)
            except websockets.ConnectionClosed:
                # Whenever it closes, the code says what is to be done.
                pass
            return socket.close_code or 1006, socket.close_reason or self._given_up or ""

    async def _authenticate(self, socket: ClientConnection, token: str) -> None:
        deadline = asyncio.get_running_loop().time() + OPEN_WITHIN_S
        async with asyncio.timeout_at(deadline):
            hello = _frame(await socket.recv())
        if hello.get("type") != "hello":
            raise msgspec.ValidationError(f"it began with {hello.get('type')!r}")
        self._heartbeat_s = msgspec.convert(hello, Hello).heartbeat_ms / 1000
        auth: Frame = {"type": "auth", "id": 0, "token": token, "protocol": 1, "client": self._client_name}
        resume = self._resume()
        if resume is not None:
            auth["resume"] = resume
        if self._last_close is not None:
            auth["last_close"] = self._last_close
        await socket.send(msgspec.json.encode(auth), text=True)
        kind = None
        while kind != "ready":
            async with asyncio.timeout_at(deadline):
                data = await socket.recv()
            kind = await self._handle(socket, data)

    async def _talk(self, socket: ClientConnection, token: str) -> None:
        self._socket = socket
        background = [asyncio.create_task(self._keep_alive(socket)), asyncio.create_task(self._keep_token(token))]
        try:
            async for data in socket:
                await self._handle(socket, data)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    async def _handle(self, socket: ClientConnection, data: str | bytes) -> str | None:
        """Do what a frame says; returns its type."""
        # As long as it takes, nothing is read: that is no silence of the server.
        self._heard_at = None
        try:
            return await self._do(socket, data)
        finally:
            self._heard_at = time.monotonic()

    async def _do(self, socket: ClientConnection, data: str | bytes) -> str | None:
        frame = _frame(data)
        kind: str | None = frame.get("type")
        identifier = frame.get("id")
        match kind:
            case "event":
                await self._on_event(msgspec.convert(frame, EventFrame))
            case "ack" | "error" if isinstance(identifier, int) and identifier in self._waiting:
                future = self._waiting[identifier]
                if not future.done():
                    future.set_result(frame)
            case "ping":
                await socket.send('{"type":"pong"}')
            case "pong":
                pass
            case "ready":
                await self._on_ready(msgspec.convert(frame, Ready))
            case "live":
                self.state = "live"
                self._open.set()
            case "reconnect":
                self._leave_within(socket, msgspec.convert(frame, Reconnect).after_ms / 1000)
            case "ack" | "error":
                # Of `auth`, and the close code that follows says what it means; or of a command that nobody waits for.
                log.info("parley: %s %s: %s", kind, frame.get("code"), frame.get("detail"))
            case _:
                self._on_frame(frame)
        return kind

    async def _keep_alive(self, socket: ClientConnection) -> None:
        """Ask after a heartbeat of silence whether the peer is there; one that stays silent is given up."""
        patience = self._heartbeat_s * SILENCE_FACTOR
        while True:
            silence = 0.0 if self._heard_at is None else time.monotonic() - self._heard_at
            if silence >= patience:
                log.info("parley: nothing heard for too long")
                self._give_up(socket, "nothing was heard for too long")
                return
            asked = silence >= self._heartbeat_s
            if asked:
                await socket.send('{"type":"ping"}')
            # No shorter than a clock can tell, or this would spin.
            await asyncio.sleep(max(0.001, (patience if asked else self._heartbeat_s) - silence))

    async def _keep_token(self, told: str) -> None:
        """A new access token on the open socket before the old one expires."""
        while True:
            await asyncio.sleep(max(1.0, self._api.expires_at - time.time() - REFRESH_EARLY_S))
            renewed = False
            while not renewed:
                try:
                    token = await self._api.token(instead_of=told)
                    await self.command({"type": "refresh", "token": token})
                    told, renewed = token, True
                except (ApiError, Disconnected, Stopped, httpx2.HTTPError) as error:
                    # The server closes with 4014 in the end, and that way leads to a new token too.
                    log.info("parley: token not renewed: %r", error)
                    await asyncio.sleep(REFRESH_AGAIN_S)

    def _leave_within(self, socket: ClientConnection, window: float) -> None:
        """`reconnect`: leave at a random moment of the window, or be thrown out before, and be back at that moment."""
        if self._come_back_at is not None:
            return
        wait = random.uniform(0, window)  # noqa: S311 — jitter, not a secret
        self._come_back_at = time.monotonic() + wait
        self._leaving = asyncio.get_running_loop().call_later(wait, self._leave, socket)

    def _leave(self, socket: ClientConnection) -> None:
        self._closing = asyncio.create_task(socket.close(1000, "asked to come back"))

    def _give_up(self, socket: ClientConnection, reason: str) -> None:
        self._given_up = reason
        socket.transport.abort()

    def _lose(self) -> None:
        self._socket = None
        self._given_up = ""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        self._open.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Disconnected("the connection was lost before the answer came"))

    def stop(self, error: ParleyError) -> None:
        """For good: whoever waits for a connection, or asks for one, gets this error."""
        self.state = "stopped"
        self.stopped = self.stopped or error
        self._open.set()
