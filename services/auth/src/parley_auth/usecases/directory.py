"""Users as they see themselves and each other."""

from parley_auth.domain import names
from parley_auth.store import Begin
from parley_auth.usecases import views
from parley_shared.contracts.auth import (
    FindUsers,
    GetUser,
    Me,
    NamedUsers,
    OnlyActor,
    UpdateMe,
    User,
    UserIds,
    UserNames,
    UserRoles,
    Users,
)
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Code, Refused, invalid, not_found
from parley_shared.limits import PAGE_MAX

MOST_NAMES = 1_000


class Directory:
    """The verbs `me`, `update_me`, `get_user`, `find_users`, `known_users`, `resolve_names`, `receipts_off`, `user_roles`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def me(self, cmd: OnlyActor) -> Me:
        """Raises Refused: BAD_TOKEN if the account is gone or disabled."""
        async with self._begin() as store:
            user = await store.users.get(cmd.actor.user_id)
        if user is None or user.disabled or user.erased:
            raise _gone()
        return views.me(user)

    async def update_me(self, cmd: UpdateMe) -> Me:
        """Change the profile, based on its `rev`; what is None stays.

        Raises Refused: REV_CONFLICT with the current state, INVALID, BAD_TEXT, BAD_TOKEN.
        """
        display_name = None if cmd.display_name is None else names.display_name(cmd.display_name)
        async with self._begin() as store:
            user = await store.users.lock(cmd.actor.user_id)
            if user is None or user.disabled or user.erased:
                raise _gone()
            if user.rev != cmd.rev:
                raise Refused(Code.REV_CONFLICT, "Your profile has changed in the meantime.", current=views.me(user))
            wanted = (
                user.display_name if display_name is None else display_name,
                user.read_receipts if cmd.read_receipts is None else cmd.read_receipts,
            )
            if wanted == (user.display_name, user.read_receipts):
                return views.me(user)
            await store.users.set_profile(
                user.id, display_name=wanted[0], display_key=names.fold(wanted[0]), read_receipts=wanted[1]
            )
            changed = await store.users.get(user.id)
        if changed is None:
            raise _gone()
        return views.me(changed)

    async def get_user(self, cmd: GetUser) -> User:
        """Raises Refused: NOT_FOUND."""
        async with self._begin() as store:
            user = await store.users.get(cmd.user_id)
        if user is None:
            raise not_found("user")
        return views.user(user)

    async def find_users(self, cmd: FindUsers) -> Users:
        """By ids, unknown ones left out, disabled and erased ones there: they have written things. Or by a prefix of
        username or display name, in the order of usernames, among those who can be addressed.

        Raises Refused: INVALID, BAD_CURSOR, BAD_TEXT.
        """
        if cmd.ids is not None:
            if len(cmd.ids) > PAGE_MAX:
                raise invalid(ids=f"at most {PAGE_MAX}")
            async with self._begin() as store:
                found = await store.users.by_ids(cmd.ids)
            return Users(items=[views.user(row) for row in found])
        if cmd.query is None:
            raise invalid(query="either ids or the beginning of a name")
        prefix = names.prefix(cmd.query)
        limit = checked_limit(cmd.limit)
        scope = f"users:{prefix}"
        after = read_cursor(cmd.cursor, scope, tuple[str])[0] if cmd.cursor is not None else ""
        async with self._begin() as store:
            rows = await store.users.page(prefix=prefix, after=after, limit=limit + 1, everyone=False)
        more = write_cursor(scope, rows[limit - 1].username_key) if len(rows) > limit else None
        return Users(items=[views.user(row) for row in rows[:limit]], next=more)

    async def known_users(self, cmd: UserIds) -> UserIds:
        """Which of them can be addressed, in the order asked for."""
        async with self._begin() as store:
            known = set(await store.users.addressable(cmd.ids))
        return UserIds(ids=[user_id for user_id in cmd.ids if user_id in known])

    async def resolve_names(self, cmd: UserNames) -> NamedUsers:
        """Whom these names belong to, among those who can be addressed. Raises Refused: INVALID for more than 1,000."""
        if len(cmd.names) > MOST_NAMES:
            raise invalid(names=f"at most {MOST_NAMES}")
        keys = {name: key for name in cmd.names if (key := names.lookup_key(name)) is not None}
        async with self._begin() as store:
            found = await store.users.named(sorted(set(keys.values())))
        return NamedUsers(ids={name: found[key] for name, key in keys.items() if key in found})

    async def receipts_off(self, cmd: UserIds) -> UserIds:
        """Which of them want no read receipts."""
        async with self._begin() as store:
            return UserIds(ids=await store.users.without_receipts(cmd.ids))

    async def user_roles(self, cmd: UserIds) -> UserRoles:
        """Their global roles, of those who can be addressed."""
        async with self._begin() as store:
            found = await store.users.by_ids(cmd.ids)
        return UserRoles(roles={row.id: row.role for row in found if not (row.disabled or row.erased)})


def _gone() -> Refused:
    return Refused(Code.BAD_TOKEN, "This account can no longer be used.")
