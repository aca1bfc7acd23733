"""`parley keys`: what wraps what, new keys, and the end of old ones. For admins, but for `new`, which needs no server."""

import os
import re
import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from parley_client.client import Client
from parley_client.commands.session import confirm, err, find_room_id, out, run
from parley_client.models import RoomKey

app = typer.Typer(no_args_is_help=True, help="Keys of sealed rooms and of images.")

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
SERVICES = {"messages": "Keys of rooms", "media": "Keys of images"}
_LINE = re.compile(r"[A-Za-z0-9._-]{1,64} +[0-9a-f]{64}")


@app.command()
def status(room: Annotated[str | None, typer.Argument(help="Its keys, by name or id.")] = None) -> None:
    """How many keys are wrapped under which wrapping key; with a room, the versions of its key."""

    async def work(client: Client) -> None:
        if room is not None:
            await _show_room(client, room)
            return
        keys = await client.keys(limit=1)
        images = {} if keys.images is None else keys.images.counts
        table = Table(box=None, pad_edge=False)
        for column in ("Wrapping key", "Keys of rooms", "Keys of images", ""):
            table.add_column(column, overflow="fold")
        today = {name for name in (keys.current, None if keys.images is None else keys.images.current) if name}
        for name in sorted({*keys.counts, *images, *today}):
            unknown = "?" if keys.images is None else "0"
            marked = "[green]today's[/green]" if name in today else ""
            table.add_row(
                name, f"{keys.counts.get(name, 0):,}", f"{images[name]:,}" if name in images else unknown, marked
            )
        out.print(table if table.row_count else "There is no wrapping key: rooms cannot be sealed.")
        if any(count and name not in today for name, count in (*keys.counts.items(), *images.items())):
            out.print("To wrap all under today's: parley keys rotate")

    run(work)


async def _show_room(client: Client, room: str) -> None:
    room_id = await find_room_id(client, room)
    found: list[RoomKey] = []
    cursor: str | None = None
    while True:
        page = await client.keys(room_id, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    for key in found:
        since = f"version {key.version}, since {key.created_at:%Y-%m-%d %H:%M} UTC"
        if key.destroyed_at is None:
            out.print(f"{since}, under {key.wrapping_key}")
        else:
            forgotten = f", in no backup from {key.backups_forget_at:%Y-%m-%d} on" if key.backups_forget_at else ""
            out.print(f"{since}, [red]destroyed[/red] {key.destroyed_at:%Y-%m-%d %H:%M} UTC{forgotten}")
    if not found:
        out.print("This room has no key: it is not sealed.")


@app.command()
def rotate(
    room: Annotated[str | None, typer.Argument(help="A new key for what is said in it from now on.")] = None,
    yes: Yes = False,
) -> None:
    """Wrap all keys under today's wrapping key; or give a room a new key. Nothing becomes unreadable. Exit code 1 if one is left."""
    confirm("Wrap all keys anew?" if room is None else f"A new key for {room}?", yes)

    async def work(client: Client) -> int:
        if room is not None:
            key = await client.rotate_room_key(await find_room_id(client, room))
            out.print(f"[green]✓[/green] {room} has key {key.version}, under {key.wrapping_key}")
            return 0
        left = 0
        for service, title in SERVICES.items():
            left += await _rewrap(client, service, title)
        return 1 if left else 0

    raise typer.Exit(run(work))


async def _rewrap(client: Client, service: str, title: str) -> int:
    """How many are left under another key than today's: they could not be unwrapped, and the service's log says why."""
    done = 0
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)
        cursor: str | None = None
        while True:
            step = await client.rewrap_keys(service, cursor)
            done += step.rewrapped
            bar.update(task, completed=done, total=done + step.left)
            cursor = step.next
            if cursor is None:
                break
    said = f"{title}: {done:,} wrapped anew under {step.wrapping_key}"
    out.print(
        f"[red]✗[/red] {said}, {step.left:,} could not be" if step.left else f"[green]✓[/green] {said}, none is left"
    )
    return step.left


@app.command()
def destroy(
    room: Annotated[str, typer.Argument(help="By name or id.")],
    reason: Annotated[str, typer.Option(help="It goes into the audit trail.")],
    yes: Yes = False,
) -> None:
    """Make everything that was said in a sealed room unreadable, for everybody and for good."""
    confirm(f"Nobody will ever read again what was said in {room}. Destroy its keys?", yes)

    async def work(client: Client) -> None:
        gone = await client.destroy_room_keys(await find_room_id(client, room), reason)
        out.print(
            f"[green]✓[/green] {gone.destroyed} keys destroyed; what is said from now on has key {gone.key.version}"
        )
        out.print(
            f"Until {gone.backups_forget_at:%Y-%m-%d %H:%M} UTC a backup of the database, with its wrapping key, could bring them back."
        )

    run(work)


def _read(file: Path) -> str:
    """Raises typer.Exit if it is another file than it should be."""
    text = file.read_text()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#") and _LINE.fullmatch(line.strip()) is None:
            err.print(f"[red]✗[/red] {file}, line {number}: not a name and 64 hex digits. Is it the right file?")
            raise typer.Exit(1)
    return text


def _replace(file: Path, text: str) -> None:
    """Whole or not at all: a service may be reading it, and what is lost of it is lost for good."""
    part = file.with_name(f".{file.name}.new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.stat().st_mode & 0o777), "w") as opened:
        opened.write(text)
    part.replace(file)


@app.command()
def promote(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Of a setting file:…")],
    name: Annotated[str, typer.Argument(help="Of a key in it that is on standby.")],
) -> None:
    """Let a key on standby be today's. Then, when every replica has the file: parley keys rotate"""
    try:
        lines = _read(file).splitlines()
        chosen = [line for line in lines if line.split(" ", 1)[0] == name]
        if not chosen:
            err.print(f"[red]✗[/red] {file} has no key {name}.")
            raise typer.Exit(1)
        _replace(file, "".join(f"{line}\n" for line in [*(line for line in lines if line not in chosen), *chosen]))
    except OSError as error:
        err.print(f"[red]✗[/red] {file}: {error.strerror}")
        raise typer.Exit(1) from None
    out.print(f"[green]✓[/green] {name} is today's key of {file}.")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Of a setting file:…; made if it is not there.")],
    standby: Annotated[
        bool,
        typer.Option(
            "--standby", help="It unwraps only, until it is promoted: for files that replicas get one by one."
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Add a wrapping key to a file, which is today's from then on; the others stay, to unwrap. Then: parley keys rotate"""
    try:
        before = _read(file) if file.exists() else ""
        if standby:
            if not before:
                err.print(f"[red]✗[/red] {file} has no key that could wrap meanwhile.")
                raise typer.Exit(1)
            name = secrets.token_hex(4)
            _replace(file, f"{name} {secrets.token_hex(32)}\n{before}")
            out.print(
                f"[green]✓[/green] {name} unwraps. When every replica has the file: parley keys promote {file} {name}"
            )
            return
        if before:
            confirm(f"{file} has keys. Add another one, which wraps from now on?", yes)
        name = secrets.token_hex(4)
        line = f"{name} {secrets.token_hex(32)}\n"
        # In one piece: a service may be reading it.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as opened:
            opened.write(line if before.endswith("\n") or not before else f"\n{line}")
    except OSError as error:
        err.print(f"[red]✗[/red] {file}: {error.strerror}")
        raise typer.Exit(1) from None
    out.print(
        f"[green]✓[/green] {name} is the newest key of {file}. Keep a copy of the file: without it, what it wraps is lost."
    )
