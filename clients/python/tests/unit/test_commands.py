"""What the commands of images, search and keys make of what is typed; the server is in memory."""

import functools
import json
import re
import stat
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import pytest
from typer.testing import CliRunner

from parley_client import Client, FileStore, Tokens
from parley_client.commands import search, session
from parley_client.commands.main import app
from parley_client.models import FoundMessage, Message

ROOM, USER, IMAGE = str(uuid4()), str(uuid4()), str(uuid4())
AT = "2026-11-24T12:00:00Z"
MESSAGE = {
    "id": str(uuid4()), "room_id": ROOM, "seq": 3, "n": 1, "sender_id": USER, "body": "hot soup", "format": "markdown", "media": [],
    "thread_root_id": None, "reply_count": 0, "mentions": [], "reactions": [], "rev": 1, "edited_at": None, "deleted": False,
    "deleted_by": None, "pinned": False, "created_at": AT,
}  # fmt: skip
NAMED_ROOM = {
    "id": ROOM, "kind": "room", "name": "Kitchen", "topic": "", "visibility": "public", "encryption": "plain", "history": "all",
    "language": "english", "slow_mode_s": 0, "rev": 1, "created_by": USER, "created_at": AT,
}  # fmt: skip
STATE = {"messages": 10, "rooms": 2, "rooms_behind": 0, "epoch": "1", "rebuilding": None, "done": 2, "total": 2}

Answer = Any


class Terminal:
    """answers: by "METHOD path"; a list is taken one by one. asked: (METHOD path, query, body)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.setenv("PARLEY_CONFIG", str(folder))
        monkeypatch.setenv("PARLEY_URL", "http://parley.example")
        monkeypatch.setenv("NO_COLOR", "1")
        tokens = Tokens(access_token="a", refresh_token="r", expires_at=time.time() + 600)
        FileStore(folder / "parley.example.json").save(tokens)
        transport = httpx2.MockTransport(self._serve)
        monkeypatch.setattr(session, "Client", functools.partial(Client, transport=transport))
        monkeypatch.setattr(search, "POLL_S", 0)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answers: dict[str, Answer] = {
            "GET /rooms": {"items": [NAMED_ROOM]},
            "GET /users": {"items": [{"id": USER, "username": "alice", "display_name": "Alice"}]},
        }

    async def _serve(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        name = f"{request.method} {request.url.path.removeprefix('/api/v1')}"
        is_json = request.headers.get("content-type") == "application/json"
        self.asked.append((name, dict(request.url.params), json.loads(content) if is_json else content))
        answer = self.answers.get(name)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return httpx2.Response(404, json={"code": "not_found", "detail": "No such thing."})
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, json=answer)

    def run(self, *words: str, code: int = 0, said: str = "") -> str:
        result = CliRunner().invoke(app, words, input=said)
        assert result.exit_code == code, result.output
        return result.output

    def requests(self, name: str) -> list[tuple[dict[str, str], Any]]:
        return [(query, body) for found, query, body in self.asked if found == name]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    return Terminal(monkeypatch, tmp_path)


# -- search


@pytest.mark.parametrize(
    ("words", "q"),
    [
        (["soup"], "soup"),
        (["hot", "soup"], "hot soup"),
        (['"hot soup"', "-cold", "from:alice"], '"hot soup" -cold from:alice'),
        (["--", "rebuild"], "rebuild"),
        (["rebuild", "soup"], "rebuild soup"),
        (["soup", "rebuild"], "soup rebuild"),
        (["for", "soup"], "for soup"),
        (["--room", "Kitchen", "rebuild"], "rebuild"),
        (["rebuild", "--room", "Kitchen"], "rebuild"),
    ],
)
def test_words_are_searched_for_and_none_is_taken_for_a_command(terminal: Terminal, words: list[str], q: str) -> None:
    terminal.answers["GET /search"] = {"items": [{"message": MESSAGE, "highlights": [[4, 8]]}]}
    shown = terminal.run("search", *words)
    assert "Kitchen alice  hot soup" in shown
    ((query, _),) = terminal.requests("GET /search")
    assert query["q"] == q
    assert ("room_id" in query) == ("--room" in words)
    assert not terminal.requests("POST /admin/search/rebuild")


def test_the_newest_are_shown_or_all_and_nothing_is_said_to_be_so(terminal: Terminal) -> None:
    found = {"items": [{"message": MESSAGE, "highlights": []}]}
    terminal.answers["GET /search"] = [{"items": [], "next": "2"}, {**found, "next": "3"}, found]
    # An empty page is not the end.
    assert "--all" in terminal.run("search", "soup")
    assert len(terminal.requests("GET /search")) == 2
    terminal.answers["GET /search"] = [{**found, "next": "2"}, found]
    assert terminal.run("search", "--all", "soup").count("hot soup") == 2
    terminal.answers["GET /search"] = {"items": []}
    assert "Nothing found." in terminal.run("search", "soup")


def test_a_rebuild_is_asked_about_and_followed_to_its_end(terminal: Terminal) -> None:
    begun = {**STATE, "rebuilding": AT, "done": 1}
    terminal.answers["POST /admin/search/rebuild"] = httpx2.Response(202, json=begun)
    terminal.answers["GET /admin/search"] = [begun, STATE]
    terminal.run("search", "rebuild", code=1, said="n\n")
    assert not terminal.asked
    assert "10 messages of 2 rooms, 0 rooms behind" in terminal.run("search", "rebuild", "--yes")
    assert len(terminal.requests("GET /admin/search")) == 2
    terminal.answers["GET /admin/search"] = begun
    assert "being built anew: 1 of 2 rooms" in terminal.run("search", "rebuild", "--status")
    assert len(terminal.requests("POST /admin/search/rebuild")) == 1


def test_ctrl_c_leaves_a_rebuild_running(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    terminal.answers["POST /admin/search/rebuild"] = {**STATE, "rebuilding": AT}
    monkeypatch.setattr(search, "_follow", interrupted)
    assert "It goes on by itself" in terminal.run("search", "rebuild", "--yes", code=130)


def found_in(body: str, *highlights: tuple[int, int]) -> FoundMessage:
    return FoundMessage(
        message=msgspec.convert({**MESSAGE, "body": body}, Message, strict=False), highlights=list(highlights)
    )


def test_what_was_found_is_highlighted_where_it_is() -> None:
    text = search.excerpt(found_in("the 🍲 is\nsoup", (9, 13)))
    assert text.plain == "the 🍲 is⏎soup"
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold yellow"] == ["soup"]


def test_of_a_long_message_the_part_around_the_first_hit_is_shown() -> None:
    text = search.excerpt(found_in("x" * 1000 + " soup " + "y" * 1000, (1001, 1005)))
    assert text.plain.startswith("…x")
    assert text.plain.endswith("y…")
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold yellow"] == ["soup"]
    assert search.excerpt(found_in("short")).plain == "short"


# -- images


def image(number: int = 1) -> dict[str, Any]:
    return {
        "id": IMAGE, "content_type": "image/png", "bytes": number, "width": 1, "height": 2, "sha256": "0", "blurhash": "L", "thumbnails": [],
    }  # fmt: skip


def test_files_are_uploaded_and_sent_in_one_message(terminal: Terminal, tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        file.write_bytes(b"x" * 100_000)
    terminal.answers["POST /media"] = httpx2.Response(201, json=image())
    terminal.answers[f"POST /rooms/{ROOM}/messages"] = httpx2.Response(201, json={**MESSAGE, "duplicate": False})
    shown = terminal.run("upload", *map(str, files), "--room", "Kitchen")
    assert shown.count(IMAGE) == 2
    assert "Kitchen #1" in shown
    ((_, sent),) = terminal.requests(f"POST /rooms/{ROOM}/messages")
    assert (sent["body"], sent["media_ids"]) == ("a.png b.png", [IMAGE, IMAGE])
    terminal.run("upload", str(files[0]), "--room", "Kitchen", "--text", "Look!")
    assert terminal.requests(f"POST /rooms/{ROOM}/messages")[1][1]["body"] == "Look!"
    assert IMAGE in terminal.run("upload", str(files[0]))
    assert len(terminal.requests(f"POST /rooms/{ROOM}/messages")) == 2
    terminal.run("upload", str(files[0]), "--text", "Look!", code=2)
    terminal.run("upload", *[str(files[0])] * 11, "--room", "Kitchen", code=2)
    terminal.run("upload", str(tmp_path / "nothing.png"), code=2)


def test_an_image_is_saved_under_its_own_name_or_another(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    webp = {"Content-Type": "image/webp"}
    terminal.answers[f"GET /media/{IMAGE}"] = httpx2.Response(200, content=b"bytes", headers=webp)
    terminal.answers[f"GET /media/{IMAGE}/thumbnails/64"] = httpx2.Response(200, content=b"small", headers=webp)
    terminal.run("image", IMAGE)
    assert (tmp_path / f"{IMAGE}.webp").read_bytes() == b"bytes"
    terminal.run("image", IMAGE, "-o", "small.webp", "--size", "64")
    assert (tmp_path / "small.webp").read_bytes() == b"small"
    assert terminal.run("image", IMAGE, "-o", "-") == "bytes"
    assert "No such thing" in terminal.run("image", str(uuid4()), code=1)
    assert "cannot be written" in terminal.run("image", IMAGE, "-o", "nowhere/x.webp", code=1)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".webp", ".webp"]


def checked(**more: Any) -> dict[str, Any]:
    return {"objects": 5, "total": 10, "unfinished": 1, "missing": [], "stray": [], "next": None, **more}


def test_a_check_of_the_bucket_names_what_does_not_match_and_says_so_by_its_code(terminal: Terminal) -> None:
    terminal.answers["GET /admin/media/check"] = [checked(next="b"), checked()]
    assert "10 objects, 2 on their way in or out: all match" in terminal.run("media", "check")
    terminal.answers["GET /admin/media/check"] = [checked(next="b", missing=["image/1"]), checked(stray=["image/2"])]
    shown = terminal.run("media", "check", code=1)
    assert "missing from the bucket: image/1" in shown
    assert "in the bucket alone: image/2" in shown
    assert "2 do not match" in shown
    assert [query for query, _ in terminal.requests("GET /admin/media/check")] == [{}, {"cursor": "b"}] * 2


# -- rooms and keys


def test_a_sealed_room_is_made_and_says_who_can_read_it(terminal: Terminal) -> None:
    terminal.answers["POST /rooms"] = httpx2.Response(201, json={**NAMED_ROOM, "encryption": "sealed"})
    terminal.run("rooms", "create", "Kitchen", "--sealed", "--private")
    ((_, sent),) = terminal.requests("POST /rooms")
    assert (sent["encryption"], sent["visibility"]) == ("sealed", "private")
    terminal.answers[f"GET /rooms/{ROOM}/privacy"] = {
        "encryption": "sealed", "summary": "Encrypted at rest.", "searchable": False, "can_read": ["Its members."],
        "cannot_read": ["Who has a backup."], "not_protected": ["Who wrote when."], "key_version": 2, "key_since": AT,
    }  # fmt: skip
    shown = terminal.run("rooms", "privacy", "Kitchen")
    for sentence in ("Encrypted at rest.", "Its members.", "Who has a backup.", "Who wrote when.", "Key 2, since"):
        assert sentence in shown


def key(**more: Any) -> dict[str, Any]:
    return {"room_id": ROOM, "version": 1, "wrapping_key": "old", "created_at": AT, **more}


def test_keys_are_told_by_what_wraps_them(terminal: Terminal) -> None:
    images = {"current": "new", "counts": {"old": 7, "new": 1}}
    terminal.answers["GET /admin/keys"] = {"items": [], "current": "new", "counts": {"old": 3}, "images": images}
    lines = terminal.run("keys", "status").splitlines()
    assert [line.split() for line in lines[1:3]] == [["new", "0", "1", "today's"], ["old", "3", "7"]]
    assert "parley keys rotate" in lines[3]
    terminal.answers["GET /admin/keys"] = {"items": [], "current": None, "counts": {}, "images": None}
    assert "no wrapping key" in terminal.run("keys", "status")
    gone = key(wrapping_key=None, destroyed_at=AT, backups_forget_at="2027-01-01T00:00:00Z")
    terminal.answers["GET /admin/keys"] = {
        "items": [gone, key(version=2)],
        "current": "old",
        "counts": {},
        "images": None,
    }
    shown = terminal.run("keys", "status", "Kitchen")
    assert "in no backup from 2027-01-01 on" in shown
    assert "version 2, since 2026-11-24 12:00 UTC, under old" in shown


def test_keys_are_wrapped_anew_step_by_step_and_a_room_gets_a_new_one(terminal: Terminal) -> None:
    def step(rewrapped: int, left: int, further: str | None) -> dict[str, Any]:
        return {"rewrapped": {"rewrapped": rewrapped, "left": left, "wrapping_key": "new", "next": further}}

    terminal.answers["POST /admin/keys/rotate"] = [
        step(500, 20, "b"),
        step(20, 0, None),
        step(3, 0, None),
        {"key": key(version=2)},
    ]
    terminal.run("keys", "rotate", code=1, said="n\n")
    shown = terminal.run("keys", "rotate", said="y\n")
    assert "Keys of rooms: 520 wrapped anew under new, none is left" in shown
    assert "Keys of images: 3 wrapped anew" in shown
    assert [body for _, body in terminal.requests("POST /admin/keys/rotate")] == [
        {"service": "messages", "cursor": None},
        {"service": "messages", "cursor": "b"},
        {"service": "media", "cursor": None},
    ]
    assert "Kitchen has key 2" in terminal.run("keys", "rotate", "Kitchen", "--yes")
    assert terminal.requests("POST /admin/keys/rotate")[-1][1] == {"room_id": ROOM}


def test_keys_that_cannot_be_wrapped_anew_are_said(terminal: Terminal) -> None:
    terminal.answers["POST /admin/keys/rotate"] = {
        "rewrapped": {"rewrapped": 5, "left": 2, "wrapping_key": "new", "next": None}
    }
    assert "Keys of images: 5 wrapped anew under new, 2 could not be" in terminal.run("keys", "rotate", "--yes", code=1)


def test_keys_are_destroyed_for_a_reason_and_not_by_mistake(terminal: Terminal) -> None:
    terminal.answers["POST /admin/keys/destroy"] = {
        "destroyed": 2, "backups_forget_at": "2027-01-01T00:00:00Z", "key": key(version=3),
    }  # fmt: skip
    terminal.run("keys", "destroy", "Kitchen", code=2)
    terminal.run("keys", "destroy", "Kitchen", "--reason", "asked for", code=1, said="\n")
    assert not terminal.asked
    shown = terminal.run("keys", "destroy", "Kitchen", "--reason", "asked for", said="y\n")
    assert "2 keys destroyed" in shown
    assert "Until 2027-01-01 00:00 UTC" in shown
    assert terminal.requests("POST /admin/keys/destroy")[0][1] == {"room_id": ROOM, "reason": "asked for"}


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_a_wrapping_key_is_added_behind_the_others_in_a_file_that_nobody_else_reads(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "wrapping-key"
    terminal.run("keys", "new", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (first,) = lines_of(file)
    assert re.fullmatch(r"[0-9a-f]{8} [0-9a-f]{64}", first)
    terminal.run("keys", "new", str(file), code=1, said="n\n")
    assert lines_of(file) == [first]
    file.write_text(f"# since 2026\n{first}")  # without an end of line
    terminal.run("keys", "new", str(file), said="y\n")
    assert lines_of(file)[:2] == ["# since 2026", first]
    assert len(set(lines_of(file))) == 3
    other = tmp_path / "notes"
    other.write_text("buy milk\n")
    assert "Is it the right file?" in terminal.run("keys", "new", str(other), "--yes", code=1)
    assert lines_of(other) == ["buy milk"]
    assert "✗" in terminal.run("keys", "new", str(tmp_path / "nowhere" / "key"), code=1)
    assert not terminal.asked


def test_a_key_on_standby_unwraps_until_it_is_promoted(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "wrapping-key"
    assert "no key" in terminal.run("keys", "new", "--standby", str(file), code=1)
    terminal.run("keys", "new", str(file))
    (first,) = lines_of(file)
    said = terminal.run("keys", "new", "--standby", str(file))
    second, last = lines_of(file)
    assert last == first
    name = second.split()[0]
    assert f"parley keys promote {file} {name}" in said
    assert "has no key" in terminal.run("keys", "promote", str(file), "nobody", code=1)
    terminal.run("keys", "promote", str(file), name)
    assert lines_of(file) == [first, second]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(".wrapping*")] == []


# -- verify

CLEAN = {"streams": 2, "total": 2, "checked": {"events": 7}, "divergences": [], "next": None}
LOST = {
    "kind": "state.lost", "stream": f"room:{ROOM}", "seq": 5, "message_id": MESSAGE["id"], "user_id": None, "detail": "it is gone",
}  # fmt: skip
BUCKET = {"objects": 4, "total": 4, "unfinished": 0, "missing": [], "stray": [], "next": None}


def all_clean(terminal: Terminal) -> None:
    terminal.answers |= {f"GET /admin/verify/{part}": CLEAN for part in ("rooms", "people", "index")}
    terminal.answers["GET /admin/media/check"] = BUCKET


def test_everything_is_verified_part_by_part_and_step_by_step(terminal: Terminal) -> None:
    all_clean(terminal)
    terminal.answers["GET /admin/verify/rooms"] = [{**CLEAN, "next": "there"}, CLEAN]
    said = terminal.run("verify")
    assert "4 rooms, 14 events" in said
    assert [(name, query.get("cursor")) for name, query, _ in terminal.asked] == [
        ("GET /admin/verify/rooms", None),
        ("GET /admin/verify/rooms", "there"),
        ("GET /admin/verify/people", None),
        ("GET /admin/verify/index", None),
        ("GET /admin/media/check", None),
    ]


def test_the_first_divergence_ends_it_and_all_goes_on(terminal: Terminal) -> None:
    all_clean(terminal)
    terminal.answers["GET /admin/verify/rooms"] = {**CLEAN, "divergences": [LOST, {**LOST, "seq": 6}]}
    terminal.answers["GET /admin/media/check"] = {**BUCKET, "missing": ["images/1"]}
    said = terminal.run("verify", code=1)
    assert f"state.lost room:{ROOM} at 5, message {MESSAGE['id']}: it is gone" in said
    assert "at 6" not in said
    said = terminal.run("verify", "--all", code=1)
    assert "at 6" in said
    assert "bucket.missing object:images/1: it is not in the bucket" in said
    assert "3 divergences" in said


def test_what_broke_off_goes_on_where_it_was(terminal: Terminal) -> None:
    all_clean(terminal)
    terminal.answers["GET /admin/verify/index"] = [
        {**CLEAN, "next": "there"},
        httpx2.Response(
            503, json={"status": 503, "title": "", "code": "unavailable", "detail": "It is being built anew."}
        ),
    ]
    said = terminal.run("verify", code=1)
    assert "parley verify --resume" in said
    terminal.asked.clear()
    terminal.answers["GET /admin/verify/index"] = CLEAN
    terminal.run("verify", "--resume")
    assert [(name, query.get("cursor")) for name, query, _ in terminal.asked] == [
        ("GET /admin/verify/index", "there"),
        ("GET /admin/media/check", None),
    ]
    said = terminal.run("verify", "--resume", code=1)
    assert "No verification" in said


def test_one_room_is_verified_by_its_name(terminal: Terminal) -> None:
    all_clean(terminal)
    terminal.run("verify", "--room", "Kitchen")
    asked = [(name, query.get("room_id")) for name, query, _ in terminal.asked if "verify" in name]
    assert asked == [("GET /admin/verify/rooms", ROOM), ("GET /admin/verify/index", ROOM)]
