"""HTTP calls: errors by code, and a token that renews itself once for all who need it."""

import asyncio
import stat
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from parley_client import ApiError, FileStore, MemoryStore, Tokens
from parley_client.http import Api
from parley_client.models import Page, User

Answer = Callable[[httpx2.Request], httpx2.Response]


def tokens(seconds: float, number: int = 0) -> Tokens:
    return Tokens(access_token=f"a{number}", refresh_token=f"r{number}", expires_at=time.time() + seconds)


class Server:
    """Accepts the newest access token only, and each refresh token once."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.number = 0
        self.refreshes = 0
        self.paths: list[str] = []
        self.answer = answer

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        self.paths.append(request.url.path)
        if request.url.path == "/api/v1/auth/refresh":
            if f'"r{self.number}"' not in request.content.decode():
                return problem(401, "bad_token")
            self.refreshes += 1
            self.number += 1
            return httpx2.Response(
                200, json={"access_token": f"a{self.number}", "refresh_token": f"r{self.number}", "expires_in": 600}
            )
        if self.answer is not None:
            return self.answer(request)
        if request.headers.get("authorization") != f"Bearer a{self.number}":
            return problem(401, "token_expired")
        return httpx2.Response(200, json={"items": [], "next": None})

    def api(self, store: MemoryStore | FileStore) -> Api:
        return Api("http://parley.example/", store, transport=httpx2.MockTransport(self))


def problem(status: int, code: str, **more: object) -> httpx2.Response:
    return httpx2.Response(status, json={"status": status, "title": "No", "code": code, "detail": "Not so.", **more})


async def test_many_calls_renew_an_old_token_once() -> None:
    server = Server()
    api = server.api(MemoryStore(tokens(5)))
    await asyncio.gather(*(api.call("GET", "/users", shape=Page[User]) for _ in range(20)))
    assert server.refreshes == 1
    await api.close()


async def test_a_token_refused_before_its_time_is_renewed_and_the_call_repeated() -> None:
    server = Server()
    server.number = 1
    store = MemoryStore(Tokens(access_token="a0", refresh_token="r1", expires_at=time.time() + 600))
    api = server.api(store)
    await asyncio.gather(*(api.call("GET", "/users", shape=Page[User]) for _ in range(5)))
    assert server.refreshes == 1
    kept = store.load()
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("a2", "r2")
    await api.close()


async def test_a_wrong_password_is_not_tried_twice() -> None:
    server = Server(lambda request: problem(401, "bad_credentials"))
    api = server.api(MemoryStore(tokens(600)))
    with pytest.raises(ApiError) as refused:
        await api.call("POST", "/auth/password", json={})
    assert refused.value.code == "bad_credentials"
    assert server.paths == ["/api/v1/auth/password"]
    await api.close()


async def test_a_session_that_is_over_is_a_refusal_with_its_code() -> None:
    server = Server()
    server.number = 7
    api = server.api(MemoryStore(tokens(0)))
    with pytest.raises(ApiError) as refused:
        await api.call("GET", "/users")
    assert (refused.value.status, refused.value.code) == (401, "bad_token")
    await api.close()


async def test_a_problem_document_becomes_an_error_with_all_that_it_says() -> None:
    more = {"retry_after_ms": 1200, "errors": {"name": "is too long"}, "request_id": "q", "current": {"rev": 3}}
    server = Server(lambda request: problem(409, "rev_conflict", **more))
    api = server.api(MemoryStore(tokens(600)))
    with pytest.raises(ApiError, match=r"Not so\. \[rev_conflict\]") as refused:
        await api.call("GET", "/users")
    error = refused.value
    assert (error.status, error.code, error.detail) == (409, "rev_conflict", "Not so.")
    assert (error.retry_after_ms, error.errors) == (1200, {"name": "is too long"})
    assert (error.request_id, error.current) == ("q", {"rev": 3})
    await api.close()


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(502, text="<html>Bad gateway</html>"),
        httpx2.Response(500, json=["a list"]),
        httpx2.Response(400, json={"message": "no code"}),
        httpx2.Response(200, text="<html>Welcome to the hotel's network</html>"),
        httpx2.Response(200, json={"items": 5}),
    ],
)
async def test_what_does_not_answer_as_parley_does_is_called_so(answer: httpx2.Response) -> None:
    api = Server(lambda request: answer).api(MemoryStore(tokens(600)))
    with pytest.raises(ApiError, match="not as Parley does") as refused:
        await api.call("GET", "/users", shape=Page[User])
    assert (refused.value.code, refused.value.status) == ("not_parley", answer.status_code)
    await api.close()


async def test_a_file_of_tokens_is_its_owners_and_shared_by_two_programs(tmp_path: Path) -> None:
    path = tmp_path / "below" / "tokens.json"
    FileStore(path).save(tokens(0))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server = Server()
    first, second = server.api(FileStore(path)), server.api(FileStore(path))
    await first.call("GET", "/users", shape=Page[User])
    # The second finds what the first has got, and renews nothing.
    await second.call("GET", "/users", shape=Page[User])
    assert server.refreshes == 1
    FileStore(path).save(None)
    assert not path.exists()
    assert FileStore(path).load() is None
    path.write_text("half a fi")
    assert FileStore(path).load() is None
    await first.close()
    await second.close()
