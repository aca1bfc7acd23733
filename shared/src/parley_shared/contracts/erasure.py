"""Erasing an account: a saga of auth's, in which each service erases what it holds. See docs/audit.md."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from parley_shared.contracts.auth import HASHING_TIMEOUT_S, AdminRequest
from parley_shared.contracts.base import UserRequest, Wire, svc_rpc, user_rpc


class Erase(Wire, frozen=True, kw_only=True):
    """Asked again and again, with the same saga_id, until the answer says done; repeating it does no harm."""

    user_id: UUID
    saga_id: UUID


class Erased(Wire, frozen=True, kw_only=True):
    """counts: what was erased so far, by what it was. done: nothing is left."""

    done: bool
    counts: dict[str, int]


class EraseMe(UserRequest, frozen=True, kw_only=True):
    password: str


class ErasureBegun(Wire, frozen=True, kw_only=True):
    """code: with it, and only with it, whoever had the account can ask how far it has come. It is not shown again."""

    id: UUID
    code: str


class GetErasure(Wire, frozen=True, kw_only=True):
    id: UUID
    code: str


class AdminGetErasure(AdminRequest, frozen=True, kw_only=True):
    id: UUID


class Erasure(Wire, frozen=True, kw_only=True):
    """The receipt. stores: by service; the account itself is among them as `auth`."""

    id: UUID
    user_id: UUID
    state: Literal["running", "done"]
    requested_at: datetime
    finished_at: datetime | None
    stores: dict[str, Erased]


ERASE_ME = user_rpc("auth", "erase_me", EraseMe, ErasureBegun, timeout=HASHING_TIMEOUT_S)
ERASURE = user_rpc("auth", "erasure", GetErasure, Erasure, repeatable=True)
ADMIN_ERASURE = user_rpc("auth", "admin_erasure", AdminGetErasure, Erasure, repeatable=True)
ERASE_MESSAGES = svc_rpc("messages", "erase", Erase, Erased, callers={"auth"}, timeout=8.0)
ERASE_PRESENCE = svc_rpc("presence", "erase", Erase, Erased, callers={"auth"}, timeout=8.0)
ERASE_MEDIA = svc_rpc("media", "erase", Erase, Erased, callers={"auth"}, timeout=8.0)
ERASE_SEARCH = svc_rpc("search", "erase", Erase, Erased, callers={"auth"}, timeout=8.0)
