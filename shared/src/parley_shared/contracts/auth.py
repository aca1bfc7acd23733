"""What auth answers: accounts, sessions, tokens, keys."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from parley_shared.contracts.base import Actor, Empty, Role, UserRequest, Wire, ready_rpc, svc_rpc, user_rpc

ISSUER = "parley"
AUDIENCE = "parley"
TOKEN_TYPE = "at+jwt"  # noqa: S105 — the `typ` header of RFC 9068
ALGORITHM = "EdDSA"


class Client(Wire, frozen=True, kw_only=True):
    """Who is at the other end, as the gateway saw it; for throttles and for the list of sessions."""

    ip: str
    user_agent: str = ""


class User(Wire, frozen=True, kw_only=True):
    """A user as others see them."""

    id: UUID
    username: str
    display_name: str
    deleted: bool = False


class Me(Wire, frozen=True, kw_only=True):
    """A user as they see themselves. `rev` guards PATCH."""

    id: UUID
    username: str
    display_name: str
    role: Role
    rev: int
    read_receipts: bool
    created_at: datetime


class Users(Wire, frozen=True, kw_only=True):
    items: list[User]
    next: str | None = None


class Tokens(Wire, frozen=True, kw_only=True):
    """RFC 6749's answer. expires_in: seconds of the access token; refresh_expires_in: of the refresh token, for a cookie."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    user_id: UUID
    session_id: UUID


class Register(Wire, frozen=True, kw_only=True):
    username: str
    password: str
    client: Client
    display_name: str | None = None
    invite: str | None = None


class Login(Wire, frozen=True, kw_only=True):
    username: str
    password: str
    client: Client


class Refresh(Wire, frozen=True, kw_only=True):
    refresh_token: str
    client: Client


class Logout(Wire, frozen=True, kw_only=True):
    refresh_token: str


class Session(Wire, frozen=True, kw_only=True):
    id: UUID
    created_at: datetime
    last_used_at: datetime
    ip: str
    user_agent: str
    current: bool


class Sessions(Wire, frozen=True, kw_only=True):
    items: list[Session]
    next: str | None = None


class EndSession(UserRequest, frozen=True, kw_only=True):
    session_id: UUID


class ChangePassword(UserRequest, frozen=True, kw_only=True):
    current_password: str
    new_password: str


class ResetPassword(Wire, frozen=True, kw_only=True):
    """With the one-use code that an admin gave out."""

    code: str
    new_password: str
    client: Client


class OnlyActor(UserRequest, frozen=True, kw_only=True):
    """A request that says no more than who asks."""


class UpdateMe(UserRequest, frozen=True, kw_only=True):
    rev: int
    display_name: str | None = None
    read_receipts: bool | None = None


class GetUser(UserRequest, frozen=True, kw_only=True):
    user_id: UUID


class FindUsers(UserRequest, frozen=True, kw_only=True):
    """By ids (then no paging), or by the beginning of a username or display name."""

    ids: list[UUID] | None = None
    query: str | None = None
    limit: int = 50
    cursor: str | None = None


class AdminRequest(UserRequest, frozen=True, kw_only=True):
    """Admin verbs also carry the access token, and auth verifies it again."""

    token: str


class AdminUser(Wire, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    role: Role
    disabled: bool
    deleted: bool
    created_at: datetime
    last_login_at: datetime | None


class AdminUsers(Wire, frozen=True, kw_only=True):
    items: list[AdminUser]
    next: str | None = None


class ListAdminUsers(AdminRequest, frozen=True, kw_only=True):
    query: str | None = None
    limit: int = 50
    cursor: str | None = None


class AdminUpdateUser(AdminRequest, frozen=True, kw_only=True):
    user_id: UUID
    role: Role | None = None
    disabled: bool | None = None


class AdminResetCode(AdminRequest, frozen=True, kw_only=True):
    user_id: UUID


class AdminInvite(AdminRequest, frozen=True, kw_only=True):
    pass


class OneTimeCode(Wire, frozen=True, kw_only=True):
    code: str
    expires_at: datetime


class Jwks(Wire, frozen=True, kw_only=True):
    """A JWK set (RFC 7517); the next key is in it two lifetimes before its use."""

    keys: list[dict[str, Any]]


class RevokedSince(Wire, frozen=True, kw_only=True):
    """cursor 0: everything that can still matter to a living access token."""

    cursor: int


class Revocation(Wire, frozen=True, kw_only=True):
    """Access tokens that are no longer good.

    session_id: that session is over (close 4503). Without it: the user's tokens with `ver` below `min_ver`:
    `end` closes with 4503 (disabled, banned, erased), `renew` with 4014 (a new token is needed).
    """

    cursor: int
    user_id: UUID
    session_id: UUID | None
    min_ver: int
    kind: Literal["end", "renew"]


class Revocations(Wire, frozen=True, kw_only=True):
    items: list[Revocation]
    cursor: int
    more: bool


class UserIds(Wire, frozen=True, kw_only=True):
    ids: list[UUID]


class UserNames(Wire, frozen=True, kw_only=True):
    names: list[str]


class NamedUsers(Wire, frozen=True, kw_only=True):
    """By the name as it was asked; names that nobody has, or that cannot be addressed, are absent."""

    ids: dict[str, UUID]


class UserRoles(Wire, frozen=True, kw_only=True):
    """Global roles of today by user; unknown, disabled and erased users are absent."""

    roles: dict[UUID, Role]


class ConfirmToken(Wire, frozen=True, kw_only=True):
    """An office's verb of another service: is this token the actor's own, and still good?"""

    actor: Actor
    token: str


class Confirmed(Wire, frozen=True, kw_only=True):
    """role: the actor's global role, of this moment."""

    role: Role


HASHING_TIMEOUT_S = 15.0
"""Seconds for verbs that hash a password: they queue behind each other, a tenth of a second of a core each."""

REGISTER = user_rpc("auth", "register", Register, Me, timeout=HASHING_TIMEOUT_S)
LOGIN = user_rpc("auth", "login", Login, Tokens, timeout=HASHING_TIMEOUT_S)
REFRESH = user_rpc("auth", "refresh", Refresh, Tokens)
LOGOUT = user_rpc("auth", "logout", Logout, Empty, repeatable=True)
SESSIONS = user_rpc("auth", "sessions", OnlyActor, Sessions, repeatable=True)
END_SESSION = user_rpc("auth", "end_session", EndSession, Empty, repeatable=True)
CHANGE_PASSWORD = user_rpc("auth", "change_password", ChangePassword, Empty, timeout=HASHING_TIMEOUT_S)
RESET_PASSWORD = user_rpc("auth", "reset_password", ResetPassword, Empty, timeout=HASHING_TIMEOUT_S)
ME = user_rpc("auth", "me", OnlyActor, Me, repeatable=True)
UPDATE_ME = user_rpc("auth", "update_me", UpdateMe, Me)
GET_USER = user_rpc("auth", "get_user", GetUser, User, repeatable=True)
FIND_USERS = user_rpc("auth", "find_users", FindUsers, Users, repeatable=True)
ADMIN_USERS = user_rpc("auth", "admin_users", ListAdminUsers, AdminUsers, repeatable=True)
ADMIN_UPDATE_USER = user_rpc("auth", "admin_update_user", AdminUpdateUser, AdminUser, repeatable=True)
ADMIN_RESET_CODE = user_rpc("auth", "admin_reset_code", AdminResetCode, OneTimeCode)
ADMIN_INVITE = user_rpc("auth", "admin_invite", AdminInvite, OneTimeCode)
JWKS = svc_rpc("auth", "jwks", Empty, Jwks, callers={"gateway"})
REVOKED_SINCE = svc_rpc("auth", "revoked_since", RevokedSince, Revocations, callers={"gateway"})
KNOWN_USERS = svc_rpc("auth", "known_users", UserIds, UserIds, callers={"messages"})
"""Which of these ids are users that can be addressed: they exist, and are neither erased nor disabled."""
RESOLVE_NAMES = svc_rpc("auth", "resolve_names", UserNames, NamedUsers, callers={"messages", "search"})
"""Whom these usernames, as somebody typed them, belong to; at most 1,000 at once."""
RECEIPTS_OFF = svc_rpc("auth", "receipts_off", UserIds, UserIds, callers={"messages"})
"""Which of these users have switched read receipts off."""
USER_ROLES = svc_rpc("auth", "user_roles", UserIds, UserRoles, callers={"messages"})
CONFIRM_TOKEN = svc_rpc(
    "auth", "confirm_token", ConfirmToken, Confirmed, callers={"media", "messages", "presence", "search"}
)
"""Whose verbs of office carry the access token asks here; refused exactly as auth's own verbs of office."""
READY = ready_rpc("auth")
