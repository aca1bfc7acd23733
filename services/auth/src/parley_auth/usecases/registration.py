"""Opening an account: who may, with which invitation, under which name."""

from dataclasses import dataclass
from uuid import UUID

from parley_auth.domain import codes, names, passwords
from parley_auth.domain.codes import OperatorCode
from parley_auth.hashing import Passwords
from parley_auth.settings import Settings, secret_text
from parley_auth.store import Begin, Store
from parley_auth.usecases import views
from parley_auth.usecases.door import Door
from parley_shared.contracts.auth import Me, Register
from parley_shared.contracts.base import Role
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id


@dataclass(frozen=True, slots=True)
class _Invitation:
    """One of: the operator's code, the hash of an ordinary one, or none."""

    operator: OperatorCode | None = None
    digest: bytes | None = None

    @property
    def kind(self) -> str:
        """As the audit trail says it."""
        if self.operator is not None:
            return "operator's code"
        return "invitation" if self.digest is not None else "itself"

    @property
    def role(self) -> Role:
        return "user" if self.operator is None else "admin"


class Registration:
    """The verb `register`."""

    def __init__(self, begin: Begin, door: Door, hasher: Passwords, settings: Settings) -> None:
        self._begin = begin
        self._door = door
        self._hasher = hasher
        self._mode = settings.registration
        self._operator_key = secret_text(settings.operator_key)

    async def register(self, cmd: Register) -> Me:
        """Open an account. With the operator's code it is an admin's, even where registration is closed.

        Raises Refused: REGISTRATION_CLOSED, BAD_INVITE, USERNAME_TAKEN, WEAK_PASSWORD, INVALID, BAD_TEXT, RATE_LIMITED.
        """
        invitation = self._invitation(cmd.invite)
        username = names.username(cmd.username)
        display_name = names.display_name(cmd.display_name) if cmd.display_name is not None else username
        password = passwords.new_password(cmd.password, field="password", username=username)
        key = names.fold(username)
        guards = [] if invitation.operator is not None else self._door.registration(ip=cmd.client.ip)
        async with self._door.attempt(guards) as attempt:
            # What can be refused cheaply is refused before a tenth of a second of a core is spent on hashing.
            async with self._begin() as store:
                await self._check(store, invitation, key)
            password_hash = await self._hasher.hash(password)
            user_id = new_id()
            async with self._begin() as store:
                now = await store.now()
                added = await store.users.add(
                    user_id=user_id,
                    username=username,
                    username_key=key,
                    display_name=display_name,
                    display_key=names.fold(display_name),
                    role=invitation.role,
                    password_hash=password_hash,
                    at=now,
                )
                if not added:
                    raise _taken()
                await self._use(store, invitation, user_id)
                store.journal.note(
                    "account.registered",
                    at=now,
                    actor_id=user_id,
                    target_id=user_id,
                    role=invitation.role,
                    by=invitation.kind,
                )
                # An account opened counts against its address, just as a failed login does.
                await attempt.failed(store)
                user = await store.users.get(user_id)
        if user is None:
            raise RuntimeError("a user was gone in the transaction that made it")
        return views.me(user)

    def _invitation(self, text: str | None) -> _Invitation:
        if text is not None and codes.is_operator_code(text):
            code = None if self._operator_key is None else codes.read_operator_code(text, self._operator_key)
            if code is None:
                raise _bad_invite()
            return _Invitation(operator=code)
        if self._mode == "closed":
            raise Refused(Code.REGISTRATION_CLOSED, "Nobody can register here at the moment.")
        if text is not None and text.strip():
            return _Invitation(digest=codes.digest(text))
        if self._mode == "invite":
            raise Refused(Code.BAD_INVITE, "Registration here needs an invitation.")
        return _Invitation()

    async def _check(self, store: Store, invitation: _Invitation, username_key: str) -> None:
        now = await store.now()
        if invitation.digest is not None and not await store.codes.invite_good(invitation.digest, now):
            raise _bad_invite()
        if invitation.operator is not None and (
            invitation.operator.expires_at <= now or await store.codes.operator_code_used(invitation.operator.nonce)
        ):
            raise _bad_invite()
        if await store.users.taken(username_key):
            raise _taken()

    async def _use(self, store: Store, invitation: _Invitation, user_id: UUID) -> None:
        now = await store.now()
        if invitation.digest is not None and not await store.codes.use_invite(invitation.digest, now):
            raise _bad_invite()
        code = invitation.operator
        if code is not None and (
            code.expires_at <= now
            or not await store.codes.use_operator_code(code.nonce, user_id=user_id, at=now, expires_at=code.expires_at)
        ):
            raise _bad_invite()


def _bad_invite() -> Refused:
    return Refused(Code.BAD_INVITE, "This invitation is unknown, has expired or was used before.")


def _taken() -> Refused:
    return Refused(Code.USERNAME_TAKEN, "Somebody else has this username.", errors={"username": "taken"})
