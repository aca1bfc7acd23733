"""`parley upload`, `image`, `search`, `keys` and `media`, as people type them, while the suite runs."""

import asyncio
import re
import secrets
from pathlib import Path

import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.integration.test_command import Terminal
from tests.integration.test_moderation_command import signed_in
from tests.integration.test_search import word
from tests.pictures import Bucket, opened, png
from tests.protocol_client import Person

WITHIN_S = 60.0


@pytest.fixture
async def alice(suite: Suite, person: NewPerson, tmp_path: Path) -> Terminal:
    return await signed_in(suite, tmp_path / "alice", await person())


@pytest.fixture
async def bob(suite: Suite, person: NewPerson, tmp_path: Path) -> Terminal:
    return await signed_in(suite, tmp_path / "bob", await person())


@pytest.fixture
async def office(suite: Suite, admin: Person, tmp_path: Path) -> Terminal:
    """An admin's shell."""
    return await signed_in(suite, tmp_path / "office", admin)


async def until_shown(terminal: Terminal, text: str, *words: str) -> str:
    """Run it until it shows that."""
    async with asyncio.timeout(WITHIN_S):
        while text not in (shown := await terminal.run(*words)):
            await asyncio.sleep(0.2)
    return shown


async def test_pictures_are_sent_found_and_saved(alice: Terminal, bob: Terminal, tmp_path: Path) -> None:
    room, said = f"Balcony {secrets.token_hex(4)}", word()
    await alice.run("rooms", "create", room)
    await bob.run("rooms", "join", room)
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for number, file in enumerate(files):
        file.write_bytes(png(100 + number, 50, seed=number))
    shown = await alice.run("upload", *map(str, files), "--room", room, "--text", f"{said} at sunset")
    ids = re.findall(r"✓ ([0-9a-f-]{36})", shown)
    assert len(ids) == 2
    assert f"✓ {room} #1" in shown
    shown = await until_shown(bob, said, "search", said, "has:image")
    assert f"{said} at sunset  [2 images]" in shown
    assert said in await bob.run("search", "--room", room, "sunset")
    assert "Nothing found." in await bob.run("search", said, "-sunset")
    saved = tmp_path / "saved.webp"
    await bob.run("image", ids[1], "-o", str(saved))
    assert opened(saved.read_bytes()).size == (101, 50)
    await bob.run("image", ids[0], "-o", str(saved), "--size", "64")
    assert max(opened(saved.read_bytes()).size) == 64
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert "✗" in await alice.run("upload", str(text), code=1)
    text.write_bytes(png() + bytes(10_485_760))
    assert "larger" in await alice.run("upload", str(text), code=1)
    await bob.run("rooms", "leave", room)
    assert "✗" in await bob.run("image", ids[0], "-o", str(saved), code=1)


async def test_the_word_rebuild_is_searched_for_like_any_other(alice: Terminal) -> None:
    room, said = f"Workshop {secrets.token_hex(4)}", word()
    await alice.run("rooms", "create", room)
    await alice.run("send", room, f"rebuild the shed {said}")
    await until_shown(alice, said, "search", said)
    assert said in await alice.run("search", "--", "rebuild")
    assert said in await alice.run("search", "rebuild", "shed")
    # By itself it is the command, which is not theirs, and asks before it does anything.
    assert "✗" in await alice.run("search", "rebuild", "--yes", code=1)
    assert "anew?" in await alice.run("search", "rebuild", code=1, said="n\n")


async def test_an_admin_builds_the_index_anew_and_sees_its_end(office: Terminal) -> None:
    assert re.search(r"✓ [\d,]+ messages of [\d,]+ rooms", await office.run("search", "rebuild", "--yes"))
    assert re.search(r"✓ [\d,]+ messages of [\d,]+ rooms", await office.run("search", "rebuild", "--status"))


async def test_a_sealed_room_tells_who_can_read_it_and_its_keys_are_looked_after(
    suite: Suite, office: Terminal
) -> None:
    room = f"Safe {secrets.token_hex(4)}"
    await office.run("rooms", "create", room, "--sealed", "--private")
    await office.run("send", room, "a secret")
    shown = await office.run("rooms", "privacy", room)
    assert "not end-to-end" in shown
    assert "Not protected:" in shown
    assert "version 1, since" in await office.run("keys", "status", room)
    assert "has key 2" in await office.run("keys", "rotate", room, "--yes")
    file = suite.kept("secrets") / "wrapping-key-messages"
    shown = await office.run("keys", "new", str(file), "--yes")
    name = shown.split()[1]
    assert "To wrap all under today's" in await office.run("keys", "status")
    shown = await office.run("keys", "rotate", "--yes")
    assert re.search(rf"Keys of rooms: [\d,]+ wrapped anew under {name}, none is left", shown)
    assert re.search(rf"{name} +[\d,]+ +[\d,]+ +today's", await office.run("keys", "status"))
    assert "a secret" in await office.run("chat", room, said="/quit\n")
    await office.run("keys", "destroy", room, "--reason", "no longer needed", code=1, said="n\n")
    shown = await office.run("keys", "destroy", room, "--reason", "no longer needed", "--yes")
    assert "2 keys destroyed" in shown
    assert "a secret" not in await office.run("chat", room, said="/quit\n")
    assert (await office.run("keys", "status", room)).count("destroyed") == 2


async def test_a_check_of_the_bucket_finds_what_has_been_lost(suite: Suite, office: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png())
    shown = await office.run("upload", str(file))
    image_id = re.findall(r"✓ ([0-9a-f-]{36})", shown)[0]
    assert "all match" in await until_shown(office, "all match", "media", "check")
    bucket = Bucket(suite)
    (lost, *_) = sorted(bucket.of(image_id))
    data = bucket.take_away(lost)
    try:
        shown = await office.run("media", "check", code=1)
        assert f"missing from the bucket: {lost}" in shown
    finally:
        bucket.put_back(lost, data)
    assert "all match" in await office.run("media", "check")
