"""What every value has in common."""

from typing import Generic, TypeVar

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the server sent."""


Item = TypeVar("Item")


class Page(Model, Generic[Item], frozen=True, kw_only=True):
    """next, if not None, goes back as `cursor`."""

    items: list[Item]
    next: str | None = None
