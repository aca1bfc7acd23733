"""Secrets that are handed out once: refresh tokens, invitations, reset codes, the operator's admin codes.

What is stored is a SHA-256; 192 random bits and more need no slow hash.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

OPERATOR_PREFIX = "op1."
_OPERATOR = re.compile(r"op1\.([A-Za-z0-9_-]{8,128})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """An invitation that the operator's key has signed. nonce: what makes it usable once."""

    nonce: str
    expires_at: datetime


def new_refresh_token() -> str:
    """256 random bits, base64url."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """192 random bits, base64url: what a person hands to another."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> bytes:
    """Under which a secret is stored, 32 bytes. Any text has one, also what nobody was ever given."""
    return hashlib.sha256(secret.strip().encode("utf-8", "surrogatepass")).digest()


def mint_operator_code(key: str, nonce: bytes, expires_at: int) -> str:
    """`op1.<nonce>.<expiry>.<mac>`; expires_at in seconds since 1970."""
    body = f"{OPERATOR_PREFIX}{_encode(nonce)}.{expires_at}"
    return f"{body}.{_mac(key, body)}"


def read_operator_code(code: str, key: str) -> OperatorCode | None:
    """The code's content if this key has signed it, whether it has expired or not; otherwise None."""
    match = _OPERATOR.fullmatch(code.strip())
    if match is None:
        return None
    nonce, expiry, mac = match.groups()
    if not hmac.compare_digest(mac, _mac(key, f"{OPERATOR_PREFIX}{nonce}.{expiry}")):
        return None
    try:
        canonical = _encode(base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4)))
        return OperatorCode(canonical, datetime.fromtimestamp(int(expiry), UTC))
    except (binascii.Error, ValueError, OverflowError):
        return None


def is_operator_code(code: str) -> bool:
    """Whether it claims to be one."""
    return code.strip().startswith(OPERATOR_PREFIX)


def _mac(key: str, body: str) -> str:
    return _encode(hmac.new(key.encode(), body.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
