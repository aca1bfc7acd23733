"""Goes through a scenario's steps with a Client between the application and the server that they describe."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from parley_client import ApiError, Client, Event, Gone, MemoryStore, ParleyError, Stopped, Tokens, http, outbox, socket
from parley_client.events import Notice

from .scenarios import Scenario
from .virtual_time import VirtualLoop
from .world import Frame, World, ack, event_frame, hello, ready, told

BEGAN = 1_767_225_600.0
"""Of the clock on the wall, in seconds since 1970, when the loop's is at 0."""


def play(scenario: Scenario, path: str, patch: pytest.MonkeyPatch) -> Callable[[], Any]:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        given = scenario.get("given", {})
        world = World(loop, path, scenario.get("http", {}))
        patch.setattr(socket, "connect", world.connect)
        clock = SimpleNamespace(monotonic=loop.time, time=lambda: BEGAN + loop.time())
        share = given.get("random", 0.5)
        chance = SimpleNamespace(uniform=lambda least, most: least + (most - least) * share)
        for module in (socket, http):
            patch.setattr(module, "time", clock)
        for module in (socket, outbox):
            patch.setattr(module, "random", chance)
        async with world.serve():
            director = Director(world, loop, given)
            await director.play(scenario["steps"])

    return work


class Director:
    def __init__(self, world: World, loop: VirtualLoop, given: dict[str, Any]) -> None:
        self._world = world
        self._loop = loop
        expires_at = BEGAN + loop.time() + given.get("token_expires_in_s", 600)
        tokens = Tokens(access_token="token 0", refresh_token="refresh 0", expires_at=expires_at)
        self._client = Client(
            "http://parley.example",
            store=MemoryStore(tokens),
            positions=given.get("positions"),
            transport=httpx2.MockTransport(world.http),
        )
        self._notices: list[Notice] = []
        self._sends: dict[str, asyncio.Task[Any]] = {}
        self._commands: dict[str, Any] = {}
        self._looked = 0
        self._listening: asyncio.Task[None] | None = None

    async def play(self, steps: list[Frame]) -> None:
        try:
            for number, step in enumerate(steps):
                try:
                    await self._step(step)
                    await self._loop.settled()
                except (AssertionError, LookupError) as error:
                    raise AssertionError(f"step {number + 1}, {str(step)[:300]}: {error}") from error
            assert self._world.unexpected == []
        finally:
            await self._client.close()
            tasks = [*self._sends.values(), *([self._listening] if self._listening else [])]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _step(self, step: Frame) -> None:
        if "app" in step:
            await self._app(step)
        elif "server" in step:
            await self._server(step)
        elif "expect" in step:
            await self._expect(step)
        else:
            await asyncio.sleep(step["wait_ms"] / 1000)

    async def _app(self, step: Frame) -> None:
        if step["app"] == "close":
            await self._client.close()
            return
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        if step["app"] == "send":
            key = step["key"]
            sending = self._client.send(UUID(step["room"]), step.get("body", key), client_msg_id=key)
            self._sends[key] = asyncio.create_task(sending)

    async def _listen(self) -> None:
        async for notice in self._client.events():
            self._notices.append(notice)

    # -- what the server does

    async def _server(self, step: Frame) -> None:
        what = step["server"]
        if what in ("down", "up"):
            self._world.down = what == "down"
            return
        peer = self._world.peer
        greeting = ready(step.get("epoch", "e1"), step.get("streams", {}), step.get("rooms", []))
        match what:
            case "open":
                await peer.tell(hello())
                await self._loop.settled()
                self._auth(step)
                await peer.tell(greeting, *told(step.get("events", [])), {"type": "live"})
            case "hello":
                await peer.tell(hello())
            case "ready":
                await peer.tell(greeting)
            case "events":
                await peer.tell(*told(step["events"]))
            case "large event":
                ((stream, seq),) = step["events"]
                await peer.tell(event_frame(stream, seq, {"padding": "x" * step["padding"]}))
            case "frame":
                await peer.tell(step["frame"])
            case "ping":
                signs = peer.signs
                await peer.tell({"type": "ping"})
                await self._loop.settled()
                assert peer.signs > signs
            case "text":
                await peer.tell_text(step["text"])
            case "binary":
                await peer.tell_text(bytes(8))
            case "ack":
                await peer.tell(ack(self._command(step), step["seq"], step.get("duplicate", False)))
            case "refuse":
                more = {"retry_after_ms": step["retry_after_ms"]} if "retry_after_ms" in step else {}
                refusal = {"type": "error", "id": self._command(step), "code": step["code"], "detail": "No."}
                await peer.tell({**refusal, **more})
            case "answer":
                await peer.tell({**step["frame"], "id": self._command(step)})
            case "close" if step["code"] == 1006:
                peer.socket.transport.abort()
            case "close":
                await peer.socket.close(step["code"], step.get("reason", ""))
            case _:
                raise LookupError("the server cannot do that")

    def _command(self, step: Frame) -> Any:
        self._hear()
        return self._commands[step["of"]]

    def _auth(self, step: Frame) -> None:
        found = self._world.peer.heard.pop(0)
        assert found["type"] == "auth"
        named = list(found.get("resume", {"at": {}})["at"])
        assert sum(stream.startswith("room:") for stream in named) <= 200
        # The user's own stream comes first.
        assert all(place == 0 for place, stream in enumerate(named) if stream.startswith("user:"))
        resumes = step.get("resumes", {})
        assert len(named) == resumes.get("count", len(named))
        assert set(resumes.get("includes", [])) <= set(named)
        assert not set(resumes.get("excludes", [])) & set(named)
        for name, value in step.get("auth", {}).items():
            if name == "last_close" and value is not None:
                assert found[name] == {**found[name], **value}
            else:
                assert found.get(name) == value, name

    # -- what is to be seen

    async def _expect(self, step: Frame) -> None:
        within = step.get("within_ms", 0) / 1000
        match step["expect"]:
            case "connection":
                await self._connection(step)
            case "no connection":
                await self._until(lambda: len(self._world.attempts) > self._looked, step["for_ms"] / 1000)
                assert len(self._world.attempts) == self._looked
            case "frames":
                peer = self._world.peer
                await self._until(lambda: len(peer.heard) >= len(step["frames"]), within)
                self._hear()
                _same_by_room(peer.heard, step["frames"])
                peer.heard.clear()
            case "silence":
                await self._until(lambda: bool(self._world.peer.heard), step["for_ms"] / 1000)
                assert self._world.peer.heard == []
            case "sign of life":
                signs = self._world.peer.signs
                await self._until(lambda: self._world.peer.signs > signs, within)
                assert self._world.peer.signs > signs
            case "shown":
                wanted = [each for notice in step["notices"] for each in _spread(notice)]
                await self._until(lambda: len(self._notices) >= len(wanted), within)
                found = [_written(notice) for notice in self._notices]
                self._notices.clear()
                assert found == wanted
            case "result":
                await self._result(step, within)
            case "state":
                self._state(step)
            case "requests":
                found_requests = list(self._world.requests)
                self._world.requests.clear()
                assert found_requests == step["requests"]
            case "positions":
                assert self._client.positions["at"] == step["at"]
            case _:
                raise LookupError("that cannot be expected")

    async def _connection(self, step: Frame) -> None:
        least, most = step.get("after_ms", [0, 0])
        began = self._loop.time()
        await self._until(lambda: len(self._world.attempts) > self._looked, most / 1000)
        assert len(self._world.attempts) > self._looked, "it did not come"
        assert round((self._world.attempts[self._looked] - began) * 1000) >= least
        self._looked += 1

    async def _result(self, step: Frame, within: float) -> None:
        sending = self._sends[step["of"]]
        await self._until(sending.done, within)
        if "ack" in step:
            found = sending.result()
            assert {name: getattr(found, name) for name in step["ack"]} == step["ack"]
        elif "refused" in step:
            error = sending.exception()
            assert isinstance(error, ApiError), error
            assert error.code == step["refused"]
        elif "stopped" in step:
            error = sending.exception()
            assert isinstance(error, Stopped), error
            assert error.code == step["stopped"]
        else:
            assert not sending.done()

    def _state(self, step: Frame) -> None:
        assert self._client.state.split()[0] == step["state"]
        if "code" in step:
            stopped: ParleyError | None = self._client._connection.stopped
            assert isinstance(stopped, ApiError | Stopped)
            assert stopped.code == step["code"]

    async def _until(self, holds: Callable[[], bool], within: float) -> None:
        """Let time pass until it holds, but no longer than that."""
        deadline = self._loop.time() + within
        self._loop.call_at(deadline, lambda: None)
        await self._loop.settled()
        while not holds() and self._loop.time() < deadline:
            await self._loop.moved()
            await self._loop.settled()

    def _hear(self) -> None:
        """Note which command carried what."""
        for frame in self._world.peer.heard:
            self._commands[frame.get("client_msg_id", frame["type"])] = frame.get("id")


def _same_by_room(found: list[Frame], wanted: list[Frame]) -> None:
    """In one room in the order given, between rooms in any."""
    mine, theirs = (sorted(frames, key=lambda frame: str(frame.get("room_id"))) for frames in (found, wanted))
    assert len(mine) == len(theirs), mine
    for one, other in zip(mine, theirs, strict=True):
        assert one == {**one, **other}


def _spread(notice: list[Any]) -> list[list[Any]]:
    match notice:
        case [stream, [int(first), int(last)]]:
            return [[stream, seq] for seq in range(first, last + 1)]
        case _:
            return [notice]


def _written(notice: Notice) -> list[Any]:
    if isinstance(notice, Event):
        return [notice.stream, notice.seq]
    if isinstance(notice, Gone):
        return ["gone", notice.stream]
    return ["resync", notice.stream, notice.head]
