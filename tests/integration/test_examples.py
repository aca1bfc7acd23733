"""The examples run as their first lines say, against the suite, and show what they promise."""

import asyncio
import re
import runpy
import secrets
import sys
from pathlib import Path
from uuid import UUID

import asyncpg

from parley_client import Client, Event
from tests.conftest import Suite
from tests.protocol_client import Person

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
WITHIN_S = 60.0


async def shown(suite: Suite, *words: str) -> str:
    """What Python prints, given these arguments, once it has ended with 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        env={**suite.environment, "PARLEY_URL": suite.urls[0]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_every_example_is_run_here() -> None:
    assert sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py")) == [
        "async_postgres.py",
        "database/chat_models.py",
        "demo.py",
        "file_upload.py",
        "jwt_auth.py",
        "websocket_chat.py",
    ]


async def test_two_people_talk_over_the_raw_protocol_and_one_comes_back(suite: Suite) -> None:
    output = await shown(suite, str(EXAMPLES / "websocket_chat.py"))
    frames = re.findall(r'^ *(alice|bob) (→|←) \{"type": "(\w+)"', output, re.MULTILINE)
    for way, kind in (("←", "hello"), ("→", "auth"), ("←", "ready"), ("←", "live"), ("→", "send"), ("←", "ack")):
        assert ("bob", way, kind) in frames
    assert '"status": "recovered"' in output
    assert "the same message: duplicate True, seq 5" in output
    assert "Bob has missed nothing: seq 5 to 6 arrived once each, in order." in output
    # The token is in no line.
    assert "eyJ" not in output


async def test_another_program_verifies_tokens_and_old_refresh_tokens_end_the_session(suite: Suite) -> None:
    output = await shown(suite, str(EXAMPLES / "jwt_auth.py"))
    assert re.search(r"^accepted: user [0-9a-f-]{36}, session [0-9a-f-]{36}, role user$", output, re.MULTILINE)
    refused = dict(re.findall(r"^refused, (.*): (\w+)$", output, re.MULTILINE))
    assert refused == {
        "meant for another audience": "InvalidAudienceError",
        "an hour later": "ExpiredSignatureError",
        "alg none": "InvalidAlgorithmError",
        "signed by HMAC": "InvalidAlgorithmError",
        "promoted to admin": "InvalidSignatureError",
        "of an unknown key": "InvalidKeyError",
    }
    assert "the first refresh token once more: 401 bad_token" in output
    assert "and the newest, since the session is over: 401 bad_token" in output


async def test_the_demo_fills_rooms_and_talks_on(suite: Suite) -> None:
    output = await shown(suite, str(EXAMPLES / "demo.py"), "--seconds", "1")
    found = re.search(r"sign in as (\S+) with\s+(\S+)", output)
    assert found is not None, output
    async with Client(suite.urls[0], username=found[1], password=found[2]) as guest:
        rooms = {room.name: room for room in (await guest.rooms()).items}
        assert {"Kitchen crew", "Garden", "Workshop", "Music on Fridays", "Accounts"} <= rooms.keys()
        messages = (await guest.messages(rooms["Garden"].id)).items
        assert any(message.media for message in messages)
        assert any(message.reactions for message in messages)


async def test_the_people_of_the_demo_answer_who_says_something(suite: Suite) -> None:
    # Found as the command finds it, by what the launcher has noted down.
    environment = {name: value for name, value in suite.environment.items() if name != "PARLEY_URL"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "demo.py"), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            output = ""
            while (found := re.search(r"sign in as (\S+) with\s+(\S+)\s", output)) is None:
                line = await process.stdout.readline()
                assert line, output
                output += line.decode()
            async with Client(suite.urls[0], username=found[1], password=found[2]) as guest:
                rooms = {room.name: room for room in (await guest.rooms()).items}
                garden = rooms["Garden"].id
                direct = next(room for room in rooms.values() if room.kind == "direct").id
                await guest.connect()
                await guest.send(garden, "Are you a demo?")
                await guest.send(direct, "Thank you!")
                demo = runpy.run_path(str(EXAMPLES / "demo.py"))
                wanted = {garden: demo["ABOUT"], direct: demo["WELCOME"]}
                async for event in guest.events():
                    assert isinstance(event, Event)
                    if event.message is not None and event.message.body in wanted.get(event.message.room_id, ()):
                        del wanted[event.message.room_id]
                    if not wanted:
                        break
    finally:
        process.kill()
        await process.wait()


async def test_group_commit_leaves_no_holes_and_no_schema_behind(suite: Suite) -> None:
    database = suite.run_json()["urls"]["postgres"]
    output = await shown(suite, str(EXAMPLES / "async_postgres.py"))
    assert re.search(r"^one commit a row: +[\d,]+ rows/s", output, re.MULTILINE)
    assert re.search(r"^group commit: +[\d,]+ rows/s", output, re.MULTILINE)
    assert "room 2 took seq 401 to 420 meanwhile; room 1 waits: True" in output
    assert "4021 rows in 10 rooms, each numbered 1, 2, 3, … without a hole" in output
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'example%'") == 0
    finally:
        await connection.close()


async def test_the_models_answer_what_one_would_ask_first_and_write_nothing(suite: Suite) -> None:
    alice = await Person(suite.urls[0], f"models-{secrets.token_hex(4)}").register()
    try:
        room = await alice.room("A room for models")
        for body in ("first", "second", "third"):
            sent = {"client_msg_id": body, "body": body}
            kept = await alice.call("POST", f"/rooms/{room}/messages", 201, json=sent)
        connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
        try:
            # Among all the rooms of these tests it is to be the busiest, whoever wrote more in his.
            await connection.execute("UPDATE messages.rooms SET n = n + 1000000000 WHERE id = $1", UUID(room))
            output = await shown(suite, str(EXAMPLES / "database" / "chat_models.py"))
            await connection.execute("UPDATE messages.rooms SET n = n - 1000000000 WHERE id = $1", UUID(room))
        finally:
            await connection.close()
    finally:
        await alice.http.aclose()
    assert f"A room for models (public): 1000000003 messages, {alice.username}\n" in output
    assert f"{kept['seq']:>4}  {alice.username}: third\n" in output
    assert re.search(r"^Who writes most: \S+ \(\d+\)", output, re.MULTILINE)
    assert re.search(r"^\S+ is in: ", output, re.MULTILINE)


async def test_an_image_is_uploaded_sent_seen_and_gone(suite: Suite) -> None:
    output = await shown(suite, str(EXAMPLES / "file_upload.py"))
    assert re.search(r"^ +320×200, image/\w+, blurhash \S+$", output, re.MULTILINE)
    for line in (
        "before it is sent, Bob gets not_found",
        "it is whole: True",
        "Eve, who is not in the room, gets not_found",
        "the same as before: True",
        "too_large and unsupported_media_type",
        "after the deletion, Bob gets not_found",
    ):
        assert f"       {line}\n" in output, line
    assert re.search(r"the first hundred bytes: bytes 0-99/\d+ True$", output, re.MULTILINE)


async def test_the_programs_in_the_sdks_readme_run_one_after_the_other(suite: Suite, tmp_path: Path) -> None:
    text = (ROOT / "clients" / "python" / "README.md").read_text()
    text = text.replace("http://127.0.0.1:8000", suite.urls[0]).replace("tempfile.gettempdir()", repr(str(tmp_path)))
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    outputs = [await shown(suite, "-c", program) for program in programs]
    start, events, images, errors, tokens = outputs
    assert start.startswith("2 ")
    assert "3: Is anybody there?" in events
    assert images.startswith("1×1, ")
    assert images.endswith("found: garden\n")
    assert errors == "rev_conflict cool\n"
    assert tokens == "signed in as dora\nstill dora\n"
