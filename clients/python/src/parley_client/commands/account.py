"""`parley account`: take one's things along, and leave for good."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from parley_client.client import Client
from parley_client.commands.session import err, out, password_from, run, server, store

app = typer.Typer(no_args_is_help=True, help="Take my things along, and erase my account.")


@app.command("export")
def export_command(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output otherwise.")] = None,
) -> None:
    """Everything that the server keeps of me, one JSON object a line."""

    async def work(client: Client) -> None:
        count = 0
        with nullcontext(sys.stdout.buffer) if file is None else file.open("wb") as target:
            async for line in client.export_me():
                target.write(line + b"\n")
                count += 1
        err.print(f"[green]✓[/green] {count:,} lines, whole to its end")

    run(work)


@app.command()
def erase(
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the passphrase from there.")] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether I am sure.")] = False,
) -> None:
    """Erase my account, at once and for good."""
    base = server()

    async def who(client: Client) -> str:
        return (await client.me()).username

    username = run(who)
    if not sure:
        out.print(f"[bold]{username}[/bold] at {base} will be nobody's, and what it has written will be empty places.")
        if typer.prompt("There is no way back. Type the username to go on") != username:
            raise typer.Abort
    password = password_from(password_stdin)

    async def work(client: Client) -> None:
        begun = await client.erase_me(password)
        store(base).save(None)
        out.print(f"[green]✓[/green] {username} is erased")
        out.print(f"  How far it has come: parley account erasure {begun.id} --code {begun.code}", soft_wrap=True)

    run(work)


@app.command()
def erasure(
    erasure_id: UUID,
    code: Annotated[str | None, typer.Option(help="That `parley account erase` told; admins need none.")] = None,
) -> None:
    """How far an erasure has come."""

    async def work(client: Client) -> None:
        found = await client.erasure(erasure_id, code)
        out.print(f"{found.state}, asked for at {found.requested_at:%Y-%m-%d %H:%M:%S} UTC")
        for name, each in found.stores.items():
            counts = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in each.counts.items() if number)
            out.print(f"  {'[green]✓[/green]' if each.done else '·'} {name}: {counts or 'nothing'}")

    run(work)
