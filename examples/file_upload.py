"""An image, from its upload to its end: who sees it when, in requests as they stand on the wire.

Alice uploads a picture and sends it; Bob, who is in the room, sees it, and Eve does not. It uses `httpx2` and no SDK. (The SDK in
clients/python uploads with a progress callback, and tries again by itself.)

    make run                                      # in one terminal
    .venv/bin/python examples/file_upload.py      # in another; PARLEY_URL, if it is not http://127.0.0.1:8000
"""

import asyncio
import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2

URL = os.environ.get("PARLEY_URL", "http://127.0.0.1:8000").rstrip("/")
PASSWORD = "a passphrase for this example"


def picture(width: int = 320, height: int = 200) -> bytes:
    """A PNG of a sunset, made of nothing but its format: a signature, and chunks with a length, a name and a checksum."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes((255, y * 255 // height, 90)) * width for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Person:
    """An account and its access token. `call` prints what is asked and what comes back."""

    def __init__(self, name: str, http: httpx2.AsyncClient) -> None:
        self.name = name
        self._http = http
        self._headers: dict[str, str] = {}

    async def sign_up(self) -> None:
        account = {"username": f"{self.name}-{secrets.token_hex(4)}", "password": PASSWORD}
        (await self._http.post("/auth/register", json=account)).raise_for_status()
        answer = (await self._http.post("/auth/token", data=account)).raise_for_status()
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
        answer = await self._http.request(method, path, headers={**self._headers, **(headers or {})}, **more)
        said = answer.headers.get("content-type", "") if answer.content else "nothing"
        print(f"{self.name:>5}: {method} {path} → {answer.status_code}, {len(answer.content):,} bytes of {said}")
        return answer


async def form(file: bytes, boundary: str) -> AsyncIterator[bytes]:
    """multipart/form-data, piece by piece: so a file never has to be in memory, and nobody has to know its length before."""
    yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="sunset.png"\r\n\r\n'.encode()
    for start in range(0, len(file), 16_384):
        yield file[start : start + 16_384]
    yield f"\r\n--{boundary}--\r\n".encode()


async def main() -> None:
    # The server answers an upload when it has decoded it, and others may be before one.
    async with httpx2.AsyncClient(base_url=f"{URL}/api/v1", timeout=60) as http:
        alice, bob, eve = Person("alice", http), Person("bob", http), Person("eve", http)
        await asyncio.gather(alice.sign_up(), bob.sign_up(), eve.sign_up())
        room = (await alice.call("POST", "/rooms", json={"name": "Balcony", "visibility": "public"})).json()
        await bob.call("POST", f"/rooms/{room['id']}/join")

        print(
            "\n— Alice uploads a picture. What is kept is made anew from its pixels, without what a file may tell besides."
        )
        boundary = secrets.token_hex(16)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = await alice.call("POST", "/media", kind, content=form(picture(), boundary))
        image = answer.raise_for_status().json()
        path = f"/media/{image['id']}"
        print(f"       {image['width']}×{image['height']}, {image['content_type']}, blurhash {image['blurhash']}")

        print("\n— Until it is sent, it is hers. What one may not see answers as if it were not there.")
        await alice.call("GET", path)
        print("       before it is sent, Bob gets", (await bob.call("GET", path)).json()["code"])

        print("\n— She sends it. From now on whoever sees the message sees the image.")
        message = {"client_msg_id": secrets.token_hex(8), "body": "What a sunset!", "media_ids": [image["id"]]}
        sent = (await alice.call("POST", f"/rooms/{room['id']}/messages", json=message)).raise_for_status().json()
        page = (await bob.call("GET", f"/rooms/{room['id']}/messages")).json()
        seen = page["items"][0]["media"][0]
        whole = await bob.call("GET", f"/media/{seen['id']}")
        print("       it is whole:", hashlib.sha256(whole.content).hexdigest() == seen["sha256"])
        for thumbnail in seen["thumbnails"][:1]:
            await bob.call("GET", f"{path}/thumbnails/{thumbnail['size']}")
        print("       Eve, who is not in the room, gets", (await eve.call("GET", path)).json()["code"])

        print("\n— A part of it, and nothing at all if one has it already.")
        part = await bob.call("GET", path, {"Range": "bytes=0-99"})
        print("       the first hundred bytes:", part.headers["content-range"], part.content == whole.content[:100])
        again = await bob.call("GET", path, {"If-None-Match": whole.headers["etag"]})
        print("       the same as before:", again.status_code == 304)

        print("\n— What is too large, or no image, leaves nothing behind.")
        large = await alice.call("POST", "/media", kind, content=form(bytes(10_485_761), boundary))
        text = await alice.call("POST", "/media", files={"file": ("holiday.png", b"no picture at all")})
        print("      ", large.json()["code"], "and", text.json()["code"])

        print("\n— Alice deletes the message. The image is gone with it, at once, also for who has it in a cache.")
        await alice.call("DELETE", f"/rooms/{room['id']}/messages/{sent['id']}")
        gone = await bob.call("GET", path, {"If-None-Match": whole.headers["etag"]})
        print("       after the deletion, Bob gets", gone.json()["code"])


if __name__ == "__main__":
    asyncio.run(main())
