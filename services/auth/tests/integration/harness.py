"""Replicas of auth on a real PostgreSQL and NATS, and people who use them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import jwt

from parley_auth.app import Parts, wire
from parley_auth.domain.codes import mint_operator_code
from parley_auth.settings import Settings
from parley_auth.store import Transactions
from parley_shared.contracts.auth import Client, Login, Me, OnlyActor, Refresh, Register, Tokens
from parley_shared.contracts.base import Actor
from parley_shared.db.engine import make_engine
from parley_shared.errors import Refused
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.testing.fixtures import Nats, Postgres

PASSWORD = "seven grey herons at dawn"
OTHER_PASSWORD = "eight white egrets at dusk"
OPERATOR_KEY = "the operator's own key"
HOME = Client(ip="198.51.100.7", user_agent="tests/1.0")


@dataclass
class Person:
    """Somebody with a session."""

    username: str
    tokens: Tokens

    @property
    def id(self) -> UUID:
        return self.tokens.user_id

    @property
    def claims(self) -> dict[str, Any]:
        return jwt.decode(self.tokens.access_token, options={"verify_signature": False})

    @property
    def actor(self) -> Actor:
        """As a gateway makes it from the claims."""
        claims = self.claims
        return Actor(user_id=UUID(claims["sub"]), session_id=UUID(claims["sid"]), role=claims["role"])


class Auth:
    """One suite's auth: as many replicas as a test wants, on one database."""

    def __init__(self, postgres: Postgres, nats: Nats) -> None:
        self.postgres = postgres
        self.nats = nats
        self._stack = AsyncExitStack()
        self._bus: Bus | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def settings(self, **changed: Any) -> Settings:
        given: dict[str, Any] = {
            "postgres_url": self.postgres.worker_url("auth"),
            "nats_url": self.nats.url,
            "nats_user": "auth",
            "nats_password": self.nats.passwords["auth"],
            "operator_key": OPERATOR_KEY,
            "hash_memory_kib": 64,
            "registrations_per_ip": None,
        }
        return Settings(**{**given, **changed})

    async def replica(self, **changed: Any) -> Parts:
        """With its own engine; registrations are unlimited unless a test says otherwise, and hashes are cheap."""
        settings = self.settings(**changed)
        engine = make_engine(
            settings.postgres_url.get_secret_value(), application_name="test", pool_size=settings.pool_size
        )
        self._stack.push_async_callback(engine.dispose)
        if self._bus is None:
            self._bus = self.nats.bus("auth")
            await self._bus.connect()
            self._stack.push_async_callback(self._bus.close)
        parts = wire(settings, engine, self._bus)
        await parts.keyring.rotate()
        return parts

    def transactions(self) -> Transactions:
        """To look into the tables."""
        engine = make_engine(self.postgres.worker_url("auth"), application_name="test-looks", pool_size=2)
        self._stack.push_async_callback(engine.dispose)
        return Transactions(engine)


def unique(name: str = "user") -> str:
    return f"{name}-{new_id().hex[-12:]}"


def operator_code(expires_at: int = 4_000_000_000) -> str:
    return mint_operator_code(OPERATOR_KEY, new_id().bytes, expires_at)


async def register(parts: Parts, username: str, *, invite: str | None = None, client: Client = HOME) -> Me:
    return await parts.use_cases.registration.register(
        Register(username=username, password=PASSWORD, client=client, invite=invite)
    )


async def login(parts: Parts, username: str, password: str = PASSWORD, *, client: Client = HOME) -> Person:
    return Person(
        username,
        await parts.use_cases.sessions.login(Login(username=username, password=password, client=client)),
    )


async def person(parts: Parts, name: str = "user") -> Person:
    """Somebody new, logged in."""
    username = unique(name)
    await register(parts, username)
    return await login(parts, username)


async def admin(parts: Parts) -> Person:
    """A new admin, logged in."""
    username = unique("admin")
    await register(parts, username, invite=operator_code())
    return await login(parts, username)


async def refresh(parts: Parts, token: str) -> Tokens:
    return await parts.use_cases.sessions.refresh(Refresh(refresh_token=token, client=HOME))


async def session_count(parts: Parts, who: Person) -> int:
    return len((await parts.use_cases.sessions.sessions(OnlyActor(actor=who.actor))).items)


async def refusal(call: Any) -> Refused:
    """How the call was refused; a test that expects it fails if it was not."""
    try:
        answer = await call
    except Refused as refused:
        return refused
    raise AssertionError(f"it was not refused: {answer!r}")


async def together(*calls: Any) -> list[Any]:
    """All at once; refusals among the answers."""
    return await asyncio.gather(*calls, return_exceptions=True)
