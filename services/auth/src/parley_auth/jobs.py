"""Periodic work: looking after the signing keys, and forgetting what is over."""

from datetime import timedelta

import structlog
from prometheus_client import Gauge

from parley_auth.domain.throttles import STALE
from parley_auth.keyring import Keyring
from parley_auth.settings import Settings
from parley_auth.store import Begin

log = structlog.get_logger(__name__)

CLEAN_EVERY_S = 600.0
ERASE_EVERY_S = 1.0
MEASURE_EVERY_S = 15.0

_erasing = Gauge(
    "parley_erasure_age_seconds",
    "For how long the oldest erasure of an account is under way; the same in every replica",
)


class Jobs:
    """Each run takes its lease in PostgreSQL, so that replicas take turns and never get in each other's way."""

    def __init__(self, begin: Begin, keyring: Keyring, settings: Settings) -> None:
        self._begin = begin
        self._keyring = keyring
        self._settings = settings

    @property
    def rotate_every_s(self) -> float:
        """Often enough that a key due two lifetimes ahead is never late by much."""
        return min(60.0, self._settings.access_lifetime_s / 4)

    async def rotate_keys(self) -> None:
        """Make the next signing key when it is due, and forget the dead."""
        await self._keyring.rotate()

    async def clean(self) -> None:
        """Delete expired sessions, tokens and codes, old attempts, logins and revocations."""
        settings = self._settings
        window = timedelta(seconds=max(settings.login_window_s, settings.registration_window_s)) + 2 * STALE
        async with self._begin() as store:
            if not await store.keys.try_cleaning():
                return
            now = await store.now()
            deleted = {
                "attempts": await store.throttles.delete_before(now - window),
                "logins": await store.journal.delete_logins_before(now - timedelta(days=settings.login_audit_days)),
                "sessions": await store.sessions.delete_expired(now),
                "codes": await store.codes.delete_expired(now),
                # A day longer than they can matter: they also say that a session's end was asked for before.
                "revocations": await store.revocations.delete_before(
                    now - 2 * settings.access_lifetime - timedelta(days=1)
                ),
            }
        if any(deleted.values()):
            log.info("rows.deleted", counts=deleted)

    async def measure(self) -> None:
        """For metrics."""
        async with self._begin() as store:
            oldest, now = await store.erasures.oldest(), await store.now()
        _erasing.set(0.0 if oldest is None else (now - oldest).total_seconds())
