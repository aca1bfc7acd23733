"""Uploads are made while they are sent, and sent again when that helps; images are read as they come."""

import io
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest

from parley_client import ApiError, Client, MemoryStore, Tokens
from parley_client.calls import images

IMAGE_ID = UUID("01a20e11-bcec-751f-8862-9270028e046e")
IMAGE = {
    "id": str(IMAGE_ID),
    "content_type": "image/png",
    "bytes": 3,
    "width": 1,
    "height": 1,
    "sha256": "00",
    "blurhash": "L",
    "animated": False,
    "thumbnails": [{"size": 64, "content_type": "image/webp", "bytes": 2, "width": 1, "height": 1}],
    "from_the_future": 1,
}
DATA = bytes(range(256)) * 700


class Server:
    """Answers uploads from `answers`, the last one for all that follow; `forms` is what came."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.forms: list[tuple[httpx2.Headers, bytes]] = []
        self.asked: list[httpx2.Request] = []
        self.served = httpx2.Response(200, content=DATA, headers={"Content-Type": "image/webp"})

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if request.url.path.endswith("/auth/refresh"):
            return httpx2.Response(200, json={"access_token": "a1", "refresh_token": "r1", "expires_in": 600})
        if request.method == "GET":
            return self.served
        self.forms.append((request.headers, await request.aread()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        store = MemoryStore(Tokens(access_token="a0", refresh_token="r0", expires_at=time.time() + 600))
        return Client("http://parley.example", store=store, transport=httpx2.MockTransport(self))

    def files(self) -> list[bytes]:
        """Of each upload, what was in the field."""
        return [part(headers, body)[1] for headers, body in self.forms]


def part(headers: httpx2.Headers, body: bytes) -> tuple[str, bytes]:
    """(the name of the file, its bytes)"""
    found = re.fullmatch(r"multipart/form-data; boundary=(\w+)", headers["Content-Type"])
    assert found is not None
    boundary = found[1].encode()
    assert body.startswith(b"--" + boundary + b"\r\n")
    assert body.endswith(b"\r\n--" + boundary + b"--\r\n")
    head, _, rest = body.partition(b"\r\n\r\n")
    name = re.search(r'name="file"; filename="([^"\r\n]*)"', head.decode())
    assert name is not None
    return name[1], rest.removesuffix(b"\r\n--" + boundary + b"--\r\n")


def made() -> httpx2.Response:
    return httpx2.Response(201, json=IMAGE)


def problem(status: int, code: str) -> httpx2.Response:
    return httpx2.Response(status, json={"status": status, "title": "No", "code": code, "detail": "Not so."})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FIRST_PAUSE_S", 0.001)


def of_path(folder: Path) -> Path:
    path = folder / 'a "strange"\nname.png'
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize(
    "source", [of_path, lambda folder: str(of_path(folder)), lambda _: DATA, lambda _: io.BytesIO(DATA)]
)
async def test_a_file_is_sent_whole_whatever_it_is(source: Callable[[Path], object], tmp_path: Path) -> None:
    server = Server(made())
    told: list[tuple[int, int | None]] = []
    async with server.client() as client:
        image = await client.upload(source(tmp_path), progress=lambda *now: told.append(now))  # type: ignore[arg-type]
    assert (image.id, image.thumbnails[0].size) == (IMAGE_ID, 64)
    ((headers, body),) = server.forms
    assert int(headers["Content-Length"]) == len(body)
    assert part(headers, body)[1] == DATA
    assert told[-1] == (len(DATA), len(DATA))
    assert [now for now, _ in told] == sorted({now for now, _ in told})
    assert headers["Authorization"] == "Bearer a0"


async def test_names_of_files_break_no_header(tmp_path: Path) -> None:
    server = Server(made())
    async with server.client() as client:
        await client.upload(of_path(tmp_path))
        await client.upload(DATA, filename="ä.png")
        await client.upload(DATA)
    assert [part(*form)[0] for form in server.forms] == ["a %22strange%22%0Aname.png", "ä.png", "image"]


async def test_a_file_begins_where_it_stands_and_stays_open() -> None:
    server = Server(problem(503, "unavailable"), made())
    file = io.BytesIO(b"skip" + DATA)
    file.seek(4)
    async with server.client() as client:
        await client.upload(file)
    assert server.files() == [DATA, DATA]
    assert not file.closed


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError

    tell = seek  # type: ignore[assignment]


async def test_what_cannot_be_rewound_is_sent_without_a_length_and_once() -> None:
    server = Server(problem(503, "unavailable"))
    async with server.client() as client:
        with pytest.raises(ApiError, match="unavailable"):
            await client.upload(Pipe(DATA))
    assert server.files() == [DATA]
    assert "Content-Length" not in server.forms[0][0]


async def test_what_is_unavailable_or_breaks_off_is_sent_again_and_not_for_ever() -> None:
    server = Server(problem(503, "unavailable"), httpx2.ReadError("gone"), made())
    async with server.client() as client:
        assert (await client.upload(DATA)).id == IMAGE_ID
        assert server.files() == [DATA] * 3
        server.answers, server.forms = [problem(503, "unavailable")], []
        with pytest.raises(ApiError, match="unavailable"):
            await client.upload(DATA)
        assert len(server.forms) == images.ATTEMPTS


@pytest.mark.parametrize("code", ["too_large", "bad_image", "unsupported_media_type", "rate_limited"])
async def test_what_is_refused_is_not_sent_again(code: str) -> None:
    server = Server(problem(422, code))
    async with server.client() as client:
        with pytest.raises(ApiError) as refused:
            await client.upload(DATA)
    assert refused.value.code == code
    assert len(server.forms) == 1


async def test_an_old_token_is_renewed_and_the_file_sent_again() -> None:
    server = Server(problem(401, "token_expired"), made())
    async with server.client() as client:
        await client.upload(DATA)
    assert server.files() == [DATA, DATA]
    assert [headers["Authorization"] for headers, _ in server.forms] == ["Bearer a0", "Bearer a1"]


async def test_a_file_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    async with Server(made()).client() as client:
        with pytest.raises(FileNotFoundError):
            await client.upload(tmp_path / "nothing")


async def test_an_image_is_read_at_once_in_part_or_into_a_file() -> None:
    server = Server(made())
    async with server.client() as client:
        assert await client.image(IMAGE_ID) == DATA
        assert await client.image(IMAGE_ID, size=64, span=(10, 20)) == DATA
        file = io.BytesIO()
        told: list[tuple[int, int | None]] = []
        assert await client.save_image(IMAGE_ID, file, progress=lambda *now: told.append(now)) == len(DATA)
        assert file.getvalue() == DATA
        assert told[-1] == (len(DATA), len(DATA))
        async with client.open_image(IMAGE_ID) as body:
            assert (body.content_type, body.length) == ("image/webp", len(DATA))
    paths = [(request.url.path, request.headers.get("Range")) for request in server.asked]
    assert paths[:2] == [
        (f"/api/v1/media/{IMAGE_ID}", None),
        (f"/api/v1/media/{IMAGE_ID}/thumbnails/64", "bytes=10-19"),
    ]


async def test_an_image_that_may_not_be_seen_is_an_error_and_one_that_breaks_off_too() -> None:
    server = Server(made())
    server.served = problem(404, "not_found")

    async def broken() -> AsyncIterator[bytes]:
        yield DATA[:100]
        raise httpx2.RemoteProtocolError("cut")

    async with server.client() as client:
        with pytest.raises(ApiError) as refused:
            await client.image(uuid4())
        assert refused.value.code == "not_found"
        server.served = httpx2.Response(200, content=broken(), headers={"Content-Length": str(len(DATA))})
        with pytest.raises(httpx2.HTTPError):
            await client.image(IMAGE_ID)
