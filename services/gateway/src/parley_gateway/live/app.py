"""The live side, wired: the WebSocket route, the roster of connections, revocations that close sockets, and the drain."""

import asyncio
import random
from collections import Counter as Tally
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from fastapi import FastAPI
from prometheus_client import Counter, Gauge
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from parley_gateway.live.admission import Admission
from parley_gateway.live.connection import Connection
from parley_gateway.live.context import LiveContext
from parley_gateway.live.hub import Reader
from parley_gateway.live.hubs import Hubs
from parley_gateway.live.lanes import Lanes
from parley_gateway.live.positions import Positions
from parley_gateway.live.protocol import EXTENSION, SocketProtocol
from parley_gateway.revocations import Revocations
from parley_gateway.settings import Settings
from parley_gateway.tokens import TokenVerifier
from parley_shared.contracts.auth import Revocation
from parley_shared.contracts.frames import CloseCode
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

PATH = "/api/v1/ws"
FRESH_CHECK_S = 5.0

_open = Gauge("parley_connections", "Open WebSockets")
_closed = Counter("parley_connections_closed", "WebSockets closed, by close code and side", ["code", "side"])


class Live:
    """Everything behind /api/v1/ws, and the lanes that HTTP sends take too."""

    def __init__(
        self, *, bus: Bus, rpc: RpcClient, verifier: TokenVerifier, revocations: Revocations, settings: Settings
    ) -> None:
        self._settings = settings
        self._revocations = revocations
        self.lanes = Lanes(rpc, count=settings.lanes)
        self._positions = Positions(rpc)
        self._hubs = Hubs(bus, rpc, reset=self._restart_all, restart=self._restart)
        self._connections: set[Connection] = set()
        self._by_user: dict[UUID, set[Connection]] = {}
        self._by_ip: Tally[str] = Tally()
        self._draining = False
        self._fresh_task: asyncio.Task[None] | None = None
        self._context = LiveContext(
            rpc=rpc,
            hubs=self._hubs,
            lanes=self.lanes,
            positions=self._positions,
            resumes=Admission(
                settings.resumes_per_second,
                burst=settings.resumes_burst,
                clock=asyncio.get_running_loop().time,
            ),
            verifier=verifier,
            revocations=revocations,
            roster=self,
            frames_per_second=settings.frames_per_second,
        )
        revocations.callbacks.append(self._on_revocation)

    async def start(self) -> None:
        await self._hubs.start()
        await self._positions.start()
        self._fresh_task = asyncio.create_task(self._watch_freshness(), name="freshness")

    def mount(self, app: FastAPI) -> None:
        """Add the WebSocket route."""
        app.router.routes.append(WebSocketRoute(PATH, self._endpoint, name="ws"))

    async def drain(self) -> None:
        """Ask every client to come back elsewhere, then close the sockets evenly over the drain's time."""
        self._draining = True
        connections = list(self._connections)
        seconds = self._settings.drain_seconds
        log.info("drain", connections=len(connections), seconds=seconds)
        for connection in connections:
            connection.drain(int(seconds * 1000), "this gateway is being restarted")
        # A client that heeds the frame is gone by itself within the window; the others are closed, so many a second.
        random.shuffle(connections)
        pause = seconds / len(connections) if connections else 0.0
        least = 1 / self._settings.closes_per_second
        batch = max(1, int(0.05 / max(pause, 1e-9))) if pause < 0.05 else 1
        for start in range(0, len(connections), batch):
            for connection in connections[start : start + batch]:
                connection.close(CloseCode.DRAIN, "drain")
            await asyncio.sleep(min(pause, max(least, pause)) * batch)
        if self._connections:
            await asyncio.wait([connection.finished for connection in self._connections], timeout=2)

    async def stop(self) -> None:
        if self._fresh_task is not None:
            self._fresh_task.cancel()
        await self.lanes.stop()
        await self._positions.stop()
        await self._hubs.stop()

    # -- the roster

    def admit(self, connection: object) -> bool:
        """Count an authenticated connection; False past the limit of its user."""
        if not isinstance(connection, Connection):
            raise TypeError("not a connection")
        mine = self._by_user.setdefault(connection.user_id, set())
        limit = self._settings.connections_per_user
        if limit is not None and len(mine) >= limit:
            return False
        mine.add(connection)
        return True

    def forget(self, connection: object) -> None:
        """The connection has ended; may be said twice."""
        if not isinstance(connection, Connection) or connection.claims is None:
            return
        mine = self._by_user.get(connection.user_id)
        if mine is not None:
            mine.discard(connection)
            if not mine:
                del self._by_user[connection.user_id]

    # -- the route

    async def _endpoint(self, websocket: WebSocket) -> None:
        socket: SocketProtocol = websocket.scope["extensions"][EXTENSION]
        ip = websocket.client.host if websocket.client is not None else ""
        if not self._origin_allowed(websocket):
            log.info("connection.bad_origin")
            await websocket.close()
            return
        limit = self._settings.connections_per_ip
        connection = Connection(socket, self._context, ip=ip, user_agent=websocket.headers.get("user-agent", ""))
        socket.attach(connection)
        await websocket.accept()
        if self._draining:
            connection.close(1012, "this gateway is being restarted")
        elif limit is not None and self._by_ip[ip] >= limit:
            connection.close(CloseCode.TOO_MANY, "too many connections of this address")
        else:
            connection.greet()
        self._connections.add(connection)
        self._by_ip[ip] += 1
        _open.inc()
        try:
            await connection.finished
        finally:
            self._connections.discard(connection)
            self._by_ip[ip] -= 1
            if self._by_ip[ip] <= 0:
                del self._by_ip[ip]
            _open.dec()
            code, _, side = socket.closed_by or (1006, "", "network")
            _closed.labels(str(code), side).inc()

    def _origin_allowed(self, websocket: WebSocket) -> bool:
        """A browser says where its page came from; only our own pages and the allowed ones may open a socket."""
        origin = websocket.headers.get("origin")
        if origin is None or origin in self._settings.allowed_origins:
            return True
        return urlsplit(origin).netloc == websocket.headers.get("host")

    # -- what closes sockets

    def _on_revocation(self, revocation: Revocation) -> None:
        for connection in list(self._by_user.get(revocation.user_id, ())):
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
            if not self._revocations.fresh and self._by_user:
                log.warning("revocations.stale", connections=len(self._connections))
                for connection in list(self._connections):
                    connection.close(CloseCode.DRAIN, "accounts cannot be checked at the moment")

    def _restart_all(self, reason: str) -> None:
        for connection in list(self._connections):
            connection.close(CloseCode.DRAIN, reason)

    def _restart(self, readers: list[Reader], reason: str) -> None:
        for reader in readers:
            if isinstance(reader, Connection):
                reader.close(CloseCode.DRAIN, reason)
