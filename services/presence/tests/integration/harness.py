"""Replicas of presence on a real PostgreSQL and NATS, gateways that report to them, and stand-ins for auth and messages."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.msg import Msg
from sqlalchemy import event

from parley_presence.app import Parts, wire
from parley_presence.domain import Person, shown
from parley_presence.settings import Settings
from parley_shared.contracts import presence as contract
from parley_shared.contracts.auth import CONFIRM_TOKEN, Confirmed, ConfirmToken
from parley_shared.contracts.base import Actor, Role
from parley_shared.contracts.presence import PresenceChanged
from parley_shared.contracts.visibility import MAY_SEE, MaySee, MaySeeAnswer
from parley_shared.db.engine import make_engine
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer
from parley_shared.testing.fixtures import Nats, Postgres


class World:
    """As many replicas as a test wants, on one database.

    friends: who may see whom, as messages says; strangers do not. roles: by token, as auth says. told: every hint of a
    change, in the order of arrival. statements: what replicas have sent to the database.
    """

    def __init__(self, postgres: Postgres, nats: Nats) -> None:
        self.postgres = postgres
        self.nats = nats
        self.friends: set[frozenset[UUID]] = set()
        self.roles: dict[str, Role] = {}
        self.told: list[PresenceChanged] = []
        self.statements: list[str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.bus = await self._connected("presence")
        self.rpc = RpcClient(self.bus)
        await self.rpc.start()
        for name in ("messages", "auth"):
            bus = await self._connected(name)
            server = RpcServer(bus, service=name, version="0.0.0", outage=lambda _error: False)
            if name == "messages":
                server.serve(MAY_SEE, self._may_see)
            else:
                server.serve(CONFIRM_TOKEN, self._confirm)
            await server.start()
            self._stack.push_async_callback(server.stop)
        listening = await self._connected("gateway")
        await listening.client.subscribe("parley.live.presence.>", cb=self._hear)
        await listening.client.flush()
        self.database = await asyncpg.connect(self.postgres.admin_url)
        self._stack.push_async_callback(self.database.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _connected(self, name: str) -> Bus:
        bus = self.nats.bus(name)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        return bus

    async def _may_see(self, request: MaySee) -> MaySeeAnswer:
        me = request.viewer
        return MaySeeAnswer(
            user_ids=[user for user in request.user_ids if user == me or frozenset((me, user)) in self.friends]
        )

    async def _confirm(self, request: ConfirmToken) -> Confirmed:
        role = self.roles.get(request.token)
        if role is None:
            raise Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
        return Confirmed(role=role)

    async def _hear(self, message: Msg) -> None:
        self.told.append(msgspec.json.decode(message.data, type=PresenceChanged))

    async def replica(self, **changed: Any) -> Parts:
        """With its own engine. Its jobs run when a test runs them."""
        settings = Settings(postgres_url=self.postgres.worker_url("presence"), **changed)
        engine = make_engine(
            settings.postgres_url.get_secret_value(), application_name="test", pool_size=settings.pool_size
        )
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *args: self.statements.append(" ".join(args[2].split()))
        )
        self._stack.push_async_callback(engine.dispose)
        return wire(settings, engine, self.bus, self.rpc)

    def befriend(self, *people: UUID) -> None:
        """They all share a room."""
        self.friends |= {frozenset((one, other)) for one in people for other in people if one != other}

    async def run_out(self, gateway: "Gateway") -> None:
        """The lifetime of its lease passes without a word."""
        await self.database.execute(
            "UPDATE presence.leases SET until = clock_timestamp() - interval '1 ms' WHERE id = $1", gateway.lease_id
        )

    async def pass_grace(self, *people: UUID) -> None:
        await self.database.execute(
            "UPDATE presence.people SET offline_at = clock_timestamp() - interval '1 ms'"
            " WHERE user_id = ANY($1) AND offline_at IS NOT NULL",
            list(people),
        )

    async def until_told(self, user_id: UUID, status: str) -> PresenceChanged:
        """The last hint about somebody says so."""
        async with asyncio.timeout(5):
            while True:
                last = next((item for item in reversed(self.told) if item.shown.user_id == user_id), None)
                if last is not None and last.shown.status == status:
                    return last
                await asyncio.sleep(0.01)


class Gateway:
    """What a gateway does: hold a lease, and report connections under it."""

    def __init__(self, parts: Parts, name: str = "gateway-1") -> None:
        self.leases = parts.use_cases.leases
        self.name = name
        self.lease_id = new_id()
        self.batch = 0

    async def register(self) -> "Gateway":
        """A new lease, whatever there was before."""
        self.lease_id, self.batch = new_id(), 0
        await self.leases.register(contract.RegisterLease(lease_id=self.lease_id, gateway=self.name))
        return self

    async def renew(self) -> bool:
        return (await self.leases.renew(contract.LeaseRequest(lease_id=self.lease_id))).alive

    async def report(
        self,
        opened: list[contract.ConnectionOpened] | None = None,
        closed: list[contract.ConnectionClosed] | None = None,
    ) -> bool:
        """Whether the lease was alive."""
        self.batch += 1
        return await self.repeat(opened, closed)

    async def repeat(
        self,
        opened: list[contract.ConnectionOpened] | None = None,
        closed: list[contract.ConnectionClosed] | None = None,
    ) -> bool:
        """The same batch again."""
        report = contract.ReportConnections(
            lease_id=self.lease_id, batch=self.batch, opened=opened or [], closed=closed or []
        )
        return (await self.leases.report(report)).alive

    async def open(self, user_id: UUID) -> contract.ConnectionOpened:
        found = opened(user_id)
        assert await self.report([found])
        return found

    async def close(self, connection: contract.ConnectionOpened, **how: Any) -> bool:
        return await self.report(closed=[closed(connection, **how)])


def opened(user_id: UUID, **fields: Any) -> contract.ConnectionOpened:
    return contract.ConnectionOpened(
        **{
            "connection_id": new_id(),
            "user_id": user_id,
            "session_id": new_id(),
            "device_id": "phone",
            "client": "tests/1.0",
            "ip_prefix": "192.0.2.0/24",
            "user_agent": "Mozilla/5.0",
            "opened_at": datetime.now(UTC),
            "resume": "none",
            **fields,
        }
    )


def closed(connection: contract.ConnectionOpened, **fields: Any) -> contract.ConnectionClosed:
    return contract.ConnectionClosed(
        **{
            "connection_id": connection.connection_id,
            "user_id": connection.user_id,
            "closed_at": datetime.now(UTC),
            "code": 1000,
            "side": "client",
            "reason": "",
            "bytes_in": 100,
            "bytes_out": 2_000,
            "queue_peak": 0,
            **fields,
        }
    )


def actor(user_id: UUID, role: Role = "user") -> Actor:
    return Actor(user_id=user_id, session_id=new_id(), role=role)


async def look(parts: Parts, viewer: UUID, *people: UUID) -> dict[UUID, contract.Presence]:
    """Whom the viewer sees, and how."""
    found = await parts.use_cases.people.get(contract.GetPresence(actor=actor(viewer), user_ids=list(people)))
    return {item.presence.user_id: item.presence for item in found.items}


async def status(parts: Parts, user_id: UUID) -> str:
    """As the database has it for others."""
    async with parts.use_cases.people._begin() as store:
        found = (await store.get([user_id])).get(user_id)
    return shown(found or Person(user_id)).status


async def choose(parts: Parts, user_id: UUID, chosen: contract.Chosen, text: str | None = None) -> contract.Presence:
    return await parts.use_cases.people.set(contract.SetPresence(actor=actor(user_id), status=chosen, text=text))
