"""For admins; and how the first one comes to be."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from parley_client.client import Client
from parley_client.commands.session import err, out, password_from, run, server
from parley_client.errors import ParleyError

app = typer.Typer(no_args_is_help=True, help="Accounts, invitations, reset codes.")

INVITE_S = 900


@app.command()
def create(
    username: Annotated[str, typer.Option()],
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    home: Annotated[Path, typer.Option(envvar="PARLEY_HOME", help="Where the running suite keeps its state.")] = Path(
        ".parley"
    ),
    server_url: Annotated[str | None, typer.Option("--server")] = None,
) -> None:
    """Make an admin, from the machine that the suite runs on: its operator's key is the permission."""
    try:
        key = (home / "secrets" / "operator-key").read_text().strip()
    except OSError as error:
        err.print(f"[red]✗[/red] {home} holds no operator's key ({error.strerror}). Is it the home of a running suite?")
        raise typer.Exit(1) from None
    url = server_url or _running(home) or server()
    password = password_from(password_stdin)

    async def work(client: Client) -> None:
        body = {"username": username, "password": password, "invite": mint_invite(key)}
        await client.api.call("POST", "/auth/register", json=body, signed=False)
        out.print(f"[green]✓[/green] {username} is an admin. Sign in with: parley login {username} --server {url}")

    run(work, url=url)


def mint_invite(key: str) -> str:
    """A one-time invitation: op1.<nonce>.<expiry>.<HMAC-SHA256 with the operator's key>."""
    body = f"op1.{secrets.token_urlsafe(12)}.{int(time.time()) + INVITE_S}"
    digest = hmac.new(key.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _running(home: Path) -> str | None:
    try:
        return str(json.loads((home / "run.json").read_text())["urls"]["http"])
    except (OSError, ValueError, KeyError):
        return None


@app.command()
def users(query: Annotated[str, typer.Argument()] = "") -> None:
    """All accounts."""

    async def work(client: Client) -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("Username", "Name", "Role", "State", "Last sign-in", "Id"):
            table.add_column(column, overflow="fold", no_wrap=column == "Id")
        cursor: str | None = None
        while True:
            page = await client.admin_users(query or None, cursor)
            for user in page.items:
                state = "deleted" if user.deleted else "disabled" if user.disabled else ""
                seen = user.last_login_at.strftime("%Y-%m-%d %H:%M") if user.last_login_at else ""
                table.add_row(user.username, user.display_name, user.role, state, seen, str(user.id))
            cursor = page.next
            if cursor is None:
                break
        out.print(table)

    run(work)


async def find_account(client: Client, username: str) -> UUID:
    """By name, as admins see accounts. Raises ParleyError, ApiError."""
    for user in (await client.admin_users(username)).items:
        if user.username.casefold() == username.casefold():
            return user.id
    raise ParleyError(f"There is no account {username!r}.")


@app.command()
def disable(username: str) -> None:
    """Lock an account; its sessions end at once."""

    async def work(client: Client) -> None:
        await client.admin_update_user(await find_account(client, username), disabled=True)
        out.print(f"[green]✓[/green] {username} is disabled")

    run(work)


@app.command()
def enable(username: str) -> None:
    """Unlock an account."""

    async def work(client: Client) -> None:
        await client.admin_update_user(await find_account(client, username), disabled=False)
        out.print(f"[green]✓[/green] {username} is enabled")

    run(work)


@app.command()
def role(username: str, new_role: str) -> None:
    """Make somebody admin, moderator or user."""

    async def work(client: Client) -> None:
        user = await client.admin_update_user(await find_account(client, username), role=new_role)
        out.print(f"[green]✓[/green] {username} is {user.role}")

    run(work)


@app.command("reset-code")
def reset_code(username: str) -> None:
    """A one-use code with which somebody sets a new passphrase."""

    async def work(client: Client) -> None:
        made = await client.admin_reset_code(await find_account(client, username))
        out.print(f"{made.code}  [dim]until {made.expires_at:%Y-%m-%d %H:%M} UTC[/dim]")

    run(work)


@app.command()
def invite() -> None:
    """A one-use invitation."""

    async def work(client: Client) -> None:
        made = await client.admin_invite()
        out.print(f"{made.code}  [dim]until {made.expires_at:%Y-%m-%d %H:%M} UTC[/dim]")

    run(work)
