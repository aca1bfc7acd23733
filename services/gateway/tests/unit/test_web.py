"""The web client's build: each file as it is, nothing besides, and the page for every address that the client knows."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from parley_gateway.middleware import SECURITY
from parley_gateway.web import AREAS, POLICY, read

from .harness import World

PAGE = "<!doctype html><title>Parley</title><script type=module src=/assets/main-4f2a.js></script>"
SCRIPT = "console.log('hello');" * 50
SCRIPT_AT = "/assets/main-4f2a.js"
GZIPPED = gzip.compress(SCRIPT.encode(), mtime=0)
TEXT = {"Accept": "text/html"}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """As Vite leaves it, beside something that is nobody's business."""
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text(PAGE)
    (root / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    script = root / SCRIPT_AT[1:]
    script.write_text(SCRIPT)
    script.with_name(script.name + ".gz").write_bytes(GZIPPED)
    script.with_name(script.name + ".br").write_bytes(b"(brotli)")
    (root / ".vite").mkdir()
    (root / ".vite" / "manifest.json").write_text("{}")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "way-out.txt").symlink_to(tmp_path / "secret.txt")
    return root


@pytest.fixture
async def web(build: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who is not signed in, before a gateway with that build."""
    world = await World(web_root=str(build)).start()
    yield world.client()
    await world.stop()


@pytest.mark.parametrize("path", ["/", "/setup", "/rooms/01a20e77-6b04-72c4-94ef-9ccf902f38e3/messages/7", "/settings"])
async def test_the_page_is_at_every_address_of_the_client_and_asked_for_each_time(
    web: httpx2.AsyncClient, path: str
) -> None:
    answer = await web.get(path)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_what_has_its_content_in_its_name_is_kept_for_ever(web: httpx2.AsyncClient) -> None:
    answer = await web.get(SCRIPT_AT)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    icon = await web.get("/icon.svg")
    assert (icon.headers["Content-Type"], icon.headers["Cache-Control"]) == ("image/svg+xml", "no-cache")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0", None),
        ("", None),
        ("deflate", None),
        (";,;q=;;", None),
    ],
)
async def test_the_best_encoding_that_the_browser_takes_is_sent(
    web: httpx2.AsyncClient, accepted: str, coding: str | None
) -> None:
    # As bytes came: what stands for brotli here is none.
    async with web.stream("GET", SCRIPT_AT, headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert body == {"br": b"(brotli)", "gzip": GZIPPED, None: SCRIPT.encode()}[coding]
    assert int(answer.headers["Content-Length"]) == len(body)


async def test_each_encoding_has_an_etag_of_its_own_and_is_not_sent_twice(web: httpx2.AsyncClient) -> None:
    plain = {"Accept-Encoding": "identity"}
    etag = (await web.get(SCRIPT_AT, headers=plain)).headers["ETag"]
    for named in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await web.get(SCRIPT_AT, headers={**plain, "If-None-Match": named})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["ETag"], answer.headers["Vary"]) == (etag, "Accept-Encoding")
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Content-Length" not in answer.headers
    other = await web.get(SCRIPT_AT, headers={"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert other.status_code == 200
    assert other.headers["ETag"] != etag


async def test_head_answers_as_get_does_without_the_body(web: httpx2.AsyncClient) -> None:
    for path in ("/", SCRIPT_AT):
        get, head = await web.get(path), await web.head(path)
        assert head.content == b""
        differs = {"x-request-id"}
        assert {k: v for k, v in get.headers.items() if k not in differs} == {
            k: v for k, v in head.headers.items() if k not in differs
        }


@pytest.mark.parametrize(
    "path",
    [
        "/assets/main-0000.js",  # of an older build
        "/favicon.ico",
        "/index.html",  # is at / alone
        "/rooms/picture.png",
        "/nowhere",
        "/healtz",  # a probe of the wrong address is not told that all is well
        "/api",
        "/api/v1/nothing",
        "/.well-known/nothing",
        "/.vite/manifest.json",
        "/assets",
        "/assets/",
        f"{SCRIPT_AT}.br",
        "/way-out.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/rooms/..%2f..%2fsecret.txt",
        "/assets%5c..%5c..%5csecret.txt",
        "/rooms%00/../secret.txt",
    ],
)
async def test_there_is_nothing_else_and_no_way_out_of_the_folder(web: httpx2.AsyncClient, path: str) -> None:
    answer = await web.get(path, headers=TEXT)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json"), path
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/asyncapi.json", "/docs", "/.well-known/jwks.json"])
async def test_the_services_own_addresses_stay_its_own(web: httpx2.AsyncClient, path: str) -> None:
    answer = await web.get(path, headers=TEXT)
    assert answer.status_code == 200
    assert answer.text != PAGE


async def test_pages_are_read_and_not_written_to(web: httpx2.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = await web.request(method, "/rooms")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    wrong_method = await web.get("/api/v1/auth/token")
    assert wrong_method.status_code == 405


async def test_the_policy_lets_nothing_in_but_the_client_itself(web: httpx2.AsyncClient) -> None:
    for path in ("/", SCRIPT_AT, "/icon.svg"):
        answer = await web.get(path)
        policy = dict(part.partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "'allow-duplicates'" not in policy["trusted-types"]
        for name, value in {**SECURITY, "Cross-Origin-Resource-Policy": "same-origin"}.items():
            assert answer.headers[name] == value
        assert "camera=()" in answer.headers["Permissions-Policy"]
    for forbidden in ("unsafe", "*", "http"):
        assert forbidden not in POLICY


async def test_what_is_served_is_the_build_of_the_start(web: httpx2.AsyncClient, build: Path) -> None:
    (build / "index.html").write_text("half of the next o")
    (build / SCRIPT_AT[1:]).unlink()
    assert (await web.get("/")).text == PAGE
    assert (await web.get(SCRIPT_AT)).text == SCRIPT


async def test_without_a_build_a_page_says_how_to_make_one(tmp_path: Path) -> None:
    for root in (tmp_path / "missing", tmp_path):
        with capture_logs() as lines:
            world = await World(web_root=str(root)).start()
        assert next(line for line in lines if line["event"] == "web.build")["count"] == 0
        guest = world.client()
        assert "make web" in (await guest.get("/")).text
        assert (await guest.head("/")).status_code == 200
        assert (await guest.get("/setup")).status_code == 200
        assert (await guest.get("/rooms/x")).status_code == 404
        await world.stop()


def test_a_build_is_its_files_and_not_what_was_compressed_of_them(build: Path) -> None:
    files = read(build)
    assert set(files) == {"/index.html", "/icon.svg", SCRIPT_AT}
    assert set(files[SCRIPT_AT].variants) == {"identity", "br", "gzip"}


def test_no_address_of_the_client_is_one_of_the_service() -> None:
    assert not AREAS & {"api", "docs", "assets", "healthz", "readyz"}
