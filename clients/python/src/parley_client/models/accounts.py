"""People, their sessions and the erasure of their accounts."""

from datetime import datetime
from uuid import UUID

from parley_client.models.base import Model


class Me(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    role: str
    rev: int
    read_receipts: bool
    created_at: datetime


class ErasureBegun(Model, frozen=True, kw_only=True):
    """code: it is told only once, and is what `erasure` asks for."""

    id: UUID
    code: str


class StoreErasure(Model, frozen=True, kw_only=True):
    """counts: what was erased so far, by what it was."""

    done: bool
    counts: dict[str, int]


class Erasure(Model, frozen=True, kw_only=True):
    """state: running or done. stores: by service."""

    id: UUID
    user_id: UUID
    state: str
    requested_at: datetime
    finished_at: datetime | None
    stores: dict[str, StoreErasure]


class User(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    deleted: bool = False


class Session(Model, frozen=True, kw_only=True):
    id: UUID
    created_at: datetime
    last_used_at: datetime
    ip: str
    user_agent: str
    current: bool


class Presence(Model, frozen=True, kw_only=True):
    """status: online, away, busy, offline; of oneself what one has chosen, invisible too. last_seen: of who is offline."""

    user_id: UUID
    status: str
    last_seen: datetime | None = None
    text: str | None = None


class AdminUser(Model, frozen=True, kw_only=True):
    id: UUID
    username: str
    display_name: str
    role: str
    disabled: bool
    deleted: bool
    created_at: datetime
    last_login_at: datetime | None


class OneTimeCode(Model, frozen=True, kw_only=True):
    code: str
    expires_at: datetime


class Block(Model, frozen=True, kw_only=True):
    user_id: UUID
    created_at: datetime
