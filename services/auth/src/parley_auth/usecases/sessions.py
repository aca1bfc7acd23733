"""Logging in and out, and keeping a session alive."""

from datetime import datetime
from uuid import UUID

from parley_auth.domain import names, passwords
from parley_auth.domain.codes import digest
from parley_auth.hashing import Passwords
from parley_auth.publisher import Publisher
from parley_auth.settings import Settings
from parley_auth.store import Begin, Store
from parley_auth.store.revocations import Revoked
from parley_auth.store.sessions import TokenRow
from parley_auth.store.users import Credential
from parley_auth.usecases.door import Attempt, Door
from parley_auth.usecases.issuer import Issuer, shown_agent, shown_ip
from parley_shared.addresses import ip_prefix
from parley_shared.contracts.auth import (
    Client,
    EndSession,
    Login,
    Logout,
    OnlyActor,
    Refresh,
    Session,
    Tokens,
)
from parley_shared.contracts.auth import Sessions as SessionList
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import new_id
from parley_shared.limits import PAGE_MAX


class Sessions:
    """The verbs `login`, `refresh`, `logout`, `sessions`, `end_session`."""

    def __init__(
        self,
        begin: Begin,
        door: Door,
        hasher: Passwords,
        issuer: Issuer,
        publisher: Publisher,
        settings: Settings,
    ) -> None:
        self._begin = begin
        self._door = door
        self._hasher = hasher
        self._issuer = issuer
        self._publisher = publisher
        self._grace = settings.refresh_grace

    async def login(self, cmd: Login) -> Tokens:
        """A new session. An unknown user costs and answers what a wrong password does.

        Raises Refused: BAD_CREDENTIALS, RATE_LIMITED, FORBIDDEN for a disabled account and only after its right password.
        """
        await self._issuer.prepare()
        key = names.lookup_key(cmd.username)
        guards = self._door.login(account=key or cmd.username, ip=cmd.client.ip)
        async with self._door.attempt(guards) as attempt:
            async with self._begin() as store:
                credential = None if key is None else await store.users.credential_of_name(key)
            password = passwords.presented(cmd.password)
            right = await self._hasher.verify(None if credential is None else credential.password_hash, password)
            if not right or credential is None or password is None:
                async with self._begin() as store:
                    await self._failed(store, attempt, cmd.client, None if credential is None else credential.user_id)
                raise _bad_credentials()
            newer = await self._hasher.hash(password) if self._hasher.outdated(credential.password_hash) else None
            outcome = await self._open(cmd.client, attempt, credential, newer)
        if outcome is None:
            raise _bad_credentials()
        return outcome

    async def _open(
        self, client: Client, attempt: Attempt, verified: Credential, newer_hash: str | None
    ) -> Tokens | None:
        """The session; None if the password was changed while it was being verified."""
        async with self._begin() as store:
            user = await store.users.lock(verified.user_id)
            now = await store.now()
            if user is None or await store.users.credential(verified.user_id) != verified:
                await self._failed(store, attempt, client, verified.user_id)
                return None
            if user.disabled or user.erased:
                await self._journal(store, "disabled", client, user.id)
            else:
                if newer_hash is not None:
                    await store.users.set_password_hash(user.id, newer_hash, now)
                session_id = new_id()
                await store.sessions.add(
                    session_id=session_id,
                    user_id=user.id,
                    ip=shown_ip(client),
                    user_agent=shown_agent(client),
                    at=now,
                    expires_at=self._issuer.session_ends(now),
                )
                await store.users.logged_in(user.id, now)
                await self._journal(store, "ok", client, user.id)
                if user.role == "admin":
                    store.journal.note(
                        "account.signed_in",
                        at=now,
                        actor_id=user.id,
                        target_id=user.id,
                        session_id=str(session_id),
                        ip_prefix=ip_prefix(client.ip),
                    )
                tokens = await self._issuer.issue(store, user, session_id, parent=None, now=now)
                await attempt.succeeded(store)
                return tokens
        raise Refused(Code.FORBIDDEN, "This account is disabled.")

    async def _failed(self, store: Store, attempt: Attempt, client: Client, user_id: UUID | None) -> None:
        await self._journal(store, "failed", client, user_id)
        await attempt.failed(store)
        if user_id is not None and await attempt.locks_out(store):
            store.journal.note(
                "account.locked_out",
                at=await store.now(),
                actor_id=None,
                target_id=user_id,
                ip_prefix=ip_prefix(client.ip),
            )

    async def _journal(self, store: Store, outcome: str, client: Client, user_id: UUID | None) -> None:
        await store.journal.login(
            outcome,
            at=await store.now(),
            user_id=user_id,
            ip_prefix=ip_prefix(client.ip),
            user_agent=shown_agent(client),
        )

    async def refresh(self, cmd: Refresh) -> Tokens:
        """A new pair for a refresh token, which is used up by that (RFC 9700, 4.14.2).

        A client that lost the answer may ask once more within the grace, as long as no token of that answer was used.
        Any other reuse means that two hold the same token: the session ends for both.

        Raises Refused: BAD_TOKEN.
        """
        await self._issuer.prepare()
        hashed = digest(cmd.refresh_token)
        async with self._begin() as store:
            token = await store.sessions.token(hashed)
            session = None if token is None else await store.sessions.lock(token.session_id)
            # Read again: another request may have used it while this one waited for the session's lock.
            token = await store.sessions.token(hashed)
            now = await store.now()
            if token is None or session is None or token.expires_at <= now:
                raise _bad_refresh()
            user = await store.users.get(session.user_id)
            if user is None or user.disabled or user.erased:
                raise _bad_refresh()
            tokens: Tokens | None = None
            cursor = 0
            if await self._stolen(store, token, now):
                await store.sessions.end(session.id)
                store.journal.note(
                    "account.refresh_reused", at=now, actor_id=None, target_id=user.id, session_id=str(session.id)
                )
                cursor = await store.revocations.add([Revoked(user.id, session.id, 0, "end")], now)
            else:
                await store.sessions.use_token(hashed, now)
                await store.sessions.touch(
                    session.id,
                    ip=shown_ip(cmd.client),
                    user_agent=shown_agent(cmd.client) or session.user_agent,
                    at=now,
                    expires_at=self._issuer.session_ends(now),
                )
                tokens = await self._issuer.issue(store, user, session.id, parent=hashed, now=now)
        if tokens is None:
            await self._publisher.account_changed(user.id, cursor)
            raise Refused(
                Code.BAD_TOKEN, "This refresh token was used before, so its session has been ended; log in again."
            )
        return tokens

    async def _stolen(self, store: Store, token: TokenRow, now: datetime) -> bool:
        if token.used_at is None:
            return False
        return now - token.used_at > self._grace or await store.sessions.successor_used(token.hash)

    async def logout(self, cmd: Logout) -> Empty:
        """End the refresh token's session. A token that is not, or no longer, known succeeds: nobody is logged in by it."""
        async with self._begin() as store:
            token = await store.sessions.token(digest(cmd.refresh_token))
            session = None if token is None else await store.sessions.lock(token.session_id)
            if session is None:
                return Empty()
            cursor = await self._end(store, session.id, session.user_id)
        await self._publisher.account_changed(session.user_id, cursor)
        return Empty()

    async def sessions(self, cmd: OnlyActor) -> SessionList:
        """The actor's living sessions, the most recently used first."""
        async with self._begin() as store:
            rows = await store.sessions.of_user(cmd.actor.user_id, now=await store.now(), limit=PAGE_MAX)
        return SessionList(
            items=[
                Session(
                    id=row.id,
                    created_at=row.created_at,
                    last_used_at=row.last_used_at,
                    ip=row.ip,
                    user_agent=row.user_agent,
                    current=row.id == cmd.actor.session_id,
                )
                for row in rows
            ]
        )

    async def end_session(self, cmd: EndSession) -> Empty:
        """End one of the actor's sessions. Repeating it succeeds. Raises Refused: NOT_FOUND."""
        async with self._begin() as store:
            session = await store.sessions.lock(cmd.session_id)
            if session is None or session.user_id != cmd.actor.user_id:
                if await store.revocations.session_ended(cmd.session_id, cmd.actor.user_id):
                    return Empty()
                raise not_found("session")
            cursor = await self._end(store, session.id, session.user_id)
            if session.id != cmd.actor.session_id:
                store.journal.note(
                    "account.session_ended",
                    at=await store.now(),
                    actor_id=session.user_id,
                    target_id=session.user_id,
                    session_id=str(session.id),
                )
        await self._publisher.account_changed(session.user_id, cursor)
        return Empty()

    async def _end(self, store: Store, session_id: UUID, user_id: UUID) -> int:
        await store.sessions.end(session_id)
        now = await store.now()
        return await store.revocations.add([Revoked(user_id, session_id, 0, "end")], now)


def _bad_credentials() -> Refused:
    return Refused(Code.BAD_CREDENTIALS, "Username or password is wrong.")


def _bad_refresh() -> Refused:
    return Refused(Code.BAD_TOKEN, "This refresh token is unknown, or its session is over; log in again.")
