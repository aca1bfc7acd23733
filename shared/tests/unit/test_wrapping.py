"""The three places of a wrapping key do the same: whatever one wraps only it unwraps, and only for its own context."""

import base64
import json
import os
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from parley_shared.crypto.wrapping import (
    CannotUnwrap,
    KeyWrapper,
    Wrapped,
    WrappingAway,
    make_wrapper,
    new_line,
)
from parley_shared.embedded import free_port

KEY = secrets.token_bytes(32)


class _Transit(BaseHTTPRequestHandler):
    """Vault's transit engine as its documentation describes the three calls; it seals nothing, it remembers."""

    known: dict[str, tuple[str, str]] = {}  # noqa: RUF012 — one server a test

    def _answer(self, data: dict[str, Any], status: int = 200) -> None:
        body = json.dumps({"data": data} if status == 200 else {"errors": ["no"]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer({"latest_version": 3})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/v1/transit/encrypt/parley"):
            name = f"vault:v3:{base64.b64encode(secrets.token_bytes(8)).decode()}"
            self.known[name] = (asked["plaintext"], asked["associated_data"])
            self._answer({"ciphertext": name, "key_version": 3})
        else:
            plain, context = self.known.get(asked["ciphertext"], ("", ""))
            fits = self.path.startswith("/v1/transit/decrypt/parley") and context == asked["associated_data"]
            self._answer({"plaintext": plain}, 200 if fits else 400)

    do_PUT = do_POST  # noqa: N815 — http.server's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — http.server's name
        pass


@pytest.fixture(params=["file", "awskms", "vault"])
def wrapper(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyWrapper]:
    if request.param == "file":
        path = tmp_path / "keys"
        path.write_text(new_line())
        yield make_wrapper(f"file:{path}")
    elif request.param == "awskms":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        with mock_aws():
            made = boto3.client("kms").create_key()
            yield make_wrapper(f"awskms:{made['KeyMetadata']['KeyId']}")
    else:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Transit)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VAULT_TOKEN", "test")
        yield make_wrapper("vault:transit/parley")
        server.shutdown()
        server.server_close()


async def test_what_is_wrapped_unwraps_for_its_own_context_alone(wrapper: KeyWrapper) -> None:
    wrapped = await wrapper.wrap(KEY, "room a")
    assert wrapped.key == await wrapper.current()
    assert KEY not in wrapped.blob
    assert await wrapper.unwrap(wrapped, "room a") == KEY
    with pytest.raises(CannotUnwrap):
        await wrapper.unwrap(wrapped, "room b")


async def test_the_last_line_of_the_file_wraps_and_all_of_them_unwrap(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first, second = new_line(), new_line()
    path.write_text(first)
    wrapper = make_wrapper(f"file:{path}")
    old = await wrapper.wrap(KEY, "a room")
    path.write_text(first + second)
    new = await wrapper.wrap(KEY, "a room")
    assert (old.key, new.key) == (first.split()[0], second.split()[0])
    assert await wrapper.unwrap(old, "a room") == KEY
    path.write_text(second)
    assert await make_wrapper(f"file:{path}").unwrap(new, "a room") == KEY
    with pytest.raises(CannotUnwrap, match="there is no wrapping key"):
        await make_wrapper(f"file:{path}").unwrap(old, "a room")


@pytest.mark.parametrize("blob", [b"", b"short", b"x" * 60])
async def test_what_was_never_wrapped_does_not_unwrap(tmp_path: Path, blob: bytes) -> None:
    path = tmp_path / "keys"
    path.write_text(new_line())
    wrapper = make_wrapper(f"file:{path}")
    with pytest.raises(CannotUnwrap):
        await wrapper.unwrap(Wrapped(await wrapper.current(), blob), "a room")


async def test_a_file_that_is_away_for_a_moment_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(new_line())
    wrapper = make_wrapper(f"file:{path}")
    path.unlink()
    assert await wrapper.unwrap(await wrapper.wrap(KEY, "a room"), "a room") == KEY


@pytest.mark.parametrize("setting", ["file:", "file:/nowhere", "paper:x", "vault:parley", "awskms:", "x"])
def test_what_cannot_be_a_wrapping_key_is_found_at_the_start(setting: str) -> None:
    with pytest.raises(ValueError, match="wrapping key"):
        make_wrapper(setting)


@pytest.mark.parametrize("text", ["", "# a comment\n", "name 12ab\n", "two 00\n", f"a {'0' * 64}\na {'1' * 64}\n"])
def test_a_file_that_holds_no_proper_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(ValueError, match=str(path)):
        make_wrapper(f"file:{path}")


@pytest.mark.parametrize("setting", ["awskms:alias/parley", "vault:transit/parley"])
async def test_whoever_keeps_the_key_and_is_away_is_an_outage(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_KMS": nowhere,
        "VAULT_ADDR": nowhere,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(os.environ, "VAULT_TOKEN_FILE", raising=False)
    with pytest.raises(WrappingAway):
        await make_wrapper(setting).wrap(KEY, "a room")
