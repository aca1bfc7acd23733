"""Objects in the bucket: where they lie, and under which key."""

from collections.abc import Collection
from dataclasses import asdict, fields
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_media.domain import QUARANTINE, Stored
from parley_media.store.images import FREE, among
from parley_media.tables import images, objects

_STORED = select(*(objects.c[field.name] for field in fields(Stored)))
_HAS_KEY = objects.c.wrapped_key.is_not(None)


class Known(NamedTuple):
    """wanted: it must be in the bucket. Otherwise it may be: it is being uploaded, or about to be deleted."""

    name: str
    wanted: bool


def _named(names: Collection[str]) -> Any:  # Any: a condition of SQLAlchemy's
    return objects.c.name == any_(literal(list(names), ARRAY(Text)))


class ObjectQueries:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, rows: list[Stored]) -> None:
        """Before they are put into the bucket."""
        await self._connection.execute(insert(objects), [asdict(row) for row in rows])

    async def get(self, image_id: UUID, part: str) -> Stored | None:
        """The part of an image that is in its place."""
        found = await self._connection.execute(
            _STORED.join(images, images.c.id == objects.c.image_id).where(
                objects.c.image_id == image_id,
                objects.c.part == part,
                or_(objects.c.part == QUARANTINE, objects.c.attempt == images.c.attempt),
                _HAS_KEY,
            )
        )
        row = found.one_or_none()
        return None if row is None else Stored(**row._asdict())

    async def readable(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """{image: its parts that are in their place and have their keys}."""
        rows = await self._connection.execute(
            select(objects.c.image_id, objects.c.part)
            .join(images, images.c.id == objects.c.image_id)
            .where(among(objects.c.image_id, ids), objects.c.attempt == images.c.attempt, _HAS_KEY)
        )
        found: dict[UUID, set[str]] = {}
        for image_id, part in rows:
            found.setdefault(image_id, set()).add(part)
        return found

    # -- the end of them

    async def destroy_keys(
        self, ids: Collection[UUID], *, part: str | None = None, other_than: str | None = None
    ) -> int:
        """Of all objects of these images, or of this part, or of all but this part: nobody can read them any more. Returns how many."""
        query = (
            update(objects).where(among(objects.c.image_id, ids), _HAS_KEY).values(wrapped_by=None, wrapped_key=None)
        )
        if part is not None:
            query = query.where(objects.c.part == part)
        if other_than is not None:
            query = query.where(objects.c.part != other_than)
        return (await self._connection.execute(query)).rowcount

    async def without_key(self, ids: Collection[UUID] | None, limit: int) -> list[str]:
        """Names of objects that are to be deleted from the bucket, but not while somebody may still be putting them there; None: of all
        images."""
        query = (
            select(objects.c.name)
            .join(images, images.c.id == objects.c.image_id)
            .where(objects.c.wrapped_key.is_(None), FREE)
            .limit(limit)
        )
        if ids is not None:
            query = query.where(among(objects.c.image_id, ids))
        return list((await self._connection.execute(query)).scalars())

    async def forget(self, names: Collection[str]) -> None:
        """Those of these that have no key; they are in the bucket no more."""
        await self._connection.execute(delete(objects).where(_named(names), ~_HAS_KEY))

    # -- comparing them with the bucket

    async def total(self) -> int:
        return int((await self._connection.execute(select(func.count()).select_from(objects))).scalar_one())

    async def after(self, name: str, limit: int) -> list[Known]:
        """In the order of names, which is that of their bytes."""
        rows = await self._connection.execute(_KNOWN.where(objects.c.name > name).order_by(objects.c.name).limit(limit))
        return [Known(*row) for row in rows]

    async def known(self, names: Collection[str]) -> dict[str, Known]:
        """Those of these that there are."""
        rows = await self._connection.execute(_KNOWN.where(_named(names)))
        return {row.name: Known(*row) for row in rows}

    # -- keys

    async def keys(self) -> dict[str, int]:
        """{wrapping key: how many keys of objects are under it}."""
        rows = await self._connection.execute(
            select(objects.c.wrapped_by, func.count()).where(_HAS_KEY).group_by(objects.c.wrapped_by)
        )
        return {row[0]: row[1] for row in rows}

    async def not_under(self, key: str, after: str, limit: int) -> list[Stored]:
        """Objects whose keys are under another wrapping key, by name."""
        rows = await self._connection.execute(
            _STORED.where(_HAS_KEY, objects.c.wrapped_by != key, objects.c.name > after)
            .order_by(objects.c.name)
            .limit(limit)
        )
        return [Stored(**row._asdict()) for row in rows]

    async def rewrap(self, before: Stored, wrapped_by: str, wrapped_key: bytes) -> bool:
        """False if it has been erased meanwhile, or somebody else was faster."""
        done = await self._connection.execute(
            update(objects)
            .where(objects.c.name == before.name, objects.c.wrapped_key == before.wrapped_key)
            .values(wrapped_by=wrapped_by, wrapped_key=wrapped_key)
        )
        return done.rowcount > 0


_KNOWN = select(
    objects.c.name,
    (_HAS_KEY & (images.c.state == "ready") & (objects.c.part != QUARANTINE)).label("wanted"),
).join(images, images.c.id == objects.c.image_id)
