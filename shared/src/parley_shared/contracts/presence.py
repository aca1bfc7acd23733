"""What presence answers: who is there, and how connections came and went.

A gateway holds a lease for as long as it lives, and reports under it which sockets have opened and closed. A lease that has run
out never comes back: whoever held it registers another one, and reports again who is still there.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Empty, UserRequest, Wire, ready_rpc, svc_rpc, user_rpc

Chosen = Literal["online", "away", "busy", "invisible"]
"""What a user says of himself; it counts while a socket of his is open."""
Status = Literal["online", "away", "busy", "invisible", "offline"]
"""What is shown. `invisible` is shown to nobody but the user himself: to others he is offline."""
Side = Literal["client", "server", "network", "gateway lost"]
"""Who ended a connection. `gateway lost`: the gateway's lease ran out, and nobody can say any more."""


class Presence(Wire, frozen=True, kw_only=True):
    """Somebody, as the one who asks sees him. last_seen: when he was last connected, of who is offline."""

    user_id: UUID
    status: Status
    last_seen: datetime | None = None
    text: str | None = None


class Presences(Wire, frozen=True, kw_only=True):
    items: list[Presence]
    next: str | None = None


class Seen(Wire, frozen=True, kw_only=True):
    """rev grows with every change that can be seen; of two, the greater is the newer."""

    rev: int
    presence: Presence


class SeenMany(Wire, frozen=True, kw_only=True):
    """Whom the actor may see, in the order asked for."""

    items: list[Seen]


class PresenceChanged(Wire, frozen=True, kw_only=True):
    """On `parley.live.presence.<bucket>.<user>`. shown: to others; own: to the user himself."""

    rev: int
    shown: Presence
    own: Presence


class GetPresence(UserRequest, frozen=True, kw_only=True):
    user_ids: list[UUID]


class SetPresence(UserRequest, frozen=True, kw_only=True):
    """Without a text there is none any more."""

    status: Chosen
    text: str | None = None


class LeaseRequest(Wire, frozen=True, kw_only=True):
    """lease_id: made by the gateway, another one for each registration."""

    lease_id: UUID


class RegisterLease(LeaseRequest, frozen=True, kw_only=True):
    """gateway: its name, as it stands in logs."""

    gateway: str


class LeaseRegistered(Wire, frozen=True, kw_only=True):
    """seconds: how long the lease lives after each renewal."""

    seconds: float


class LeaseState(Wire, frozen=True, kw_only=True):
    """alive false: the lease has run out, and what was reported under it is over."""

    alive: bool


class ConnectionOpened(Wire, frozen=True, kw_only=True):
    """A socket that has authenticated. ip_prefix: /24 or /48. last_close: how the client saw its previous socket end."""

    connection_id: UUID
    user_id: UUID
    session_id: UUID
    device_id: str
    client: str
    ip_prefix: str
    user_agent: str
    opened_at: datetime
    resume: str
    last_close_code: int | None = None
    last_close_reason: str | None = None


class ConnectionClosed(Wire, frozen=True, kw_only=True):
    """bytes_in, bytes_out: on the wire. queue_peak: bytes that waited for a slow reader, at most."""

    connection_id: UUID
    user_id: UUID
    closed_at: datetime
    code: int
    side: Side
    reason: str
    bytes_in: int
    bytes_out: int
    queue_peak: int


class ReportConnections(LeaseRequest, frozen=True, kw_only=True):
    """What has happened since the report before. batch: 1, 2, 3, … under one lease; one that comes again changes nothing."""

    batch: int
    opened: list[ConnectionOpened]
    closed: list[ConnectionClosed]


class ListConnections(AdminRequest, frozen=True, kw_only=True):
    """since, until: connections that were open at some moment between them."""

    user_id: UUID | None = None
    connection_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    cursor: str | None = None


class ConnectionRow(Wire, frozen=True, kw_only=True):
    """One WebSocket of the connection log. closed_at, code, side, reason and the numbers are null while it is open."""

    connection_id: UUID
    user_id: UUID
    session_id: UUID
    device_id: str
    client: str
    ip_prefix: str
    user_agent: str
    gateway: str
    opened_at: datetime
    closed_at: datetime | None
    code: int | None
    side: Side | None
    reason: str | None
    resume: str
    last_close_code: int | None
    last_close_reason: str | None
    bytes_in: int | None
    bytes_out: int | None
    queue_peak: int | None


class Connections(Wire, frozen=True, kw_only=True):
    """The newest first."""

    items: list[ConnectionRow]
    next: str | None = None


READY = ready_rpc("presence")
GET_PRESENCE = user_rpc("presence", "get", GetPresence, SeenMany, repeatable=True)
SET_PRESENCE = user_rpc("presence", "set", SetPresence, Presence, repeatable=True)
ADMIN_CONNECTIONS = user_rpc("presence", "admin_connections", ListConnections, Connections, repeatable=True)
REGISTER = svc_rpc("presence", "register", RegisterLease, LeaseRegistered, callers={"gateway"})
RENEW = svc_rpc("presence", "renew", LeaseRequest, LeaseState, callers={"gateway"})
REPORT = svc_rpc("presence", "report", ReportConnections, LeaseState, callers={"gateway"})
RELEASE = svc_rpc("presence", "release", LeaseRequest, Empty, callers={"gateway"})
"""The gateway ends: what is still open under its lease is over."""
