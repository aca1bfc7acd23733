"""Every refusal is a problem document (RFC 9457), says which request it answers, and never repeats what it was given."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from parley_gateway.middleware import SECURITY
from parley_gateway.routes.accounts import Registration
from parley_shared.contracts import auth, messages
from parley_shared.errors import STATUS, Code, Refused
from parley_shared.ids import new_id

from .harness import World

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The document, after what holds for all of them."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= found.keys()
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == answer.headers["X-Request-Id"]
    return found


async def chunks(count: int) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for _ in range(count):
        yield b"x" * 50_000


@pytest.mark.parametrize("code", list(Code))
async def test_a_refusal_keeps_its_code_sentence_and_status(world: World, code: Code) -> None:
    world.rpc.on(auth.ME, Refused(code, "A sentence that helps."))
    found = problem(await world.http.get("/api/v1/users/me"), STATUS[code].value, code)
    assert found["detail"] == "A sentence that helps."
    assert "errors" not in found
    assert "retry_after_ms" not in found


async def test_waiting_is_told_in_milliseconds_and_rounded_up_in_the_header(world: World) -> None:
    world.rpc.on(auth.ME, Refused(Code.RATE_LIMITED, "Slowly.", retry_after_ms=1001))
    answer = await world.http.get("/api/v1/users/me")
    assert problem(answer, 429, "rate_limited")["retry_after_ms"] == 1001
    assert answer.headers["Retry-After"] == "2"


async def test_a_conflict_carries_the_present_state(world: World) -> None:
    now = messages.ReadState(read_seq=3, unread=2, mentions=0)
    world.rpc.on(auth.UPDATE_ME, Refused(Code.REV_CONFLICT, "It has changed.", current=now))
    answer = await world.http.patch("/api/v1/users/me", json={"rev": 1})
    assert problem(answer, 409, "rev_conflict")["current"] == {"read_seq": 3, "unread": 2, "mentions": 0}


async def test_an_owners_field_errors_are_passed_on(world: World) -> None:
    world.rpc.on(auth.REGISTER, Refused(Code.INVALID, "No.", errors={"username": "too short"}))
    answer = await world.guest.post("/api/v1/auth/register", json={"username": "a", "password": "x"})
    assert problem(answer, 422, "invalid")["errors"] == {"username": "too short"}


@pytest.mark.parametrize(
    "body",
    [
        {"username": 5, "password": {"hunter2": 1}},
        {"username": ["hunter2"], "password": "hunter2"},
        {"password": "hunter2"},
        {"username": "a", "password": "hunter2", "invite": 7, "display_name": ["hunter2"]},
    ],
)
async def test_what_is_wrong_is_told_field_by_field_and_never_repeated(world: World, body: dict[str, Any]) -> None:
    answer = await world.guest.post("/api/v1/auth/register", json=body)
    found = problem(answer, 422, "invalid")
    assert found["errors"].keys() <= Registration.model_fields.keys()
    assert found["errors"]
    assert "hunter2" not in answer.text
    assert not world.rpc.requests(auth.REGISTER)


async def test_types_are_taken_at_their_word(world: World) -> None:
    answer = await world.http.patch("/api/v1/users/me", json={"rev": "1", "read_receipts": "yes"})
    assert problem(answer, 422, "invalid")["errors"].keys() == {"rev", "read_receipts"}


@pytest.mark.parametrize("rev", [-1, 2**31, 2**63, 10**30])
async def test_a_number_that_nothing_could_carry_is_refused_at_the_door(world: World, rev: int) -> None:
    problem(await world.http.patch("/api/v1/users/me", json={"rev": rev}), 422, "invalid")
    problem(await world.http.patch(f"/api/v1/rooms/{new_id()}", json={"rev": rev}), 422, "invalid")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "invalid"),
        (b"[1]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"", 422, "invalid"),
        (b'{"name": NaN}', 422, "invalid"),
        (b'{"name": "half \\ud800 of a pair"}', 422, "bad_text"),
        (b'{"name": "\xff"}', 400, "bad_request"),
        (b"[" * 100_000, 400, "bad_request"),
        (b'{"name": ' + b"9" * 5000 + b"}", 400, "bad_request"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_body_that_is_no_json_object_is_refused(world: World, body: bytes, status: int, code: str) -> None:
    problem(await world.http.post("/api/v1/rooms", content=body, headers=JSON), status, code)


async def test_unknown_fields_are_passed_over(world: World) -> None:
    world.rpc.on(auth.ME, Refused(Code.NOT_FOUND, "Reached."))
    world.rpc.on(auth.UPDATE_ME, Refused(Code.NOT_FOUND, "Reached."))
    answer = await world.http.patch("/api/v1/users/me", json={"rev": 1, "from_the_future": [1]})
    problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/rooms", b'{"name": "x"}', {"Content-Type": "text/plain"}),
        ("/rooms", b'{"name": "x"}', {}),
        ("/rooms", b"name=x", FORM),
        ("/auth/token", b'{"username": "a", "password": "b"}', JSON),
        ("/auth/refresh", b"refresh_token=x", FORM),
        ("/auth/logout", b'{"refresh_token": "x"}', {"Content-Type": "text/plain"}),
    ],
)
async def test_another_media_type_is_415(world: World, path: str, body: bytes, headers: dict[str, str]) -> None:
    answer = await world.http.post(f"/api/v1{path}", content=body, headers=headers)
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge+json"])
async def test_json_by_its_other_names_is_read(world: World, kind: str) -> None:
    world.rpc.on(auth.UPDATE_ME, Refused(Code.NOT_FOUND, "Reached."))
    answer = await world.http.patch("/api/v1/users/me", content=b'{"rev": 1}', headers={"Content-Type": kind})
    problem(answer, 404, "not_found")


@pytest.mark.parametrize("headers", [JSON, FORM], ids=["json", "form"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_its_bound_is_413_whatever_it_declares(
    world: World, headers: dict[str, str], declared: bool
) -> None:
    path = "/api/v1/rooms" if headers is JSON else "/api/v1/auth/token"
    content: Any = b"x" * 300_000 if declared else chunks(6)
    answer = await world.http.post(path, content=content, headers=headers)
    problem(answer, 413, "too_large")
    assert answer.headers["Connection"] == "close"


async def test_the_longest_message_fits_however_it_is_escaped(world: World) -> None:
    world.lanes.outcomes.append(Refused(Code.NOT_A_MEMBER, "Reached."))
    text = "\U0001f642" * 8000
    body = json.dumps({"client_msg_id": "a", "body": text}, ensure_ascii=True).encode()
    assert len(body) > 8000 * 12
    answer = await world.http.post(f"/api/v1/rooms/{new_id()}/messages", content=body, headers=JSON)
    problem(answer, 403, "not_a_member")
    assert world.lanes.sent[0].body == text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/rooms/", 404, "not_found"),
        ("GET", "/api/v1/rooms/not-a-uuid", 404, "not_found"),
        ("DELETE", "/api/v1/auth/sessions/12", 404, "not_found"),
        ("PUT", "/api/v1/rooms", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_says_so(world: World, method: str, path: str, status: int, code: str) -> None:
    answer = await world.http.request(method, path)
    problem(answer, status, code)
    assert ("Allow" in answer.headers) == (status == 405)


async def test_a_body_that_names_no_id_is_422(world: World) -> None:
    answer = await world.http.post("/api/v1/direct", json={"user_ids": ["bob"]})
    assert problem(answer, 422, "invalid")["errors"].keys() == {"user_ids.0"}


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer"])
async def test_without_a_token_the_answer_says_how_to_send_one(world: World, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await world.guest.get("/api/v1/users/me", headers=headers)
    code = "bad_token" if header == "Bearer" else "unauthenticated"
    problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_bad_token_is_named_as_such_in_the_header_too(world: World) -> None:
    for token, code in ((world.issuer.token(aud="others"), "bad_token"), (world.issuer.token(exp=1), "token_expired")):
        answer = await world.client(token=token).get("/api/v1/users/me")
        problem(answer, 401, code)
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_a_revoked_token_is_bad_and_without_news_of_revocations_nobody_is_let_in(world: World) -> None:
    world.revocations._sessions[world.session] = 0.0
    problem(await world.http.get("/api/v1/users/me"), 401, "bad_token")
    world.revocations._sessions.clear()
    world.revocations._answered_at = float("-inf")
    problem(await world.http.get("/api/v1/users/me"), 503, "unavailable")


async def test_a_bug_is_logged_once_and_answered_without_its_trace(world: World) -> None:
    def bug(_request: Any) -> auth.Me:
        raise RuntimeError("a secret of ours")

    world.rpc.on(auth.ME, bug)
    with capture_logs() as lines:
        answer = await world.http.get("/api/v1/users/me")
    found = problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert [(line["event"], line["request_id"]) for line in lines] == [("http.bug", found["request_id"])]


async def test_a_refusal_is_logged_once_by_its_route_and_without_ids(world: World) -> None:
    world.rpc.on(messages.GET_ROOM, Refused(Code.NOT_FOUND, "No."))
    room = new_id()
    with capture_logs() as lines:
        await world.http.get(f"/api/v1/rooms/{room}")
    assert [(line["event"], line["code"]) for line in lines] == [("http.refused", "not_found")]
    assert str(room) not in str(lines)


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/api/v1/users/me", "/docs", "/setup", "/openapi.json"])
async def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    answer = await world.guest.get(path)
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Request-Id"]


async def test_only_allowed_pages_of_other_hosts_may_read_answers() -> None:
    world = await World(allowed_origins="https://app.example").start()
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    good = await world.guest.options("/api/v1/rooms", headers={"Origin": "https://app.example", **ask})
    assert good.headers["Access-Control-Allow-Origin"] == "https://app.example"
    bad = await world.guest.options("/api/v1/rooms", headers={"Origin": "https://evil.example", **ask})
    assert "Access-Control-Allow-Origin" not in bad.headers
    read = await world.guest.get("/healthz", headers={"Origin": "https://app.example"})
    assert "X-Request-Id" in read.headers["Access-Control-Expose-Headers"]
    await world.stop()
