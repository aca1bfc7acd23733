"""Moderation through the SDK, and as it is typed: `parley rooms mute`, `parley message report`, `parley admin reports`."""

import re
import secrets
from pathlib import Path
from uuid import UUID

import pytest

from parley_client import ApiError, Client
from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_command import Terminal
from tests.protocol_client import PASSWORD, Person


async def signed_in(suite: Suite, folder: Path, person: Person) -> Terminal:
    terminal = Terminal(suite, folder)
    await terminal.run("login", person.username, "--password-stdin", said=PASSWORD)
    return terminal


async def test_the_sdk_moderates(suite: Suite, person: NewPerson, admin: Person) -> None:
    alice, bob = await person(), await person()
    room, guest = UUID(await alice.room()), UUID(bob.id)
    await bob.call("POST", f"/rooms/{room}/join")
    async with (
        Client(suite.urls[0], username=alice.username, password=PASSWORD) as owner,
        Client(suite.urls[1], username=bob.username, password=PASSWORD) as member,
        Client(suite.urls[1], username=admin.username, password=PASSWORD) as office,
    ):
        message = await member.post(room, "buy my book")
        reported = await owner.report(room, message.id, "advertising")
        [report] = (await owner.reports(room)).items
        assert (report.id, report.message_id, report.sender_id) == (reported, message.id, guest)
        assert (await office.resolve_report(reported, "seen to")).resolution == "seen to"
        muted = await owner.mute(room, guest, minutes=5, reason="too loud")
        assert (await owner.mutes(room)).items == [muted]
        with pytest.raises(ApiError) as caught:
            await member.post(room, "but")
        assert (caught.value.code, caught.value.status) == ("muted", 403)
        banned = await owner.ban(room, guest)
        assert (banned.until, (await owner.bans(room)).items) == (None, [banned])
        with pytest.raises(ApiError) as caught:
            await member.join(room)
        assert caught.value.code == "banned"
        kept = await owner.update_room(room, 1, retention_days=30)
        assert kept.retention_days == 30
        assert (await owner.update_room(room, kept.rev, retention_days=None)).retention_days is None
        private = await owner.create_room("Private", visibility="private")
        grant = await office.grant_access(private.id, "a complaint", 5)
        assert (grant.room_id, (await office.messages(private.id)).items) == (private.id, [])


async def test_a_room_is_moderated_from_a_terminal(suite: Suite, person: NewPerson, tmp_path: Path) -> None:
    alice, bob = await person(), await person()
    name = f"Kitchen {secrets.token_hex(4)}"
    room = await alice.room(name)
    await bob.call("POST", f"/rooms/{room}/join")
    shell = await signed_in(suite, tmp_path / "alice", alice)
    said = await shell.run("rooms", "mute", name, bob.username, "--minutes", "5", "--reason", "too loud")
    assert re.search(rf"{bob.username} is muted until \d{{4}}-\d\d-\d\d \d\d:\d\d UTC", said)
    assert [item["reason"] for item in (await alice.call("GET", f"/rooms/{room}/mutes"))["items"]] == ["too loud"]
    await shell.run("rooms", "unmute", name, bob.username)
    assert (await alice.call("GET", f"/rooms/{room}/mutes"))["items"] == []
    await shell.run("rooms", "kick", name, f"@{bob.username}")
    await bob.call("POST", f"/rooms/{room}/join")
    assert "until it is lifted" in await shell.run("rooms", "ban", room, bob.id)
    await bob.call("POST", f"/rooms/{room}/join", 403)
    await shell.run("rooms", "unban", name, bob.username)
    await bob.call("POST", f"/rooms/{room}/join")
    assert "whose role equals or exceeds yours" in await shell.run("rooms", "ban", name, alice.username, code=1)
    assert "There is nobody of the name" in await shell.run("rooms", "ban", name, "nobody-at-all", code=1)
    assert "There is no room" in await shell.run("rooms", "ban", "nowhere at all", bob.username, code=1)


async def test_office_needs_no_membership_and_joins_nothing(
    suite: Suite, person: NewPerson, admin: Person, tmp_path: Path
) -> None:
    alice, bob = await person(), await person()
    name = f"Office {secrets.token_hex(4)}"
    room = await alice.room(name, history="all")
    private = await alice.room("Private", visibility="private")
    await bob.call("POST", f"/rooms/{room}/join")
    writer = await signed_in(suite, tmp_path / "bob", bob)
    shell = await signed_in(suite, tmp_path / "admin", admin)
    await writer.run("send", name, "buy", "my", "book")
    await writer.run("message", "report", name, "#1", "advertising", "again")
    listed = await shell.run("admin", "reports")
    line = next(line for line in listed.splitlines() if room in line)
    assert "advertising again" in line
    await shell.run("admin", "resolve", line.split()[-1], "seen", "to")
    assert "seen to" in await shell.run("admin", "reports", "--room", name)
    await shell.run("rooms", "mute", name, bob.username)
    await shell.run("rooms", "mute", private, bob.username)
    assert admin.id not in {item["user_id"] for item in (await alice.call("GET", f"/rooms/{room}/members"))["items"]}
    await admin.call("GET", f"/rooms/{private}/messages", 404)
    assert f"you may read {private} until" in await shell.run(
        "admin", "access", private, "a complaint", "--minutes", "5"
    )
    await admin.call("GET", f"/rooms/{private}/messages")
    assert "admin" in await writer.run("admin", "reports", code=1)
