"""The composition root: settings → bus, tokens, the live side, routes → one uvicorn."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from parley_gateway import problems, reference
from parley_gateway.deps import Parts
from parley_gateway.images.s3 import S3
from parley_gateway.images.upload import Uploads
from parley_gateway.live.app import Live
from parley_gateway.live.protocol import SocketProtocol
from parley_gateway.middleware import Door
from parley_gateway.readiness import Readiness
from parley_gateway.revocations import Revocations
from parley_gateway.routes import (
    accounts,
    admin,
    audit,
    cluster,
    conversation,
    journey,
    keys,
    leaving,
    media,
    messages,
    moderation,
    notifications,
    presence,
    rooms,
    search,
    service,
    users,
    verifying,
)
from parley_gateway.settings import Settings
from parley_gateway.tokens import TokenVerifier
from parley_gateway.web import WebClient
from parley_shared import process
from parley_shared.contracts import gateway as contract
from parley_shared.limits import FRAME_BYTES, UPLOAD_BYTES, UPLOAD_ENVELOPE_BYTES
from parley_shared.service import running
from parley_shared.telemetry import HeadSampler

log = structlog.get_logger(__name__)

SERVICE: Final = "gateway"
PREFIX = "/api/v1"
STOP_S = 3


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, since the process has its own, and without its way to end a process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises OSError where uvicorn leaves the loop at once, with all that is open: it has logged why."""
        try:
            await super().startup(sockets)
        except SystemExit:
            raise OSError(f"{self.config.host}:{self.config.port} cannot be served") from None


def make_app(parts: Parts, version: str) -> FastAPI:
    """The HTTP side, without the WebSocket."""
    app = FastAPI(
        title="Parley",
        version=version,
        description="Real-time chat. The WebSocket is described by /asyncapi.json.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # A redirect would be the one answer that is neither JSON nor a problem document.
        redirect_slashes=False,
        generate_unique_id_function=reference.operation_id,
        # FastAPI's own spans are of every request, and hold addresses, queries and what did not validate; middleware.Door makes ours.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.parts = parts
    problems.install(app)
    reference.install(app)
    app.include_router(service.router)
    # Before users: /users/me/events must not be taken for a user.
    for router in (
        messages.router,
        conversation.router,
        journey.router,
        moderation.router,
        notifications.router,
        accounts.router,
        leaving.router,
        users.router,
        rooms.router,
        presence.router,
        media.router,
        search.router,
        keys.router,
        audit.router,
        admin.router,
        presence.admin,
        media.admin,
        search.admin,
        keys.admin,
        verifying.admin,
        cluster.admin,
    ):
        app.include_router(router, prefix=PREFIX)
    root = parts.settings.web_root
    app.router.default = WebClient(Path(root) if root else None, app.router.default)
    if parts.settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=parts.settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["authorization", "content-type", "idempotency-key", "parley-erasure-code"],
            allow_credentials=True,
            expose_headers=[problems.REQUEST_ID, "Retry-After"],
            max_age=600,
        )
    wider = {("POST", f"{PREFIX}{media.router.prefix}"): UPLOAD_BYTES + UPLOAD_ENVELOPE_BYTES}
    app.add_middleware(Door, body_bytes=parts.settings.body_bytes, wider=wider, sampler=parts.sampler)
    return app


def make_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """The one listener for HTTP and WebSocket."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws=SocketProtocol,
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            ws_ping_timeout=None,
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
            backlog=4096,
        )
    )


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn has a line for each answer that does not reach its end. Whoever has cut it off has said so, and why."""
    return record.msg != "ASGI callable returned without completing response."


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until told to stop; then readiness goes off, clients are sent elsewhere, and the rest is finished."""
    async with running(SERVICE, settings) as running_service:
        bus, rpc, health = running_service.bus, running_service.rpc, running_service.health
        verifier = TokenVerifier(rpc)
        revocations = Revocations(bus, rpc)
        await revocations.start()
        keys = asyncio.create_task(verifier.keep_fresh(), name="jwks")
        sampler = HeadSampler(settings.trace_ratio, settings.traces_asked_per_second)
        live = Live(bus=bus, rpc=rpc, verifier=verifier, revocations=revocations, settings=settings, sampler=sampler)
        await live.start()
        version = process.service_version(SERVICE)
        s3 = S3()
        uploads = Uploads(rpc, s3)
        parts = Parts(
            settings=settings,
            rpc=rpc,
            verifier=verifier,
            revocations=revocations,
            lanes=live.lanes,
            journeys=live.journeys,
            memory=live.memory,
            s3=s3,
            uploads=uploads,
            sampler=sampler,
            readiness=Readiness(rpc, health, version),
        )
        app = make_app(parts, version)
        live.mount(app)

        async def knows_keys() -> str | None:
            return None if verifier.keys else "auth's keys are not known yet"

        async def knows_revocations() -> str | None:
            return None if revocations.fresh else "auth has not answered for a minute"

        health.add("keys", knows_keys)
        health.add("revocations", knows_revocations)
        await running_service.serve(contract.READY)
        server = make_server(app, settings)
        serving = asyncio.create_task(server.serve(), name="http")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            stopping.cancel()
            serving.result()
            raise RuntimeError("the HTTP server has ended by itself")
        health.draining = True
        await live.drain()
        server.should_exit = True
        await serving
        await live.stop()
        await uploads.stop()
        await s3.close()
        keys.cancel()
        await asyncio.gather(keys, return_exceptions=True)
        await revocations.stop()


def main() -> None:
    """`parley-gateway`."""
    process.main(SERVICE, Settings, run)
