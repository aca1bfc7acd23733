"""Who may knock: the throttles before anything that guesses or costs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from parley_auth.domain.throttles import Guard, Verdict, account_key, ip_key, judge, milliseconds
from parley_auth.settings import Settings
from parley_auth.store import Begin, Store
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.ids import new_id

_PATIENCE_S = 6.0
_PAUSE_S = 0.05


class Attempt:
    """One attempt under way: it counts against the limits until it is said how it ended. Left unsaid, it did not count."""

    def __init__(self, attempt_id: UUID, guards: Sequence[Guard]) -> None:
        self.id = attempt_id
        self.guards = guards
        self.said = not guards

    async def failed(self, store: Store) -> None:
        """It counts, for the whole window."""
        if self.guards:
            await store.throttles.settle(self.id)
        self.said = True

    async def locks_out(self, store: Store) -> bool:
        """Whether this failure, counted in the same transaction, is the one that fills the account's limit."""
        for guard in self.guards:
            if guard.kind == "login_account":
                # Two that fail at once must see each other: otherwise neither would be the last.
                await store.throttles.lock([guard])
                settled, _ = await store.throttles.seen(guard, await store.now())
                return len(settled) == guard.limit
        return False

    async def succeeded(self, store: Store) -> None:
        """It does not count, and the account's earlier failures are forgiven; an address's are not."""
        if self.guards:
            await store.throttles.drop(self.id)
        for guard in self.guards:
            if guard.kind == "login_account":
                await store.throttles.clear(guard.kind, guard.key)
        self.said = True


class Door:
    """Makes guards from the settings, and lets attempts in."""

    def __init__(self, begin: Begin, settings: Settings) -> None:
        self._begin = begin
        self._settings = settings

    def login(self, *, account: str | None, ip: str | None) -> list[Guard]:
        """account: the username's key, or whatever was typed. ip: where it comes from."""
        window = timedelta(seconds=self._settings.login_window_s)
        guards = []
        if account is not None and self._settings.logins_per_account is not None:
            guards.append(Guard("login_account", account_key(account), self._settings.logins_per_account, window))
        if ip is not None and self._settings.logins_per_ip is not None:
            guards.append(Guard("login_ip", ip_key(ip), self._settings.logins_per_ip, window))
        return guards

    def registration(self, *, ip: str) -> list[Guard]:
        limit = self._settings.registrations_per_ip
        window = timedelta(seconds=self._settings.registration_window_s)
        return [] if limit is None else [Guard("register_ip", ip_key(ip), limit, window)]

    @asynccontextmanager
    async def attempt(self, guards: Sequence[Guard]) -> AsyncIterator[Attempt]:
        """Let one attempt in. Raises Refused: RATE_LIMITED with the time after which it would be let in."""
        attempt = Attempt(new_id(), guards)
        if guards:
            await self._let_in(attempt)
        try:
            yield attempt
        finally:
            if not attempt.said:
                async with self._begin() as store:
                    await store.throttles.drop(attempt.id)

    async def _let_in(self, attempt: Attempt) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while True:
            async with self._begin() as store:
                await store.throttles.lock(attempt.guards)
                now = await store.now()
                verdicts = [await self._judge(store, guard, now) for guard in attempt.guards]
                waits = [verdict.retry_after for verdict in verdicts if verdict.retry_after is not None]
                if not waits and not any(verdict.busy for verdict in verdicts):
                    await store.throttles.begin(attempt.id, attempt.guards, now)
                    return
            if waits:
                raise Refused(
                    Code.RATE_LIMITED,
                    "Too many attempts; wait a little before the next one.",
                    retry_after_ms=milliseconds(max(waits)),
                )
            # As many others are under way as may still fail. How they end decides, and they end soon.
            if loop.time() >= until:
                raise unavailable("Many attempts are under way at this moment; try again.")
            await asyncio.sleep(_PAUSE_S)

    async def _judge(self, store: Store, guard: Guard, now: datetime) -> Verdict:
        settled, pending = await store.throttles.seen(guard, now)
        return judge(guard, settled, pending, now)
