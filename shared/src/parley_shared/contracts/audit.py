"""The audit trails of accounts (auth) and of rooms (messages): read by admins, and exported with proof. See docs/audit.md."""

from datetime import datetime
from typing import Any
from uuid import UUID

from parley_shared.contracts.auth import AdminRequest
from parley_shared.contracts.base import Empty, Wire, svc_rpc, user_rpc


class AuditRequest(AdminRequest, frozen=True, kw_only=True):
    """room_id: of one room's chain alone. since: from then on. until: before then."""

    room_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    cursor: str | None = None


class ListAudit(AuditRequest, frozen=True, kw_only=True):
    """user_id: actor or target."""

    user_id: UUID | None = None
    action: str | None = None


class AuditEntry(Wire, frozen=True, kw_only=True):
    """n: its place in its chain, from 1. target_id: a user or a message. hash, prev_hash: hex.

    erased: what it said is gone; what is shown of it is no longer proven by the chain.
    """

    n: int
    at: datetime
    actor_id: UUID | None
    action: str
    target_id: UUID | None
    room_id: UUID | None
    reason: str | None
    details: dict[str, Any]
    erased: bool
    hash: str
    prev_hash: str


class AuditEntries(Wire, frozen=True, kw_only=True):
    """The newest first."""

    items: list[AuditEntry]
    next: str | None = None


class AuditHeads(AuditRequest, frozen=True, kw_only=True):
    """export, areas: what the pages belong to; both are signed, so that an export is whole or visibly not."""

    export: UUID
    areas: list[str]


class SignedHeads(Wire, frozen=True, kw_only=True):
    """items: signed statements, one a page, each about the chains after `after` up to `upto`. See docs/audit.md."""

    items: list[dict[str, Any]]
    next: str | None = None


class ExportedEntries(Wire, frozen=True, kw_only=True):
    """items: entries as the lines of an export file, in the order of chains, ascending."""

    items: list[dict[str, Any]]
    next: str | None = None


class AuditKey(Wire, frozen=True, kw_only=True):
    """public_key: 32 bytes as hex."""

    algorithm: str
    public_key: str


ACCOUNTS_AUDIT = user_rpc("auth", "audit", ListAudit, AuditEntries, repeatable=True)
ACCOUNTS_HEADS = user_rpc("auth", "audit_heads", AuditHeads, SignedHeads, repeatable=True)
ACCOUNTS_ENTRIES = user_rpc("auth", "audit_entries", AuditRequest, ExportedEntries, repeatable=True)
ROOMS_AUDIT = user_rpc("messages", "audit", ListAudit, AuditEntries, repeatable=True)
ROOMS_HEADS = user_rpc("messages", "audit_heads", AuditHeads, SignedHeads, timeout=15.0, repeatable=True)
ROOMS_ENTRIES = user_rpc("messages", "audit_entries", AuditRequest, ExportedEntries, timeout=15.0, repeatable=True)
AUDIT_KEY = svc_rpc("auth", "audit_key", Empty, AuditKey, callers={"gateway"})
