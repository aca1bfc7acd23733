"""Signing keys and when each is used.

A key is published two access token lifetimes before its use, so that whoever caches the set for one lifetime knows it in
time, and stays published until the last token that it signed is dead.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SLACK = timedelta(minutes=1)
"""A replica may sign with the previous key for that long after the change of keys."""
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SigningKey:
    """kid: its RFC 7638 thumbprint. use_from: from when on it signs."""

    kid: str
    use_from: datetime
    private: Ed25519PrivateKey

    def jwk(self) -> dict[str, Any]:
        """The public half (RFC 8037)."""
        return {**_public(self.private), "kid": self.kid, "use": "sig", "alg": "EdDSA"}


def new_key(use_from: datetime) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(_thumbprint(private), use_from, private)


def current(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """The one that signs: the youngest whose time has come."""
    return max((key for key in keys if key.use_from <= now), key=lambda key: key.use_from, default=None)


def dead(keys: Sequence[SigningKey], now: datetime, lifetime: timedelta) -> list[SigningKey]:
    """Those whose last token has expired: a younger one has signed for longer than a token lives."""
    ordered = sorted(keys, key=lambda key: key.use_from)
    return [key for key, younger in pairwise(ordered) if younger.use_from + lifetime + SLACK <= now]


def next_use(keys: Sequence[SigningKey], now: datetime, *, lifetime: timedelta, rotation: timedelta) -> datetime | None:
    """From when on a key to be made at this moment is used; None if none is due."""
    if not keys:
        return now
    youngest = max(key.use_from for key in keys)
    if youngest + rotation - 2 * lifetime > now:
        return None
    if youngest > now:
        return None  # the next key is already there, and waits
    return max(youngest + rotation, now + 2 * lifetime)


class Sealer:
    """Private keys as they lie in the database: AES-256-GCM under a key derived from the operator's secret, or in clear.

    secret: several with commas while it is being changed; the first seals, all of them open.
    """

    def __init__(self, secret: str | None) -> None:
        self._ciphers = [] if secret is None else [_cipher(part.strip()) for part in secret.split(",")]

    @property
    def seals(self) -> bool:
        return bool(self._ciphers)

    def is_todays(self, kid: str, stored: bytes, *, sealed: bool) -> bool:
        """Whether this is how it would be sealed today."""
        return not self._ciphers or (sealed and _opened(self._ciphers[0], kid, stored) is not None)

    def seal(self, key: SigningKey, nonce: bytes) -> bytes:
        """nonce: 12 bytes, fresh for every call. The key's id is bound to the ciphertext."""
        raw = key.private.private_bytes_raw()
        return nonce + self._ciphers[0].encrypt(nonce, raw, key.kid.encode()) if self._ciphers else raw

    def open(self, kid: str, use_from: datetime, stored: bytes, *, sealed: bool) -> SigningKey:
        """Raises ValueError if it was sealed with another secret, or was tampered with."""
        if sealed:
            if not self._ciphers:
                raise ValueError("the signing keys are sealed, and PARLEY_AUTH_KEY_SECRET is not given")
            found = next(filter(None, (_opened(cipher, kid, stored) for cipher in self._ciphers)), None)
            if found is None:
                raise ValueError("PARLEY_AUTH_KEY_SECRET is not the secret that sealed the signing keys")
            stored = found
        return SigningKey(kid, use_from, Ed25519PrivateKey.from_private_bytes(stored))


def _cipher(secret: str) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=None, info=b"parley-auth signing keys").derive(secret.encode()))


def _opened(cipher: AESGCM, kid: str, stored: bytes) -> bytes | None:
    try:
        return cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], kid.encode())
    except InvalidTag:
        return None


def _public(private: Ed25519PrivateKey) -> dict[str, str]:
    x = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def _thumbprint(private: Ed25519PrivateKey) -> str:
    canonical = json.dumps(_public(private), separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
