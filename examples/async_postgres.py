"""How a service of Parley uses PostgreSQL: group commit in small, with asyncpg.

A commit waits for the disk, and that takes as long for one row as for a thousand. So sends that arrive while a commit is
under way go into the next one together: one transaction locks their rooms, takes their numbers, and inserts all rows with
one statement. The same work is done here with one commit a row, and the two are compared. Then a room is locked by somebody
else, and `SKIP LOCKED` keeps the others from waiting for it.

    make run                                       # in one terminal
    .venv/bin/python examples/async_postgres.py    # in another; it finds the database by $PARLEY_HOME/run.json,
                                                   # or takes its address: async_postgres.py postgresql://…

It works in a schema of its own, which it removes. The real thing is services/messages (writer.py, batch.py, store/send.py).
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

ROOMS = 10
AT_ONCE = 64
SENDS = 2_000

TABLES = """
    CREATE TABLE rooms (id int PRIMARY KEY, last_seq bigint NOT NULL DEFAULT 0);
    CREATE TABLE messages (room_id int, seq bigint, body text NOT NULL, PRIMARY KEY (room_id, seq));
    INSERT INTO rooms (id) SELECT generate_series(1, $rooms);
""".replace("$rooms", str(ROOMS))

NUMBER = "UPDATE rooms SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq"
INSERT_ONE = "INSERT INTO messages (room_id, seq, body) VALUES ($1, $2, $3)"

LOCK = "SELECT id, last_seq FROM rooms WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE SKIP LOCKED"
INSERT_MANY = """
    INSERT INTO messages (room_id, seq, body)
    SELECT room_id, seq, body FROM unnest($1::int[], $2::bigint[], $3::text[]) AS sent (room_id, seq, body)
"""
MOVE_HEADS = """
    UPDATE rooms SET last_seq = head FROM unnest($1::int[], $2::bigint[]) AS moved (room_id, head)
    WHERE id = moved.room_id
"""

Send = Callable[[int, str], Awaitable[int]]


class RowByRow:
    """One transaction a message, on a pool of connections."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def send(self, room_id: int, body: str) -> int:
        """Returns the seq, once it is committed."""
        async with self._pool.acquire() as connection, connection.transaction():
            # The row's lock, held until the commit, makes seq order the order of the commits. A sequence would not.
            seq: int = await connection.fetchval(NUMBER, room_id)
            await connection.execute(INSERT_ONE, room_id, seq, body)
        return seq


class GroupCommit:
    """One writer on one connection; what arrives while it commits is the next batch. No timer: an idle writer begins at once."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._waiting: deque[tuple[int, str, asyncio.Future[int]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.commits = 0

    async def send(self, room_id: int, body: str) -> int:
        """Returns the seq, once it is committed."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((room_id, body, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, deque()
            try:
                await self._commit(batch)
            except (asyncpg.PostgresError, OSError) as error:
                # The real writer cuts the batch in half until the one bad send stands alone.
                for *_, future in batch:
                    future.set_exception(error)
        self._task = None

    async def _commit(self, batch: deque[tuple[int, str, asyncio.Future[int]]]) -> None:
        rows: list[tuple[int, int, str]] = []
        done: list[tuple[asyncio.Future[int], int]] = []
        missed: list[tuple[int, str, asyncio.Future[int]]] = []
        async with self._connection.transaction():
            # In the order of their ids, so that two writers never wait for each other in a circle.
            heads = dict(await self._connection.fetch(LOCK, sorted({room_id for room_id, _, _ in batch})))
            for room_id, body, future in batch:
                if room_id not in heads:
                    # Somebody else holds this room; its sends go first into the next batch, the others need not wait.
                    missed.append((room_id, body, future))
                    continue
                heads[room_id] += 1
                rows.append((room_id, heads[room_id], body))
                done.append((future, heads[room_id]))
            if rows:
                await self._connection.execute(INSERT_MANY, *map(list, zip(*rows, strict=True)))
                await self._connection.execute(MOVE_HEADS, list(heads), list(heads.values()))
        self.commits += bool(rows)
        self._waiting.extendleft(reversed(missed))
        # After the commit and never before it: an ack means that the message is there for good.
        for future, seq in done:
            future.set_result(seq)
        if not rows:
            await asyncio.sleep(0.005)


async def rate(send: Send, count: int) -> float:
    """Rows a second, with so many callers at once, each waiting for its own commit."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await send(1 + number % ROOMS, f"message {number}")

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


async def show_skip_locked(pool: asyncpg.Pool, group: GroupCommit) -> None:
    """Room 1 is locked by somebody else; sends to room 2 do not notice."""
    async with pool.acquire() as other:
        async with other.transaction():
            await other.execute("SELECT FROM rooms WHERE id = 1 FOR UPDATE")
            held = asyncio.create_task(group.send(1, "waits"))
            free = [await group.send(2, f"free {number}") for number in range(20)]
            print(
                f"room 1 is locked elsewhere; room 2 took seq {free[0]} to {free[-1]} meanwhile; room 1 waits: {not held.done()}"
            )
        print(f"room 1 is free again and took seq {await held}")


async def check(pool: asyncpg.Pool) -> None:
    """Numbers without holes, whoever gave them."""
    holes = await pool.fetchval(
        "SELECT count(*) FROM rooms WHERE last_seq <> (SELECT count(*) FROM messages WHERE room_id = id)"
    )
    total = await pool.fetchval("SELECT count(*) FROM messages")
    if holes:
        raise SystemExit(f"{holes} rooms have holes")
    print(f"{total} rows in {ROOMS} rooms, each numbered 1, 2, 3, … without a hole")


async def main(url: str) -> None:
    schema = f"example_{secrets.token_hex(4)}"
    async with asyncpg.create_pool(url, min_size=8, max_size=8, server_settings={"search_path": schema}) as pool:
        await pool.execute(f"CREATE SCHEMA {schema}")
        try:
            await pool.execute(TABLES)
            one = await rate(RowByRow(pool).send, SENDS)
            print(f"one commit a row: {one:8,.0f} rows/s ({AT_ONCE} callers, 8 connections)")
            async with pool.acquire() as connection:
                group = GroupCommit(connection)
                many = await rate(group.send, SENDS)
                print(
                    f"group commit:     {many:8,.0f} rows/s ({AT_ONCE} callers, 1 connection, {SENDS / group.commits:.0f} rows a commit)"
                )
                await show_skip_locked(pool, group)
            await check(pool)
        finally:
            await pool.execute(f"DROP SCHEMA {schema} CASCADE")


def database() -> str:
    """The argument, or what the running suite says."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    run_file = Path(os.environ.get("PARLEY_HOME", ".parley")) / "run.json"
    return str(json.loads(run_file.read_text())["urls"]["postgres"])


if __name__ == "__main__":
    asyncio.run(main(database()))
