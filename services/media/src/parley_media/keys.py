"""Keys of objects: each is made for one object, and lies in the database under a wrapping key, bound to the object's name."""

import secrets

import structlog

from parley_media.domain import Stored
from parley_shared.crypto.stream import KEY_BYTES
from parley_shared.crypto.wrapping import CannotUnwrap, KeyWrapper, Wrapped, WrappingAway
from parley_shared.errors import Refused, unavailable

log = structlog.get_logger(__name__)


class Keys:
    """All of it raises Refused: UNAVAILABLE while who keeps the wrapping key is away, or there is none."""

    def __init__(self, wrapper: KeyWrapper | None) -> None:
        self._wrapper = wrapper

    async def current(self) -> str:
        """The name of today's wrapping key."""
        wrapper = self._demand()
        try:
            return await wrapper.current()
        except WrappingAway as error:
            raise _away(error) from None

    async def new(self, name: str) -> tuple[bytes, Wrapped]:
        """A key for the object of this name."""
        return await self._wrapped(secrets.token_bytes(KEY_BYTES), name)

    async def open(self, stored: Stored) -> bytes:
        """The key of an object. Raises besides: UNAVAILABLE for one that cannot be unwrapped, which is logged."""
        wrapper = self._demand()
        try:
            return await wrapper.unwrap(Wrapped(stored.wrapped_by, stored.wrapped_key), stored.name)
        except WrappingAway as error:
            raise _away(error) from None
        except CannotUnwrap as error:
            log.error("key.lost", object=stored.name, wrapped_by=stored.wrapped_by, reason=str(error))
            raise unavailable("The key of this image cannot be opened at the moment.", retry_after_ms=60_000) from None

    async def wrap_again(self, stored: Stored) -> Wrapped:
        """The same key under today's wrapping key. Raises as `open`."""
        return (await self._wrapped(await self.open(stored), stored.name))[1]

    async def _wrapped(self, key: bytes, name: str) -> tuple[bytes, Wrapped]:
        wrapper = self._demand()
        try:
            return key, await wrapper.wrap(key, name)
        except WrappingAway as error:
            raise _away(error) from None

    def _demand(self) -> KeyWrapper:
        if self._wrapper is None:
            raise unavailable("Images are not set up here: there is no wrapping key.", retry_after_ms=60_000)
        return self._wrapper


def _away(error: WrappingAway) -> Refused:
    log.warning("key.away", error=str(error))
    return unavailable("The keys of images cannot be reached at the moment; try again.")
