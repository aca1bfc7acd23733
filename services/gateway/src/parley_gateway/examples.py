"""Examples of what routes answer, made from the contracts, so that none can fall behind its type."""

from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

_ID = "01a20e11-bcec-751f-8862-9270028e046e"
_AT = "2026-11-24T12:00:00Z"
_EVENT = {
    "type": "event",
    "stream": f"room:{_ID}",
    "seq": 12,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size": 320,
    "event": {"kind": "member.joined", "at": _AT, "actor_id": _ID, "user_id": _ID, "role": "member"},
}
_NAMED: dict[str, Any] = {
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.…",
    "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    "body": "Hello!",
    "bytes": 48_211,
    "can_read": ["Its members."],
    "cannot_read": ["Whoever has a backup of the database, without the wrapping key."],
    "client": "parley/0.1",
    "code": "kx7-fq2-9dm",
    "content_type": "image/webp",
    "current": "2026-11",
    "cursor": 1,
    "device_id": "laptop",
    "detail": "There is no such room, or you may not see it.",
    "display_name": "Alice",
    "expires_in": 600,
    "format": "markdown",
    "gateway": "gateway-1",
    "head": 12,
    "height": 720,
    "highlights": [[0, 5]],
    "ip": "192.0.2.0",
    "ip_prefix": "192.0.2.0/24",
    "keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7T…"}
    ],
    "language": "english",
    "member_count": 2,
    "missing": [],
    "name": "Kitchen",
    "not_protected": ["The server, while it runs, can read what is said."],
    "reaction": "like",
    "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA",
    "seq": 12,
    "slow_mode_s": 0,
    "stray": [],
    "summary": "Everybody in this room can read it, and so can whoever runs the server.",
    "text": "in a meeting",
    "token_type": "bearer",
    "topic": "Who washes up?",
    "user_agent": "Mozilla/5.0",
    "username": "alice",
    "width": 1280,
    "wrapping_key": "2026-11",
}
_OPEN = {
    "next", "backups_forget_at", "deleted_at", "deleted_by", "destroyed_at", "edited_at", "key_since", "key_version", "last_seen", "rebuilding",
    "thread_root_id", "unreadable_before", "user_ids",
}  # fmt: skip
"""What is null in an ordinary answer."""


@cache
def example(kind: type[msgspec.Struct]) -> Any:
    """A value that the type's own decoder accepts."""
    hints = get_type_hints(kind)
    return {field.encode_name: _value(field.name, hints[field.name]) for field in msgspec.structs.fields(kind)}


def _value(name: str, hint: Any) -> Any:
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if name in _OPEN and NoneType in arguments:
            return None
        return _value(name, next(item for item in arguments if item not in (NoneType, msgspec.UnsetType)))
    if origin is Literal:
        return arguments[-1] if name == "role" else arguments[0]
    if origin is list:
        if arguments[0] is msgspec.Raw:
            return [_EVENT] if name == "items" else []
        return _NAMED[name] if isinstance(_NAMED.get(name), list) else [_value(name, arguments[0])]
    if origin is dict:
        return {}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return example(hint)
    if hint is UUID:
        return _ID
    if hint is datetime:
        return _AT
    if hint is bool:
        return name in ("current", "mine", "joined", "read_receipts")
    found = _NAMED.get(name, 1 if hint is int else name)
    return found if isinstance(found, hint) else 1
