"""Sealed objects: a file of any length under a key of its own, written as it comes and read from anywhere in the middle.

The file is cut into chunks of 64 KiB, each sealed by AES-256-GCM (NIST SP 800-38D) with its number and whether it is the last
one in the nonce, so that none can be left out, swapped or added: the STREAM construction of Hoang, Reyhanitabar, Rogaway and
Vizár (https://eprint.iacr.org/2015/189). Nonces may be counted because a key seals one object only; the object's name is bound
to it as associated data.

    nonce = 0 0 0 ‖ number of the chunk as 8 bytes, big-endian ‖ 1 for the last chunk, else 0
"""

from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 65_536
"""Bytes of the file in one chunk; the last one may be shorter, and of an empty file empty."""
TAG = 16
"""Bytes by which a sealed chunk is longer."""
KEY_BYTES = 32


class BadSeal(Exception):  # noqa: N818 — what was found, not who failed
    """What lies there is not what was sealed under this name and key."""


def chunks(length: int) -> int:
    """How many chunks a file of so many bytes has; an empty one has one."""
    return max(1, -(-length // CHUNK))


def sealed_length(length: int) -> int:
    """Bytes of a sealed file of so many bytes."""
    return length + TAG * chunks(length)


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(3) + number.to_bytes(8, "big") + bytes((last,))


class Sealer:
    """Seals what comes piece by piece, padded with zeros to a length that is known before its end.

    key: 32 bytes, used for nothing else. name: of the object. length: bytes of the file with its padding.
    """

    def __init__(self, key: bytes, name: str, length: int) -> None:
        self._cipher = AESGCM(key)
        self._name = name.encode()
        self._length = length
        self._taken = 0
        self._number = 0
        self._waiting = bytearray()

    def update(self, data: bytes) -> bytes:
        """The chunks that are complete with this piece. Raises ValueError for more than `length` in all."""
        self._taken += len(data)
        if self._taken > self._length:
            raise ValueError(f"more than the {self._length} bytes that were announced")
        self._waiting += data
        # The last chunk is sealed by `finish`, also when it is full.
        return b"".join(self._complete())

    def finish(self) -> Iterator[bytes]:
        """What is left, with its padding, a chunk or two at a time: many uploads may end at once."""
        missing = self._length - self._taken
        while missing > 0:
            piece = min(missing, CHUNK)
            missing -= piece
            sealed = self.update(bytes(piece))
            if sealed:
                yield sealed
        yield self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _complete(self) -> Iterator[bytes]:
        while len(self._waiting) > CHUNK or (len(self._waiting) == CHUNK and self._number + 1 < chunks(self._length)):
            yield self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def _seal(self, chunk: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._name)
        self._number += 1
        return sealed


def seal(key: bytes, name: str, data: bytes) -> bytes:
    """A whole file at once."""
    sealer = Sealer(key, name, len(data))
    return b"".join((sealer.update(data), *sealer.finish()))


class Opener:
    """Opens chunks of an object, in any order.

    length: bytes of the file with its padding, which decide which chunk is the last one.
    """

    def __init__(self, key: bytes, name: str, length: int) -> None:
        self._cipher = AESGCM(key)
        self._name = name.encode()
        self._count = chunks(length)

    def chunk(self, number: int, sealed: bytes) -> bytes:
        """Raises BadSeal."""
        try:
            return self._cipher.decrypt(_nonce(number, last=number + 1 == self._count), sealed, self._name)
        except InvalidTag:
            raise BadSeal(f"chunk {number} of {self._name.decode()} is not what was sealed") from None


def open_sealed(key: bytes, name: str, length: int, sealed: bytes) -> bytes:
    """A whole file of so many bytes at once. Raises BadSeal."""
    opener = Opener(key, name, length)
    step = CHUNK + TAG
    if len(sealed) != sealed_length(length):
        raise BadSeal(f"{name} has {len(sealed)} bytes instead of {sealed_length(length)}")
    return b"".join(opener.chunk(index, sealed[at : at + step]) for index, at in enumerate(range(0, len(sealed), step)))


class Window:
    """Which sealed bytes to fetch for the file's bytes from `start` up to `stop`, and what to cut off of them when opened."""

    def __init__(self, start: int, stop: int, length: int) -> None:
        """0 ≤ start < stop ≤ length, or all three 0 for an empty file."""
        self.first = start // CHUNK
        last = max(self.first, (stop - 1) // CHUNK)
        self.sealed_start = self.first * (CHUNK + TAG)
        self.sealed_stop = min((last + 1) * (CHUNK + TAG), sealed_length(length))
        self.skip = start - self.first * CHUNK
        self.take = stop - start
