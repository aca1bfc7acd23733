"""Subject → use case, and nothing else."""

from dataclasses import dataclass

from parley_auth.usecases.admin import Admin
from parley_auth.usecases.audit import Audit
from parley_auth.usecases.directory import Directory
from parley_auth.usecases.erasure import Erasures
from parley_auth.usecases.export import Export
from parley_auth.usecases.office import Office
from parley_auth.usecases.passwords import Passwords
from parley_auth.usecases.registration import Registration
from parley_auth.usecases.sessions import Sessions
from parley_auth.usecases.trust import Trust
from parley_shared.contracts import audit as trail
from parley_shared.contracts import auth as contract
from parley_shared.contracts import erasure
from parley_shared.contracts.export import EXPORT_ACCOUNT
from parley_shared.messaging.rpc import RpcServer


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that auth does."""

    registration: Registration
    sessions: Sessions
    passwords: Passwords
    directory: Directory
    admin: Admin
    office: Office
    audit: Audit
    erasures: Erasures
    export: Export
    trust: Trust


def serve(server: RpcServer, do: UseCases) -> None:
    """Register every verb but READY, which the process itself answers."""
    server.serve(contract.REGISTER, do.registration.register)
    server.serve(contract.LOGIN, do.sessions.login)
    server.serve(contract.REFRESH, do.sessions.refresh)
    server.serve(contract.LOGOUT, do.sessions.logout)
    server.serve(contract.SESSIONS, do.sessions.sessions)
    server.serve(contract.END_SESSION, do.sessions.end_session)
    server.serve(contract.CHANGE_PASSWORD, do.passwords.change_password)
    server.serve(contract.RESET_PASSWORD, do.passwords.reset_password)
    server.serve(contract.ME, do.directory.me)
    server.serve(contract.UPDATE_ME, do.directory.update_me)
    server.serve(contract.GET_USER, do.directory.get_user)
    server.serve(contract.FIND_USERS, do.directory.find_users)
    server.serve(contract.KNOWN_USERS, do.directory.known_users)
    server.serve(contract.RESOLVE_NAMES, do.directory.resolve_names)
    server.serve(contract.RECEIPTS_OFF, do.directory.receipts_off)
    server.serve(contract.USER_ROLES, do.directory.user_roles)
    server.serve(contract.ADMIN_USERS, do.admin.users)
    server.serve(contract.ADMIN_UPDATE_USER, do.admin.update_user)
    server.serve(contract.ADMIN_RESET_CODE, do.admin.reset_code)
    server.serve(contract.ADMIN_INVITE, do.admin.invite)
    server.serve(contract.CONFIRM_TOKEN, do.office.confirm_token)
    server.serve(trail.ACCOUNTS_AUDIT, do.audit.page)
    server.serve(trail.ACCOUNTS_HEADS, do.audit.heads)
    server.serve(trail.ACCOUNTS_ENTRIES, do.audit.entries)
    server.serve(trail.AUDIT_KEY, do.audit.key)
    server.serve(EXPORT_ACCOUNT, do.export.account)
    server.serve(erasure.ERASE_ME, do.erasures.erase_me)
    server.serve(erasure.ERASURE, do.erasures.get)
    server.serve(erasure.ADMIN_ERASURE, do.erasures.admin_get)
    server.serve(contract.JWKS, do.trust.jwks)
    server.serve(contract.REVOKED_SINCE, do.trust.revoked_since)
