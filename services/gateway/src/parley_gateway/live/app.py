"""The live side, wired: the WebSocket route, what closes sockets from outside, and the drain."""

import asyncio
import random
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from parley_gateway.addresses import client_address
from parley_gateway.live import figures, opening
from parley_gateway.live.admission import Admission
from parley_gateway.live.connection import Connection
from parley_gateway.live.context import LiveContext
from parley_gateway.live.hub import Reader
from parley_gateway.live.hubs import Hubs
from parley_gateway.live.journeys import Journeys, Memory
from parley_gateway.live.lanes import Lanes
from parley_gateway.live.lease import Lease
from parley_gateway.live.positions import Positions
from parley_gateway.live.presence import Watches
from parley_gateway.live.protocol import EXTENSION, SocketProtocol
from parley_gateway.live.roster import Roster
from parley_gateway.live.typing import Typing
from parley_gateway.revocations import Revocations
from parley_gateway.settings import Settings
from parley_gateway.tokens import TokenVerifier
from parley_shared.contracts.auth import Revocation
from parley_shared.contracts.frames import CloseCode
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import HeadSampler

log = structlog.get_logger(__name__)

PATH = "/api/v1/ws"
FRESH_CHECK_S = 5.0


class Live:
    """Everything behind /api/v1/ws, and the lanes that HTTP sends take too."""

    def __init__(
        self,
        *,
        bus: Bus,
        rpc: RpcClient,
        verifier: TokenVerifier,
        revocations: Revocations,
        settings: Settings,
        sampler: HeadSampler,
    ) -> None:
        self._settings = settings
        self._revocations = revocations
        self.lanes = Lanes(rpc, count=settings.lanes)
        self._positions = Positions(rpc)
        self._lease = Lease(rpc, gateway=settings.instance)
        self._watches = Watches(bus, rpc)
        self._typing = Typing(bus, rpc, self._watches)
        self.memory = memory = Memory()
        self._hubs = Hubs(bus, rpc, reset=self._restart_all, restart=self._restart, handed=memory.handed)
        self.journeys = Journeys(bus, self._hubs, memory, gateway=settings.instance)
        self._roster: Roster[Connection] = Roster(settings)
        self._draining = False
        self._fresh_task: asyncio.Task[None] | None = None
        self._context = LiveContext(
            rpc=rpc,
            hubs=self._hubs,
            lanes=self.lanes,
            positions=self._positions,
            memory=memory,
            lease=self._lease,
            watches=self._watches,
            typing=self._typing,
            resumes=Admission(
                settings.resumes_per_second,
                burst=settings.resumes_burst,
                clock=asyncio.get_running_loop().time,
            ),
            verifier=verifier,
            revocations=revocations,
            roster=self._roster,
            frames_per_second=settings.frames_per_second,
            sampler=sampler,
        )
        revocations.callbacks.append(self._on_revocation)

    async def start(self) -> None:
        await self._hubs.start()
        await self.journeys.start()
        await self._positions.start()
        await self._lease.start()
        await self._watches.start()
        self._fresh_task = asyncio.create_task(self._watch_freshness(), name="freshness")

    def mount(self, app: FastAPI) -> None:
        """Add the WebSocket route."""
        app.router.routes.append(WebSocketRoute(PATH, self._endpoint, name="ws"))

    async def drain(self) -> None:
        """Ask every client to come back elsewhere, then close the sockets evenly over the drain's time."""
        self._draining = True
        connections = list(self._roster)
        # Evenly over the drain's time, or for longer if that would be too many a second.
        pause = max(
            self._settings.drain_seconds / len(connections) if connections else 0.0,
            1 / self._settings.closes_per_second,
        )
        seconds = pause * len(connections)
        log.info("gateway.drain", connections=len(connections), seconds=seconds)
        for connection in connections:
            connection.ask_to_come_back(int(seconds * 1000), "this gateway is being restarted")
        # A client that heeds the frame is gone by itself within the window; the others are closed, so many a second.
        random.shuffle(connections)
        batch = max(1, int(0.05 / pause)) if pause else 1
        for start in range(0, len(connections), batch):
            for connection in connections[start : start + batch]:
                connection.close(CloseCode.DRAIN, "drain")
            await asyncio.sleep(pause * batch)
        if self._roster:
            await asyncio.wait([connection.finished for connection in self._roster], timeout=2)

    async def stop(self) -> None:
        if self._fresh_task is not None:
            self._fresh_task.cancel()
            await asyncio.gather(self._fresh_task, return_exceptions=True)
        await self.lanes.stop()
        await self._positions.stop()
        await self._typing.stop()
        await self._watches.stop()
        await self._lease.stop()
        await self._hubs.stop()

    # -- the route

    async def _endpoint(self, websocket: WebSocket) -> None:
        socket: SocketProtocol = websocket.scope["extensions"][EXTENSION]
        peer = websocket.client.host if websocket.client is not None else ""
        ip = client_address(peer, websocket.headers, self._settings.trusted_proxies)
        if not self._origin_allowed(websocket):
            log.info("connection.bad_origin")
            await websocket.close()
            return
        agent = websocket.headers.get("user-agent", "")
        connection = Connection(socket, self._context, opening.HANDLERS, ip=ip, user_agent=agent)
        socket.attach(connection)
        await websocket.accept()
        # Whoever is refused is told so by a close code: a page of a browser never sees the status of a failed handshake.
        refused = self._roster.refuses(ip)
        if self._draining:
            connection.close(1012, "this gateway is being restarted")
        elif refused is not None:
            connection.close(CloseCode.TOO_MANY, refused)
        else:
            connection.greet()
        self._roster.enter(connection)
        figures.sockets.inc()
        try:
            await connection.finished
        finally:
            self._roster.leave(connection)
            figures.sockets.dec()
            code, _, side = socket.ending
            figures.closed.labels(figures.close_code(code), side).inc()

    def _origin_allowed(self, websocket: WebSocket) -> bool:
        """A browser says where its page came from; only our own pages and the allowed ones may open a socket."""
        origin = websocket.headers.get("origin")
        if origin is None or origin in self._settings.allowed_origins:
            return True
        try:
            return urlsplit(origin).netloc == websocket.headers.get("host")
        except ValueError:  # an address that is none
            return False

    # -- what closes sockets

    def _on_revocation(self, revocation: Revocation) -> None:
        for connection in self._roster.of_user(revocation.user_id):
            claims = connection.claims
            if claims is None:
                continue
            if revocation.session_id is not None:
                if claims.session_id == revocation.session_id:
                    connection.close(CloseCode.SESSION_ENDED, "the session has ended")
            elif claims.ver < revocation.min_ver:
                if revocation.kind == "end":
                    connection.close(CloseCode.SESSION_ENDED, "the account is not available")
                else:
                    connection.close(CloseCode.TOKEN_EXPIRED, "a new token is needed")

    async def _watch_freshness(self) -> None:
        """Without an answer of auth for a minute nobody knows who was banned: sockets close, and come back when it is there."""
        while True:
            await asyncio.sleep(FRESH_CHECK_S)
            if not self._revocations.fresh and self._roster.has_users:
                log.warning("revocations.stale", connections=len(self._roster))
                for connection in self._roster:
                    connection.close(CloseCode.DRAIN, "accounts cannot be checked at the moment")

    def _restart_all(self, reason: str) -> None:
        for connection in self._roster:
            connection.close(CloseCode.DRAIN, reason)

    def _restart(self, readers: list[Reader], reason: str) -> None:
        for reader in readers:
            if isinstance(reader, Connection):
                reader.close(CloseCode.DRAIN, reason)
