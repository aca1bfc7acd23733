"""Every query of media; a `Store` is one transaction's view of them. Locks: an image's row before its objects', images by id."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from parley_media.store.images import ImageQueries
from parley_media.store.objects import ObjectQueries
from parley_media.tables import buckets, erasures, leases


class Store:
    """One transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.images = ImageQueries(connection)
        self.objects = ObjectQueries(connection)

    async def now(self) -> datetime:
        """The database's clock, which all replicas share; it moves within a transaction."""
        now: datetime = (await self._connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def take_lease(self, name: str, holder: str, time: timedelta, *, renewable: bool) -> bool:
        """Whether this replica has it now. renewable: whoever holds it may prolong it; otherwise it is a turn, and the next one comes
        when it has run out."""
        until = func.clock_timestamp() + time
        new = insert(leases).values(name=name, holder=holder, until=until)
        free = leases.c.until <= func.clock_timestamp()
        taken = await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[leases.c.name],
                set_={"holder": new.excluded.holder, "until": new.excluded.until},
                where=or_(free, leases.c.holder == holder) if renewable else free,
            )
        )
        return taken.rowcount > 0

    # -- how often somebody uploads

    async def arrival(self, user_id: UUID) -> datetime | None:
        found = await self._connection.execute(select(buckets.c.arrival).where(buckets.c.user_id == user_id))
        arrival: datetime | None = found.scalar_one_or_none()
        return arrival

    async def lock_arrival(self, user_id: UUID) -> datetime:
        """The row is held until the end of the transaction, and made if there is none."""
        new = insert(buckets).values(user_id=user_id, arrival=func.clock_timestamp())
        found = await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[buckets.c.user_id], set_={"arrival": buckets.c.arrival}
            ).returning(buckets.c.arrival)
        )
        arrival: datetime = found.scalar_one()
        return arrival

    async def set_arrival(self, user_id: UUID, arrival: datetime) -> None:
        await self._connection.execute(update(buckets).where(buckets.c.user_id == user_id).values(arrival=arrival))

    # -- erased accounts

    async def count_erased(self, user_id: UUID, images: int, objects: int) -> None:
        """Add to what the receipt says; how often he uploaded is forgotten with it."""
        await self._connection.execute(delete(buckets).where(buckets.c.user_id == user_id))
        if not images:
            return
        new = insert(erasures).values(user_id=user_id, images=images, objects=objects)
        await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[erasures.c.user_id],
                set_={
                    "images": erasures.c.images + new.excluded.images,
                    "objects": erasures.c.objects + new.excluded.objects,
                },
            )
        )

    async def erased(self, user_id: UUID) -> dict[str, int]:
        """{what: how many}."""
        found = await self._connection.execute(
            select(erasures.c.images, erasures.c.objects).where(erasures.c.user_id == user_id)
        )
        row = found.one_or_none()
        return {"images": 0, "objects": 0} if row is None else {"images": row.images, "objects": row.objects}


Begin = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens a transaction, which commits at the end of the block and rolls back if it raises."""


class Transactions:
    """Begins transactions on an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        async with self._engine.begin() as connection:
            yield Store(connection)
