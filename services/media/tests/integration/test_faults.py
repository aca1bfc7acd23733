"""S3 refuses, hangs, fails, is cut off; media is killed in the middle: within five seconds there is an answer, and nothing is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from parley_media.domain import UNUSED_TIME, UPLOAD_TIME, WORK_TIME
from parley_shared.contracts import media as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.erasure import Erase
from parley_shared.errors import Code, Refused
from parley_shared.ids import new_id
from parley_shared.messaging.rpc import RpcClient

from .harness import Replica, World, picture, put, refused, user
from .proxy import Mood, Proxy, between

MOODS: list[Mood] = ["refusing", "hanging", "failing", "cutting requests", "cutting answers", "trickling"]
ANSWER_S = 5.0


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[Proxy]:
    async with between(world.s3.url) as found:
        yield found


@pytest.fixture
async def media(world: World, proxy: Proxy) -> Replica:
    """A replica that reaches S3 through the proxy."""
    return await world.replica(s3_url=proxy.url)


class within:  # noqa: N801 — reads like pytest.raises
    """What is in the block takes no longer than the answer may take, by the clock of this process.

    It bounds from above what timeouts promise; a slow machine makes it no shorter.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self._began < self._seconds


@pytest.mark.parametrize("mood", MOODS)
async def test_an_upload_that_s3_does_not_take_is_told_in_time_and_can_be_repeated(
    world: World, media: Replica, proxy: Proxy, mood: Mood
) -> None:
    owner, data = user(), picture("JPEG", (1200, 900))
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    await proxy.set(mood)
    with within(ANSWER_S), refused(Code.UNAVAILABLE) as found:
        await media.finish(owner, begun, len(data))
    assert found.refusal is not None
    assert found.refusal.retry_after_ms
    await proxy.set("good")
    image = await media.finish(owner, begun, len(data))
    assert await media.download(owner, image.id)
    assert sorted(world.names()) == await world.rows()


@pytest.mark.parametrize("mood", ["hanging", "failing", "cutting requests"])
async def test_when_s3_goes_away_while_the_image_is_stored_it_can_be_repeated(
    world: World, media: Replica, proxy: Proxy, mood: Mood
) -> None:
    """Reading the quarantine still works; writing does not."""
    owner, data = user(), picture("JPEG", (1200, 900))
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    await proxy.set(mood, only=b"PUT")
    with refused(Code.UNAVAILABLE):
        await media.finish(owner, begun, len(data))
    assert await world.state(begun.upload_id) == "begun"
    await proxy.set("good")
    image = await media.finish(owner, begun, len(data))
    assert await media.download(owner, image.id)
    await world.pass_time(WORK_TIME)
    await media.jobs.collect()
    assert sorted(world.names()) == await world.rows(), "of the first attempt nothing is left"
    assert len(world.names()) == 4


@pytest.mark.parametrize("mood", MOODS)
async def test_what_is_given_up_while_s3_is_away_goes_when_it_is_back(
    world: World, media: Replica, proxy: Proxy, mood: Mood
) -> None:
    owner, data = user(), picture()
    begun = await media.begin(owner, len(data))
    assert await put(begun, data, len(data)) == 200
    image = await media.upload(owner, data)
    proxy.cut_after = 100
    await proxy.set(mood)
    await media.abort(owner, begun.upload_id, ours=True)
    erased = await media.do.erasure.erase(Erase(user_id=owner.user_id, saga_id=new_id()))
    assert (erased.done, erased.counts) == (False, {"images": 1, "objects": 4})
    keys = await world.database.fetchval("SELECT count(*) FROM media.objects WHERE wrapped_key IS NOT NULL")
    assert keys == 0, "nobody can read it any more, although it is still there"
    await media.jobs.collect()
    with refused(Code.UNAVAILABLE):
        await media.jobs.sweep_now()
    with refused(Code.NOT_FOUND):
        await media.open(owner, image.id)
    await proxy.set("good")
    await media.jobs.collect()
    assert await world.nothing_is_left()
    assert (await media.do.erasure.erase(Erase(user_id=owner.user_id, saga_id=new_id()))).done


@pytest.mark.parametrize("mood", ["refusing", "hanging", "failing"])
async def test_readiness_says_that_s3_is_away_and_that_it_is_back(media: Replica, proxy: Proxy, mood: Mood) -> None:
    assert await media.parts.objects.check() is None
    await proxy.set(mood)
    with within(ANSWER_S):
        answers = await asyncio.gather(*(media.parts.objects.check() for _ in range(20)))
    assert all(answer is not None and "S3" in answer for answer in answers)
    await proxy.set("good")
    assert await media.parts.objects.check() is None


async def test_a_hanging_s3_does_not_hold_up_what_needs_none(world: World, media: Replica, proxy: Proxy) -> None:
    owner, data = user(), picture()
    image = await media.upload(owner, data)
    await proxy.set("hanging")
    stuck = [asyncio.create_task(media.parts.objects.check()) for _ in range(30)]
    stuck += [asyncio.create_task(_swallowed(media.begin(owner, 100))) for _ in range(30)]
    await asyncio.sleep(0)
    assert await media.claim(owner, new_id(), image.id)
    await media.release(image.id)
    with within(ANSWER_S + 1):
        await asyncio.gather(*stuck)


async def _swallowed(call: Any) -> str | None:
    try:
        await call
    except Refused as refusal:
        return str(refusal.code)
    return None


async def test_wrong_keys_of_s3_are_told(world: World) -> None:
    media = await world.replica(s3_secret_key="wrong")
    assert "S3 answers 403" in str(await media.parts.objects.check())


# -- killed in the middle


class Process:
    """media as it is run, in a process of its own."""

    def __init__(self, world: World, folder: Path, **changed: Any) -> None:
        settings = world.settings(**{"log_level": "info", **changed})
        self.log = folder / f"media-{new_id().hex[-6:]}.log"
        environment = {
            f"PARLEY_MEDIA_{name.upper()}": str(getattr(value, "get_secret_value", lambda value=value: value)())
            for name, value in settings
            if value is not None and name not in ("migrate_url", "uploads_per_hour")
        }
        environment["PARLEY_MEDIA_UPLOADS_PER_HOUR"] = "off"
        command = [str(Path(sys.executable).parent / "parley-media")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})

    async def ready(self, rpc: RpcClient) -> None:
        async with asyncio.timeout(60):
            while True:
                assert self.process.poll() is None, self.log.read_text()[-2000:]
                try:
                    if (await rpc.call(contract.READY, Empty())).ready:
                        return
                except Refused:
                    pass
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
async def gateway(world: World) -> RpcClient:
    rpc = RpcClient(await world.connected("gateway"))
    await rpc.start()
    return rpc


@pytest.mark.parametrize("when", ["while it reads", "while it stores", "at any moment"])
async def test_media_killed_in_the_middle_of_an_upload_leaves_nothing(
    world: World, proxy: Proxy, gateway: RpcClient, tmp_path: Path, when: str
) -> None:
    owner, data = user(), picture("JPEG", (2000, 1500))
    media = Process(world, tmp_path, s3_url=proxy.url)
    try:
        await media.ready(gateway)
        for number in range(1 if when != "at any moment" else 3):
            asked = contract.BeginUpload(actor=owner, capacity=len(data))
            begun = await gateway.call(contract.BEGIN_UPLOAD, asked)
            assert await put(begun, data, len(data)) == 200
            if when == "while it reads":
                await proxy.set("hanging", only=b"GET")
            elif when == "while it stores":
                await proxy.set("hanging", only=b"PUT")
            finish = contract.FinishUpload(actor=owner, upload_id=begun.upload_id, bytes=len(data))
            working = asyncio.create_task(_swallowed(gateway.call(contract.FINISH_UPLOAD, finish, timeout=20)))
            if when == "at any moment":
                await asyncio.sleep(0.4 * number)
            else:
                await _taken(world, begun.upload_id, stored=when == "while it stores")
            media.kill()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await proxy.set("good")
            if when == "at any moment":
                media = Process(world, tmp_path, s3_url=proxy.url)
                await media.ready(gateway)
    finally:
        media.kill()
    await world.pass_time(max(UPLOAD_TIME, UNUSED_TIME) + WORK_TIME + timedelta(seconds=1))
    after = await world.replica()
    await after.jobs.collect()
    await after.jobs.sweep_now()
    assert await world.nothing_is_left()


async def _taken(world: World, upload_id: Any, *, stored: bool) -> None:
    """Until somebody works on it; stored: and knows which objects it will become."""
    query = "SELECT count(*) FROM media.objects WHERE image_id = $1 AND attempt = 1" if stored else None
    async with asyncio.timeout(30):
        while True:
            if query is None:
                done = await world.database.fetchval("SELECT worked_until FROM media.images WHERE id = $1", upload_id)
            else:
                done = await world.database.fetchval(query, upload_id)
            if done:
                return
            await asyncio.sleep(0.02)


async def test_decoders_end_with_media(world: World, gateway: RpcClient, tmp_path: Path) -> None:
    media = Process(world, tmp_path, decoders=2)
    try:
        await media.ready(gateway)
        decoders = psutil.Process(media.process.pid).children()
        assert decoders
    finally:
        media.kill()
    _, alive = psutil.wait_procs(decoders, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


async def test_media_stops_in_good_order(world: World, gateway: RpcClient, tmp_path: Path) -> None:
    media = Process(world, tmp_path)
    await media.ready(gateway)
    media.process.terminate()
    assert media.process.wait(20) == 0
    assert '"process.stopped"' in media.log.read_text()
