"""The `parley` command, as people type it, while the suite runs."""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Suite
from tests.protocol_client import PASSWORD, Person

COMMAND = Path(sys.executable).parent / "parley"
WITHIN_S = 240.0


class Terminal:
    """One person's shell: a folder of settings of its own."""

    def __init__(self, suite: Suite, folder: Path, gateway: int = 0) -> None:
        self.url = suite.urls[gateway]
        self.environment = {
            **os.environ,
            "PARLEY_HOME": str(suite.home),
            "PARLEY_CONFIG": str(folder),
            "PARLEY_URL": self.url,
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *words,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.running.append(process)
        return process

    async def run(self, *words: str, code: int = 0, said: str = "") -> str:
        """What it prints, on either output, once it has ended with this code."""
        process = await self.start(*words)
        async with asyncio.timeout(WITHIN_S):
            out, err = await process.communicate(said.encode())
        shown = out.decode() + err.decode()
        assert process.returncode == code, shown
        assert "Traceback" not in shown
        return shown

    async def close(self) -> None:
        for process in self.running:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def alice(suite: Suite, tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(suite, tmp_path / "alice")
    yield terminal
    await terminal.close()


@pytest.fixture
async def bob(suite: Suite, tmp_path: Path) -> AsyncIterator[Terminal]:
    """At the other gateway."""
    terminal = Terminal(suite, tmp_path / "bob", 1)
    yield terminal
    await terminal.close()


async def next_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        line = await process.stdout.readline()
    assert line, "it has ended"
    return dict(json.loads(line))


async def test_two_people_talk_in_a_terminal(alice: Terminal, bob: Terminal) -> None:
    name, other = f"u{secrets.token_hex(6)}", f"u{secrets.token_hex(6)}"
    room = f"Kitchen {secrets.token_hex(4)}"
    assert f"registered at {alice.url} as {name}" in await alice.run(
        "register", name, "--password-stdin", said=PASSWORD
    )
    await bob.run("register", other, "--password-stdin", said=PASSWORD)
    await bob.run("logout")
    assert "parley login" in await bob.run("whoami", code=1)
    assert f"as {other} (user)" in await bob.run("login", other, "--password-stdin", said=PASSWORD)
    assert f"{other} ({other}), user, at {bob.url}" in await bob.run("whoami")

    assert "No rooms yet" in await alice.run("rooms")
    assert room in await alice.run("rooms", "create", room, "--topic", "soup")
    assert f"○ {room}  1 members  soup" in await bob.run("rooms", "directory", room)
    assert f"you are in {room}" in await bob.run("rooms", "join", room)

    tail = await bob.start("tail", room, "--json")
    # A tail shows what happens from its connection on; it is there when it shows what is said.
    assert tail.stdout is not None
    first = asyncio.create_task(tail.stdout.readline())
    sent = 0
    async with asyncio.timeout(WITHIN_S):
        while not first.done():
            sent += 1
            assert f"{room} #{sent}" in await alice.run("send", room, f"number {sent}")
    event = json.loads(await first)
    assert re.fullmatch(r"number \d+", event["data"]["message"]["body"])
    seq = event["seq"]
    while event["data"]["message"]["body"] != f"number {sent}":
        event = await next_line(tail)
        seq += 1
        assert event["seq"] == seq
    await alice.run("send", room, said="several\nlines\n")
    event = await next_line(tail)
    assert (event["seq"], event["kind"], event["data"]["message"]["body"]) == (
        seq + 1,
        "message.created",
        "several\nlines",
    )
    tail.send_signal(signal.SIGINT)
    async with asyncio.timeout(WITHIN_S):
        assert await tail.wait() == 130

    shown = await bob.run("chat", room, said="Good morning\n/quit\n")
    assert f"number {sent}" in shown
    assert re.search(rf"{room} +1 +2 +owner", await alice.run("rooms"))
    await bob.run("rooms", "leave", room)
    assert "No rooms yet" in await bob.run("rooms")
    assert (Path(alice.environment["PARLEY_CONFIG"]) / "server").read_text() == alice.url


async def test_what_one_does_to_a_message_from_a_terminal(alice: Terminal, bob: Terminal) -> None:
    room = f"Workshop {secrets.token_hex(4)}"
    for terminal in (alice, bob):
        await terminal.run("register", f"u{secrets.token_hex(6)}", "--password-stdin", said=PASSWORD)
    await alice.run("rooms", "create", room)
    await bob.run("rooms", "join", room)
    for number in range(1, 4):
        assert f"#{number}" in await alice.run("send", room, f"message {number}")
    assert "version 2" in await alice.run("message", "edit", room, "#2", "better", "words")
    assert "👍🏽 1" in await bob.run("message", "react", room, "2", "👍🏽")
    assert "👍🏽" not in await bob.run("message", "react", room, "2", "👍🏽", "--off")
    assert "like, dislike, or one emoji" in await bob.run("message", "react", room, "#2", "wow", code=1)
    await bob.run("message", "reply", room, "#2", "a", "reply")
    shown = await alice.run("message", "thread", room, "#2")
    assert "better words" in shown
    assert "a reply" in shown
    assert "1 replies, 1 unread; you follow this thread" in shown
    assert "no more" in await alice.run("message", "follow", room, "#2", "--off")
    assert "unpinned" in await alice.run("message", "pin", room, "#2", "--off")
    assert "pinned" in await alice.run("message", "pin", room, "#2")
    assert "1 members, delivered to 1, read by 1" in await alice.run("message", "status", room, "#2")
    assert "deleted" in await alice.run("message", "delete", room, "#2", "--reason", "no longer true")
    versions = (await alice.run("message", "revisions", room, "#2")).splitlines()
    assert ["message 2" in versions[0], "better words" in versions[1]] == [True, True]
    assert "(deleted): no longer true" in versions[2]
    assert "no message #9" in await alice.run("message", "status", room, "#9", code=1)
    assert "neither" in await alice.run("message", "status", room, "nonsense", code=1)
    assert "message 3" in await bob.run("chat", room, said="/quit\n")


async def test_what_goes_wrong_is_one_sentence(alice: Terminal) -> None:
    name = f"u{secrets.token_hex(6)}"
    assert "Sign in" in await alice.run("rooms", code=1)
    assert "✗" in await alice.run("register", name, "--password-stdin", code=1, said="a" * 20)
    assert "✗" in await alice.run("login", name, "--password-stdin", code=1, said=PASSWORD)
    await alice.run("register", name, "--password-stdin", said=PASSWORD)
    assert "There is no room 'nowhere'" in await alice.run("send", "nowhere", "hello", code=1)
    alice.environment["PARLEY_URL"] = "http://127.0.0.1:1"
    assert "cannot be reached" in await alice.run("login", name, "--password-stdin", code=1, said=PASSWORD)


async def test_doctor_tells_what_runs_and_what_does_not(alice: Terminal, suite: Suite) -> None:
    if not suite.urls[0].startswith("http://127.0.0.1"):
        assert "is not encrypted" in await alice.run("doctor", code=1)
        return
    shown = await alice.run("doctor")
    for service in ("auth", "messages", "presence", "media", "search"):
        assert f"✓ {service} " in shown
    assert "WebSocket, protocol 1" in shown
    assert "nobody is signed in here" in shown
    assert "All is well." in shown
    name = f"u{secrets.token_hex(6)}"
    await alice.run("register", name, "--password-stdin", said=PASSWORD)
    assert f"signed in as {name} (user)" in await alice.run("doctor")
    shown = await alice.run("doctor", "--server", "http://127.0.0.1:1", code=1)
    assert "cannot be reached" in shown
    assert "things are wrong" in shown


async def test_the_first_admin_is_made_on_the_suites_own_machine(alice: Terminal, suite: Suite, tmp_path: Path) -> None:
    name, victim = f"u{secrets.token_hex(6)}", f"u{secrets.token_hex(6)}"
    await alice.run("admin", "create", "--username", victim, "--password-stdin", "--home", str(tmp_path), code=1)
    made = await alice.run("admin", "create", "--username", name, "--password-stdin", said=PASSWORD)
    assert f"{name} is an admin" in made
    await alice.run("login", name, "--password-stdin", said=PASSWORD)
    assert f"{name} ({name}), admin" in await alice.run("whoami")
    person = await Person(suite.urls[0], victim).register()
    assert victim in await alice.run("admin", "users", victim)
    await alice.run("admin", "disable", victim)
    assert re.search(rf"{victim}.*disabled", await alice.run("admin", "users", victim))
    assert (await person.http.post("/auth/token", data={"username": victim, "password": PASSWORD})).status_code == 403
    await alice.run("admin", "enable", victim)
    assert "is moderator" in await alice.run("admin", "role", victim, "moderator")
    code = (await alice.run("admin", "reset-code", victim)).split()[0]
    await person.call("POST", "/auth/reset", 204, json={"code": code, "new_password": "quite another passphrase"})
    invite = (await alice.run("admin", "invite")).split()[0]
    assert len(invite) > 15
    assert "no account" in await alice.run("admin", "disable", "nobody-of-that-name", code=1)
