"""Bad input has its code, harms nobody else, and changes nothing."""

import asyncio
import base64
import json
import secrets
import time

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.conftest import Suite
from tests.integration.conftest import NewPerson
from tests.protocol_client import Person, Socket

ANY_ID = "01a20e11-bcec-751f-8862-9270028e046e"


async def raw(person: Person, data: str | bytes) -> Socket:
    socket = await person.open()
    assert socket.connection is not None
    await socket.connection.send(data)
    return socket


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("not json", 4501),
        ("[1, 2]", 4501),
        ('"text"', 4501),
        ("", 4501),
        ("{" * 3000, 4501),
        (b"binary", 4501),
        ('{"type": "send", "body": "' + "x" * 70_000 + '"}', 1009),
    ],
)
async def test_what_is_no_json_object_closes_the_socket(person: NewPerson, data: str | bytes, code: int) -> None:
    socket = await raw(await person(), data)
    assert await socket.until_closed() == code


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "dance", "id": 7}, "unknown_command"),
        ({"id": 7}, "unknown_command"),
        ({"type": 5, "id": 7}, "unknown_command"),
        ({"type": "send", "id": 7}, "invalid"),
        ({"type": "send", "id": 7, "room_id": "no", "client_msg_id": "x", "body": "x"}, "invalid"),
        ({"type": "send", "id": 7, "room_id": None, "client_msg_id": "x", "body": 5}, "invalid"),
        (
            {"type": "send", "id": 7, "room_id": ANY_ID, "client_msg_id": "x", "body": "x", "media_ids": [ANY_ID] * 11},
            "invalid",
        ),
        (
            {"type": "send", "id": 7, "room_id": ANY_ID, "client_msg_id": "x", "body": "x", "media_ids": "one"},
            "invalid",
        ),
        ({"type": "join", "id": 7, "room_id": 12}, "invalid"),
        ({"type": "edit", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "rev": "1", "body": "x"}, "invalid"),
        ({"type": "edit", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "rev": 1, "body": ""}, "invalid"),
        ({"type": "edit", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "rev": 2**70, "body": "x"}, "not_found"),
        ({"type": "delete", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "reason": "x" * 501}, "invalid"),
        ({"type": "react", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "reaction": "no"}, "invalid"),
        ({"type": "unreact", "id": 7, "room_id": ANY_ID, "message_id": ANY_ID, "reaction": "👍"}, "not_found"),
        ({"type": "read", "id": 7, "room_id": "x", "seq": "1"}, "invalid"),
    ],
)
async def test_a_wrong_frame_gets_an_error_and_the_socket_lives(
    person: NewPerson, frame: dict[str, object], code: str
) -> None:
    socket = await raw(await person(), json.dumps(frame))
    answer = await socket.wait_for(lambda found: found["type"] == "error")
    assert (answer["code"], answer.get("id")) == (code, 7)
    assert answer["detail"]
    assert (await _pong(socket))["type"] == "pong"
    await socket.close()


async def _pong(socket: Socket) -> dict[str, object]:
    await socket.send(type="ping")
    return await socket.wait_for(lambda frame: frame["type"] == "pong")


async def test_lone_surrogates_and_nul_are_refused_and_unknown_fields_ignored(person: NewPerson) -> None:
    alice = await person()
    room = await alice.room()
    socket = await alice.open()
    assert socket.connection is not None
    start = f'{{"type":"send","room_id":"{room}","client_msg_id":"%s","id":%d,"body":'
    await socket.connection.send(start % ("a", 1) + '"half \\ud800 of a pair"}')
    assert (await socket.answer(1))["code"] == "bad_text"
    await socket.connection.send(start % ("b", 2) + '"nul \\u0000 here"}')
    assert (await socket.answer(2))["code"] == "bad_text"
    await socket.connection.send(start % ("c", 3) + '"fine \\ud83d\\ude42", "from_the_future": [1]}')
    assert (await socket.answer(3))["type"] == "ack"
    answer = await alice.http.post(
        f"/rooms/{room}/messages",
        content=b'{"client_msg_id":"d","body":"half \\ud800 of a pair"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert [message["body"] for message in await alice.history(room)] == ["fine 🙂"]
    await socket.close()


async def test_text_that_is_not_utf8_closes_with_1007(suite: Suite, person: NewPerson) -> None:
    socket = await (await person()).open()
    assert socket.connection is not None
    await socket.connection.send(b"\xff\xfe", text=True)
    assert await socket.until_closed() == 1007


async def test_forged_tokens_are_refused_everywhere(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    header = jwt.get_unverified_header(alice.token)
    claims = jwt.decode(alice.token, options={"verify_signature": False})
    async with httpx2.AsyncClient(base_url=suite.urls[0]) as http:
        keys = (await http.get("/.well-known/jwks.json")).json()["keys"]
    public = next(key for key in keys if key["kid"] == header["kid"])
    foreign = Ed25519PrivateKey.generate()
    named = {"kid": header["kid"], "typ": header["typ"]}

    def unpadded(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    none = f"{unpadded(json.dumps({**header, 'alg': 'none'}).encode())}.{unpadded(json.dumps(claims).encode())}."
    forged = {
        "none": none,
        "HS256 with the public key": jwt.encode(claims, public["x"] + "=" * 20, "HS256", headers=named),
        "another key": jwt.encode(claims, foreign, "EdDSA", headers=named),
        "unknown kid": jwt.encode(claims, foreign, "EdDSA", headers={**named, "kid": "nobody"}),
        "cut": alice.token[:-4],
        "rubbish": "a.b.c",
        "other audience": jwt.encode({**claims, "aud": "others"}, foreign, "EdDSA", headers=named),
    }
    for name, token in forged.items():
        async with httpx2.AsyncClient(base_url=suite.urls[0]) as http:
            answer = await http.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_token"), name
        imposter = Person(suite.urls[1], "imposter")
        imposter.token = token
        socket = await Socket(imposter).connect()
        await socket.send(type="auth", id=1, token=token)
        assert await socket.until_closed() == 4500, name
    assert (await alice.call("GET", "/users/me"))["id"] == alice.id


async def test_a_socket_that_never_authenticates_is_closed_after_ten_seconds(suite: Suite) -> None:
    socket = await Socket(Person(suite.urls[0], "nobody")).connect()
    began = time.monotonic()
    await socket.send(type="send", id=3, room_id=secrets.token_hex(16), client_msg_id="x", body="x")
    assert (await socket.answer(3))["type"] == "error"
    assert await socket.until_closed(15) == 4504
    assert time.monotonic() - began > 8


async def test_another_protocol_version_is_refused(suite: Suite, person: NewPerson) -> None:
    alice = await person()
    socket = await Socket(alice).connect()
    await socket.send(type="auth", id=1, token=alice.token, protocol=2)
    assert await socket.until_closed() == 4512


async def test_a_foreign_page_may_not_open_a_socket(suite: Suite) -> None:
    import websockets
    from websockets.asyncio.client import connect

    url = suite.urls[0].replace("http", "ws") + "/api/v1/ws"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(url, origin="https://evil.example", proxy=None)
    assert refused.value.response.status_code == 403
    own = await connect(url, origin=suite.urls[0], proxy=None)
    await own.close()


async def test_a_reader_that_stops_reading_harms_nobody_and_is_closed(suite: Suite, person: NewPerson) -> None:
    alice, bob, lazy = await person(0), await person(1), await person(0)
    room = await alice.room()
    for somebody in (bob, lazy):
        await somebody.call("POST", f"/rooms/{room}/join")
    a, b = await alice.open(), await bob.open()
    idle = await lazy.open()
    assert idle.connection is not None
    idle.connection.transport.pause_reading()
    last = 0
    # Kernel buffers of the loopback take some megabytes before anybody notices.
    for _ in range(12):
        identifiers = await a.pipeline(room, ["x" * 8000] * 120)
        last = [await a.answer(identifier, 30) for identifier in identifiers][-1]["seq"]
    # One of them is at the gateway of the one that reads nothing.
    for socket in (a, b):
        await socket.until_seq(f"room:{room}", last, 30)
        seqs = socket.seqs(f"room:{room}")
        assert seqs == list(range(seqs[0], last + 1))
    deadline = time.monotonic() + 20
    while not any(
        line.get("event") == "connection.close" and line.get("code") == 4008 and line.get("user_id") == lazy.id
        for number in (1, 2)
        for line in suite.logs(f"gateway-{number}")
    ):
        assert time.monotonic() < deadline, "the reader was not closed"
        await asyncio.sleep(0.2)
    await a.close()
    await b.close()
    idle.cut()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/rooms", b"{", 422, None),
        ("POST", "/rooms", b'{"name": 5, "visibility": "public"}', 422, "invalid"),
        ("POST", "/rooms", b'{"name": "x", "visibility": "secret"}', 422, "invalid"),
        ("POST", "/rooms", b'{"name": "", "visibility": "public"}', 422, "invalid"),
        ("GET", "/rooms?limit=201", b"", 422, "invalid"),
        ("GET", "/rooms?limit=0", b"", 422, "invalid"),
        ("GET", "/rooms?cursor=rubbish", b"", 422, "bad_cursor"),
        ("GET", "/nowhere", b"", 404, "not_found"),
        ("PUT", "/rooms", b"", 405, "method_not_allowed"),
        ("GET", "/rooms/not-a-uuid", b"", 404, "not_found"),
        ("GET", "/rooms/not-a-uuid/privacy", b"", 404, "not_found"),
        ("GET", f"/rooms/{ANY_ID}/privacy", b"", 404, "not_found"),
        ("POST", "/rooms", b'{"name": "x", "encryption": "e2ee"}', 422, "invalid"),
        ("POST", "/media", b"{}", 415, "unsupported_media_type"),
        ("PUT", "/media", b"", 405, "method_not_allowed"),
        ("GET", f"/media/{ANY_ID}", b"", 404, "not_found"),
        ("GET", "/media/not-a-uuid", b"", 404, "not_found"),
        ("DELETE", f"/media/{ANY_ID}", b"", 405, "method_not_allowed"),
        ("GET", f"/media/{ANY_ID}/thumbnails/64", b"", 404, "not_found"),
        ("GET", f"/media/{ANY_ID}/thumbnails/-1", b"", 404, "not_found"),
        ("GET", f"/media/{ANY_ID}/thumbnails/large", b"", 404, "not_found"),
        ("GET", f"/media/{ANY_ID}/thumbnails/99999999999999999999", b"", 404, "not_found"),
        ("GET", "/search", b"", 422, "invalid"),
        ("GET", "/search?q=x&limit=201", b"", 422, "invalid"),
        ("GET", "/search?q=x&cursor=rubbish", b"", 422, "bad_cursor"),
        ("GET", "/search?q=%00", b"", 422, "bad_text"),
        ("GET", "/search?q=x&before=24.11.2026", b"", 422, "invalid"),
        ("POST", "/search", b"{}", 405, "method_not_allowed"),
        ("GET", "/admin/keys", b"", 403, "forbidden"),
        ("POST", "/admin/keys/rotate", b"{}", 422, "invalid"),
        ("POST", "/admin/keys/rotate", b'{"service": "auth"}', 422, "invalid"),
        ("POST", "/admin/keys/rotate", b'{"room_id": "kitchen"}', 422, "invalid"),
        ("POST", "/admin/keys/destroy", b'{"room_id": 5}', 422, "invalid"),
        ("POST", "/admin/search/rebuild", b"", 403, "forbidden"),
        ("GET", "/admin/media/check", b"", 403, "forbidden"),
    ],
)
async def test_every_refusal_is_a_problem_document(
    person: NewPerson, method: str, path: str, body: bytes, status: int, code: str | None
) -> None:
    alice = await person()
    answer = await alice.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert {"status", "title", "detail", "code", "request_id"} <= problem.keys()
    assert problem["status"] == status
    if code is not None:
        assert problem["code"] == code
