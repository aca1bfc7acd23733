"""S3, media and search freeze and die: text does not notice, uploads are told in time, and what is tried again succeeds."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import GENEROUS, Suite
from tests.integration.conftest import invitation
from tests.pictures import png
from tests.protocol_client import Frame, Person, Socket, close_everything

pytestmark = pytest.mark.fault

TOLD_S = 5.0
NOISE_S = 1.0
"""Two shared processors may be late by so much."""


@pytest.fixture(scope="module")
def shaken() -> Iterator[Suite]:
    """A suite of its own, since it will be mistreated."""
    running = Suite(2, {**GENEROUS, "PARLEY_MESSAGES": "2", "PARLEY_MEDIA": "2", "PARLEY_SEARCH": "2"})
    try:
        running.start()
        yield running
    finally:
        running.remove()


class Scene:
    """Two people who talk, and one of whom uploads."""

    def __init__(self, alice: Person, bob: Person, a: Socket, b: Socket, room: str) -> None:
        self.alice, self.room = alice, room
        self._bob, self._a, self._b = bob, a, b

    async def talk(self) -> None:
        """Text goes as ever, over both gateways."""
        began = time.monotonic()
        for number in range(10):
            ack = await self._a.say(self.room, f"still here {number}")
            assert ack["type"] == "ack", ack
        await self._b.until_seq(f"room:{self.room}", ack["seq"])
        assert time.monotonic() - began < TOLD_S, "text has noticed"

    async def upload(self, status: int) -> Frame:
        began = time.monotonic()
        answer = await self.alice.http.post("/media", files={"file": ("a.png", png(500, 500))})
        assert answer.status_code == status, answer.text
        if status == 503:
            assert time.monotonic() - began < TOLD_S + NOISE_S
            assert answer.json()["retry_after_ms"]
            assert answer.headers["Retry-After"]
        return dict(answer.json())

    async def until_uploaded(self) -> Frame:
        deadline = time.monotonic() + 40
        while (answer := await self.alice.http.post("/media", files={"file": png(500, 500)})).status_code != 201:
            assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline
            await asyncio.sleep(0.5)
        return dict(answer.json())

    async def read(self, image: Frame) -> int:
        began = time.monotonic()
        status = (await self.alice.http.get(f"/media/{image['id']}")).status_code
        assert time.monotonic() - began < TOLD_S + NOISE_S
        return status


@pytest.fixture
async def scene(shaken: Suite) -> AsyncIterator[Scene]:
    shaken.until_ready()
    alice = await Person(shaken.urls[0], f"u{secrets.token_hex(6)}").register()
    bob = await Person(shaken.urls[1], f"u{secrets.token_hex(6)}").register()
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    yield Scene(alice, bob, await alice.open(), await bob.open(), room)
    await close_everything()


@contextmanager
def frozen(suite: Suite, name: str) -> Iterator[None]:
    pids = suite.pids(name)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_s3_that_hangs_stops_uploads_in_time_and_nothing_else(shaken: Suite, scene: Scene) -> None:
    image = await scene.upload(201)
    with frozen(shaken, "s3"):
        told = await scene.upload(503)
        assert told["code"] == "unavailable"
        assert await scene.read(image) == 503
        await scene.talk()
    again = await scene.until_uploaded()
    assert await scene.read(again) == await scene.read(image) == 200


async def test_s3_that_dies_in_the_middle_of_uploads_loses_none_that_was_answered(shaken: Suite, scene: Scene) -> None:
    kept = [await scene.upload(201) for _ in range(2)]
    uploads = [asyncio.create_task(scene.alice.http.post("/media", files={"file": png(900, 900)})) for _ in range(4)]
    await asyncio.sleep(0.3)
    shaken.kill("s3")
    await scene.talk()
    answers = await asyncio.gather(*uploads)
    assert {answer.status_code for answer in answers} <= {201, 503}
    kept += [answer.json() for answer in answers if answer.status_code == 201]
    kept.append(await scene.until_uploaded())
    assert [await scene.read(image) for image in kept] == [200] * len(kept)


async def test_media_that_freezes_and_dies_stops_uploads_in_time_and_nothing_else(shaken: Suite, scene: Scene) -> None:
    image = await scene.upload(201)
    with frozen(shaken, "media"):
        await scene.upload(503)
        await scene.talk()
    shaken.until_ready()
    for index in range(2):
        shaken.kill("media", index)
    await scene.talk()
    await scene.until_uploaded()
    assert await scene.read(image) == 200


async def test_a_gateway_that_dies_in_the_middle_of_an_upload_leaves_nothing_unknown(
    shaken: Suite, scene: Scene
) -> None:
    """It cannot abort any more. Media knows of the upload by itself."""
    boss = await Person(shaken.urls[1], f"u{secrets.token_hex(6)}").register(invite=invitation(shaken))

    async def slow() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0.05)

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    uploading = asyncio.create_task(scene.alice.http.post("/media", content=slow(), headers=kind))
    await asyncio.sleep(1)
    shaken.kill("gateway", 0)
    await asyncio.gather(uploading, return_exceptions=True)
    shaken.until_ready()
    await scene.until_uploaded()
    unfinished, params = 0, {}
    while True:
        step = await boss.call("GET", "/admin/media/check", params=params)
        assert (step["missing"], step["stray"]) == ([], [])
        unfinished += step["unfinished"]
        if step["next"] is None:
            break
        params = {"cursor": step["next"]}
    assert unfinished >= 1


async def test_afterwards_the_logs_hold_no_bug_and_no_key_to_an_object(shaken: Suite, scene: Scene) -> None:
    await scene.until_uploaded()
    for path in (shaken.home / "logs").glob("*.log"):
        text = path.read_text()
        if not path.name.startswith("s3"):
            assert "X-Amz-Signature" not in text, path.name
    for name in ("gateway-1", "gateway-2", "media-1", "media-2", "messages-1", "messages-2"):
        bugs = [line for line in shaken.logs(name) if line.get("level") in ("error", "critical")]
        assert bugs == [], name
