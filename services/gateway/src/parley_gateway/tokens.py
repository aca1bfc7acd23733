"""Access tokens, verified once per token and not once per frame: Ed25519 costs 134 µs (RFC 8725, RFC 9068)."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

import jwt
import structlog
from prometheus_client import Gauge

from parley_shared.contracts.auth import ALGORITHM, AUDIENCE, ISSUER, JWKS, TOKEN_TYPE
from parley_shared.contracts.base import Empty, Role
from parley_shared.correlation import detached
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

UNKNOWN_KID_PAUSE_S = 30.0
REFRESH_S = 300.0
MOST_REMEMBERED = 20_000
CLOCK_SKEW_S = 30.0
"""How far ahead of ours the clock of the machine that issues tokens may be."""


_age = Gauge("parley_jwks_age_seconds", "Time since auth last told its public keys")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. expires_at: seconds since 1970."""

    user_id: UUID
    session_id: UUID
    role: Role
    ver: int
    expires_at: int


class TokenVerifier:
    """Keeps auth's public keys, and the claims of tokens seen lately by a hash of the token."""

    def __init__(self, rpc: RpcClient, *, clock: Callable[[], float] = time.time) -> None:
        self._rpc = rpc
        self._clock = clock
        self._keys: dict[str, Any] = {}  # Any: PyJWT's key objects
        self._jwks: list[dict[str, Any]] = []
        self._asked_at = float("-inf")
        self._told_at = float("-inf")
        _age.set_function(lambda: self._clock() - self._told_at)
        self._asking: asyncio.Task[None] | None = None
        self._seen: OrderedDict[bytes, Claims] = OrderedDict()

    @property
    def keys(self) -> list[dict[str, Any]]:
        """The JWK set as auth gave it; empty as long as auth has not answered."""
        return self._jwks

    async def verify(self, token: str) -> Claims:
        """The token's claims.

        Raises Refused: BAD_TOKEN, TOKEN_EXPIRED, or UNAVAILABLE while no key is known at all.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        claims = self._seen.get(digest)
        if claims is None:
            claims = await self._verify(token)
            self._seen[digest] = claims
            if len(self._seen) > MOST_REMEMBERED:
                self._seen.popitem(last=False)
        if claims.expires_at <= self._clock():
            self._seen.pop(digest, None)
            raise Refused(Code.TOKEN_EXPIRED, "The access token has expired; get a new one with the refresh token.")
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):  # ValueError: half of a surrogate pair, which a frame may spell
            raise _bad() from None
        if header.get("alg") != ALGORITHM or str(header.get("typ", "")).lower() != TOKEN_TYPE:
            raise _bad()
        key = await self._key(str(header.get("kid", "")))
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "sid", "ver", "role"], "verify_exp": False},
            )
            if payload["role"] not in get_args(Role):
                raise _bad()
            return Claims(
                user_id=UUID(payload["sub"]),
                session_id=UUID(payload["sid"]),
                role=payload["role"],
                ver=int(payload["ver"]),
                expires_at=int(payload["exp"]),
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise _bad() from None

    async def _key(self, kid: str) -> Any:
        if not self._keys:
            await self.fetch()
        elif kid not in self._keys and self._clock() - self._asked_at >= UNKNOWN_KID_PAUSE_S:
            # A key that has just been rotated in is known only to auth; rubbish must not turn into a flood of questions.
            await self.fetch()
        if not self._keys:
            raise unavailable("Tokens cannot be checked at the moment; try again.")
        key = self._keys.get(kid)
        if key is None:
            raise _bad()
        return key

    async def fetch(self) -> None:
        """Ask auth for its keys, once for all who want to know. Keeps what is known if auth is away."""
        if self._asking is None or self._asking.done():
            self._asking = detached(self._fetch())
        await asyncio.shield(self._asking)

    async def _fetch(self) -> None:
        self._asked_at = self._clock()
        try:
            answer = await self._rpc.call(JWKS, Empty())
        except Refused as refusal:
            log.warning("jwks.unfetched", code=str(refusal.code))
            return
        keys = {}
        for entry in answer.keys:
            try:
                keys[str(entry["kid"])] = jwt.PyJWK(entry, algorithm=ALGORITHM).key
            except (jwt.PyJWTError, KeyError) as error:
                log.error("jwks.bad_key", error=repr(error))
        if keys:
            self._told_at = self._clock()
            self._keys, self._jwks = keys, answer.keys

    async def keep_fresh(self) -> None:
        """Fetch now and then, so that the next key is known before its first use."""
        while True:
            try:
                await self.fetch()
            except Exception:
                # Without this task a rotated key would be unknown for ever.
                log.exception("jwks.bug")
            await asyncio.sleep(REFRESH_S if self._keys else 0.5)


def _bad() -> Refused:
    return Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
