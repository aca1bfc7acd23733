"""Accounts: sessions end everywhere at once, tokens rotate, the first admin comes by invitation."""

import asyncio
import time

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import PASSWORD, Person


async def closing_time(sockets: list[object], within: float = 2.0) -> list[int]:
    began = time.monotonic()
    codes = await asyncio.gather(*(socket.until_closed(within + 3) for socket in sockets))  # type: ignore[attr-defined]
    assert time.monotonic() - began < within
    return list(codes)


async def test_logout_closes_the_sessions_sockets_on_every_gateway(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    sockets = [await alice.at(url).open() for url in suite.urls]
    other = await Person(suite.urls[0], alice.username).sign_in()
    survivor = await other.open()
    await alice.call("POST", "/auth/logout", 204, json={"refresh_token": alice.refresh_token})
    assert await closing_time(sockets) == [4503, 4503]
    assert survivor.closed is None
    refused = await alice.http.get("/users/me")
    assert refused.status_code == 401
    await survivor.close()


async def test_a_new_password_ends_the_other_sessions_and_renews_ones_own(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    other = await Person(suite.urls[1], alice.username).sign_in()
    mine, theirs = await alice.open(), await other.open()
    new = "another long enough passphrase"
    wrong = {"current_password": "not the right one at all", "new_password": new}
    assert (await alice.http.post("/auth/password", json=wrong)).status_code in (401, 403)
    await alice.call("POST", "/auth/password", 204, json={"current_password": PASSWORD, "new_password": new})
    assert await closing_time([theirs]) == [4503]
    assert await closing_time([mine]) == [4014]
    refreshed = await alice.http.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    assert refreshed.status_code == 200
    alice.take(refreshed.json())
    again = await alice.open()
    await again.close()
    await Person(suite.urls[0], alice.username).sign_in(new)


async def test_a_disabled_account_is_out_and_a_new_role_needs_a_new_token(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    alice, bob = await person(0), await person(1)
    a, b = await alice.open(), await bob.open()
    await admin.call("PATCH", f"/admin/users/{bob.id}", json={"role": "moderator"})
    assert await closing_time([b]) == [4014]
    await admin.call("PATCH", f"/admin/users/{alice.id}", json={"disabled": True})
    assert await closing_time([a]) == [4503]
    answer = await alice.http.post("/auth/token", data={"username": alice.username, "password": PASSWORD})
    assert answer.status_code in (401, 403)
    assert (await bob.http.get("/admin/users")).status_code in (401, 403)
    users = await admin.call("GET", "/admin/users", params={"query": alice.username})
    assert [(item["id"], item["disabled"]) for item in users["items"]] == [(alice.id, True)]


async def test_refresh_tokens_rotate_and_reuse_ends_the_session(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    first = alice.refresh_token
    pair = await alice.call("POST", "/auth/refresh", json={"refresh_token": first})
    assert pair["refresh_token"] != first
    # A lost answer: within ten seconds the same token still serves.
    again = await alice.call("POST", "/auth/refresh", json={"refresh_token": first})
    alice.take(again)
    sessions = await alice.call("GET", "/auth/sessions")
    assert len(sessions["items"]) == 1
    socket = await alice.open()
    await alice.call("DELETE", f"/auth/sessions/{sessions['items'][0]['id']}", 204)
    assert await closing_time([socket]) == [4503]


async def test_a_new_token_on_the_open_socket(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(), await person()
    socket = await alice.open()
    alice.take(await alice.call("POST", "/auth/refresh", json={"refresh_token": alice.refresh_token}))
    assert (await socket.command("refresh", token=alice.token))["type"] == "ack"
    assert (await socket.command("refresh", token=bob.token))["code"] == "bad_token"
    await socket.close()


async def test_a_reset_code_works_once(suite: Suite, person: NewPerson, admin: Person) -> None:
    alice = await person()
    made = await admin.call("POST", f"/admin/users/{alice.id}/reset-code", 201)
    new = "a passphrase that was forgotten"
    await alice.call("POST", "/auth/reset", 204, json={"code": made["code"], "new_password": new})
    await alice.call("POST", "/auth/reset", 403, json={"code": made["code"], "new_password": new})
    await Person(suite.urls[1], alice.username).sign_in(new)


async def test_people_find_each_other(person: NewPerson) -> None:
    alice, bob = await person(display_name="Alice Example"), await person()
    assert (await bob.call("GET", f"/users/{alice.id}"))["display_name"] == "Alice Example"
    found = await bob.call("GET", "/users", params={"ids": f"{alice.id},{bob.id}"})
    assert {item["id"] for item in found["items"]} == {alice.id, bob.id}
    found = await bob.call("GET", "/users", params={"query": alice.username[:10]})
    assert alice.id in {item["id"] for item in found["items"]}
    me = await alice.call("GET", "/users/me")
    changed = await alice.call("PATCH", "/users/me", json={"rev": me["rev"], "display_name": "Alice"})
    assert changed["display_name"] == "Alice"
    await alice.call("PATCH", "/users/me", 409, json={"rev": me["rev"], "display_name": "Late"})


async def test_weak_passwords_and_taken_names_are_refused(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    for body, status, code in (
        ({"username": "somebody-new", "password": "short"}, 422, None),
        ({"username": "somebody-new", "password": "aaaaaaaaaaaaaaaaaaaa"}, 422, "weak_password"),
        ({"username": alice.username.upper(), "password": PASSWORD}, 409, "username_taken"),
        ({"username": "no spaces", "password": PASSWORD}, 422, "invalid"),
    ):
        problem = await alice.call("POST", "/auth/register", status, json=body)
        if code is not None:
            assert problem["code"] == code
        assert body["password"] not in str(problem)
