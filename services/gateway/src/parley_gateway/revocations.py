"""Which tokens are no longer good although they have not expired: asked for, and hinted at, so that a hint may be lost."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

import msgspec
import structlog
from nats.aio.msg import Msg
from prometheus_client import Gauge

from parley_gateway.tokens import Claims
from parley_shared.contracts.auth import REVOKED_SINCE, Revocation, RevokedSince
from parley_shared.contracts.frames import CloseCode
from parley_shared.contracts.live import AccountChanged
from parley_shared.errors import Code, Refused, unavailable
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient

log = structlog.get_logger(__name__)

POLL_S = 30.0
STALE_S = 60.0
RETRY_S = 1.0
KEEP_S = 90_000.0
"""Longer than any access token lives: auth can be told to issue them for up to a day."""


_age = Gauge(
    "parley_revocations_age_seconds",
    "Time since auth last said whose tokens are good no more; after 60 s requests are refused and sockets closed",
)


class Revocations:
    """callbacks: told of each new revocation, once."""

    def __init__(self, bus: Bus, rpc: RpcClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._rpc = rpc
        self._clock = clock
        self._cursor = 0
        self._sessions: dict[UUID, float] = {}
        self._users: dict[UUID, tuple[int, str, float]] = {}
        self._answered_at = float("-inf")
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.callbacks: list[Callable[[Revocation], None]] = []
        _age.set_function(lambda: self._clock() - self._answered_at)
        bus.restored.append(self._news.set)

    async def start(self) -> None:
        """Subscribe to hints and begin to ask."""
        await self._bus.client.subscribe("parley.live.account.>", cb=self._on_hint)
        self._task = asyncio.create_task(self._ask_forever(), name="revocations")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def fresh(self) -> bool:
        """Whether auth has answered within the last minute."""
        return self._clock() - self._answered_at < STALE_S

    def standing(self, claims: Claims) -> int | None:
        """None if the token is good, otherwise the code with which its socket closes.

        Raises Refused: UNAVAILABLE while nobody knows.
        """
        if not self.fresh:
            raise unavailable("Accounts cannot be checked at the moment; try again.")
        if claims.session_id in self._sessions:
            return CloseCode.SESSION_ENDED
        found = self._users.get(claims.user_id)
        if found is not None and claims.ver < found[0]:
            return CloseCode.SESSION_ENDED if found[1] == "end" else CloseCode.TOKEN_EXPIRED
        return None

    def check(self, claims: Claims) -> None:
        """Raises Refused: BAD_TOKEN, UNAVAILABLE."""
        if self.standing(claims) is not None:
            raise Refused(Code.BAD_TOKEN, "The token has been revoked; sign in again, or refresh it.")

    async def _on_hint(self, message: Msg) -> None:
        try:
            hint = msgspec.json.decode(message.data, type=AccountChanged)
        except msgspec.MsgspecError as error:
            log.error("account.hint", error=str(error))
            return
        if hint.cursor > self._cursor:
            self._news.set()

    async def _ask_forever(self) -> None:
        while True:
            self._news.clear()
            more = True
            try:
                while more:
                    more = await self._ask()
                pause = POLL_S
            except Refused as refusal:
                log.warning("revocations.unanswered", code=str(refusal.code))
                pause = RETRY_S
            except Exception:
                # Without this task nobody would be let in any more, a minute from now.
                log.exception("revocations.bug")
                pause = RETRY_S
            self._forget()
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> bool:
        answer = await self._rpc.call(REVOKED_SINCE, RevokedSince(cursor=self._cursor))
        now = self._clock()
        for item in answer.items:
            if item.session_id is not None:
                self._sessions[item.session_id] = now
            else:
                version, _, _ = self._users.get(item.user_id, (0, "", 0.0))
                if item.min_ver >= version:
                    self._users[item.user_id] = (item.min_ver, item.kind, now)
            for callback in self.callbacks:
                try:
                    callback(item)
                except Exception:
                    # One socket that cannot be closed must not keep the others open.
                    log.exception("revocations.callback", cursor=item.cursor)
        # Smaller than before if auth's database began another life: then its numbers count, not those we remember.
        self._cursor = answer.cursor
        self._answered_at = now
        return answer.more

    def _forget(self) -> None:
        oldest = self._clock() - KEEP_S
        self._sessions = {session: at for session, at in self._sessions.items() if at > oldest}
        self._users = {user: entry for user, entry in self._users.items() if entry[2] > oldest}
