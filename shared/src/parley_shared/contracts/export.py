"""What somebody may take along: everything that is kept of them, page by page, as lines of a file. See docs/audit.md."""

from datetime import datetime
from typing import Any

from parley_shared.contracts.auth import Me, OnlyActor, Session
from parley_shared.contracts.base import UserRequest, Wire, user_rpc


class SignIn(Wire, frozen=True, kw_only=True):
    """outcome: ok, failed, disabled. ip_prefix: the network, not the address."""

    at: datetime
    outcome: str
    ip_prefix: str
    user_agent: str


class ExportedAccount(Wire, frozen=True, kw_only=True):
    """What auth keeps of the actor."""

    profile: Me
    sessions: list[Session]
    sign_ins: list[SignIn]


class ExportPage(UserRequest, frozen=True, kw_only=True):
    cursor: str | None = None


class Exported(Wire, frozen=True, kw_only=True):
    """items: lines, each with its `type`: membership, message, revision, reaction, follow, notification, block, image."""

    items: list[dict[str, Any]]
    next: str | None = None


class ExportLine(Wire, frozen=True, kw_only=True):
    """One line of the file; what else is in it depends on its type."""

    type: str


EXPORT_ACCOUNT = user_rpc("auth", "export_account", OnlyActor, ExportedAccount, repeatable=True)
EXPORT_MESSAGES = user_rpc("messages", "export", ExportPage, Exported, timeout=10.0, repeatable=True)
