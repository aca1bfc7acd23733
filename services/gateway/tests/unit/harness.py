"""The HTTP side as app.py builds it, with a stand-in behind the contracts instead of the other services."""

import asyncio
import inspect
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm

from parley_gateway.app import make_app
from parley_gateway.deps import Parts
from parley_gateway.images.s3 import S3
from parley_gateway.images.upload import Uploads
from parley_gateway.live.journeys import Journeys, Memory
from parley_gateway.live.lanes import Lanes
from parley_gateway.readiness import Readiness
from parley_gateway.revocations import Revocations
from parley_gateway.settings import Settings
from parley_gateway.tokens import TokenVerifier
from parley_shared.contracts import auth, messages
from parley_shared.contracts.base import Readiness as Said
from parley_shared.contracts.base import Rpc, Wire
from parley_shared.contracts.cluster import Replica
from parley_shared.contracts.live import JourneyPart
from parley_shared.errors import Refused, unavailable
from parley_shared.health import Health
from parley_shared.ids import new_id
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import HeadSampler

HOST = "chat.example"
ORIGIN = f"http://{HOST}"
VERSION = "0.0.0"

Answer = Wire | Refused | Callable[[Any], Wire | Awaitable[Wire]]


class FakeRpc:
    """Answers verbs from `answers`, and remembers what it was asked. What has no answer is not running."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any]] = []
        self.replicas: list[Replica] = []
        self.said: list[Said] = []

    def on(self, rpc: Rpc[Any, Any], answer: Answer) -> None:
        """A reply, a refusal, or a function of the request that returns (or raises) one."""
        self.answers[rpc.subject] = answer

    def requests(self, rpc: Rpc[Any, Any]) -> list[Any]:
        return [request for subject, request in self.asked if subject == rpc.subject]

    async def call(self, rpc: Rpc[Any, Any], request: Any, *, timeout: float | None = None) -> Any:
        assert isinstance(request, rpc.request)
        self.asked.append((rpc.subject, request))
        answer = self.answers.get(rpc.subject)
        if answer is None:
            raise unavailable(f"{rpc.owner} is not running at the moment; try again.")
        if isinstance(answer, Refused):
            raise answer
        if isinstance(answer, Wire):
            return answer
        found = answer(request)
        return await found if inspect.isawaitable(found) else found

    async def everybody(self, _seconds: float) -> list[Replica]:
        return self.replicas

    async def each(self, rpc: Rpc[Any, Any], _request: Any, _seconds: float) -> list[Said]:
        return [one for one in self.said if one.service == rpc.owner]


class FakeSubscription:
    def __init__(self, bus: "FakeBus", subject: str) -> None:
        self._bus = bus
        self._subject = subject

    async def unsubscribe(self) -> None:
        del self._bus.subscribed[self._subject]


class FakeBus:
    """A link that carries nothing; `subscribed` holds the callback of each subject.

    It has no flush: with nats-py nobody may wait for one that can time out (see Hubs).
    """

    def __init__(self) -> None:
        self.restored: list[Callable[[], None]] = []
        self.lost: list[Callable[[], None]] = []
        self.dropped: list[Callable[[str], None]] = []
        self.fails: list[Exception] = []
        self.attempts: list[str] = []
        self.connected = True
        self.subscribed: dict[str, Any] = {}

    @property
    def client(self) -> "FakeBus":
        return self

    def new_inbox(self) -> str:
        return "_INBOX_test.1"

    async def subscribe(self, subject: str, *, cb: Any, **_limits: int) -> FakeSubscription:
        self.attempts.append(subject)
        if self.fails:
            raise self.fails.pop()
        self.subscribed[subject] = cb
        return FakeSubscription(self, subject)


class FakeLanes:
    """Outcomes of sends, in order; a refusal is raised."""

    def __init__(self) -> None:
        self.outcomes: list[messages.Accepted | Refused | Exception] = []
        self.sent: list[messages.Send] = []

    async def send(self, send: messages.Send) -> messages.Accepted:
        self.sent.append(send)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class FakeJourneys:
    """What gateways answer; `asked` is of which devices alone."""

    def __init__(self) -> None:
        self.parts: list[JourneyPart] = []
        self.asked: list[tuple[UUID, int, UUID | None]] = []

    async def ask(self, room_id: UUID, seq: int, user_id: UUID | None) -> list[JourneyPart]:
        self.asked.append((room_id, seq, user_id))
        return self.parts


class Clock:
    """Seconds, moved by hand; begins now."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Issuer:
    """auth's part: a key and the tokens it signs."""

    def __init__(self, kid: str = "key-1") -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def public_bytes(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def jwk(self) -> dict[str, Any]:
        found = cast(dict[str, Any], OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True))
        return {**found, "kid": self.kid, "alg": auth.ALGORITHM, "use": "sig"}

    @property
    def jwks(self) -> auth.Jwks:
        return auth.Jwks(keys=[self.jwk])

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token; None takes one away."""
        now = int(time.time())
        claims = {
            "iss": auth.ISSUER,
            "aud": auth.AUDIENCE,
            "sub": str(new_id()),
            "sid": str(new_id()),
            "ver": 1,
            "role": "user",
            "iat": now,
            "exp": now + 600,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, alg: str = "EdDSA", **claims: Any) -> str:
        """Signed; `header` and `claims` change what a good one says."""
        headers = {"typ": auth.TOKEN_TYPE, "kid": self.kid, **(header or {})}
        if headers["kid"] is None:
            del headers["kid"]
        return jwt.encode(self.claims(**claims), self.private if key is None else key, alg, headers=headers)


OF_THE_APP = {"web_root", "allowed_origins", "body_bytes"}
"""Settings that an app is put together by; all others it looks up."""
_idle: list[FastAPI] = []
"""Apps that no World uses any more: FastAPI takes longer to put one together than most tests to run."""
_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: to read the machine's authorities for each test would take longer than most of them."""


class World:
    """One gateway's HTTP side. `me` is whoever `http` signs in as; `guest` sends no token."""

    def __init__(self, **settings: Any) -> None:
        self.rpc = FakeRpc()
        self.bus = FakeBus()
        self.lanes = FakeLanes()
        self.journeys = FakeJourneys()
        self.memory = Memory()
        self.issuer = Issuer()
        self.rpc.on(auth.JWKS, self.issuer.jwks)
        rpc = cast(RpcClient, self.rpc)
        self.settings = Settings(**settings)
        self.verifier = TokenVerifier(rpc)
        self.revocations = Revocations(cast(Bus, self.bus), rpc)
        self.health = Health(service="gateway", version=VERSION, instance="test")
        self.readiness = Readiness(rpc, self.health, VERSION)
        self.s3 = S3(_nobody)
        self.uploads = Uploads(rpc, self.s3)
        parts = Parts(
            settings=self.settings,
            rpc=rpc,
            verifier=self.verifier,
            revocations=self.revocations,
            lanes=cast(Lanes, self.lanes),
            journeys=cast(Journeys, self.journeys),
            memory=self.memory,
            s3=self.s3,
            uploads=self.uploads,
            sampler=HeadSampler(0, 1),
            readiness=self.readiness,
        )
        self._as_others = not settings.keys() & OF_THE_APP
        self.app = _idle.pop() if self._as_others and _idle else make_app(parts, VERSION)
        self.app.state.parts = parts
        self.me: UUID = new_id()
        self.session: UUID = new_id()
        self.token = self.issuer.token(sub=str(self.me), sid=str(self.session))
        self.guest = self.client()
        self.http = self.client(token=self.token)

    def client(self, *, token: str | None = None, peer: str = "192.0.2.1", scheme: str = "http") -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app, client=(peer, 40_000)),
            base_url=f"{scheme}://{HOST}",
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
        )

    async def start(self) -> "World":
        """As app.py does: auth has answered once."""
        self.rpc.on(auth.REVOKED_SINCE, auth.Revocations(items=[], cursor=0, more=False))
        await self.revocations.start()
        await until(lambda: self.revocations.fresh)
        return self

    async def stop(self) -> None:
        await self.revocations.stop()
        await self.guest.aclose()
        await self.http.aclose()
        await self.uploads.stop()
        await self.s3.close()
        if self._as_others:
            _idle.append(self.app)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def tokens(**changed: Any) -> auth.Tokens:
    """What auth answers to a good password."""
    given: dict[str, Any] = {
        "access_token": "access",
        "token_type": "bearer",
        "expires_in": 600,
        "refresh_token": secrets.token_urlsafe(16),
        "refresh_expires_in": 86_400,
        "user_id": new_id(),
        "session_id": new_id(),
    }
    return auth.Tokens(**{**given, **changed})
