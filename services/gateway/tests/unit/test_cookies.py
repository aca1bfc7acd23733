"""Browsers: the refresh token, and what opens images, are cookies that no script and no foreign page can use."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx2
import pytest

from parley_shared.contracts import auth
from parley_shared.contracts.base import Empty
from parley_shared.errors import Code, Refused

from .harness import HOST, ORIGIN, World, tokens

PLAIN = "parley_refresh"
SECURE = "__Secure-parley_refresh"
IMAGES = "parley_media"
FORM = {"username": "alice", "password": "a long enough passphrase"}
TLS = f"https://{HOST}"


def cookie(answer: httpx2.Response, name: str) -> "Morsel[str]":
    found: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("Set-Cookie"):
        found.load(line)
    return found[name]


async def sign_in(world: World, origin: str | None = ORIGIN, **headers: str) -> httpx2.Response:
    given = headers if origin is None else {"Origin": origin, **headers}
    return await world.guest.post("/api/v1/auth/token", data={**FORM, "cookies": "true"}, headers=given)


@pytest.fixture
def signed_in(world: World) -> auth.Tokens:
    """What auth answers."""
    found = tokens()
    world.rpc.on(auth.LOGIN, found)
    world.rpc.on(auth.REFRESH, found)
    world.rpc.on(auth.LOGOUT, Empty())
    return found


async def test_the_token_form_answers_both_tokens_and_no_cookie(world: World, signed_in: auth.Tokens) -> None:
    answer = await world.guest.post("/api/v1/auth/token", data={**FORM, "grant_type": "password"})
    assert answer.status_code == 200
    assert answer.json() == {
        "access_token": signed_in.access_token,
        "token_type": "bearer",
        "expires_in": 600,
        "user_id": str(signed_in.user_id),
        "session_id": str(signed_in.session_id),
        "refresh_token": signed_in.refresh_token,
    }
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    asked = world.rpc.requests(auth.LOGIN)[0]
    assert (asked.username, asked.password, asked.client.ip) == (*FORM.values(), "192.0.2.1")


async def test_another_grant_is_refused(world: World, signed_in: auth.Tokens) -> None:
    answer = await world.guest.post("/api/v1/auth/token", data={**FORM, "grant_type": "client_credentials"})
    assert answer.json()["errors"].keys() == {"grant_type"}
    assert not world.rpc.requests(auth.LOGIN)


async def test_with_cookies_the_refresh_token_is_in_one_and_not_in_the_body(
    world: World, signed_in: auth.Tokens
) -> None:
    answer = await sign_in(world)
    assert "refresh_token" not in answer.json()
    found = cookie(answer, PLAIN)
    assert found.value == signed_in.refresh_token
    assert (found["path"], found["samesite"].lower()) == ("/api/v1/auth", "strict")
    assert found["httponly"]
    assert not found["secure"]
    assert found["max-age"] == "86400"


async def test_with_cookies_another_one_carries_the_access_token_to_images_alone(
    world: World, signed_in: auth.Tokens
) -> None:
    for answer in (
        await sign_in(world),
        await world.guest.post("/api/v1/auth/refresh", json={}, headers={"Origin": ORIGIN, "Cookie": f"{PLAIN}=old"}),
    ):
        found = cookie(answer, IMAGES)
        assert found.value == signed_in.access_token
        assert (found["path"], found["samesite"].lower(), found["max-age"]) == ("/api/v1/media", "strict", "600")
        assert found["httponly"]
        assert not found["secure"]


@pytest.mark.parametrize(
    ("settings", "headers", "origin"),
    [
        ({"public_url": TLS}, {}, TLS),
        ({"trusted_proxies": "192.0.2.0/24"}, {"X-Forwarded-Proto": "https"}, TLS),
    ],
)
async def test_under_tls_the_cookie_is_secure_by_name_and_by_attribute(
    settings: dict[str, Any], headers: dict[str, str], origin: str
) -> None:
    world = await World(**settings).start()
    world.rpc.on(auth.LOGIN, tokens())
    world.rpc.on(auth.LOGOUT, Empty())
    set_ = cookie(await sign_in(world, origin, **headers), SECURE)
    assert set_["secure"]
    # Taken back with the same attributes, without which a browser would keep it.
    gone = await world.guest.post(
        "/api/v1/auth/logout",
        json={},
        headers={"Origin": origin, "Cookie": f"{SECURE}={set_.value}", **headers},
    )
    assert gone.status_code == 204
    taken = cookie(gone, SECURE)
    assert (taken.value, taken["max-age"], taken["path"]) == ("", "0", "/api/v1/auth")
    assert taken["secure"]
    images = cookie(gone, f"__Secure-{IMAGES}")
    assert (images.value, images["max-age"], images["path"]) == ("", "0", "/api/v1/media")
    assert images["secure"]
    await world.stop()


async def test_a_stranger_cannot_claim_to_have_come_by_tls(world: World, signed_in: auth.Tokens) -> None:
    assert not cookie(await sign_in(world, **{"X-Forwarded-Proto": "https"}), PLAIN)["secure"]


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", f"http://{HOST}.evil.example", f"{ORIGIN}:81"]
)
@pytest.mark.parametrize("path", ["token", "refresh", "logout"])
async def test_cookies_are_for_pages_of_this_host_alone(
    world: World, signed_in: auth.Tokens, path: str, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    if path == "token":
        answer = await sign_in(world, origin)
    else:
        answer = await world.guest.post(f"/api/v1/auth/{path}", json={}, headers={**headers, "Cookie": f"{PLAIN}=x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "bad_origin")
    assert not [subject for subject, _ in world.rpc.asked if "user" in subject]


async def test_under_tls_a_plain_page_of_this_host_is_not_its_own() -> None:
    world = await World(public_url=TLS).start()
    assert (await sign_in(world, ORIGIN)).json()["code"] == "bad_origin"
    await world.stop()


async def test_allowed_origins_may_use_cookies_too() -> None:
    world = await World(allowed_origins="https://app.example, https://b.example").start()
    world.rpc.on(auth.LOGIN, tokens())
    assert (await sign_in(world, "https://b.example")).status_code == 200
    await world.stop()


async def test_refreshing_by_cookie_rotates_it_and_demands_json(world: World, signed_in: auth.Tokens) -> None:
    headers = {"Origin": ORIGIN, "Cookie": f"{PLAIN}=old"}
    answer = await world.guest.post("/api/v1/auth/refresh", json={}, headers=headers)
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    assert cookie(answer, PLAIN).value == signed_in.refresh_token
    assert [asked.refresh_token for asked in world.rpc.requests(auth.REFRESH)] == ["old"]
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        refused = await world.guest.post(
            "/api/v1/auth/refresh", content=b"{}", headers={**headers, "Content-Type": kind}
        )
        assert refused.status_code == 415


async def test_refreshing_by_json_sets_no_cookie_and_needs_no_origin(world: World, signed_in: auth.Tokens) -> None:
    answer = await world.guest.post("/api/v1/auth/refresh", json={"refresh_token": "mine"})
    assert answer.json()["refresh_token"] == signed_in.refresh_token
    assert "Set-Cookie" not in answer.headers


async def test_without_any_refresh_token_there_is_nothing_to_refresh(world: World) -> None:
    answer = await world.guest.post("/api/v1/auth/refresh", json={}, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.json()["errors"]) == (422, {"refresh_token": "missing"})


async def test_wrong_credentials_set_no_cookie(world: World) -> None:
    world.rpc.on(auth.LOGIN, Refused(Code.BAD_CREDENTIALS, "Wrong name or password."))
    answer = await sign_in(world)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
