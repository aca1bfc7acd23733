"""What admins do to accounts. Each verb verifies the access token again: who takes over a gateway has no office yet."""

from datetime import timedelta

from parley_auth.domain import codes, names, tokens
from parley_auth.keyring import Keyring
from parley_auth.publisher import Publisher
from parley_auth.settings import Settings
from parley_auth.store import Begin, Store
from parley_auth.store.revocations import Revoked
from parley_auth.store.users import UserRow
from parley_auth.usecases import views
from parley_shared.contracts.auth import (
    AdminInvite,
    AdminRequest,
    AdminResetCode,
    AdminUpdateUser,
    AdminUser,
    AdminUsers,
    Confirmed,
    ConfirmToken,
    ListAdminUsers,
    OneTimeCode,
)
from parley_shared.contracts.base import Actor
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Code, Refused, not_found


class Admin:
    """The verbs `admin_users`, `admin_update_user`, `admin_reset_code`, `admin_invite`, and `confirm_token`."""

    def __init__(self, begin: Begin, keyring: Keyring, publisher: Publisher, settings: Settings) -> None:
        self._begin = begin
        self._keyring = keyring
        self._publisher = publisher
        self._invite_lifetime = timedelta(days=settings.invite_days)
        self._code_lifetime = timedelta(hours=settings.reset_code_hours)

    async def users(self, cmd: ListAdminUsers) -> AdminUsers:
        """All accounts, in the order of usernames. Raises Refused: FORBIDDEN, INVALID, BAD_CURSOR, BAD_TEXT, and as `_office`."""
        prefix = names.prefix(cmd.query) if cmd.query is not None and cmd.query.strip() else None
        limit = checked_limit(cmd.limit)
        scope = f"admin:{prefix or ''}"
        after = read_cursor(cmd.cursor, scope, tuple[str])[0] if cmd.cursor is not None else ""
        await self._keyring.prepare()
        async with self._begin() as store:
            await self._office(store, cmd)
            rows = await store.users.page(prefix=prefix, after=after, limit=limit + 1, everyone=True)
        more = write_cursor(scope, rows[limit - 1].username_key) if len(rows) > limit else None
        return AdminUsers(items=[views.admin_user(row) for row in rows[:limit]], next=more)

    async def update_user(self, cmd: AdminUpdateUser) -> AdminUser:
        """Give a role, or disable and enable an account; what is None stays, and repeating it changes nothing.

        A new role asks the user's clients for new tokens; disabling ends every session.

        Raises Refused: NOT_FOUND, LAST_ADMIN if nobody would be left in office, and as `_office`.
        """
        await self._keyring.prepare()
        async with self._begin() as store:
            await self._office(store, cmd)
            # All admins are locked with the target, so that two who leave office at once see each other.
            locked = await store.users.lock_with_admins(cmd.user_id)
            target = next((row for row in locked if row.id == cmd.user_id), None)
            if target is None or target.erased:
                raise not_found("user")
            role = target.role if cmd.role is None else cmd.role
            disabled = target.disabled if cmd.disabled is None else cmd.disabled
            if (role, disabled) == (target.role, target.disabled):
                return views.admin_user(target)
            in_office = target.role == "admin" and not target.disabled
            others = [row for row in locked if row.id != target.id and row.role == "admin" and not row.disabled]
            if in_office and not others and (role != "admin" or disabled):
                raise Refused(Code.LAST_ADMIN, "This is the last admin; name another one first.")
            cursor = await self._change(store, cmd, target, disabled)
            changed = await store.users.get(target.id)
        if changed is None:
            raise not_found("user")
        if cursor is not None:
            await self._publisher.account_changed(target.id, cursor)
        return views.admin_user(changed)

    async def _change(self, store: Store, cmd: AdminUpdateUser, target: UserRow, disabled: bool) -> int | None:
        now = await store.now()
        role = target.role if cmd.role is None else cmd.role
        await store.users.set_office(target.id, role=role, disabled_at=now if disabled else None)
        actor = cmd.actor.user_id
        if role != target.role:
            await store.journal.note(
                "account.role_changed", at=now, actor_id=actor, target_id=target.id, detail=f"{target.role} → {role}"
            )
        if disabled != target.disabled:
            action = "account.disabled" if disabled else "account.enabled"
            await store.journal.note(action, at=now, actor_id=actor, target_id=target.id)
        if disabled and not target.disabled:
            await store.sessions.end_all(target.id)
            await store.codes.void_reset_codes(target.id)
            version = await store.users.bump(target.id)
            return await store.revocations.add([Revoked(target.id, None, version, "end")], now)
        if role != target.role:
            version = await store.users.bump(target.id)
            return await store.revocations.add([Revoked(target.id, None, version, "renew")], now)
        return None  # an account that is enabled again has no tokens that could be wrong

    async def reset_code(self, cmd: AdminResetCode) -> OneTimeCode:
        """A code with which the user sets a new password, once. Those given out before are void.

        Raises Refused: NOT_FOUND, and as `_office`.
        """
        await self._keyring.prepare()
        code = codes.new_code()
        async with self._begin() as store:
            await self._office(store, cmd)
            target = await store.users.lock(cmd.user_id)
            if target is None or target.erased:
                raise not_found("user")
            now = await store.now()
            expires = now + self._code_lifetime
            await store.codes.put_reset_code(
                codes.digest(code), user_id=target.id, by=cmd.actor.user_id, at=now, expires_at=expires
            )
            await store.journal.note("account.reset_code_made", at=now, actor_id=cmd.actor.user_id, target_id=target.id)
        return OneTimeCode(code=code, expires_at=expires)

    async def invite(self, cmd: AdminInvite) -> OneTimeCode:
        """A code with which one person may register. Raises Refused: as `_office`."""
        await self._keyring.prepare()
        code = codes.new_code()
        async with self._begin() as store:
            await self._office(store, cmd)
            now = await store.now()
            expires = now + self._invite_lifetime
            await store.codes.add_invite(codes.digest(code), by=cmd.actor.user_id, at=now, expires_at=expires)
            await store.journal.note("account.invite_made", at=now, actor_id=cmd.actor.user_id, target_id=None)
        return OneTimeCode(code=code, expires_at=expires)

    async def confirm_token(self, cmd: ConfirmToken) -> Confirmed:
        """The actor's role of this moment, for verbs of office of other services. Raises Refused: BAD_TOKEN, TOKEN_EXPIRED."""
        await self._keyring.prepare()
        async with self._begin() as store:
            user, claims = await self._bearer(store, cmd.actor, cmd.token)
        _check_version(user, claims)
        return Confirmed(role=user.role)

    async def _office(self, store: Store, cmd: AdminRequest) -> None:
        """The actor is an admin today, and this is their own living token.

        Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED.
        """
        if cmd.actor.role != "admin":
            raise _forbidden()
        user, claims = await self._bearer(store, cmd.actor, cmd.token)
        if user.role != "admin" or claims.role != "admin":
            raise _forbidden()
        _check_version(user, claims)

    async def _bearer(self, store: Store, actor: Actor, token: str) -> tuple[UserRow, tokens.Claims]:
        claims = tokens.verify(token, self._keyring.verifying(), await store.now())
        if (claims.user_id, claims.session_id) != (actor.user_id, actor.session_id):
            raise Refused(Code.BAD_TOKEN, "The access token is somebody else's.")
        user = await store.users.get(claims.user_id)
        session = await store.sessions.get(claims.session_id)
        if user is None or user.disabled or user.erased or session is None or session.user_id != user.id:
            raise Refused(Code.BAD_TOKEN, "This session is over; log in again.")
        return user, claims


def _check_version(user: UserRow, claims: tokens.Claims) -> None:
    """Raises Refused: TOKEN_EXPIRED when the account has changed since the token was made."""
    if claims.version < user.ver:
        raise Refused(Code.TOKEN_EXPIRED, "Your account has changed; get a new access token with the refresh token.")


def _forbidden() -> Refused:
    return Refused(Code.FORBIDDEN, "Only an admin may do this.")
