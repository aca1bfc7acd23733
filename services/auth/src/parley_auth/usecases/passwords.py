"""Changing a password: with the old one, or with a code that an admin gave out."""

from datetime import datetime

from parley_auth.domain import passwords
from parley_auth.domain.codes import digest
from parley_auth.hashing import Passwords as Hasher
from parley_auth.publisher import Publisher
from parley_auth.store import Begin, Store
from parley_auth.store.revocations import Revoked
from parley_auth.store.users import UserRow
from parley_auth.usecases.door import Door
from parley_shared.contracts.auth import ChangePassword, ResetPassword
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code, Refused


class Passwords:
    """The verbs `change_password` and `reset_password`."""

    def __init__(self, begin: Begin, door: Door, hasher: Hasher, publisher: Publisher) -> None:
        self._begin = begin
        self._door = door
        self._hasher = hasher
        self._publisher = publisher

    async def change_password(self, cmd: ChangePassword) -> Empty:
        """The actor's other sessions end; their own goes on, with tokens made after the change.

        A wrong current password counts as a failed login.

        Raises Refused: BAD_CREDENTIALS, RATE_LIMITED, WEAK_PASSWORD, INVALID, BAD_TEXT, BAD_TOKEN if the session is over.
        """
        async with self._begin() as store:
            user, _ = await self._actor(store, cmd)
            verified = await store.users.credential(user.id)
        new = passwords.new_password(cmd.new_password, field="new_password", username=user.username)
        async with self._door.attempt(self._door.login(account=user.username_key, ip=None)) as attempt:
            right = await self._hasher.verify(
                None if verified is None else verified.password_hash, passwords.presented(cmd.current_password)
            )
            if not right:
                async with self._begin() as store:
                    await attempt.failed(store)
                raise _wrong()
            new_hash = await self._hasher.hash(new)
            async with self._begin() as store:
                await store.users.lock(user.id)
                user, now = await self._actor(store, cmd)
                if await store.users.credential(user.id) != verified:
                    raise _wrong()
                await store.users.set_password_hash(user.id, new_hash, now)
                await attempt.succeeded(store)
                ended = await store.sessions.end_all(user.id, but=cmd.actor.session_id)
                await store.codes.void_reset_codes(user.id)
                version = await store.users.bump(user.id)
                store.journal.note("account.password_changed", at=now, actor_id=user.id, target_id=user.id)
                # The ends come first: a reader that acts on each row in turn must not tell those sessions to renew.
                cursor = await store.revocations.add(
                    [
                        *(Revoked(user.id, session_id, 0, "end") for session_id in ended),
                        Revoked(user.id, None, version, "renew"),
                    ],
                    now,
                )
        await self._publisher.account_changed(user.id, cursor)
        return Empty()

    async def reset_password(self, cmd: ResetPassword) -> Empty:
        """Set a password with an admin's code, once. Every session ends. A wrong code counts against the address.

        Raises Refused: BAD_CODE, RATE_LIMITED, WEAK_PASSWORD, INVALID, BAD_TEXT.
        """
        hashed = digest(cmd.code)
        async with self._door.attempt(self._door.login(account=None, ip=cmd.client.ip)) as attempt:
            async with self._begin() as store:
                user_id = await store.codes.reset_code_of(hashed, await store.now())
                user = None if user_id is None else await store.users.get(user_id)
                if user is None or user.erased:
                    await attempt.failed(store)
                    user = None
            if user is None:
                raise _bad_code()
            new = passwords.new_password(cmd.new_password, field="new_password", username=user.username)
            new_hash = await self._hasher.hash(new)
            async with self._begin() as store:
                await store.users.lock(user.id)
                now = await store.now()
                await store.sessions.end_all(user.id)
                if not await store.codes.use_reset_code(hashed, now):
                    raise _bad_code()
                await store.users.set_password_hash(user.id, new_hash, now)
                for guard in self._door.login(account=user.username_key, ip=None):
                    await store.throttles.clear(guard.kind, guard.key)
                version = await store.users.bump(user.id)
                store.journal.note("account.password_reset", at=now, actor_id=user.id, target_id=user.id)
                cursor = await store.revocations.add([Revoked(user.id, None, version, "end")], now)
        await self._publisher.account_changed(user.id, cursor)
        return Empty()

    async def _actor(self, store: Store, cmd: ChangePassword) -> tuple[UserRow, datetime]:
        """The user and the time, if their session is still alive."""
        now = await store.now()
        user = await store.users.get(cmd.actor.user_id)
        session = await store.sessions.get(cmd.actor.session_id)
        if user is None or user.disabled or user.erased or session is None or session.user_id != user.id:
            raise Refused(Code.BAD_TOKEN, "This session is over; log in again.")
        return user, now


def _wrong() -> Refused:
    return Refused(
        Code.BAD_CREDENTIALS, "The current password is wrong.", errors={"current_password": "this is not it"}
    )


def _bad_code() -> Refused:
    return Refused(Code.BAD_CODE, "This code is unknown, has expired or was used before.")
