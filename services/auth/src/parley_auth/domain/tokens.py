"""Access tokens: JWTs after RFC 9068, signed with Ed25519, checked after RFC 8725."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from parley_auth.domain.keys import SigningKey
from parley_shared.contracts.auth import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE
from parley_shared.contracts.base import Role
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id

_CLAIMS = ["iss", "aud", "sub", "sid", "ver", "role", "iat", "exp", "jti"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: whose it is, of which session, and at which version of the account it was made."""

    user_id: UUID
    session_id: UUID
    version: int
    role: Role


def sign(claims: Claims, key: SigningKey, *, now: datetime, lifetime: timedelta) -> str:
    """A token that lives from now on."""
    issued = int(now.timestamp())
    return jwt.encode(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "ver": claims.version,
            "role": claims.role,
            "iat": issued,
            "exp": issued + int(lifetime.total_seconds()),
            "jti": new_id().hex,
        },
        key.private,
        algorithm=ALGORITHM,
        headers={"typ": TOKEN_TYPE, "kid": key.kid},
    )


def verify(token: str, keys: Mapping[str, Ed25519PublicKey], now: datetime) -> Claims:
    """The claims, after algorithm, type, key, signature, issuer, audience and expiry were checked.

    Raises Refused: BAD_TOKEN, TOKEN_EXPIRED.
    """
    try:
        header = jwt.get_unverified_header(token)
        key = keys.get(str(header.get("kid")))
        if key is None or header.get("typ") != TOKEN_TYPE:
            raise _bad()
        payload: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # The expiry is compared below with the clock that issued it.
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        role = payload["role"]
        if role not in get_args(Role):
            raise _bad()
        claims = Claims(UUID(payload["sub"]), UUID(payload["sid"]), int(payload["ver"]), role)
        expires = datetime.fromtimestamp(int(payload["exp"]), UTC)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
        raise _bad() from None
    if expires <= now:
        raise Refused(Code.TOKEN_EXPIRED, "The access token has expired; get a new one with the refresh token.")
    return claims


def _bad() -> Refused:
    return Refused(Code.BAD_TOKEN, "The access token is not one of ours.")
