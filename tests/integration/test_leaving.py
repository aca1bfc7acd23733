"""Taking one's things along, being erased, and the audit trail, through the gateways and the command."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import PASSWORD, Person

CODE = "Parley-Erasure-Code"


async def until_done(person: Person, begun: dict[str, Any], within: float = 30.0) -> dict[str, Any]:
    """The receipt, once it says that all is done."""
    deadline = time.monotonic() + within
    while True:
        answer = await person.http.get(f"/erasures/{begun['id']}", headers={CODE: begun["code"]})
        if answer.status_code == 200 and answer.json()["state"] == "done":
            return dict(answer.json())
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.1)


async def everywhere(suite: Suite, text: str) -> list[str]:
    """Tables, of all services, in which this text stands in any column."""
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1)",
            ["auth", "messages", "presence", "media", "search"],
        )
        found = []
        for schema, table in tables:
            query = f"SELECT EXISTS (SELECT FROM {schema}.{table} t WHERE t::text LIKE '%' || $1 || '%')"
            if await connection.fetchval(query, text):
                found.append(f"{schema}.{table}")
        return found
    finally:
        await connection.close()


async def erase(person: Person, status: int = 202, password: str = PASSWORD) -> dict[str, Any]:
    answer = await person.http.request("DELETE", "/users/me", json={"password": password})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_an_erased_account_is_out_at_once_and_its_words_go_from_everybodys_screen(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    alice, bob = await person(0), await person(1)
    canary = f"canary {alice.username}"
    room = await alice.call("POST", "/rooms", 201, json={"name": "Kitchen", "visibility": "public"})
    await bob.call("POST", f"/rooms/{room['id']}/join")
    path = f"/rooms/{room['id']}/messages"
    sent = await alice.call("POST", path, 201, json={"client_msg_id": canary, "body": canary})
    kept = await bob.call("POST", path, 201, json={"client_msg_id": "1", "body": "and mine"})
    await alice.call("PUT", f"{path}/{kept['id']}/reactions/like", 204)
    hers = [await alice.at(url).open() for url in suite.urls]
    his = await bob.open()
    # Gateways tell presence of connections once a second; one that was never told of leaves nothing to erase.
    async with asyncio.timeout(10):
        while len((await admin.call("GET", "/admin/connections", params={"user_id": alice.id}))["items"]) < 2:
            await asyncio.sleep(0.1)
    assert (await erase(alice, 401, "not the right one at all"))["code"] == "bad_credentials"
    begun = await erase(alice)
    began = time.monotonic()
    assert [await socket.until_closed(5) for socket in hers] == [4503, 4503]
    assert time.monotonic() - began < 2
    for attempt in (
        alice.http.get("/users/me"),
        alice.http.post("/auth/token", data={"username": alice.username, "password": PASSWORD}),
        alice.http.post("/auth/refresh", json={"refresh_token": alice.refresh_token}),
    ):
        assert (await attempt).status_code == 401
    for kind in ("member.updated", "member.left", "message.deleted", "reaction.removed"):
        await his.wait_for(lambda frame, kind=kind: frame.get("event", {}).get("kind") == kind)  # type: ignore[misc]
    receipt = await until_done(bob, begun)
    assert set(receipt["stores"]) == {"auth", "messages", "presence", "media", "search"}
    assert receipt["stores"]["messages"]["counts"]["messages"] == 1
    assert receipt["stores"]["presence"]["counts"]["connections"] >= 2
    shown = await bob.call("GET", f"{path}/{sent['id']}")
    assert (shown["body"], shown["deleted"], shown["deleted_by"]) == (None, True, alice.id)
    assert (await bob.call("GET", f"{path}/{kept['id']}"))["reactions"] == []
    assert (await bob.call("GET", f"/rooms/{room['id']}"))["role"] == "owner"
    user = await bob.call("GET", f"/users/{alice.id}")
    assert (user["display_name"], user["deleted"]) == ("Deleted user", True)
    assert await everywhere(suite, alice.username) == []
    assert await everywhere(suite, canary) == []
    # Who has not the code is told nothing; an admin needs none.
    assert (await bob.http.get(f"/erasures/{begun['id']}", headers={CODE: "no"})).status_code == 404
    assert (await bob.http.get(f"/erasures/{begun['id']}")).status_code == 403
    assert await admin.call("GET", f"/erasures/{begun['id']}") == receipt
    await his.close()


async def test_what_one_takes_along_is_whole_and_ones_own(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.call("POST", "/rooms", 201, json={"name": "Kitchen", "visibility": "public"})
    await bob.call("POST", f"/rooms/{room['id']}/join")
    path = f"/rooms/{room['id']}/messages"
    sent = await alice.call("POST", path, 201, json={"client_msg_id": "1", "body": "first"})
    await alice.call("PATCH", f"{path}/{sent['id']}", json={"rev": 1, "body": "second"})
    await bob.call("POST", path, 201, json={"client_msg_id": "1", "body": "not hers"})
    answer = await alice.http.get("/users/me/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert (lines[0]["type"], lines[0]["format"]) == ("header", "parley-export/1")
    assert lines[-1] == {"type": "end", "lines": len(lines) - 1}
    assert [line["username"] for line in lines if line["type"] == "profile"] == [alice.username]
    assert [line["body"] for line in lines if line["type"] == "revision"] == ["first", "second"]
    assert {line["type"] for line in lines} >= {"session", "sign_in", "membership", "message"}
    assert "not hers" not in answer.text


@pytest.fixture
def command(suite: Suite, admin: Person, tmp_path: Path) -> Any:
    """Runs `parley …`, signed in as an admin."""
    environment = {**os.environ, "PARLEY_URL": suite.urls[0], "PARLEY_CONFIG": str(tmp_path / "config")}

    def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "parley", *words],
            env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    signed_in = run("login", admin.username, "--password-stdin", stdin=PASSWORD + "\n")
    assert signed_in.returncode == 0, signed_in.stderr
    return run


async def test_an_exported_trail_is_verified_without_the_server(
    suite: Suite, person: NewPerson, admin: Person, command: Any, tmp_path: Path
) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.call("POST", "/rooms", 201, json={"name": "Kitchen", "visibility": "private"})
    await alice.call("POST", f"/rooms/{room['id']}/members", 201, json={"user_id": bob.id})
    await alice.call("DELETE", f"/rooms/{room['id']}/members/{bob.id}", 204)
    found = await admin.call("GET", "/admin/audit", params={"area": "rooms", "room_id": room["id"]})
    assert [item["action"] for item in found["items"]] == ["member.removed", "member.joined"]
    assert found["items"][0]["prev_hash"] == found["items"][1]["hash"]
    for path in ("/admin/audit", "/admin/audit/entries"):
        assert (await alice.http.get(path, params={"area": "rooms"})).status_code == 403
    written = await asyncio.to_thread(command, "audit", "export")
    assert written.returncode == 0, written.stderr
    file = tmp_path / "audit.ndjson"
    file.write_text(written.stdout)
    key = (await admin.call("GET", "/admin/audit/key"))["public_key"]
    good = await asyncio.to_thread(command, "audit", "verify", str(file), "--key", key)
    assert good.returncode == 0, good.stderr
    assert "whole and unaltered" in good.stdout
    assert room["id"] in file.read_text()
    file.write_text(written.stdout.replace("member.removed", "member.removeD", 1))
    bad = await asyncio.to_thread(command, "audit", "verify", str(file), "--key", key)
    assert bad.returncode == 1
    assert "was altered" in bad.stderr


async def test_one_leaves_with_ones_things_by_the_command(
    suite: Suite, person: NewPerson, admin: Person, command: Any, tmp_path: Path
) -> None:
    await admin.room("Kitchen")
    file = tmp_path / "mine.ndjson"
    taken = await asyncio.to_thread(command, "account", "export", str(file))
    assert taken.returncode == 0, taken.stderr
    assert json.loads(file.read_text().splitlines()[-1])["type"] == "end"
    wrong = await asyncio.to_thread(
        command, "account", "erase", "--yes", "--password-stdin", stdin="not the right one\n"
    )
    assert wrong.returncode == 1
    assert "wrong" in wrong.stderr
    # One admin has to stay.
    other = await person()
    await admin.call("PATCH", f"/admin/users/{other.id}", json={"role": "admin"})
    erased = await asyncio.to_thread(command, "account", "erase", "--yes", "--password-stdin", stdin=PASSWORD + "\n")
    assert erased.returncode == 0, erased.stderr
    words = erased.stdout.split("parley ")[1].split()
    told = await asyncio.to_thread(command, *words)
    assert told.returncode == 0, told.stderr
    assert "auth: 1 accounts" in told.stdout
    assert (await asyncio.to_thread(command, "account", "export")).returncode == 1


async def test_the_trail_is_asked_for_with_what_it_understands(suite: Suite, admin: Person) -> None:
    for params in (
        {},
        {"area": "everything"},
        {"area": "rooms", "since": "2026-11-24T12:00:00"},
        {"area": "rooms", "since": "yesterday"},
        {"area": "rooms", "limit": 201},
        {"area": "rooms", "user_id": "nobody"},
        {"area": "rooms", "cursor": "nonsense"},
    ):
        problem = await admin.call("GET", "/admin/audit", 422, params=params)
        assert problem["code"] in ("invalid", "bad_cursor"), params
    for params in ({"area": "rooms", "export": "x"}, {"area": "rooms", "areas": "accounts", "export": room_id()}):
        assert (await admin.call("GET", "/admin/audit/heads", 422, params=params))["code"] == "invalid"


def room_id() -> str:
    return "01a20e11-bcec-751f-8862-9270028e046e"
