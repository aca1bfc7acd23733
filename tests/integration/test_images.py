"""Images through the gateways: who sees them, what is taken, and that nothing stays of what is not."""

import asyncio
import hashlib
import json
import secrets
import time
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.pictures import Bucket, gif, jpeg_of_a_phone, opened, png
from tests.protocol_client import PASSWORD, Frame, Person, Socket

MOST = 10_485_760
WITHIN_S = 60.0


async def upload(person: Person, data: bytes, status: int = 201, name: str = "a.png") -> Frame:
    return dict(await person.call("POST", "/media", status, files={"file": (name, data)}))


async def send(person: Person, room: str, *images: Frame, status: int = 201, body: str = "look") -> Frame:
    sent = {"client_msg_id": secrets.token_hex(8), "body": body, "media_ids": [image["id"] for image in images]}
    return dict(await person.call("POST", f"/rooms/{room}/messages", status, json=sent))


async def sees(person: Person, image: Frame, **headers: str) -> bool:
    answer = await person.http.get(f"/media/{image['id']}", headers=headers)
    assert answer.status_code in (200, 304, 404), answer.text
    if answer.status_code == 404:
        assert answer.json()["code"] == "not_found"
    return answer.status_code != 404


async def until(true: Any, within: float = WITHIN_S) -> None:
    """Wait for what others do."""
    deadline = time.monotonic() + within
    while not await true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def rows_of(suite: Suite, person: Person) -> int:
    """How many images media keeps of this person, in any state."""
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        return int(await connection.fetchval("SELECT count(*) FROM media.images WHERE owner_id = $1", UUID(person.id)))
    finally:
        await connection.close()


class Leavings:
    """Nothing may be left of what a person tried."""

    def __init__(self, suite: Suite, person: Person) -> None:
        self._suite = suite
        self._person = person
        self._bucket = Bucket(suite)
        self._before = self._bucket.names()

    async def nothing(self) -> None:
        async def gone() -> bool:
            return not await rows_of(self._suite, self._person) and self._bucket.names() <= self._before

        await until(gone)


# -- what an image is


async def test_an_image_is_made_anew_and_served_by_every_gateway(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, png(400, 300))
    assert (image["width"], image["height"], image["animated"]) == (400, 300, False)
    assert len(image["blurhash"]) > 5
    sizes = [each["size"] for each in image["thumbnails"]]
    assert sizes == sorted(sizes)
    for url in suite.urls:
        somewhere = alice.at(url)
        answer = await somewhere.http.get(f"/media/{image['id']}")
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        assert len(answer.content) == image["bytes"]
        assert answer.headers["Content-Type"] == image["content_type"]
        assert opened(answer.content).size == (400, 300)
        for thumbnail in image["thumbnails"]:
            answer = await somewhere.http.get(f"/media/{image['id']}/thumbnails/{thumbnail['size']}")
            assert len(answer.content) == thumbnail["bytes"]
            assert answer.headers["Content-Type"] == thumbnail["content_type"]
            small = opened(answer.content)
            assert small.size == (thumbnail["width"], thumbnail["height"])
            assert max(small.size) <= thumbnail["size"]
    await alice.call("GET", f"/media/{image['id']}/thumbnails/65", 404)


async def test_a_photo_is_turned_as_it_is_to_be_seen_and_tells_of_no_place(person: NewPerson) -> None:
    alice = await person()
    data = jpeg_of_a_phone()
    assert b"canary" in data
    image = await upload(alice, data)
    answer = (await alice.http.get(f"/media/{image['id']}")).content
    assert b"canary" not in answer
    assert b"Exif" not in answer
    picture = opened(answer).convert("RGB")
    red, _, blue = picture.getpixel((20, 100))
    assert red > 200 > 50 > blue


async def test_an_animation_stays_one(person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, gif(), name="a.gif")
    assert image["animated"]
    answer = await alice.http.get(f"/media/{image['id']}")
    assert getattr(opened(answer.content), "n_frames", 1) == 3


async def test_what_it_is_is_decided_by_its_bytes_and_not_by_its_name(person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, png(), name="virus.exe")
    answer = await alice.http.get(f"/media/{image['id']}")
    headers = answer.headers
    assert headers["Content-Disposition"].startswith(f'inline; filename="{image["id"]}.')
    assert "virus" not in str(headers)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


# -- who sees it


async def test_until_it_is_sent_its_owner_sees_it_and_then_whoever_sees_the_message(person: NewPerson) -> None:
    alice, bob, eve = await person(0), await person(1), await person(0)
    room = await alice.room(visibility="private", history="all")
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    image = await upload(alice, png())
    assert [await sees(each, image) for each in (alice, bob, eve)] == [True, False, False]
    socket = await bob.open()
    sent = await send(alice, room, image)
    assert [item["id"] for item in sent["media"]] == [image["id"]]
    event = await socket.wait_for(
        lambda frame: frame["type"] == "event" and frame["event"]["kind"] == "message.created"
    )
    assert event["event"]["message"]["media"] == [image]
    assert (await bob.history(room))[0]["media"] == [image]
    assert [await sees(each, image) for each in (alice, bob, eve)] == [True, True, False]
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": eve.id})
    assert await sees(eve, image)
    await alice.call("POST", f"/rooms/{room}/kicks", 204, json={"user_id": eve.id})
    assert not await sees(eve, image)
    await bob.call("POST", f"/rooms/{room}/leave", 204)
    assert not await sees(bob, image)


async def test_deleting_the_message_hides_it_at_once_also_from_who_has_it(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    image = await upload(alice, png())
    first, second = await send(alice, room, image), await send(alice, room, image)
    etag = (await bob.http.get(f"/media/{image['id']}")).headers["ETag"]
    have = {"If-None-Match": etag}
    assert (await bob.http.get(f"/media/{image['id']}", headers=have)).status_code == 304
    await alice.call("DELETE", f"/rooms/{room}/messages/{first['id']}", 204)
    assert await sees(bob, image, **have), "another message carries it"
    await alice.call("DELETE", f"/rooms/{room}/messages/{second['id']}", 204)
    for somebody in (alice, bob):
        assert not await sees(somebody, image, **have)
        assert not await sees(somebody, image)
        size = image["thumbnails"][0]["size"] if image["thumbnails"] else 64
        await somebody.call("GET", f"/media/{image['id']}/thumbnails/{size}", 404)
        assert all(message["media"] == [] for message in await somebody.history(room))


async def test_who_came_later_sees_what_was_sent_since_in_a_room_that_forgets(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room(visibility="private", history="since_join")
    before, after = await upload(alice, png(seed=1)), await upload(alice, png(seed=2))
    await send(alice, room, before)
    await alice.call("POST", f"/rooms/{room}/members", 201, json={"user_id": bob.id})
    await send(alice, room, after)
    assert [await sees(bob, image) for image in (before, after)] == [False, True]
    await send(alice, room, before)
    assert await sees(bob, before), "it was sent again, to him too"


async def test_in_a_public_room_images_are_for_who_has_joined(person: NewPerson) -> None:
    alice, eve = await person(0), await person(1)
    room = await alice.room()
    image = await upload(alice, png())
    await send(alice, room, image)
    assert not await sees(eve, image)
    await eve.call("POST", f"/rooms/{room}/join")
    assert await sees(eve, image)


async def test_only_ones_own_images_are_sent_and_each_once_and_ten_at_most(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    mine = [await upload(alice, png(seed=number)) for number in range(11)]
    nobodys = {"id": "01a20e11-bcec-751f-8862-9270028e046e"}
    socket = await bob.open()
    for person_, images in ((bob, [mine[0]]), (alice, [nobodys]), (alice, mine), (alice, [mine[0], mine[0]])):
        refused = await send(person_, room, *images, status=422)
        assert (refused["code"], list(refused["errors"])) == ("invalid", ["media_ids"])
    refused = await socket.command("send", room_id=room, client_msg_id="x", body="x", media_ids=[mine[0]["id"]])
    assert (refused["type"], refused["code"]) == ("error", "invalid")
    assert await alice.history(room) == []
    sent = await send(alice, room, *mine[:10])
    assert [item["id"] for item in sent["media"]] == [image["id"] for image in mine[:10]]
    await send(bob, room, mine[0], status=422)


async def test_a_retry_with_images_is_the_same_message_and_other_images_are_another_one(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    first, second = await upload(alice, png(seed=1)), await upload(alice, png(seed=2))
    path = f"/rooms/{room}/messages"
    body = {"client_msg_id": "k", "body": "look", "media_ids": [first["id"]]}
    sent = await alice.call("POST", path, 201, json=body)
    again = await alice.call("POST", path, 200, json=body)
    assert (again["id"], again["duplicate"], again["media"]) == (sent["id"], True, sent["media"])
    other = await alice.call("POST", path, 409, json={**body, "media_ids": [second["id"]]})
    assert other["code"] == "idempotency_mismatch"


# -- browsers


async def browser(person: Person) -> httpx2.AsyncClient:
    """Signed in by cookies; the client keeps them as a browser does, and sends no token."""
    http = httpx2.AsyncClient(base_url=person.url, headers={"Origin": person.url}, timeout=20)
    form = {"username": person.username, "password": PASSWORD, "cookies": "true"}
    answer = await http.post("/api/v1/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return http


async def test_a_browser_shows_images_by_its_cookie_until_it_signs_out(person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, png())
    path = f"/api/v1/media/{image['id']}"
    http = await browser(alice)
    try:
        assert (await http.get(path)).status_code == 200
        assert (await http.head(path)).status_code == 200
        # Nothing else, and not by anybody else's hand.
        assert (await http.get("/api/v1/users/me")).status_code == 401
        assert (await http.post("/api/v1/media", files={"file": png()})).status_code == 401
        before = http.cookies.get("parley_media")
        assert (await http.post("/api/v1/auth/refresh", json={})).status_code == 200
        assert http.cookies.get("parley_media") != before
        assert (await http.get(path)).status_code == 200
        kept = http.cookies.get("parley_media")
        assert (await http.post("/api/v1/auth/logout", json={})).status_code == 204
        assert not http.cookies.get("parley_media")
        assert (await http.get(path)).status_code == 401

        async def refused() -> bool:
            answer = await http.get(path, headers={"Cookie": f"parley_media={kept}"})
            return answer.status_code == 401

        await until(refused, within=5)
    finally:
        await http.aclose()


async def test_a_cookie_shows_what_its_owner_sees_and_no_more(person: NewPerson) -> None:
    alice, eve = await person(0), await person(0)
    image = await upload(alice, png())
    http = await browser(eve)
    try:
        assert (await http.get(f"/api/v1/media/{image['id']}")).status_code == 404
    finally:
        await http.aclose()


# -- ranges


async def test_an_image_is_read_in_parts_that_make_the_whole(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, png(300, 300))
    path = f"/media/{image['id']}"
    whole = (await alice.http.get(path)).content
    size = len(whole)
    assert size > 2 * 65_536, "it takes several chunks"
    parts = b""
    for number, start in enumerate(range(0, size, 50_000)):
        at = alice.at(suite.urls[number % 2]).http
        answer = await at.get(path, headers={"Range": f"bytes={start}-{start + 49_999}"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{min(start + 50_000, size) - 1}/{size}"
        parts += answer.content
    assert parts == whole
    assert (await alice.http.get(path, headers={"Range": "bytes=-100"})).content == whole[-100:]
    answer = await alice.http.get(path, headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "bad_range")
    assert answer.headers["Content-Range"] == f"bytes */{size}"
    etag = answer = await alice.http.head(path)
    etag = answer.headers["ETag"]
    assert (answer.content, answer.headers["Content-Length"], etag[0], etag[-1]) == (b"", str(size), '"', '"')
    for if_range, status in ((etag, 206), ('"another"', 200)):
        answer = await alice.http.get(path, headers={"Range": "bytes=0-9", "If-Range": if_range})
        assert answer.status_code == status


# -- what is not taken


async def raw_upload(person: Person, *sent: bytes, **headers: str) -> tuple[int, bytes]:
    """Status and body of the answer to a request by hand; what is sent goes on while it comes."""
    host, _, port = person.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = {
        "Host": f"{host}:{port}",
        "Authorization": f"Bearer {person.token}",
        "Content-Type": "multipart/form-data; boundary=b",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "POST /api/v1/media HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(head.encode() + b"\r\n")

    async def write() -> None:
        for piece in sent:
            writer.write(piece)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return int(answer.split()[1]), await reader.readexactly(length)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        writer.close()


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def chunks(*pieces: bytes) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]


async def test_a_file_of_more_than_ten_megabytes_is_413_whatever_it_says_and_leaves_nothing(
    suite: Suite, person: NewPerson
) -> None:
    alice = await person()
    left = Leavings(suite, alice)
    start = png(50, 50)
    file = [start, *[b"x" * 65_536] * 160, b"x"]
    assert sum(map(len, file)) > MOST
    declared = str(len(PART) + sum(map(len, file)) + len(TAIL))
    cases: dict[str, tuple[list[bytes], dict[str, str]]] = {
        "declared": ([PART, *file, TAIL], {"Content_Length": declared}),
        "declared far too large": ([PART], {"Content_Length": str(20 * MOST)}),
        "not declared": (chunks(PART, *file), {"Transfer_Encoding": "chunked"}),
    }
    for name, (sent, headers) in cases.items():
        status, body = await raw_upload(alice, *sent, **headers)
        assert (status, b"too_large" in body) == (413, True), name
    await left.nothing()


async def test_a_content_length_that_lies_leaves_nothing(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    left = Leavings(suite, alice)
    # Too small: what it cuts off is no whole body any more, and what follows no request.
    data = png(100, 100)
    status, _ = await raw_upload(alice, PART, data, TAIL, Content_Length=str(len(PART) + len(data) // 2))
    assert status in (400, 422)
    # Too large: the rest never comes, and at last the client goes.
    with pytest.raises((TimeoutError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(1):
            await raw_upload(alice, PART, data, TAIL, Content_Length=str(1_000_000))
    await left.nothing()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unsupported_media_type"),
        (b"just text", "unsupported_media_type"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unsupported_media_type"),
        (b"<html><script>alert(1)</script></html>", "unsupported_media_type"),
        (b"%PDF-1.7", "unsupported_media_type"),
        (b"BM" + bytes(100), "unsupported_media_type"),
        (png(50, 50)[:1000], "bad_image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "bad_image"),
        (b"GIF89a" + bytes(5), "bad_image"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "bad_image"),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_what_is_no_image_is_refused_and_leaves_nothing(
    suite: Suite, person: NewPerson, data: bytes, code: str
) -> None:
    alice = await person()
    left = Leavings(suite, alice)
    answer = await alice.http.post("/media", files={"file": ("a.png", data, "image/png")})
    assert (answer.status_code, answer.json()["code"]) == ({"bad_image": 422}.get(code, 415), code)
    await left.nothing()


async def test_what_is_no_upload_is_refused_and_leaves_nothing(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    left = Leavings(suite, alice)
    picture = png()
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"json": {"file": "x"}}, 415, "unsupported_media_type"),
        ({"content": picture, "headers": {"Content-Type": "image/png"}}, 415, "unsupported_media_type"),
        ({"files": {"photo": picture}}, 422, "invalid"),
        ({"files": [("file", picture), ("file", picture)]}, 422, "invalid"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "invalid"),
    ]
    for request, status, code in cases:
        answer = await alice.http.post("/media", **request)
        assert (answer.status_code, answer.json()["code"]) == (status, code), request
    stranger = httpx2.AsyncClient(base_url=f"{suite.urls[0]}/api/v1")
    answer = await stranger.post("/media", files={"file": picture})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    await stranger.aclose()
    await left.nothing()


async def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    left = Leavings(suite, alice)
    for _ in range(3):
        with pytest.raises((TimeoutError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(0.5):
                await raw_upload(alice, PART, png(100, 100), Content_Length=str(5_000_000))
    await left.nothing()


# -- around it


async def test_many_people_upload_at_once_and_each_gets_his_own(suite: Suite, person: NewPerson) -> None:
    people = [await person(number % 2) for number in range(6)]
    images = await asyncio.gather(*(upload(each, png(200 + number, 100)) for number, each in enumerate(people)))
    assert [image["width"] for image in images] == [200 + number for number in range(6)]
    seen = await asyncio.gather(*(sees(each, images[0]) for each in people))
    assert seen == [True] + [False] * 5


async def test_images_are_taken_along_and_erased_with_the_account(suite: Suite, person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    sent, unsent = await upload(alice, png(seed=1)), await upload(alice, png(seed=2))
    await send(alice, room, sent)
    lines = [json.loads(line) for line in (await alice.http.get("/users/me/export")).text.splitlines()]
    assert {line["id"] for line in lines if line["type"] == "image"} == {sent["id"], unsent["id"]}
    assert lines[-1] == {"type": "end", "lines": len(lines) - 1}
    bucket = Bucket(suite)
    assert bucket.of(sent["id"])
    assert bucket.of(unsent["id"])
    answer = await alice.http.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert answer.status_code == 202

    async def gone() -> bool:
        return not await sees(bob, sent) and not bucket.of(sent["id"]) and not bucket.of(unsent["id"])

    await until(gone, within=30)


async def test_admins_compare_database_and_bucket_and_nobody_else_does(
    suite: Suite, person: NewPerson, admin: Person
) -> None:
    alice = await person()
    image = await upload(alice, png())
    assert (await alice.call("GET", "/admin/media/check", 403))["code"] == "forbidden"
    missing: list[str] = []
    objects, cursor = 0, None
    while True:
        step = await admin.call("GET", "/admin/media/check", params={} if cursor is None else {"cursor": cursor})
        objects += step["objects"]
        missing += step["missing"]
        cursor = step["next"]
        if cursor is None:
            break
    assert missing == []
    assert objects >= len(Bucket(suite).of(image["id"])) > 0


async def test_a_damaged_object_is_never_served_as_an_image(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    image = await upload(alice, png(100, 100))
    bucket = Bucket(suite)
    for name in bucket.of(image["id"]):
        bucket.damage(name)
    answer = await alice.http.get(f"/media/{image['id']}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    told = [
        line for number in (1, 2) for line in suite.logs(f"gateway-{number}") if line.get("event") == "image.damaged"
    ]
    assert any(image["id"] in line["object"] for line in told)
    assert "X-Amz-Signature" not in (suite.home / "logs" / "gateway-1.log").read_text()


async def test_live_and_replayed_events_carry_the_same_images(person: NewPerson) -> None:
    alice, bob = await person(0), await person(1)
    room = await alice.room()
    await bob.call("POST", f"/rooms/{room}/join")
    socket = await bob.open()
    image = await upload(alice, png())
    sent = await send(alice, room, image)
    await socket.until_seq(f"room:{room}", sent["seq"])

    def created(frames: list[Frame]) -> list[Frame]:
        return [frame["event"]["message"] for frame in frames if frame["event"]["kind"] == "message.created"]

    live = created(socket.events(f"room:{room}"))
    replayed = created((await bob.call("GET", f"/rooms/{room}/events", params={"after": 0}))["items"])
    assert [message["media"] for message in live] == [message["media"] for message in replayed] == [[image]]
    resumed = await resume(bob, room, sent["seq"] - 1)
    assert [message["media"] for message in created(resumed.events(f"room:{room}"))] == [[image]]


async def resume(person: Person, room: str, at: int) -> Socket:
    first = await person.open()
    epoch = first.ready["epoch"]
    return await person.open(resume={"epoch": epoch, "at": {f"room:{room}": at}})
