"""Images on their way out: opened while they are sent, in ranges, and only to who may see them at this moment."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from parley_gateway.routes import media as media_module
from parley_shared.contracts import media
from parley_shared.crypto.stream import CHUNK
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import new_id

from .fake_s3 import FakeS3, Reader, Writer, answer, hurry, s3_server
from .harness import HOST, World, until
from .live_harness import Gateway
from .test_problems import problem

DATA = random.Random(1).randbytes(5 * CHUNK + 1234)
IMAGE_ID = new_id()
PATH = f"/api/v1/media/{IMAGE_ID}"


@pytest.fixture
async def s3() -> AsyncIterator[FakeS3]:
    async with s3_server() as fake:
        yield fake


def shows(world: World, s3: FakeS3, **changed: Any) -> media.OpenedImage:
    """Media lets everybody see it."""
    opened = s3.holds(DATA, **changed)
    world.rpc.on(media.OPEN_IMAGE, opened)
    return opened


async def test_an_image_is_served_whole_under_a_policy_that_lets_it_do_nothing(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    found = await world.http.get(PATH)
    assert (found.status_code, found.content) == (200, DATA)
    headers = found.headers
    assert headers["Content-Type"] == "image/webp"
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["ETag"] == '"abc"'
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Content-Disposition"] == f'inline; filename="{IMAGE_ID}.webp"'
    assert world.rpc.requests(media.OPEN_IMAGE)[0].size is None
    assert "secret" not in str(headers)


async def test_a_thumbnail_is_asked_for_by_its_size(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    assert (await world.http.get(f"{PATH}/thumbnails/320")).content == DATA
    assert world.rpc.requests(media.OPEN_IMAGE)[0].size == 320
    for size in ("large", "0", "-64", "9" * 30):
        problem(await world.http.get(f"{PATH}/thumbnails/{size}"), 404, "not_found")


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (0, CHUNK), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (3, len(DATA)), (len(DATA) - 1, len(DATA))],
)
async def test_a_range_is_opened_from_the_chunks_that_it_touches_alone(
    world: World, s3: FakeS3, start: int, stop: int
) -> None:
    shows(world, s3)
    found = await world.http.get(PATH, headers={"Range": f"bytes={start}-{stop - 1}"})
    assert (found.status_code, found.content) == (206, DATA[start:stop])
    assert found.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    first, last = map(int, s3.headers[-1]["range"].removeprefix("bytes=").split("-"))
    assert last + 1 - first <= stop - start + 2 * (CHUNK + 16)


async def test_bytes_behind_the_end_are_416_and_say_how_many_there_are(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    found = await world.http.get(PATH, headers={"Range": f"bytes={len(DATA)}-"})
    problem(found, 416, "bad_range")
    assert found.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert not s3.headers


async def test_a_range_of_what_has_changed_since_is_the_whole(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    for if_range, status in (('"abc"', 206), ('"old"', 200), ('W/"abc"', 200), ("Tue, 24 Nov 2026 12:00:00 GMT", 200)):
        found = await world.http.get(PATH, headers={"Range": "bytes=0-9", "If-Range": if_range})
        assert (found.status_code, len(found.content)) == (status, 10 if status == 206 else len(DATA)), if_range


async def test_who_has_it_already_is_told_so_after_it_is_known_that_he_may_see_it(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    have = {"If-None-Match": 'W/"x", "abc"'}
    found = await world.http.get(PATH, headers=have)
    assert (found.status_code, found.content) == (304, b"")
    assert (found.headers["ETag"], found.headers["Cache-Control"]) == ('"abc"', "private, no-cache")
    assert not s3.headers
    world.rpc.on(media.OPEN_IMAGE, not_found("image"))
    problem(await world.http.get(PATH, headers=have), 404, "not_found")


async def test_head_tells_everything_and_asks_s3_for_nothing(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    whole = await world.http.get(PATH)
    s3.headers.clear()
    found = await world.http.head(PATH, headers={"Range": "bytes=0-9"})
    assert (found.status_code, found.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition", "Cache-Control", "Accept-Ranges"):
        assert found.headers[name] == whole.headers[name]
    assert not s3.headers
    assert (await world.http.head(f"{PATH}/thumbnails/64")).status_code == 200


async def test_a_browser_shows_images_by_its_cookie_and_does_nothing_else_with_it(world: World, s3: FakeS3) -> None:
    shows(world, s3)
    cookie = {"Cookie": f"parley_media={world.token}"}
    assert (await world.guest.get(PATH, headers=cookie)).content == DATA
    assert world.rpc.requests(media.OPEN_IMAGE)[0].actor.user_id == world.me
    assert (await world.guest.head(f"{PATH}/thumbnails/64", headers=cookie)).status_code == 200
    for method, path in (("POST", "/api/v1/media"), ("GET", "/api/v1/users/me"), ("GET", "/api/v1/admin/media/check")):
        answered = await world.guest.request(method, path, headers={**cookie, "Content-Type": "multipart/form-data"})
        problem(answered, 401, "unauthenticated")
    problem(await world.guest.get(PATH), 401, "unauthenticated")
    problem(await world.guest.get(PATH, headers={"Cookie": "parley_media=rubbish"}), 401, "bad_token")
    problem(await world.guest.get(PATH, headers={**cookie, "Authorization": "Bearer rubbish"}), 401, "bad_token")
    world.revocations._sessions[world.session] = 0.0
    problem(await world.guest.get(PATH, headers=cookie), 401, "bad_token")


async def test_under_tls_only_the_cookie_that_came_by_tls_counts(s3: FakeS3) -> None:
    world = await World(public_url=f"https://{HOST}").start()
    shows(world, s3)
    problem(await world.guest.get(PATH, headers={"Cookie": f"parley_media={world.token}"}), 401, "unauthenticated")
    named = {"Cookie": f"__Secure-parley_media={world.token}"}
    assert (await world.guest.get(PATH, headers=named)).status_code == 200
    await world.stop()


async def test_where_pages_of_other_hosts_may_call_those_of_the_same_site_may_show_images(s3: FakeS3) -> None:
    world = await World(allowed_origins="https://app.example").start()
    shows(world, s3)
    assert (await world.http.get(PATH)).headers["Cross-Origin-Resource-Policy"] == "same-site"
    await world.stop()


async def test_what_may_not_be_seen_is_not_there(world: World) -> None:
    world.rpc.on(media.OPEN_IMAGE, not_found("image"))
    for method in ("GET", "HEAD"):
        assert (await world.http.request(method, PATH)).status_code == 404
    problem(await world.http.get("/api/v1/media/not-an-id"), 404, "not_found")


async def hang(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(3600)


async def break_down(reader: Reader, writer: Writer) -> None:
    answer(writer, 500, b"<Code>InternalError</Code>")
    await writer.drain()


@pytest.mark.parametrize("badly", [hang, break_down])
async def test_s3_that_hangs_or_fails_is_503_and_its_address_is_in_no_log(
    world: World, s3: FakeS3, badly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(world, s3)
    s3.badly = badly
    hurry(monkeypatch)
    with capture_logs() as lines:
        found = problem(await world.http.get(PATH), 503, "unavailable")
    assert found["retry_after_ms"]
    assert [line["event"] for line in lines] == ["s3.away", "http.refused"]
    assert "secret" not in str(lines)


def damage(s3: FakeS3, at: int) -> None:
    ((path, sealed),) = s3.objects.items()
    s3.objects[path] = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


@pytest.mark.parametrize("how", ["changed", "shortened", "gone", "another name", "another key"])
async def test_what_is_damaged_is_logged_once_and_not_served(world: World, s3: FakeS3, how: str) -> None:
    opened = shows(world, s3)
    ((path, sealed),) = s3.objects.items()
    match how:
        case "changed":
            damage(s3, 10)
        case "shortened":
            s3.objects[path] = sealed[:1000]
        case "gone":
            s3.objects.clear()
        case "another name":
            world.rpc.on(media.OPEN_IMAGE, changed(opened, name="image/other"))
        case "another key":
            world.rpc.on(media.OPEN_IMAGE, changed(opened, key="A" * 43 + "="))
    with capture_logs() as lines:
        problem(await world.http.get(PATH), 503, "unavailable")
    told = "s3.away" if how == "gone" else "image.damaged"
    assert [line["event"] for line in lines] == [told, "http.refused"]


def changed(opened: media.OpenedImage, **more: Any) -> media.OpenedImage:
    return media.OpenedImage(**{name: getattr(opened, name) for name in opened.__struct_fields__} | more)


async def raw_get(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=2**16)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {gateway.token}\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize("how", ["damaged", "broken off"])
async def test_what_cannot_be_finished_is_cut_off_and_logged_once(
    gateway: Gateway, s3: FakeS3, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    shows(gateway, s3)
    if how == "damaged":
        damage(s3, 3 * CHUNK)
    else:
        s3.most = 3 * CHUNK
    with capture_logs() as lines:
        reader, writer = await raw_get(gateway)
        async with asyncio.timeout(5):
            found = await reader.read(-1)
        writer.close()
    assert DATA.startswith(found)
    assert len(found) < len(DATA)
    told = {"damaged": "image.damaged", "broken off": "s3.away"}[how]
    assert [line["event"] for line in lines if line["log_level"] in ("warning", "error")] == [told]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_reader_that_goes_takes_nothing_more_from_s3(gateway: Gateway, s3: FakeS3) -> None:
    world = gateway
    opened = s3.holds(DATA * 40)
    world.rpc.on(media.OPEN_IMAGE, opened)
    reader, writer = await raw_get(gateway)
    await reader.readexactly(1000)
    writer.transport.abort()
    await until(lambda: s3.broken == 1)


async def test_a_reader_that_does_not_read_is_cut_off_in_the_end(
    gateway: Gateway, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_module, "TRANSFER_SECONDS", 0.3)
    gateway.rpc.on(media.OPEN_IMAGE, s3.holds(DATA * 40))
    with capture_logs() as lines:
        _, writer = await raw_get(gateway)
        await until(lambda: any(line["event"] == "image.read_too_slowly" for line in lines))
        await until(lambda: s3.broken == 1)
        writer.transport.abort()
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_media_away_is_503(world: World) -> None:
    problem(await world.http.get(PATH), 503, "unavailable")
    world.rpc.on(media.OPEN_IMAGE, Refused(Code.INTERNAL, "a bug"))
    problem(await world.http.get(PATH), 500, "internal")
