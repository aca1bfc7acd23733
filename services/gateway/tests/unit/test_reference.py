"""What the documents promise is whole, and is what is served."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, cast, get_args

import msgspec
import pytest

from parley_gateway import reference
from parley_gateway.asyncapi import asyncapi
from parley_shared.contracts import frames
from parley_shared.errors import STATUS, Code
from parley_shared.ids import new_id
from parley_shared.messaging.permissions import contracts

from .harness import World

Json = dict[str, Any]
PROBLEM_JSON = "application/problem+json"


@pytest.fixture
async def document(world: World) -> Json:
    found = await world.guest.get("/openapi.json")
    assert found.status_code == 200
    return cast(Json, found.json())


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(found: object) -> Iterator[str]:
    """Every `$ref` of a document."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(found, list):
        for value in found:
            yield from references(value)


def resolve(document: Json, reference: str) -> object:
    found: Any = document
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


async def test_every_operation_has_a_name_of_its_own_and_a_line_about_it(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["tags"], (method, path)


async def test_every_route_that_is_served_is_documented_with_its_method(world: World, document: Json) -> None:
    documented = {(path, method.upper()) for path, method, _ in operations(document)}
    pages = {"/", "/setup", "/docs", "/openapi.json"}
    served = {
        (route.path, method)
        for route in world.app.routes
        for method in getattr(route, "methods", None) or ()
        if route.path not in pages and method != "HEAD"
    }
    assert served <= documented


async def test_every_answer_has_an_example_that_its_own_type_reads(document: Json) -> None:
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status in ("204", "304"):
                assert "content" not in answer
                continue
            if not status.startswith("2"):
                assert PROBLEM_JSON in answer["content"] or path == "/readyz", (method, path, status)
                continue
            (content,) = answer["content"].values()
            assert content["example"], (method, path)
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name:
                msgspec.json.decode(json.dumps(content["example"]), type=reference._documented[name])


async def test_every_body_has_an_example_that_its_own_route_takes(world: World, document: Json) -> None:
    for path, method, operation in operations(document):
        if "requestBody" not in operation:
            continue
        ((media_type, content),) = operation["requestBody"]["content"].items()
        url = re.sub(r"{\w+}", str(new_id()), path)
        way = {"application/x-www-form-urlencoded": "data", "multipart/form-data": "files"}.get(media_type, "json")
        more: Json = {way: content["example"]}
        answer = await world.http.request(method, url, **more)
        # Nobody is behind the contracts here: what passes the route ends with 503, or is answered by stand-ins.
        assert answer.status_code not in (400, 415, 422), (method, path, answer.text)


def problems(operation: Json) -> dict[str, Json]:
    """The example of each code."""
    found = {}
    for statuses, answer in operation["responses"].items():
        for name, example in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).items():
            assert str(example["value"]["status"])[0] == statuses[0]
            found[name] = example["value"]
    return found


async def test_every_problem_has_an_example_of_the_document_that_is_sent(document: Json) -> None:
    required = set(cast(list[str], resolve(document, "#/components/schemas/Problem/required")))
    seen = set()
    for path, method, operation in operations(document):
        for name, value in problems(operation).items():
            assert STATUS[Code(name)].value == value["status"], (method, path, name)
            assert value["code"] == name
            assert required <= value.keys()
            seen.add(name)
        assert reference._NAMED not in operation
    assert {"unavailable", "not_a_member", "bad_cursor", "token_expired", "last_owner"} <= seen


@pytest.mark.parametrize(
    ("method", "path", "codes"),
    [
        (
            "post",
            "/api/v1/rooms/{room_id}/messages",
            {"rate_limited", "not_a_member", "invalid", "bad_text", "too_large"},
        ),
        ("get", "/api/v1/users", {"invalid", "bad_cursor", "bad_token", "token_expired", "unauthenticated"}),
        ("get", "/api/v1/rooms/{room_id}", {"not_found", "invalid", "unavailable", "internal"}),
        ("post", "/api/v1/auth/token", {"bad_credentials", "rate_limited", "forbidden", "bad_request"}),
        ("post", "/api/v1/auth/refresh", {"bad_credentials", "bad_origin"}),
        ("post", "/api/v1/auth/register", {"registration_closed", "bad_invite", "username_taken", "weak_password"}),
        ("post", "/api/v1/direct", {"not_reachable"}),
        ("patch", "/api/v1/rooms/{room_id}", {"fixed_members", "rev_conflict"}),
        (
            "post",
            "/api/v1/media",
            {"too_large", "too_slow", "unsupported_media_type", "bad_image", "rate_limited", "invalid", "unavailable"},
        ),
        ("get", "/api/v1/media/{image_id}", {"not_found", "bad_range", "unavailable", "token_expired"}),
        ("get", "/api/v1/search", {"invalid", "bad_cursor", "unavailable"}),
        ("post", "/api/v1/admin/keys/rotate", {"forbidden", "invalid"}),
    ],
)
async def test_the_problems_of_a_route_are_all_there(document: Json, method: str, path: str, codes: set[str]) -> None:
    assert codes <= problems(document["paths"][path][method]).keys()


async def test_what_asks_for_no_token_promises_no_answer_about_one(document: Json) -> None:
    for path in ("/api/v1/auth/register", "/api/v1/auth/reset"):
        assert "token_expired" not in str(document["paths"][path])


async def test_every_reference_of_openapi_resolves(document: Json) -> None:
    found = set(references(document))
    assert found
    for each in found:
        resolve(document, each)


async def test_every_reference_of_asyncapi_resolves(world: World) -> None:
    document = (await world.guest.get("/asyncapi.json")).json()
    found = set(references(document))
    assert found
    for each in found:
        resolve(document, each)


def test_asyncapi_has_every_frame_and_every_verb() -> None:
    document = asyncapi()
    messages = document["channels"]["socket"]["messages"]
    for kind in get_args(frames.ClientFrame):
        assert f"frame_{kind.__name__}" in messages
    server = {kind for kind in vars(frames).values() if isinstance(kind, type) and issubclass(kind, frames.Frame)}
    for kind in server - {frames.Frame}:
        assert f"frame_{kind.__name__}" in messages, "a frame that clients read is not described"
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {verb.subject for verb in contracts()} <= addresses


class Inline(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {"script": [], "style": []}
        self.outside: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.found:
            self._inside = tag
            self.found[tag].append("")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.outside.append(f"{tag} {name}")
            if name in ("src", "href") and "//" in (value or ""):
                self.outside.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[self._inside][-1] += data


@pytest.mark.parametrize("path", ["/", "/setup", "/docs"])
async def test_a_page_allows_exactly_what_is_in_it(world: World, path: str) -> None:
    answer = await world.guest.get(path)
    assert answer.status_code == 200
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    page = Inline()
    page.feed(answer.text)
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in page.found[tag]
        ]
        assert policy[directive].split() == (hashes or ["'none'"])
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert [found for found in page.outside if not found.startswith("a href")] == []
