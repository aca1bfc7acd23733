"""The signing keys of this replica: read from the database, opened once, and rotated under a lease."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import Gauge

from parley_auth.domain import keys as rules
from parley_auth.domain.keys import Sealer, SigningKey
from parley_auth.store import Begin, Store
from parley_auth.store.keys import KeyRow
from parley_shared.errors import unavailable

log = structlog.get_logger(__name__)

FRESH_S = 30.0
"""Seconds for which a replica trusts what it read. The next key is in the database two token lifetimes before its use."""


_until = Gauge(
    "parley_signing_key_until_timestamp_seconds",
    "Until when the youngest signing key signs; two token lifetimes before that the next one is made, which moves it on",
)


class Keyring:
    """lifetime: of access tokens. rotation: how long a key signs."""

    def __init__(self, begin: Begin, sealer: Sealer, *, lifetime: timedelta, rotation: timedelta) -> None:
        self._begin = begin
        self._sealer = sealer
        self._lifetime = lifetime
        self._rotation = rotation
        self._keys: dict[str, SigningKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def prepare(self) -> None:
        """Read the keys again if that was long ago. Call it outside of a transaction: it opens one."""
        if self._fresh():
            return
        async with self._reading:
            if not self._fresh():
                await self.read()

    def _fresh(self) -> bool:
        return bool(self._keys) and time.monotonic() - self._read_at < min(FRESH_S, self._lifetime.total_seconds())

    async def read(self) -> None:
        """Raises ValueError if a key cannot be opened with the secret that this replica was given."""
        async with self._begin() as store:
            self._open(await store.keys.all())

    def signing(self, now: datetime) -> SigningKey:
        """The key that signs at this time; after `prepare`. Raises Refused: UNAVAILABLE in the first moment of a new suite."""
        key = rules.current(list(self._keys.values()), now)
        if key is None:
            raise unavailable("There is no signing key yet; try again.")
        return key

    def verifying(self) -> Mapping[str, Ed25519PublicKey]:
        """Public keys by id; after `prepare`."""
        return {kid: key.private.public_key() for kid, key in self._keys.items()}

    async def published(self) -> list[dict[str, Any]]:
        """The JWK set's keys, as the database has them now: previous, current, next."""
        async with self._begin() as store:
            self._open(await store.keys.all())
            gone = rules.dead(list(self._keys.values()), await store.now(), self._lifetime)
        return [key.jwk() for key in self._keys.values() if key not in gone]

    async def rotate(self) -> None:
        """Make the first or the next key if one is due, seal what lies in clear or under another secret, forget the dead. Any replica, any time."""
        async with self._begin() as store:
            await store.keys.lock_rotation()
            rows = await store.keys.all()
            self._open(rows)
            now = await store.now()
            await self._seal(store, rows)
            gone = rules.dead(list(self._keys.values()), now, self._lifetime)
            if gone:
                await store.keys.delete([key.kid for key in gone])
            use_from = rules.next_use(list(self._keys.values()), now, lifetime=self._lifetime, rotation=self._rotation)
            if use_from is not None:
                await store.keys.add(self._stored(rules.new_key(use_from)), now)
            rows = await store.keys.all()
        self._open(rows)
        if use_from is not None:
            log.info("keys.made", use_from=use_from.isoformat(), published=len(rows))
        if gone:
            log.info("keys.forgotten", count=len(gone))

    async def check(self) -> str | None:
        """For readiness: what is wrong with the keys, in a few words."""
        try:
            await self.prepare()
        except ValueError as error:
            return str(error)
        return None if self._keys else "there is no signing key yet"

    async def _seal(self, store: Store, rows: list[KeyRow]) -> None:
        if not self._sealer.seals:
            return
        for row in rows:
            if not self._sealer.is_todays(row.kid, row.private_key, sealed=row.sealed):
                await store.keys.seal(row.kid, self._stored(self._keys[row.kid]).private_key)

    def _stored(self, key: SigningKey) -> KeyRow:
        return KeyRow(key.kid, key.use_from, self._sealer.seal(key, secrets.token_bytes(12)), self._sealer.seals)

    def _open(self, rows: list[KeyRow]) -> None:
        known = self._keys
        self._keys = {
            row.kid: known.get(row.kid) or self._sealer.open(row.kid, row.use_from, row.private_key, sealed=row.sealed)
            for row in rows
        }
        if rows:
            _until.set((max(row.use_from for row in rows) + self._rotation).timestamp())
        self._read_at = time.monotonic()
