"""Who holds an office: each verb of it carries the access token, which is verified again, together with what the database has now."""

from parley_auth.domain import tokens
from parley_auth.keyring import Keyring
from parley_auth.store import Begin, Store
from parley_auth.store.users import UserRow
from parley_shared.contracts.auth import AdminRequest, Confirmed, ConfirmToken
from parley_shared.contracts.base import Actor
from parley_shared.errors import Code, Refused


class Office:
    """The verb `confirm_token`, and what the verbs of admins begin with."""

    def __init__(self, begin: Begin, keyring: Keyring) -> None:
        self._begin = begin
        self._keyring = keyring

    async def prepare(self) -> None:
        """Before the transaction in which `demand` is called."""
        await self._keyring.prepare()

    async def confirm_token(self, cmd: ConfirmToken) -> Confirmed:
        """The actor's role of this moment, for verbs of office of other services. Raises Refused: BAD_TOKEN, TOKEN_EXPIRED."""
        await self.prepare()
        async with self._begin() as store:
            user, claims = await self._bearer(store, cmd.actor, cmd.token)
        _check_version(user, claims)
        return Confirmed(role=user.role)

    async def demand(self, store: Store, cmd: AdminRequest) -> None:
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
