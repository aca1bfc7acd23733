"""Every query of presence; a `Store` is one transaction's view of them.

Locks are taken in this order: a lease, then people by id. Everything that decides whether somebody is online holds his row.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, any_, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from parley_presence.domain import Person
from parley_presence.tables import connections, leases, people
from parley_shared.contracts.presence import ConnectionClosed, ConnectionOpened, ConnectionRow

_JOB = 7_250_301
"""An advisory lock of the jobs: of several replicas one does the work."""
_LOST = "gateway lost"
_PERSON = select(
    people.c.user_id,
    people.c.rev,
    people.c.chosen,
    people.c.text,
    people.c.online,
    people.c.offline_at,
    people.c.last_seen,
)


def _among(column: ColumnElement[UUID], ids: Collection[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(list(ids), ARRAY(Uuid)))


class Store:
    """One transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        """The database's clock, which all replicas share; it moves within a transaction."""
        now: datetime = (await self._connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def try_job(self) -> bool:
        """Whether this replica has the lease for periodic work, until the end of the transaction."""
        found = await self._connection.execute(select(func.pg_try_advisory_xact_lock(_JOB)))
        return bool(found.scalar_one())

    # -- leases

    async def register(self, lease_id: UUID, gateway: str, seconds: timedelta) -> None:
        """A new lease. One that is there already stays as it is, dead ones too."""
        now = func.clock_timestamp()
        await self._connection.execute(
            insert(leases)
            .values(id=lease_id, gateway=gateway, renewed_at=now, until=now + seconds, batch=0)
            .on_conflict_do_nothing()
        )

    async def renew(self, lease_id: UUID, seconds: timedelta) -> bool:
        """Whether it was alive, and goes on living."""
        now = func.clock_timestamp()
        done = await self._connection.execute(
            update(leases).where(leases.c.id == lease_id, _ALIVE).values(renewed_at=now, until=now + seconds)
        )
        return done.rowcount > 0

    async def take_batch(self, lease_id: UUID, batch: int) -> str | None:
        """Lock a living lease for its next batch; the gateway's name, or None if it is dead or has applied the batch already."""
        found = await self._connection.execute(
            update(leases)
            .where(leases.c.id == lease_id, _ALIVE, leases.c.batch < batch)
            .values(batch=batch)
            .returning(leases.c.gateway)
        )
        gateway: str | None = found.scalar_one_or_none()
        return gateway

    async def alive(self, lease_id: UUID) -> bool:
        found = await self._connection.execute(select(leases.c.id).where(leases.c.id == lease_id, _ALIVE))
        return found.scalar_one_or_none() is not None

    async def release(self, lease_id: UUID) -> None:
        """It ends now."""
        now = func.clock_timestamp()
        await self._connection.execute(update(leases).where(leases.c.id == lease_id, _ALIVE).values(until=now))

    async def lock_dead(self) -> tuple[UUID, str, datetime] | None:
        """(id, gateway, renewed_at) of a lease that has run out and may have left connections behind."""
        found = await self._connection.execute(
            select(leases.c.id, leases.c.gateway, leases.c.renewed_at)
            .where(leases.c.until <= func.clock_timestamp(), leases.c.ended_at.is_(None))
            .order_by(leases.c.until)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = found.one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    async def end(self, lease_id: UUID) -> None:
        """Nothing of it is left."""
        await self._connection.execute(
            update(leases).where(leases.c.id == lease_id).values(ended_at=func.clock_timestamp())
        )

    async def forget_leases(self, before: datetime) -> int:
        return (await self._connection.execute(delete(leases).where(leases.c.ended_at < before))).rowcount

    # -- people

    async def lock(self, ids: Iterable[UUID], *, create: Collection[UUID] = ()) -> list[Person]:
        """Rows of these people, held until the end of the transaction; create: who has none yet gets one."""
        if create:
            await self._connection.execute(
                insert(people).on_conflict_do_nothing(),
                [asdict(Person(user_id)) for user_id in sorted(create)],
            )
        rows = await self._connection.execute(
            _PERSON.where(_among(people.c.user_id, list(ids))).order_by(people.c.user_id).with_for_update()
        )
        return [Person(*row) for row in rows]

    async def get(self, ids: Collection[UUID]) -> dict[UUID, Person]:
        rows = await self._connection.execute(_PERSON.where(_among(people.c.user_id, ids)))
        return {row[0]: Person(*row) for row in rows}

    async def lock_due(self, limit: int) -> list[Person]:
        """Whose grace is over."""
        rows = await self._connection.execute(
            _PERSON.where(people.c.offline_at <= func.clock_timestamp())
            .order_by(people.c.user_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [Person(*row) for row in rows]

    async def put(self, changed: list[Person]) -> None:
        """Rows that are held."""
        if changed:
            await self._connection.execute(
                update(people).where(people.c.user_id == bindparam("whom")),
                [{"whom": person.user_id, **_fields(person)} for person in changed],
            )

    async def erase(self, user_id: UUID) -> dict[str, int]:
        """Everything about somebody. Returns how many rows of what."""
        logged = await self._connection.execute(delete(connections).where(connections.c.user_id == user_id))
        known = await self._connection.execute(delete(people).where(people.c.user_id == user_id))
        return {"connections": logged.rowcount, "presence": known.rowcount}

    # -- connections

    async def open(self, lease_id: UUID, gateway: str, opened: list[ConnectionOpened]) -> None:
        """Log them. One that a lost lease had ended is open again: its gateway is back, and has heard from it."""
        new = insert(connections)
        await self._connection.execute(
            new.on_conflict_do_update(
                index_elements=[connections.c.id],
                set_={
                    "lease_id": new.excluded.lease_id,
                    "gateway": new.excluded.gateway,
                    **dict.fromkeys(("closed_at", "code", "side", "reason"), None),
                },
                where=and_(
                    connections.c.user_id == new.excluded.user_id,
                    or_(connections.c.closed_at.is_(None), connections.c.side == _LOST),
                ),
            ),
            [
                {
                    "id": item.connection_id,
                    "lease_id": lease_id,
                    "gateway": gateway,
                    "user_id": item.user_id,
                    "session_id": item.session_id,
                    "device_id": item.device_id,
                    "client": item.client,
                    "ip_prefix": item.ip_prefix,
                    "user_agent": item.user_agent,
                    "opened_at": item.opened_at,
                    "resume": item.resume,
                    "last_close_code": item.last_close_code,
                    "last_close_reason": item.last_close_reason,
                }
                for item in opened
            ],
        )

    async def close(self, closed: list[ConnectionClosed]) -> None:
        """Log how they ended; better known than by a lost lease."""
        await self._connection.execute(
            update(connections).where(
                connections.c.id == bindparam("which"),
                or_(connections.c.closed_at.is_(None), connections.c.side == _LOST),
            ),
            [
                {
                    "which": item.connection_id,
                    "closed_at": item.closed_at,
                    "code": item.code,
                    "side": item.side,
                    "reason": item.reason,
                    "bytes_in": item.bytes_in,
                    "bytes_out": item.bytes_out,
                    "queue_peak": item.queue_peak,
                }
                for item in closed
            ],
        )

    async def open_under(self, lease_id: UUID, limit: int) -> dict[UUID, UUID]:
        """{connection: user} of what is open under a lease."""
        rows = await self._connection.execute(
            select(connections.c.id, connections.c.user_id)
            .where(connections.c.lease_id == lease_id, connections.c.closed_at.is_(None))
            .limit(limit)
        )
        return {row[0]: row[1] for row in rows}

    async def close_lost(self, lease_id: UUID, ids: Collection[UUID], at: datetime) -> None:
        """Their gateway has not been heard of since `at`."""
        await self._connection.execute(
            update(connections)
            .where(_among(connections.c.id, ids), connections.c.lease_id == lease_id, connections.c.closed_at.is_(None))
            .values(closed_at=func.greatest(connections.c.opened_at, at), side=_LOST, reason="")
        )

    async def connected(self, ids: Collection[UUID]) -> set[UUID]:
        """Which of these people have an open connection."""
        rows = await self._connection.execute(
            select(connections.c.user_id)
            .where(_among(connections.c.user_id, ids), connections.c.closed_at.is_(None))
            .distinct()
        )
        return {row[0] for row in rows}

    async def log(
        self,
        *,
        user_id: UUID | None,
        connection_id: UUID | None,
        since: datetime | None,
        until: datetime | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[ConnectionRow]:
        """The newest first; after: the last one of the page before."""
        query = _ROW.order_by(connections.c.opened_at.desc(), connections.c.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(connections.c.user_id == user_id)
        if connection_id is not None:
            query = query.where(connections.c.id == connection_id)
        if since is not None:
            query = query.where(or_(connections.c.closed_at.is_(None), connections.c.closed_at >= since))
        if until is not None:
            query = query.where(connections.c.opened_at < until)
        if after is not None:
            at, identifier = after
            query = query.where(
                or_(
                    connections.c.opened_at < at,
                    and_(connections.c.opened_at == at, connections.c.id < identifier),
                )
            )
        rows = await self._connection.execute(query)
        return [ConnectionRow(**row) for row in rows.mappings()]

    async def forget_connections(self, before: datetime, limit: int) -> int:
        old = select(connections.c.id).where(connections.c.closed_at < before).limit(limit)
        return (await self._connection.execute(delete(connections).where(connections.c.id.in_(old)))).rowcount


_ALIVE = and_(leases.c.until > func.clock_timestamp(), leases.c.ended_at.is_(None))
_ROW = select(
    connections.c.id.label("connection_id"),
    *(connections.c[name] for name in ConnectionRow.__struct_fields__ if name != "connection_id"),
)


def _fields(person: Person) -> dict[str, object]:
    fields = asdict(person)
    del fields["user_id"]
    return fields


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
