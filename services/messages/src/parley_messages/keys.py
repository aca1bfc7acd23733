"""Keys of sealed rooms, in memory: made, wrapped and unwrapped, and what is sealed under them.

A room has a data key; a new version of it seals what is said from then on. With each comes a second one, which only turns the hash
of a send into something that tells nobody without the key whether a guessed text was sent; it stays the same over all versions.
What is sealed is bound to its place (room, message, revision, key version) as associated data: AES-256-GCM with a random nonce.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parley_shared.crypto.wrapping import KEY_BYTES, KeyWrapper, Wrapped, WrappingAway
from parley_shared.errors import unavailable

log = structlog.get_logger(__name__)

KEPT = 20_000
_NONCE = 12
Answer = TypeVar("Answer")
_decode = msgspec.json.Decoder(dict[str, str | None]).decode


class Sealed(NamedTuple):
    """What lies in the database. version: of the room's key."""

    version: int
    blob: bytes


class NotWhatWasSealed(Exception):  # noqa: N818 — what was found, not who failed
    """The database holds something else there than what was sealed."""


@dataclass(frozen=True, slots=True)
class RoomKey:
    """One version of a room's key, unwrapped."""

    room_id: UUID
    version: int
    cipher: AESGCM
    hash_key: bytes

    def seal(self, place: str, text: dict[str, str | None]) -> Sealed:
        """place: what it is and where: see `message_place`."""
        nonce = secrets.token_bytes(_NONCE)
        return Sealed(self.version, nonce + self.cipher.encrypt(nonce, msgspec.json.encode(text), self._bound(place)))

    def open(self, place: str, blob: bytes) -> dict[str, str | None]:
        """Raises NotWhatWasSealed."""
        try:
            return _decode(self.cipher.decrypt(blob[:_NONCE], blob[_NONCE:], self._bound(place)))
        except InvalidTag:
            raise NotWhatWasSealed(f"room {self.room_id}, {place}") from None

    def keyed_hash(self, payload_hash: int) -> int:
        """Signed 64 bits that say nothing about the payload to who has not the key."""
        told = payload_hash.to_bytes(8, signed=True)
        return int.from_bytes(blake2b(told, digest_size=8, key=self.hash_key).digest(), signed=True)

    def _bound(self, place: str) -> bytes:
        return f"{self.room_id} {place} key {self.version}".encode()


def message_place(message_id: UUID, rev: int) -> str:
    return f"message {message_id} rev {rev}"


def report_place(report_id: UUID) -> str:
    return f"report {report_id}"


class RoomKeys:
    """The keys that this replica has unwrapped; the least recently used ones are forgotten."""

    def __init__(self, wrapper: KeyWrapper | None) -> None:
        self._wrapper = wrapper
        self._keys: OrderedDict[tuple[UUID, int], RoomKey] = OrderedDict()

    @property
    def available(self) -> bool:
        """Whether this installation has a wrapping key, so that there can be sealed rooms."""
        return self._wrapper is not None

    @property
    def wrapper(self) -> KeyWrapper:
        """Raises Refused: UNAVAILABLE without one."""
        if self._wrapper is None:
            raise unavailable("This installation has no wrapping key, so what is sealed cannot be read at the moment.")
        return self._wrapper

    def known(self, room_id: UUID, version: int) -> RoomKey | None:
        """Without waiting for anybody."""
        found = self._keys.get((room_id, version))
        if found is not None:
            self._keys.move_to_end((room_id, version))
        return found

    async def new(self, room_id: UUID, version: int, before: RoomKey | None = None) -> tuple[RoomKey, Wrapped]:
        """A new version, which goes on with the hash key of the one before. It is remembered once it is committed, and not before:
        another replica may be the one whose version of this number counts. Raises WrappingAway."""
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        hash_key = secrets.token_bytes(KEY_BYTES) if before is None else before.hash_key
        wrapped = await self.wrapper.wrap(data_key + hash_key, context(room_id))
        return _room_key(room_id, version, data_key + hash_key), wrapped

    async def unwrapped(self, room_id: UUID, version: int, wrapped: Wrapped) -> RoomKey:
        """From memory, or by the wrapping key. Raises CannotUnwrap, WrappingAway."""
        found = self.known(room_id, version)
        if found is None:
            found = _room_key(room_id, version, await self.wrapper.unwrap(wrapped, context(room_id)))
            self.remember(found)
        return found

    async def rewrapped(self, room_id: UUID, wrapped: Wrapped) -> Wrapped:
        """The same key under today's wrapping key. Raises CannotUnwrap, WrappingAway."""
        return await self.wrapper.wrap(await self.wrapper.unwrap(wrapped, context(room_id)), context(room_id))

    def forget(self, room_id: UUID, upto: int) -> None:
        """These versions were destroyed."""
        for version in range(1, upto + 1):
            self._keys.pop((room_id, version), None)

    def remember(self, key: RoomKey) -> None:
        """Of a version that is committed."""
        self._keys[key.room_id, key.version] = key
        while len(self._keys) > KEPT:
            self._keys.popitem(last=False)


def _room_key(room_id: UUID, version: int, secret: bytes) -> RoomKey:
    return RoomKey(room_id, version, AESGCM(secret[:KEY_BYTES]), secret[KEY_BYTES:])


async def reached(asked: Awaitable[Answer]) -> Answer:
    """An answer of who keeps the wrapping key. Raises Refused: UNAVAILABLE."""
    try:
        return await asked
    except WrappingAway as error:
        log.warning("keys.away", error=str(error))
        raise unavailable("Who keeps the wrapping key cannot be reached; try again.") from None


def context(room_id: UUID) -> str:
    """What a wrapped key of this room is bound to."""
    return f"parley room {room_id}"
