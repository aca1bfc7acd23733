"""Everything is destroyed and restored to a moment: nothing acknowledged before it is lost, and clients find their way by themselves."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import pytest

from parley_client import Client, Event, Resync
from parley_client.models import Room
from parley_local.backup import switched
from tests.conftest import GENEROUS, Suite, _belongs
from tests.faults.verified import verified
from tests.pictures import png
from tests.protocol_client import PASSWORD, Person

pytestmark = pytest.mark.fault

WITHIN_S = 60.0
TOOL = Path(sys.executable).parent / "parley-local"


@pytest.fixture
def doomed() -> Iterator[Suite]:
    """A suite of its own, which will be destroyed."""
    running = Suite(1, dict(GENEROUS))
    try:
        running.start()
        yield running
    finally:
        running.remove()


class Followed:
    """`parley-local backup --follow`, until it is stopped."""

    def __init__(self, suite: Suite, into: Path) -> None:
        self.into = into
        self.log = into.parent / "backup.log"
        with self.log.open("w") as output:
            self._process = subprocess.Popen(
                [TOOL, "backup", into, "--follow"], env=suite.environment, stdout=output, stderr=output
            )

    async def until_whole(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not list(self.into.glob("*/set.json")):
                assert self._process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        await asyncio.to_thread(self._process.wait, 60)


class Reader:
    """Somebody who does what every client does: shows events, and reads a room again when he is told to."""

    def __init__(self, client: Client, room: Room) -> None:
        self._client = client
        self._room = room
        self.bodies: dict[int, str | None] = {}
        self.resyncs = 0
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for event in self._client.events():
            if event.stream != f"room:{self._room.id}":
                continue
            if isinstance(event, Resync):
                self.bodies = await read(self._client, self._room.id)
                self.resyncs += 1
            elif isinstance(event, Event) and event.message is not None:
                self.bodies[event.message.seq] = event.message.body


async def read(client: Client, room_id: UUID) -> dict[int, str | None]:
    """All messages, by seq."""
    found: dict[int, str | None] = {}
    after = 0
    while True:
        page = await client.messages(room_id, after=after, limit=200)
        found |= {message.seq: message.body for message in page.items}
        if not page.items:
            return found
        after = page.items[-1].seq


@contextlib.asynccontextmanager
async def database(suite: Suite) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        yield connection
    finally:
        await connection.close()


async def epoch_of(suite: Suite) -> str:
    async with database(suite) as connection:
        return str(await connection.fetchval("SELECT epoch FROM messages.meta"))


async def moment(suite: Suite) -> datetime:
    """Now, by the clock of the database; nothing is committed at it."""
    async with database(suite) as connection:
        await asyncio.sleep(0.5)
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        await asyncio.sleep(0.5)
        return now


async def until_received(suite: Suite) -> None:
    """The backup has the WAL of all that is committed."""
    async with database(suite) as connection, asyncio.timeout(WITHIN_S):
        lsn = await connection.fetchval("SELECT pg_current_wal_flush_lsn()")
        while not await connection.fetchval(
            "SELECT coalesce(bool_and(write_lsn >= $1::pg_lsn), false) FROM pg_stat_replication", lsn
        ):
            await asyncio.sleep(0.1)


def destroy(suite: Suite) -> None:
    """Power is lost, and with it the disk."""
    assert suite.process is not None
    suite.process.kill()
    suite.process.wait(30)
    suite.process = None
    left = [process for process in psutil.process_iter() if _belongs(process, suite.home)]
    psutil.wait_procs(left, timeout=10)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=10)
    # PostgreSQL's own children end by themselves when they miss their parent, and may write until then.
    while any(suite.home.iterdir()):
        for path in suite.home.iterdir():
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


async def test_what_was_acknowledged_before_the_moment_is_there_and_clients_resync(
    doomed: Suite, tmp_path: Path
) -> None:
    into = tmp_path / "backup"
    url = doomed.urls[0]
    backup = Followed(doomed, into)
    async with Client(url) as alice, Client(url) as bob:
        await alice.register(f"u{secrets.token_hex(6)}", PASSWORD)
        await bob.register(f"u{secrets.token_hex(6)}", PASSWORD)
        room = await alice.create_room("Kitchen", visibility="public")
        safe = await alice.create_room("Safe", visibility="private", encryption="sealed")
        await bob.join(room.id)
        reader = Reader(bob, room)
        await bob.connect()
        early = [await alice.post(room.id, f"before the base {number}") for number in range(5)]
        await backup.until_whole()

        # After the base backup, and before the moment: only WAL and the copied objects know of it.
        before = [await alice.post(room.id, f"before {number}") for number in range(20)]
        image = await alice.upload(png(80, 60))
        shown = await alice.post(room.id, "with an image", media_ids=[image.id])
        await alice.post(safe.id, "sealed")
        async with asyncio.timeout(WITHIN_S):
            while len(list(into.glob(f"objects/images/{image.id}/*/*"))) <= len(image.thumbnails):
                await asyncio.sleep(0.1)
        when = await moment(doomed)
        old_epoch = await epoch_of(doomed)
        lost = [await alice.post(room.id, f"after {number}") for number in range(10)]
        await until_received(doomed)
        await backup.stop()
        async with asyncio.timeout(WITHIN_S):
            while lost[-1].seq not in reader.bodies:
                await asyncio.sleep(0.05)

        await asyncio.to_thread(destroy, doomed)
        done = await asyncio.to_thread(
            subprocess.run,
            [TOOL, "restore", into, "--until", when.isoformat()],
            env=doomed.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "timeline 2" in done.stdout
        await asyncio.to_thread(doomed.start)

        assert await epoch_of(doomed) != old_epoch
        # Nobody did anything for it: he came back by himself, and shows what there is.
        async with asyncio.timeout(WITHIN_S):
            while reader.resyncs == 0 or any(message.seq in reader.bodies for message in lost):
                assert not reader.task.done(), reader.task.result()
                await asyncio.sleep(0.1)
        acknowledged = {message.seq: message.body for message in (*early, *before, shown)}
        assert await read(alice, room.id) == acknowledged == reader.bodies
        assert [message.body for message in (await alice.messages(safe.id)).items] == ["sealed"]
        assert await bob.image(image.id)

        # And life goes on: seqs that were given out before the loss are given out again, in another epoch.
        again = await alice.post(room.id, "after the restore")
        assert again.seq <= lost[0].seq
        async with asyncio.timeout(WITHIN_S):
            while again.seq not in reader.bodies:
                await asyncio.sleep(0.05)
            while len((await bob.search("before", room_id=room.id)).items) < 25:
                await asyncio.sleep(0.2)
        assert await verified(doomed) == []
        reader.task.cancel()


async def test_a_home_that_is_there_is_not_restored_over(doomed: Suite, tmp_path: Path) -> None:
    connection = await asyncpg.connect(doomed.run_json()["urls"]["postgres"])
    for _ in range(10):
        ended = await switched(doomed.run_json()["urls"]["postgres"])
        current = await connection.fetchval("SELECT pg_walfile_name(pg_current_wal_lsn())")
        assert ended < current, "a backup would wait for it, since nobody has written after the last one"
    await connection.close()
    into = tmp_path / "backup"
    once = await asyncio.to_thread(
        subprocess.run, [TOOL, "backup", into], env=doomed.environment, capture_output=True, text=True, check=False
    )
    assert once.returncode == 0, once.stdout + once.stderr
    person = await Person(doomed.urls[0], f"u{secrets.token_hex(6)}").register()
    doomed.stop(signal.SIGTERM)
    refused = await asyncio.to_thread(
        subprocess.run, [TOOL, "restore", into], env=doomed.environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 69
    assert "is there already" in refused.stderr
    doomed.start()
    assert (await person.call("GET", "/users/me"))["username"] == person.username
