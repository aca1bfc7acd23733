"""What every contract is made of: frozen structs, and one object per RPC that caller and server both use."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar
from uuid import UUID

import msgspec

Service = Literal["auth", "gateway", "messages", "presence", "media", "search"]
SERVICES: tuple[Service, ...] = ("auth", "messages", "presence", "media", "search", "gateway")

Role = Literal["admin", "moderator", "user"]


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A value on the wire. Readers ignore unknown fields, so that a version can grow."""


class Empty(Wire, frozen=True, kw_only=True):
    """Nothing to say."""


class Actor(Wire, frozen=True, kw_only=True):
    """On whose behalf: set by the gateway from verified claims, never by a client."""

    user_id: UUID
    session_id: UUID
    role: Role


class UserRequest(Wire, frozen=True, kw_only=True):
    """A request on a user's behalf."""

    actor: Actor


NOTHING = msgspec.Raw(b"null")


class Problem(Wire, frozen=True, kw_only=True):
    """A refusal as it crosses the wire; the same fields as in RFC 9457's document.

    current: any JSON, `null` for none; msgspec cannot decode a `Raw | None`.
    """

    code: str
    detail: str
    retry_after_ms: int | None = None
    errors: dict[str, str] | None = None
    current: msgspec.Raw = NOTHING


Req = TypeVar("Req", bound=Wire)
Rep = TypeVar("Rep", bound=Wire)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Req, Rep]):
    """One verb: its subject, its types, how long a caller waits, and who may call.

    timeout: seconds. repeatable: the caller may send it again after a timeout.
    """

    owner: Service
    side: Literal["user", "svc"]
    verb: str
    request: type[Req]
    reply: type[Rep]
    timeout: float
    callers: frozenset[Service]
    repeatable: bool

    @property
    def subject(self) -> str:
        return f"parley.rpc.{self.owner}.v1.{self.side}.{self.verb}"


def user_rpc(
    owner: Service, verb: str, request: type[Req], reply: type[Rep], *, timeout: float = 5.0, repeatable: bool = False
) -> Rpc[Req, Rep]:
    """A verb on a user's behalf; the gateway alone may call it."""
    return Rpc(owner, "user", verb, request, reply, timeout, frozenset({"gateway"}), repeatable)


def svc_rpc(
    owner: Service,
    verb: str,
    request: type[Req],
    reply: type[Rep],
    *,
    callers: set[Service],
    timeout: float = 2.0,
    repeatable: bool = True,
) -> Rpc[Req, Rep]:
    """A verb between services, without an actor."""
    return Rpc(owner, "svc", verb, request, reply, timeout, frozenset(callers), repeatable)


class Readiness(Wire, frozen=True, kw_only=True):
    """Whether a replica can do its work; reasons says what is missing."""

    service: str
    version: str
    instance: str
    ready: bool
    reasons: list[str]


def ready_rpc(owner: Service) -> Rpc[Empty, Readiness]:
    """Every replica of every service answers it: the public /readyz takes the first answer, an admin is told all."""
    return svc_rpc(owner, "ready", Empty, Readiness, callers={"gateway"}, timeout=1.0)
