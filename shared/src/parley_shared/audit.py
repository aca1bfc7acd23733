"""The audit trail's arithmetic: chains of entries whose bodies can be erased, and signed statements about them. No I/O.

The format is described, byte by byte, in docs/audit.md; whoever verifies an export writes his verifier from there. In short:

    body   canonical JSON of what happened           mac  = HMAC-SHA-256(entry key, "parley-audit/1 body\\n" ‖ body)
    hash_n = SHA-256("parley-audit/1 entry\\n" ‖ area ‖ 0 ‖ chain ‖ 0 ‖ hash_(n-1) ‖ n as 8 bytes ‖ mac)

The chain holds macs, not bodies: erasing an entry removes body and key, after which the mac says nothing, and the chain still
verifies. hash_0 is 32 zero bytes.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, SecretStr

from parley_shared.contracts.audit import AuditEntry, AuditHeads

FORMAT = "parley-audit/1"
Area = Literal["accounts", "rooms"]
ACCOUNTS_CHAIN = "accounts"
"""The only chain of the area `accounts`; those of `rooms` are named by the room's id."""
ZERO = bytes(32)
"""What the first entry of a chain follows."""

_BODY = b"parley-audit/1 body\n"
_ENTRY = b"parley-audit/1 entry\n"
_HEADS = b"parley-audit/1 heads\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a chain. body, key: None once it has been erased. n counts from 1."""

    n: int
    body: bytes | None
    key: bytes | None
    mac: bytes
    prev_hash: bytes
    hash: bytes


def canonical(value: Any) -> bytes:  # Any: whatever JSON holds
    """RFC 8785 for the values that we use (no fractions): sorted names, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def body_mac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, _BODY + body, hashlib.sha256).digest()


def entry_hash(area: Area, chain: str, n: int, prev_hash: bytes, mac: bytes) -> bytes:
    """Bound to its place: the same entry elsewhere has another hash."""
    named = area.encode() + b"\0" + chain.encode() + b"\0"
    return hashlib.sha256(_ENTRY + named + prev_hash + n.to_bytes(8, "big") + mac).digest()


def seal(area: Area, chain: str, last: tuple[int, bytes], body: Mapping[str, Any]) -> Entry:
    """The entry that follows `last`, (n, hash) of the one before; (0, ZERO) begins a chain."""
    n = last[0] + 1
    text = canonical(dict(body))
    key = secrets.token_bytes(32)
    mac = body_mac(key, text)
    return Entry(n, text, key, mac, last[1], entry_hash(area, chain, n, last[1], mac))


def broken(area: Area, chain: str, entries: Iterable[Entry], last: tuple[int, bytes] = (0, ZERO)) -> str | None:
    """What is wrong with a run of entries that must follow `last`; None if nothing is."""
    for entry in entries:
        if entry.n != last[0] + 1 or entry.prev_hash != last[1]:
            return f"entry {entry.n} of {area} {chain} does not follow entry {last[0]}"
        if (entry.body is None) != (entry.key is None):
            return f"entry {entry.n} of {area} {chain} is half erased"
        told = entry.body is not None and entry.key is not None
        if told and (len(entry.key or b"") != 32 or body_mac(entry.key or b"", entry.body or b"") != entry.mac):
            return f"entry {entry.n} of {area} {chain} was altered"
        if entry_hash(area, chain, entry.n, last[1], entry.mac) != entry.hash:
            return f"entry {entry.n} of {area} {chain} was altered"
        last = (entry.n, entry.hash)
    return None


class Signer:
    """Signs what an export says about chains. One key for the suite; whoever has its public half can verify."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def load(cls, given: str) -> "Signer":
        """given: an Ed25519 private key in PEM (PKCS#8), or the path of a file that holds one. Raises ValueError."""
        text = given.strip()
        if not text.startswith("-----BEGIN"):
            try:
                text = Path(text).read_text()
            except OSError as error:
                raise ValueError(f"the audit key cannot be read: {error.strerror}") from None
        try:
            key = serialization.load_pem_private_key(text.encode(), password=None)
        except TypeError:
            raise ValueError("the audit key is locked by a passphrase, which nobody could type") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the audit key must be an Ed25519 private key")
        return cls(key)

    @classmethod
    def given(cls, secret: SecretStr | None) -> "Signer | None":
        """From a setting; None where it is not set."""
        text = "" if secret is None else secret.get_secret_value().strip()
        return cls.load(text) if text else None

    @property
    def public_key(self) -> str:
        """32 bytes as 64 hex digits."""
        return self._private.public_key().public_bytes_raw().hex()

    def signed(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """The statement with its `signature`, 64 bytes as hex."""
        return {**statement, "signature": self._private.sign(_HEADS + canonical(dict(statement))).hex()}


def _loadable(secret: SecretStr | None) -> SecretStr | None:
    Signer.given(secret)
    return secret


SigningKey = Annotated[SecretStr | None, AfterValidator(_loadable)]
"""A setting: an Ed25519 private key in PEM, or the path of its file. What is neither is found at the start."""


def new_key() -> str:
    """A new private key in PEM (PKCS#8)."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def is_signed(statement: Mapping[str, Any], public_key: str) -> bool:
    """Whether this key has signed exactly this."""
    rest = {name: value for name, value in statement.items() if name != "signature"}
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(statement["signature"]), _HEADS + canonical(rest)
        )
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def instant(at: datetime) -> str:
    """As it stands in a body and in a statement: RFC 3339, UTC, microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_body(
    *,
    at: datetime,
    actor_id: UUID | None,
    action: str,
    target_id: UUID | None,
    room_id: UUID | None,
    reason: str | None,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """What an entry says. Text of messages, passwords and tokens have no place in it."""

    def text(identifier: UUID | None) -> str | None:
        return None if identifier is None else str(identifier)

    body: dict[str, Any] = {
        "at": instant(at),
        "actor_id": text(actor_id),
        "action": action,
        "target_id": text(target_id),
        "room_id": text(room_id),
        "reason": reason,
    }
    return {**body, "details": dict(details)} if details else body


def entry_of(row: Mapping[str, Any]) -> Entry:
    """From the columns of an audit table."""
    return Entry(row["n"], row["body"], row["entry_key"], row["mac"], row["prev_hash"], row["hash"])


def shown(row: Mapping[str, Any], room_id: UUID | None) -> AuditEntry:
    """An entry for people: what it says, or what is left of an erased one."""
    told = None if row["body"] is None else json.loads(row["body"])
    return AuditEntry(
        n=row["n"],
        at=row["at"],
        actor_id=row["actor_id"],
        action=row["action"],
        target_id=row["target_id"],
        room_id=room_id,
        reason=None if told is None else told["reason"],
        details={} if told is None else told.get("details", {}),
        erased=told is None,
        hash=row["hash"].hex(),
        prev_hash=row["prev_hash"].hex(),
    )


def exported(area: Area, chain: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as a line of an export."""
    entry = entry_of(row)
    return {
        "type": "entry",
        "area": area,
        "chain": chain,
        "n": entry.n,
        "body": None if entry.body is None else entry.body.decode(),
        "key": None if entry.key is None else entry.key.hex(),
        "mac": entry.mac.hex(),
        "hash": entry.hash.hex(),
    }


def heads(
    asked: AuditHeads,
    area: Area,
    rows: Sequence[Mapping[str, Any]],
    *,
    after: str | None,
    upto: str | None,
    at: datetime,
) -> dict[str, Any]:
    """The statement to be signed: from where to where each chain goes, of all chains after `after` up to `upto`.

    rows: chain, first, prev_hash (before the first), n, hash (of the last).
    """
    return {
        "type": "heads",
        "area": area,
        "export": str(asked.export),
        "areas": asked.areas,
        "room_id": None if asked.room_id is None else str(asked.room_id),
        "since": None if asked.since is None else instant(asked.since),
        "until": None if asked.until is None else instant(asked.until),
        "at": instant(at),
        "after": after,
        "upto": upto,
        "heads": [
            {
                "chain": str(row["chain"]),
                "from": row["first"],
                "prev": row["prev_hash"].hex(),
                "n": row["n"],
                "hash": row["hash"].hex(),
            }
            for row in rows
        ],
    }
