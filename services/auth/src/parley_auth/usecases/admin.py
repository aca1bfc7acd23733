"""What admins do to accounts. Each verb verifies the access token again: who takes over a gateway has no office yet."""

from datetime import timedelta

from parley_auth.domain import codes, names
from parley_auth.publisher import Publisher
from parley_auth.settings import Settings
from parley_auth.store import Begin, Store
from parley_auth.store.revocations import Revoked
from parley_auth.store.users import UserRow
from parley_auth.usecases import views
from parley_auth.usecases.office import Office
from parley_shared.contracts.auth import (
    AdminInvite,
    AdminResetCode,
    AdminUpdateUser,
    AdminUser,
    AdminUsers,
    ListAdminUsers,
    OneTimeCode,
)
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Code, Refused, not_found


class Admin:
    """The verbs `admin_users`, `admin_update_user`, `admin_reset_code`, `admin_invite`."""

    def __init__(self, begin: Begin, office: Office, publisher: Publisher, settings: Settings) -> None:
        self._begin = begin
        self._office = office
        self._publisher = publisher
        self._invite_lifetime = timedelta(days=settings.invite_days)
        self._code_lifetime = timedelta(hours=settings.reset_code_hours)

    async def users(self, cmd: ListAdminUsers) -> AdminUsers:
        """All accounts, in the order of usernames. Raises Refused: FORBIDDEN, INVALID, BAD_CURSOR, BAD_TEXT, and as `Office.demand`."""
        prefix = names.prefix(cmd.query) if cmd.query is not None and cmd.query.strip() else None
        limit = checked_limit(cmd.limit)
        scope = f"admin:{prefix or ''}"
        after = read_cursor(cmd.cursor, scope, tuple[str])[0] if cmd.cursor is not None else ""
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            rows = await store.users.page(prefix=prefix, after=after, limit=limit + 1, everyone=True)
        more = write_cursor(scope, rows[limit - 1].username_key) if len(rows) > limit else None
        return AdminUsers(items=[views.admin_user(row) for row in rows[:limit]], next=more)

    async def update_user(self, cmd: AdminUpdateUser) -> AdminUser:
        """Give a role, or disable and enable an account; what is None stays, and repeating it changes nothing.

        A new role asks the user's clients for new tokens; disabling ends every session.

        Raises Refused: NOT_FOUND, LAST_ADMIN if nobody would be left in office, and as `Office.demand`.
        """
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
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
            store.journal.note(
                "account.role_changed", at=now, actor_id=actor, target_id=target.id, old=target.role, new=role
            )
        if disabled != target.disabled:
            action = "account.disabled" if disabled else "account.enabled"
            store.journal.note(action, at=now, actor_id=actor, target_id=target.id)
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

        Raises Refused: NOT_FOUND, and as `Office.demand`.
        """
        await self._office.prepare()
        code = codes.new_code()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            target = await store.users.lock(cmd.user_id)
            if target is None or target.erased:
                raise not_found("user")
            now = await store.now()
            expires = now + self._code_lifetime
            await store.codes.put_reset_code(
                codes.digest(code), user_id=target.id, by=cmd.actor.user_id, at=now, expires_at=expires
            )
            store.journal.note("account.reset_code_made", at=now, actor_id=cmd.actor.user_id, target_id=target.id)
        return OneTimeCode(code=code, expires_at=expires)

    async def invite(self, cmd: AdminInvite) -> OneTimeCode:
        """A code with which one person may register. Raises Refused: as `Office.demand`."""
        await self._office.prepare()
        code = codes.new_code()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            now = await store.now()
            expires = now + self._invite_lifetime
            await store.codes.add_invite(codes.digest(code), by=cmd.actor.user_id, at=now, expires_at=expires)
            store.journal.note("account.invite_made", at=now, actor_id=cmd.actor.user_id, target_id=None)
        return OneTimeCode(code=code, expires_at=expires)
