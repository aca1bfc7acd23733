"""What every command needs: which server, whose tokens, and errors in one sentence."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import platformdirs
import typer
from rich.console import Console

from parley_client.client import Client
from parley_client.errors import ApiError, ParleyError
from parley_client.models import Room
from parley_client.tokens import FileStore

DEFAULT_SERVER = "http://127.0.0.1:8000"

# What is not a screen has no width: a pipe gets whole lines and whole ids.
_WIDTH = None if sys.stdout.isatty() else 200
out = Console(highlight=False, soft_wrap=True, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Result = TypeVar("Result")


def server() -> str:
    """PARLEY_URL, or the server of the last login, or this machine."""
    given = os.environ.get("PARLEY_URL")
    if given:
        return given.rstrip("/")
    try:
        return _last_server().read_text().strip() or DEFAULT_SERVER
    except OSError:
        return DEFAULT_SERVER


def remember_server(url: str) -> None:
    _last_server().parent.mkdir(parents=True, exist_ok=True)
    _last_server().write_text(url)


def folder() -> Path:
    """What the command keeps between two calls."""
    return Path(os.environ.get("PARLEY_CONFIG") or platformdirs.user_config_path("parley"))


def _last_server() -> Path:
    return folder() / "server"


def store(url: str) -> FileStore:
    """The tokens for a server, in a file of their own."""
    return FileStore(folder() / f"{urlsplit(url).netloc.replace(':', '_')}.json")


def run(work: Callable[[Client], Awaitable[Result]], *, url: str | None = None) -> Result:
    """Run with a signed-in client; what goes wrong becomes one sentence and exit code 1."""
    base = url or server()

    async def inside() -> Result:
        async with Client(base, store=store(base), client_name="parley-command") as client:
            return await work(client)

    try:
        return asyncio.run(inside())
    except ApiError as error:
        hint = " Sign in with: parley login" if error.code in ("unauthenticated", "bad_token") else ""
        details = "".join(f"\n  {field}: {what}" for field, what in error.errors.items())
        err.print(f"[red]✗[/red] {error.detail}{hint}{details}", soft_wrap=True)
    except ParleyError as error:
        err.print(f"[red]✗[/red] {error}")
    except httpx2.HTTPError as error:
        err.print(f"[red]✗[/red] {base} cannot be reached ({type(error).__name__}). Is it running?")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(1)


async def find_room(client: Client, name: str, *, join: bool = True) -> Room:
    """By id, or by name among one's own rooms; then among the public ones. join: becoming a member of such a one."""
    try:
        return await client.room(UUID(name))
    except ValueError:
        pass
    wanted = name.removeprefix("#").casefold()
    cursor: str | None = None
    while True:
        page = await client.rooms(limit=200, cursor=cursor)
        for room in page.items:
            if (room.name or "").casefold() == wanted:
                return room
        cursor = page.next
        if cursor is None:
            break
    for room in (await client.directory(wanted[:80])).items:
        if (room.name or "").casefold() == wanted:
            return await client.join(room.id) if join else room
    raise ParleyError(f"There is no room {name!r} among yours or in the directory.")


async def find_room_id(client: Client, name: str) -> UUID:
    """By id, or by name; for office one need not have joined, nor even see it. Raises ParleyError."""
    try:
        return UUID(name)
    except ValueError:
        return (await find_room(client, name, join=False)).id


def confirm(question: str, yes: bool) -> None:
    """Ask before something that changes much; `yes` has answered already. Whoever says no ends the command."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def password_from(stdin: bool) -> str:
    """From standard input, or asked for without showing it."""
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Passphrase", hide_input=True, err=True))
