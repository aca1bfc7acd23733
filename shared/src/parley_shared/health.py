"""Each process's internal port: /livez (the loop turns), /readyz (what it stands on is there), /metrics."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from parley_shared import metrics
from parley_shared.contracts.base import Empty, Readiness

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""None if all is well, otherwise what is missing, in a few words."""


class Health:
    """Gathers checks and answers them, over HTTP for a supervisor and over NATS for the gateway's public /readyz."""

    def __init__(self, *, service: str, version: str, instance: str) -> None:
        self._service = service
        self._version = version
        self._instance = instance
        self._checks: dict[str, Check] = {}
        self.draining = False

    def add(self, name: str, check: Check) -> None:
        """A check is given one second."""
        self._checks[name] = check

    async def readiness(self, _request: Empty | None = None) -> Readiness:
        reasons = ["draining"] if self.draining else []
        # Somebody may ask while the process is still being put together, and another check may come before these have answered.
        checks = dict(self._checks)
        results = await asyncio.gather(*(self._run(name, check) for name, check in checks.items()))
        for name, result in zip(checks, results, strict=True):
            metrics.checks.labels(name).set(result is None)
        reasons += [result for result in results if result is not None]
        metrics.ready.set(not reasons)
        return Readiness(
            service=self._service, version=self._version, instance=self._instance, ready=not reasons, reasons=reasons
        )

    async def _run(self, name: str, check: Check) -> str | None:
        try:
            async with asyncio.timeout(1):
                answer = await check()
        except TimeoutError:
            return f"{name}: no answer within a second"
        except Exception as error:  # noqa: BLE001 — a check that fails is an answer: not ready
            return f"{name}: {error!r}"
        return None if answer is None else f"{name}: {answer}"

    def app(self) -> Starlette:
        async def livez(_request: Request) -> Response:
            return PlainTextResponse("alive\n")

        async def readyz(_request: Request) -> Response:
            state = await self.readiness()
            body = {"ready": state.ready, "service": state.service, "version": state.version, "reasons": state.reasons}
            return JSONResponse(body, status_code=200 if state.ready else 503)

        async def figures(_request: Request) -> Response:
            # Whether it is ready is one of them.
            await self.readiness()
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

        return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", figures)])


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def internal_port(health: Health, *, host: str, port: int) -> AsyncIterator[None]:
    """Listen on the internal port. Raises OSError if it is taken."""
    config = uvicorn.Config(
        health.app(), host=host, port=port, log_config=None, access_log=False, ws="none", lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(), name="internal-port")
    try:
        while not server.started:
            if task.done():
                raise OSError(f"{host}:{port} is taken")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


class LoopWatchdog(threading.Thread):
    """Ends the process if its event loop does not turn for `seconds`: a supervisor starts a fresh one.

    It is a thread, since a frozen loop cannot watch itself.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        super().__init__(name="loop-watchdog", daemon=True)
        self._loop = loop
        self._seconds = seconds
        self._beat = time.monotonic()

    def run(self) -> None:
        while not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._mark)
            except RuntimeError:  # the loop was closed between the question and the call
                return
            time.sleep(1)
            silent = time.monotonic() - self._beat
            if silent > self._seconds:
                log.critical("loop.frozen", seconds=round(silent, 1))
                os._exit(71)

    def _mark(self) -> None:
        self._beat = time.monotonic()
