"""Images: their states, who has claimed them, and when somebody looks after them again."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, and_, any_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from parley_media.domain import Kept
from parley_media.tables import claims, images, objects
from parley_shared.contracts.images import Image

_KEPT = select(*(images.c[field.name] for field in fields(Kept)))
FREE = or_(images.c.worked_until.is_(None), images.c.worked_until <= func.clock_timestamp())
"""Nobody is decoding it."""


def among(column: ColumnElement[Any], ids: Collection[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def _kept(row: Row[Any]) -> Kept:
    values = row._asdict()
    picture = values.pop("picture")
    return Kept(**values, picture=None if picture is None else msgspec.convert(picture, Image))


class ImageQueries:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    # -- uploads

    async def begin(self, image_id: UUID, owner_id: UUID, due_at: datetime) -> None:
        await self._connection.execute(
            insert(images).values(
                id=image_id,
                owner_id=owner_id,
                state="begun",
                created_at=func.clock_timestamp(),
                attempt=0,
                due_at=due_at,
            )
        )

    async def get(self, image_id: UUID, *, lock: bool = False) -> Kept | None:
        """lock: the row is held until the end of the transaction."""
        query = _KEPT.where(images.c.id == image_id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return None if row is None else _kept(row)

    async def take(self, image_id: UUID, attempt: int, until: datetime) -> None:
        """An image that is held: this attempt works on it from now on, and no other."""
        await self._connection.execute(
            update(images).where(images.c.id == image_id).values(attempt=attempt, worked_until=until)
        )

    async def lock_attempt(self, image_id: UUID, attempt: int) -> bool:
        """Whether the image still waits for this attempt; its row is held then."""
        found = await self._connection.execute(
            select(images.c.id).where(_waits_for(image_id, attempt)).with_for_update()
        )
        return found.one_or_none() is not None

    async def set_ready(self, image_id: UUID, attempt: int, picture: Image, due_at: datetime) -> bool:
        """Whether the image was still waiting for this attempt."""
        done = await self._connection.execute(
            update(images)
            .where(_waits_for(image_id, attempt))
            .values(state="ready", picture=msgspec.to_builtins(picture), worked_until=None, due_at=due_at)
        )
        return done.rowcount > 0

    async def let_go(self, image_id: UUID, attempt: int) -> None:
        """This attempt does not work on it any more."""
        await self._connection.execute(
            update(images).where(images.c.id == image_id, images.c.attempt == attempt).values(worked_until=None)
        )

    # -- messages that carry them

    async def lock_ready(self, ids: Collection[UUID]) -> dict[UUID, Kept]:
        """Those of these that are ready; their rows are held."""
        rows = await self._connection.execute(
            _KEPT.where(among(images.c.id, ids), images.c.state == "ready").order_by(images.c.id).with_for_update()
        )
        return {row.id: _kept(row) for row in rows}

    async def claim(self, pairs: Collection[tuple[UUID, UUID]], now: datetime, due_at: datetime) -> None:
        """(image, room) that is about to carry it; the images are held."""
        if not pairs:
            return
        await self._connection.execute(
            insert(claims).on_conflict_do_nothing(),
            [{"image_id": image_id, "room_id": room_id} for image_id, room_id in sorted(pairs)],
        )
        await self._connection.execute(
            update(images)
            .where(among(images.c.id, {image_id for image_id, _ in pairs}))
            .values(claimed_at=now, due_at=due_at)
        )

    async def rooms(self, ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """{image: rooms that it was about to be sent to}, without images that never were."""
        rows = await self._connection.execute(
            select(claims.c.image_id, claims.c.room_id).where(among(claims.c.image_id, ids)).order_by(*claims.c)
        )
        found: dict[UUID, list[UUID]] = {}
        for image_id, room_id in rows:
            found.setdefault(image_id, []).append(room_id)
        return found

    async def of(self, ids: Collection[UUID]) -> dict[UUID, Kept]:
        """Those of these that there are."""
        return {row.id: _kept(row) for row in await self._connection.execute(_KEPT.where(among(images.c.id, ids)))}

    # -- the end of them

    async def release(self, ids: Collection[UUID], now: datetime, due_at: datetime) -> None:
        """No message carries them; somebody asks about them again then, since one that does may be on its way."""
        await self._connection.execute(
            update(images)
            .where(among(images.c.id, ids), images.c.state == "ready")
            .values(released_at=now, due_at=due_at)
        )

    async def look_after(self, ids: Collection[UUID], due_at: datetime) -> None:
        """Somebody asks about them again then, unless they are claimed meanwhile."""
        await self._connection.execute(
            update(images).where(among(images.c.id, ids), images.c.state == "ready").values(due_at=due_at)
        )

    async def overdue(self, limit: int) -> list[UUID]:
        """Uploads that nobody has finished in time; their rows are held."""
        rows = await self._connection.execute(
            select(images.c.id)
            .where(images.c.due_at <= func.clock_timestamp(), images.c.state == "begun", FREE)
            .order_by(images.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return list(rows.scalars())

    async def due(self, limit: int) -> list[Kept]:
        """Ready images whose use is to be asked about."""
        rows = await self._connection.execute(
            _KEPT.where(images.c.due_at <= func.clock_timestamp(), images.c.state == "ready")
            .order_by(images.c.due_at)
            .limit(limit)
        )
        return list(map(_kept, rows))

    async def of_owner(self, owner_id: UUID) -> list[UUID]:
        """All that are not being erased already; their rows are held."""
        rows = await self._connection.execute(
            select(images.c.id)
            .where(images.c.owner_id == owner_id, images.c.state != "erasing")
            .order_by(images.c.id)
            .with_for_update()
        )
        return list(rows.scalars())

    async def doom(self, ids: Collection[UUID]) -> None:
        """They are erased from now on: nobody sees them any more. The keys of their objects are another query."""
        await self._connection.execute(
            update(images).where(among(images.c.id, ids)).values(state="erasing", due_at=None, picture=None)
        )

    async def forget(self, ids: Collection[UUID] | None) -> int:
        """Rows of erased images of which nothing is left; None: of all. Returns how many."""
        left = exists().where(objects.c.image_id == images.c.id)
        query = delete(images).where(images.c.state == "erasing", ~left, FREE)
        if ids is not None:
            query = query.where(among(images.c.id, ids))
        return (await self._connection.execute(query)).rowcount

    async def all_of(self, owner_id: UUID) -> list[UUID]:
        """Also those that are being erased."""
        return list(
            (await self._connection.execute(select(images.c.id).where(images.c.owner_id == owner_id))).scalars()
        )

    # -- what is kept of somebody

    async def page(self, owner_id: UUID, after: UUID, limit: int) -> list[tuple[Kept, datetime]]:
        """His ready images by id, with when they came."""
        rows = await self._connection.execute(
            _KEPT.add_columns(images.c.created_at)
            .where(images.c.owner_id == owner_id, images.c.state == "ready", images.c.id > after)
            .order_by(images.c.id)
            .limit(limit)
        )
        found = []
        for row in rows:
            values = row._asdict()
            created_at = values.pop("created_at")
            picture = msgspec.convert(values.pop("picture"), Image)
            found.append((Kept(**values, picture=picture), created_at))
        return found


def _waits_for(image_id: UUID, attempt: int) -> ColumnElement[bool]:
    return and_(images.c.id == image_id, images.c.attempt == attempt, images.c.state == "begun")
