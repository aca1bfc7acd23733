"""Uploads: passed on to S3 sealed and as they come; what goes wrong is told at once, and undone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from structlog.testing import capture_logs

from parley_gateway.examples import example
from parley_gateway.images import s3 as s3_module
from parley_gateway.images import upload as upload_module
from parley_gateway.images.s3 import S3
from parley_shared.contracts import media
from parley_shared.contracts.base import Empty
from parley_shared.contracts.images import Image
from parley_shared.crypto.stream import open_sealed
from parley_shared.errors import Code, Refused
from parley_shared.limits import UPLOAD_BYTES, UPLOAD_ENVELOPE_BYTES

from .fake_s3 import KEY, FakeS3, Reader, Writer, answer, hurry, s3_server
from .harness import until
from .live_harness import Gateway
from .test_problems import problem

PATH = "/api/v1/media"
BOUNDARY = "a-boundary"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
IMAGE = msgspec.convert(example(Image), Image)


@pytest.fixture
async def s3() -> AsyncIterator[FakeS3]:
    async with s3_server() as fake:
        yield fake


class Door:
    """A gateway whose media answers for this S3, and a client of it over TCP."""

    def __init__(self, gateway: Gateway, s3: FakeS3) -> None:
        self.rpc = gateway.rpc
        self.s3 = s3
        self.begun: media.UploadBegun | None = None
        self.port = gateway.port
        self.token = gateway.token
        self.rpc.on(media.BEGIN_UPLOAD, self._begin)
        self.rpc.on(media.FINISH_UPLOAD, IMAGE)
        self.rpc.on(media.ABORT_UPLOAD, Empty())
        self.http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{gateway.port}",
            headers={"Authorization": f"Bearer {gateway.token}"},
            timeout=15,
        )

    def _begin(self, request: media.BeginUpload) -> media.UploadBegun:
        self.begun = self.s3.begun(request.capacity)
        return self.begun

    async def post(self, content: Any, **headers: str) -> httpx2.Response:
        return await self.http.post(PATH, content=content, headers={**MULTIPART, **headers})

    @property
    def capacity(self) -> int:
        return int(self.rpc.requests(media.BEGIN_UPLOAD)[-1].capacity)

    def kept(self) -> bytes:
        """The file, of what lies in S3 now."""
        assert self.begun is not None
        (sealed,) = self.s3.objects.values()
        taken = self.rpc.requests(media.FINISH_UPLOAD)[-1].bytes
        whole = open_sealed(KEY, self.begun.name, self.capacity, sealed)
        assert not whole[taken:].strip(b"\0"), "only zeros pad it"
        return whole[:taken]

    async def aborted(self, *, ours: bool) -> None:
        """It was, once, and nothing lies in S3."""
        await until(lambda: bool(self.rpc.requests(media.ABORT_UPLOAD)))
        (abort,) = self.rpc.requests(media.ABORT_UPLOAD)
        assert self.begun is not None
        assert (abort.upload_id, abort.ours) == (self.begun.upload_id, ours)
        assert not self.rpc.requests(media.FINISH_UPLOAD)
        assert not self.s3.objects

    async def endless(self, first: bytes, piece: bytes, pause: float = 0) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer to a body that does not end before it."""
        reader, writer = await self.raw({"Transfer-Encoding": "chunked"}, chunk(first))

        async def send() -> None:
            while True:
                writer.write(chunk(piece))
                await writer.drain()
                await asyncio.sleep(pause)

        sending = asyncio.create_task(send())
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()
        return int(head[0].split()[1]), dict(line.lower().split(": ") for line in head[1:] if line)

    async def raw(
        self, headers: dict[str, str], body: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request by hand, with as much of its body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = {"Host": "chat.example", "Authorization": f"Bearer {self.token}", **MULTIPART, **headers}
        head = f"POST {PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        return reader, writer


@pytest.fixture
async def door(gateway: Gateway, s3: FakeS3) -> AsyncIterator[Door]:
    found = Door(gateway, s3)
    yield found
    await found.http.aclose()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for piece in data:
        yield piece


def of_file(size: int) -> bytes:
    return HEAD + bytes(range(256)) * (size // 256) + bytes(size % 256) + TAIL


async def test_a_file_lies_in_s3_sealed_and_the_image_is_answered(door: Door) -> None:
    body = of_file(300_000)
    answered = await door.post(body)
    assert answered.status_code == 201, answered.text
    assert answered.json() == msgspec.to_builtins(IMAGE)
    assert door.kept() == body[len(HEAD) : -len(TAIL)]
    assert door.capacity - 300_000 < 200
    headers = door.s3.headers[-1]
    assert headers["x-amz-tagging"] == "quarantine"
    assert "transfer-encoding" not in headers
    assert not door.rpc.requests(media.ABORT_UPLOAD)


async def test_a_file_of_unknown_length_is_padded_to_the_most_that_it_may_have(door: Door) -> None:
    answered = await door.post(pieces(HEAD, b"abc" * 1000, b"d", TAIL))
    assert answered.status_code == 201, answered.text
    assert door.capacity == UPLOAD_BYTES
    assert door.kept() == b"abc" * 1000 + b"d"


@pytest.mark.parametrize("declared", [True, False])
async def test_the_largest_file_is_taken_and_one_byte_more_is_not(door: Door, declared: bool) -> None:
    for size, status in ((UPLOAD_BYTES, 201), (UPLOAD_BYTES + 1, 413)):
        door.s3.objects.clear()
        body = of_file(size)
        answered = await door.post(body if declared else pieces(body))
        assert answered.status_code == status, answered.text
    problem(answered, 413, "too_large")
    await until(lambda: bool(door.rpc.requests(media.ABORT_UPLOAD)))
    assert not door.rpc.requests(media.ABORT_UPLOAD)[0].ours
    assert not door.s3.objects


async def test_what_says_by_itself_that_it_is_too_large_is_refused_before_anybody_is_asked(door: Door) -> None:
    reader, writer = await door.raw({"Content-Length": str(UPLOAD_BYTES + UPLOAD_ENVELOPE_BYTES + 1)}, HEAD)
    async with asyncio.timeout(5):
        said = await reader.readuntil(b"\r\n\r\n")
    assert b" 413 " in said
    assert b"connection: close" in said.lower()
    writer.close()
    assert not door.rpc.requests(media.BEGIN_UPLOAD)


async def test_too_much_is_told_while_it_is_still_coming_and_the_connection_ends(door: Door) -> None:
    status, headers = await door.endless(HEAD, b"x" * 100_000)
    assert (status, headers["connection"]) == (413, "close")
    await door.aborted(ours=False)


async def test_an_envelope_without_end_is_too_large_too(door: Door) -> None:
    status, headers = await door.endless(HEAD + b"small" + TAIL, b"x" * 100_000)
    assert (status, headers["connection"]) == (413, "close")
    await until(lambda: bool(door.rpc.requests(media.ABORT_UPLOAD)))


async def test_who_sends_on_and_reads_only_then_finds_the_answer(door: Door) -> None:
    problem(await door.post(pieces(HEAD, *[b"x" * 100_000] * 300, TAIL)), 413, "too_large")


@pytest.mark.parametrize(
    "kind", ["image/png", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_another_media_type_is_415(door: Door, kind: str) -> None:
    problem(await door.post(of_file(10), **{"Content-Type": kind}), 415, "unsupported_media_type")
    assert not door.rpc.requests(media.BEGIN_UPLOAD)


@pytest.mark.parametrize(
    ("body", "begun"),
    [
        (b"", False),
        (b"no multipart", False),
        (TAIL[2:], False),
        (HEAD.replace(b'"file"', b'"photo"') + b"x" + TAIL, False),
        (HEAD + b"x", True),
        (HEAD + b"x\r\n" + HEAD + b"y" + TAIL, False),
    ],
    ids=["empty", "no multipart", "no field", "another field", "no end", "two files"],
)
async def test_a_body_that_holds_not_one_file_is_422(door: Door, body: bytes, begun: bool) -> None:
    found = problem(await door.post(body), 422, "invalid")
    assert found["errors"].keys() == {"file"}
    assert bool(door.rpc.requests(media.BEGIN_UPLOAD)) == begun
    if begun:
        await until(lambda: bool(door.rpc.requests(media.ABORT_UPLOAD)))


async def test_without_a_token_nothing_is_read(door: Door) -> None:
    answered = await door.post(of_file(300_000), Authorization="")
    problem(answered, 401, "unauthenticated")
    assert not door.rpc.requests(media.BEGIN_UPLOAD)


async def test_what_media_refuses_is_passed_on(door: Door) -> None:
    door.rpc.on(media.BEGIN_UPLOAD, Refused(Code.RATE_LIMITED, "Slowly.", retry_after_ms=60_000))
    assert problem(await door.post(of_file(300_000)), 429, "rate_limited")["retry_after_ms"] == 60_000
    assert not door.s3.headers
    assert not door.rpc.requests(media.ABORT_UPLOAD)
    door.rpc.on(media.BEGIN_UPLOAD, door._begin)
    door.rpc.on(media.FINISH_UPLOAD, Refused(Code.BAD_IMAGE, "This is no image."))
    problem(await door.post(of_file(300_000)), 422, "bad_image")


async def test_a_client_that_goes_in_the_middle_leaves_nothing(door: Door) -> None:
    _, writer = await door.raw({"Content-Length": "1000000"}, HEAD + b"x" * 100_000)
    await until(lambda: bool(door.s3.headers))
    with capture_logs() as lines:
        writer.transport.abort()
        await door.aborted(ours=False)
        await until(lambda: door.s3.broken == 1)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []


async def test_a_client_that_stands_still_is_sent_away_and_is_no_fault_of_s3(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    asked: list[str] = []
    monkeypatch.setattr(S3, "_ask", counted(S3._ask, asked))
    monkeypatch.setattr(upload_module, "UPLOAD_PAUSE_SECONDS", 0.3)
    reader, writer = await door.raw({"Content-Length": "1000000"}, HEAD + b"x" * 1000)
    async with asyncio.timeout(5):
        said = await reader.readuntil(b"\r\n\r\n")
    assert b" 408 " in said
    assert not asked, "S3 has everything that there is"
    writer.close()
    await door.aborted(ours=False)


async def test_a_client_that_dribbles_is_sent_away_as_well(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_module, "UPLOAD_PAUSE_SECONDS", 0.3)

    assert (await door.endless(HEAD, b"x", 0.02))[0] == 408
    await door.aborted(ours=False)


async def test_an_upload_ends_when_its_time_is_over_however_fast_it_comes(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "TRANSFER_SECONDS", 0.3)

    assert (await door.endless(HEAD, b"x" * 1000, 0.02))[0] == 408
    await door.aborted(ours=False)


async def hang(reader: Reader, writer: Writer) -> None:
    """Neither takes anything nor answers."""
    await asyncio.sleep(3600)


async def swallow(reader: Reader, writer: Writer) -> None:
    """Takes everything and does not answer."""
    while await reader.read(65_536):
        pass


async def break_down(reader: Reader, writer: Writer) -> None:
    answer(writer, 500, b"<Code>InternalError</Code>")
    await writer.drain()


async def reset(reader: Reader, writer: Writer) -> None:
    await reader.read(1000)
    writer.transport.abort()


@pytest.mark.parametrize("badly", [hang, swallow, break_down, reset])
@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_s3_that_hangs_or_fails_is_503_and_counts_against_nobody(
    door: Door, badly: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    door.s3.badly = badly
    found = problem(await door.post(of_file(size)), 503, "unavailable")
    assert found["retry_after_ms"] == 1000
    await door.aborted(ours=True)


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_s3_that_is_busy_and_says_so_is_waited_for(
    door: Door, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    waited = asyncio.Event()

    async def late(reader: Reader, writer: Writer) -> None:
        length = int(door.s3.headers[-1]["content-length"])
        await waited.wait()
        await reader.readexactly(length)
        answer(writer, 200)
        await writer.drain()

    door.s3.badly, door.s3.lively = late, True
    asked = []
    monkeypatch.setattr(S3, "_ask", counted(S3._ask, asked))
    posting = asyncio.create_task(door.post(of_file(size)))
    await until(lambda: len(asked) >= 3)
    assert not posting.done()
    waited.set()
    assert (await posting).status_code == 201


async def test_nobody_waits_for_ever_for_an_s3_that_lives_and_does_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(s3_module, "PATIENCE_S", 0.5)
    door.s3.badly, door.s3.lively = swallow, True
    problem(await door.post(of_file(1000)), 503, "unavailable")
    await door.aborted(ours=True)


def counted(ask: Any, asked: list[str]) -> Any:
    async def counting(self: S3, url: str) -> bool:
        asked.append(url)
        return bool(await ask(self, url))

    return counting


async def test_s3_that_is_not_there_is_503(door: Door) -> None:
    door.s3.url = "http://127.0.0.1:1"
    with capture_logs() as lines:
        problem(await door.post(of_file(1000)), 503, "unavailable")
    assert [line["error"] for line in lines if line["event"] == "s3.away"] == ["ConnectError"]
    assert "signature" not in str(lines)
    await door.aborted(ours=True)


async def test_a_finish_that_is_not_answered_is_undone(door: Door) -> None:
    door.rpc.on(media.FINISH_UPLOAD, Refused(Code.UNAVAILABLE, "media did not answer in time.", retry_after_ms=1000))
    problem(await door.post(of_file(1000)), 503, "unavailable")
    await until(lambda: bool(door.rpc.requests(media.ABORT_UPLOAD)))
    assert door.rpc.requests(media.ABORT_UPLOAD)[0].ours


async def test_an_abort_that_media_does_not_hear_is_logged_and_no_error(door: Door) -> None:
    door.rpc.on(media.ABORT_UPLOAD, Refused(Code.UNAVAILABLE, "away"))
    with capture_logs() as lines:
        problem(await door.post(HEAD + b"x"), 422, "invalid")
        await until(lambda: any(line["event"] == "upload.abort" for line in lines))
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_a_connection_serves_again_after_an_upload(door: Door) -> None:
    for _ in range(3):
        assert (await door.post(of_file(100_000))).status_code == 201
        door.s3.objects.clear()
    assert len({id(found) for found in door.http._transport._pool.connections}) == 1  # type: ignore[attr-defined]
