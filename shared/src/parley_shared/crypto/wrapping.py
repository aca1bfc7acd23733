"""Wrapping keys: what encrypts the keys in a database, and is itself in none.

A service has one `KeyWrapper`, chosen by its setting `wrapping_key`:

    file:/run/secrets/wrapping-key      lines of `name hex`; the last one wraps, all of them unwrap
    awskms:arn:aws:kms:…:key/…          AWS KMS; credentials and region as every AWS SDK finds them
    vault:transit/parley                mount and key of Vault's transit engine; VAULT_ADDR, and VAULT_TOKEN or VAULT_TOKEN_FILE

Every wrapped key is bound to a context (whose key it is): moved to another row it does not unwrap.
"""

import asyncio
import base64
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from opentelemetry.trace import SpanKind
from prometheus_client import Counter
from pydantic import AfterValidator

from parley_shared.telemetry import inner

KEY_BYTES = 32
_NONCE = 12
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}) +([0-9a-f]{64})")
_Answer = TypeVar("_Answer")
_asked = Counter(
    "parley_wrapping",
    "What was asked of who keeps the wrapping key, by outcome: ok, away, cannot (a key of it is gone, or that was not wrapped by it)",
    ["operation", "outcome"],
)


class Wrapped(NamedTuple):
    """key: the name of the wrapping key, which unwrapping takes. blob: at most some hundred bytes."""

    key: str
    blob: bytes


class CannotUnwrap(Exception):  # noqa: N818 — what was found, not who failed
    """The wrapping key is not there any more, or this is not what it wrapped for this context."""


class WrappingAway(ConnectionError):  # noqa: N818 — told as what it is, an outage
    """Who keeps the wrapping key cannot be reached; trying again may help."""


class KeyWrapper(Protocol):
    """What all of them do. Any call may raise WrappingAway."""

    async def current(self) -> str:
        """The name of what wraps today."""

    async def wrap(self, key: bytes, context: str) -> Wrapped:
        """Under today's wrapping key."""

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """Raises CannotUnwrap."""


class FileWrapper:
    """Keys in a file of one's own, read again when it changes. AES-256-GCM, a random nonce each; context is associated data."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._keys: dict[str, AESGCM] = {}
        self._load()

    def _load(self) -> None:
        try:
            stat = self._path.stat()
            if (stat.st_mtime_ns, stat.st_size) == self._read_at:
                return
            text = self._path.read_text()
        except OSError as error:
            if self._keys:
                # A mounted secret is replaced in two steps; what was read a moment ago is still true.
                return
            raise ValueError(f"the wrapping key {self._path} cannot be read: {error.strerror}") from None
        keys: dict[str, AESGCM] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None:
                raise ValueError(f"{self._path}, line {number}: not `name` and 64 hex digits")
            if found[1] in keys:
                raise ValueError(f"{self._path}, line {number}: {found[1]} is there already")
            keys[found[1]] = AESGCM(bytes.fromhex(found[2]))
        if not keys:
            raise ValueError(f"{self._path} holds no key")
        self._keys, self._read_at = keys, (stat.st_mtime_ns, stat.st_size)

    async def current(self) -> str:
        self._load()
        return next(reversed(self._keys))

    async def wrap(self, key: bytes, context: str) -> Wrapped:
        name = await self.current()
        nonce = secrets.token_bytes(_NONCE)
        return Wrapped(name, nonce + self._keys[name].encrypt(nonce, key, context.encode()))

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        if wrapped.key not in self._keys:
            self._load()
        cipher = self._keys.get(wrapped.key)
        if cipher is None:
            raise CannotUnwrap(f"there is no wrapping key {wrapped.key} in {self._path}")
        try:
            return cipher.decrypt(wrapped.blob[:_NONCE], wrapped.blob[_NONCE:], context.encode())
        except (InvalidTag, ValueError):  # the latter of a blob that is too short to be one
            raise CannotUnwrap(f"{wrapped.key} did not wrap this") from None


def new_line() -> str:
    """A line for the file: a new key under a name that nobody has."""
    return f"{secrets.token_hex(4)} {secrets.token_hex(KEY_BYTES)}\n"


class KmsWrapper:
    """AWS KMS. key_id: an id, ARN or alias. KMS's own rotation needs nothing; another key is one more setting and a rewrap."""

    def __init__(self, key_id: str) -> None:
        import boto3  # here: an installation without KMS does without it
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._key_id = key_id
        self._outages = (BotoCoreError,)
        self._refusals = ClientError
        config = Config(connect_timeout=2, read_timeout=3, retries={"max_attempts": 2})
        self._kms: Any = boto3.client("kms", config=config)  # Any: botocore makes its clients at run time
        self._arn: str | None = None

    async def current(self) -> str:
        if self._arn is None:
            answer = await self._ask(lambda: self._kms.describe_key(KeyId=self._key_id))
            self._arn = str(answer["KeyMetadata"]["Arn"])
        return self._arn

    async def wrap(self, key: bytes, context: str) -> Wrapped:
        arn = await self.current()
        answer = await self._ask(
            lambda: self._kms.encrypt(KeyId=arn, Plaintext=key, EncryptionContext={"parley": context})
        )
        return Wrapped(arn, answer["CiphertextBlob"])

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        answer = await self._ask(
            lambda: self._kms.decrypt(
                KeyId=wrapped.key, CiphertextBlob=wrapped.blob, EncryptionContext={"parley": context}
            )
        )
        return bytes(answer["Plaintext"])

    async def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            return await asyncio.to_thread(call)
        except self._refusals as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in (
                "InvalidCiphertextException",
                "IncorrectKeyException",
                "NotFoundException",
                "DisabledException",
            ):
                raise CannotUnwrap(f"AWS KMS: {code}") from None
            raise WrappingAway(f"AWS KMS: {code}") from error
        except self._outages as error:
            raise WrappingAway(f"AWS KMS: {error}") from error


class VaultWrapper:
    """HashiCorp Vault's or OpenBao's transit engine, with a key of the type aes256-gcm96. place: `<mount>/<key>`."""

    def __init__(self, place: str) -> None:
        import hvac  # here: an installation without Vault does without it
        from hvac.exceptions import InvalidPath, InvalidRequest, VaultError
        from requests.exceptions import RequestException

        self._mount, _, self._name = place.rpartition("/")
        self._refusals = (InvalidRequest, InvalidPath)
        self._outages = (VaultError, RequestException)
        self._client: Any = hvac.Client(timeout=5)  # Any: hvac has no types
        self._token_file = os.environ.get("VAULT_TOKEN_FILE")

    async def current(self) -> str:
        answer = await self._ask(
            lambda: self._client.secrets.transit.read_key(name=self._name, mount_point=self._mount)
        )
        return self._versioned(answer["data"]["latest_version"])

    async def wrap(self, key: bytes, context: str) -> Wrapped:
        answer = await self._ask(
            lambda: self._client.secrets.transit.encrypt_data(
                name=self._name,
                plaintext=base64.b64encode(key).decode(),
                mount_point=self._mount,
                associated_data=base64.b64encode(context.encode()).decode(),
            )
        )
        return Wrapped(self._versioned(answer["data"]["key_version"]), answer["data"]["ciphertext"].encode())

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        answer = await self._ask(
            lambda: self._client.secrets.transit.decrypt_data(
                name=wrapped.key.rpartition("/")[2].partition(":")[0],
                ciphertext=wrapped.blob.decode(),
                mount_point=wrapped.key.rpartition("/")[0],
                associated_data=base64.b64encode(context.encode()).decode(),
            )
        )
        return base64.b64decode(answer["data"]["plaintext"])

    def _versioned(self, version: int) -> str:
        return f"{self._mount}/{self._name}:v{version}"

    async def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        if self._token_file is not None:
            # An agent renews it there.
            self._client.token = (await asyncio.to_thread(Path(self._token_file).read_text)).strip()
        try:
            return await asyncio.to_thread(call)
        except self._refusals as error:
            raise CannotUnwrap(f"Vault: {error}") from None
        except self._outages as error:
            raise WrappingAway(f"Vault: {error}") from error


class _Watched:
    """Another one, counted, and seen in traces."""

    def __init__(self, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper

    async def current(self) -> str:
        return await _watched("current", self._wrapper.current())

    async def wrap(self, key: bytes, context: str) -> Wrapped:
        return await _watched("wrap", self._wrapper.wrap(key, context))

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        return await _watched("unwrap", self._wrapper.unwrap(wrapped, context))


async def _watched(operation: str, work: Awaitable[_Answer]) -> _Answer:
    outcome = "ok"
    try:
        with inner(f"wrapping {operation}", SpanKind.CLIENT):
            return await work
    except WrappingAway:
        outcome = "away"
        raise
    except CannotUnwrap:
        outcome = "cannot"
        raise
    finally:
        _asked.labels(operation, outcome).inc()


def make_wrapper(setting: str) -> KeyWrapper:
    """Of a setting `file:…`, `awskms:…` or `vault:…`. Raises ValueError."""
    return _Watched(_make(setting))


def _make(setting: str) -> KeyWrapper:
    kind, _, place = setting.partition(":")
    if place and kind == "file":
        return FileWrapper(Path(place))
    if place and kind == "awskms":
        return KmsWrapper(place)
    if kind == "vault" and place.count("/") and place.rpartition("/")[2]:
        return VaultWrapper(place)
    raise ValueError("a wrapping key is file:<path>, awskms:<key> or vault:<mount>/<key>")


def _usable(setting: str) -> str:
    if setting:
        make_wrapper(setting)
    return setting


WrappingKey = Annotated[str, AfterValidator(_usable)]
"""A setting; what cannot be one is found at the start. Empty: there is none."""
