"""What routes ask for: who is calling, from where, which page, and the way to the other services."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
from fastapi import Depends, Query, Request
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer
from starlette.responses import Response

from parley_gateway import cookies
from parley_gateway.addresses import client_address
from parley_gateway.images.s3 import S3
from parley_gateway.images.upload import Uploads
from parley_gateway.live.journeys import Journeys, Memory
from parley_gateway.live.lanes import Lanes
from parley_gateway.readiness import Readiness
from parley_gateway.revocations import Revocations
from parley_gateway.settings import Settings
from parley_gateway.tokens import TokenVerifier
from parley_shared.contracts.auth import Client
from parley_shared.contracts.base import Actor
from parley_shared.errors import Code, Refused
from parley_shared.limits import PAGE_DEFAULT, PAGE_MAX
from parley_shared.messaging.rpc import RpcClient
from parley_shared.telemetry import HeadSampler


@dataclass(frozen=True, slots=True)
class Parts:
    """What app.py has wired; every request finds it in `app.state.parts`."""

    settings: Settings
    rpc: RpcClient
    verifier: TokenVerifier
    revocations: Revocations
    lanes: Lanes
    journeys: Journeys
    memory: Memory
    s3: S3
    uploads: Uploads
    sampler: HeadSampler
    readiness: Readiness


def parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def rpc(request: Request) -> RpcClient:
    return parts(request).rpc


def bearer(request: Request) -> str:
    """The access token. Raises Refused: UNAUTHENTICATED."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(Code.UNAUTHENTICATED, "Send an access token: Authorization: Bearer …")
    return token.strip()


# The scheme is only described here, so that /docs offers it; `caller` does the checking.
_described = OAuth2PasswordBearer(
    tokenUrl="/api/v1/auth/token", auto_error=False, description="The access token of POST /auth/token."
)


async def caller(request: Request, _scheme: Annotated[str | None, Depends(_described)] = None) -> Actor:
    """Whoever the token says. Raises Refused: UNAUTHENTICATED, BAD_TOKEN, TOKEN_EXPIRED, UNAVAILABLE."""
    return await _actor(request, bearer(request))


_cookie_described = APIKeyCookie(
    name=cookies.IMAGES.plain_name,
    auto_error=False,
    description="Of POST /auth/token with cookies=true; for reading images. Under TLS its name begins with `__Secure-`.",
)


async def viewer(
    request: Request,
    _scheme: Annotated[str | None, Depends(_described)] = None,
    _cookie: Annotated[str | None, Depends(_cookie_described)] = None,
) -> Actor:
    """For reading images alone: as `caller`, or whoever the cookie says where there is no token. Raises as `caller` does."""
    token = None if "authorization" in request.headers else cookies.IMAGES.read(request, parts(request).settings)
    return await _actor(request, bearer(request) if token is None else token)


async def _actor(request: Request, token: str) -> Actor:
    found = parts(request)
    claims = await found.verifier.verify(token)
    found.revocations.check(claims)
    return Actor(user_id=claims.user_id, session_id=claims.session_id, role=claims.role)


def client(request: Request) -> Client:
    """The other end's address and program; behind a trusted proxy, the address that it names."""
    peer = request.client.host if request.client is not None else ""
    address = client_address(peer, request.headers, parts(request).settings.trusted_proxies)
    return Client(ip=address[:64], user_agent=request.headers.get("user-agent", "")[:200])


@dataclass(frozen=True, slots=True)
class Paging:
    limit: int
    cursor: str | None


def paging(
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Items in a page.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
) -> Paging:
    return Paging(limit, cursor)


Caller = Annotated[Actor, Depends(caller)]
Viewer = Annotated[Actor, Depends(viewer)]
Token = Annotated[str, Depends(bearer)]
Calls = Annotated[RpcClient, Depends(rpc)]
Wired = Annotated[Parts, Depends(parts)]
Peer = Annotated[Client, Depends(client)]
Pages = Annotated[Paging, Depends(paging)]


def json_answer(value: Any, status: int = 200) -> Response:  # Any: whatever msgspec encodes
    """A wire struct as it is, without a second model of it."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


NO_CONTENT = 204


def nothing() -> Response:
    return Response(status_code=NO_CONTENT)
