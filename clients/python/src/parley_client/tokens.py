"""Tokens, and where they are kept between runs."""

import os
from pathlib import Path
from typing import Protocol

import msgspec


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """expires_at: of the access token, in seconds since 1970 by this machine's clock."""

    access_token: str
    refresh_token: str
    expires_at: float


class TokenStore(Protocol):
    """Where a client keeps its tokens. A refresh token works once: what `save` is given must survive."""

    def load(self) -> Tokens | None: ...
    def save(self, tokens: Tokens | None) -> None: ...


class MemoryStore:
    """For as long as the program runs."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        self._tokens = tokens


class FileStore:
    """A file that only its owner can read, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Tokens | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Tokens)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def save(self, tokens: Tokens | None) -> None:
        if tokens is None:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(tokens))
        temporary.replace(self._path)
