"""Moderation from a terminal: `parley rooms mute …` for moderators, `parley admin reports` and `access` by office."""

from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from parley_client.client import Client
from parley_client.commands.session import find_room_id, out, run
from parley_client.errors import ParleyError
from parley_client.models import Sanction

Minutes = Annotated[int | None, typer.Option(help="Until it is lifted, if absent.")]
Reason = Annotated[str | None, typer.Option(help="Everybody in the room sees that of a kick or a ban.")]


async def _user(client: Client, username: str) -> UUID:
    """By id or username. Raises ParleyError."""
    try:
        return UUID(username)
    except ValueError:
        pass
    wanted = username.removeprefix("@")
    for user in (await client.users(query=wanted)).items:
        if user.username.casefold() == wanted.casefold():
            return user.id
    raise ParleyError(f"There is nobody of the name {wanted!r}.")


def _until(sanction: Sanction) -> str:
    return "until it is lifted" if sanction.until is None else f"until {sanction.until:%Y-%m-%d %H:%M} UTC"


def mute(room: str, username: str, minutes: Minutes = None, reason: Reason = None) -> None:
    """Let somebody read and not write."""

    async def work(client: Client) -> None:
        user_id = await _user(client, username)
        sanction = await client.mute(await find_room_id(client, room), user_id, minutes=minutes, reason=reason)
        out.print(f"[green]✓[/green] {username} is muted {_until(sanction)}")

    run(work)


def unmute(room: str, username: str) -> None:
    """Let somebody write again."""

    async def work(client: Client) -> None:
        await client.unmute(await find_room_id(client, room), await _user(client, username))
        out.print(f"[green]✓[/green] {username} is not muted")

    run(work)


def kick(room: str, username: str, reason: Reason = None) -> None:
    """Remove somebody, who may come back."""

    async def work(client: Client) -> None:
        await client.kick(await find_room_id(client, room), await _user(client, username), reason)
        out.print(f"[green]✓[/green] {username} is out")

    run(work)


def ban(room: str, username: str, minutes: Minutes = None, reason: Reason = None) -> None:
    """Remove somebody, who may not come back."""

    async def work(client: Client) -> None:
        user_id = await _user(client, username)
        sanction = await client.ban(await find_room_id(client, room), user_id, minutes=minutes, reason=reason)
        out.print(f"[green]✓[/green] {username} is banned {_until(sanction)}")

    run(work)


def unban(room: str, username: str) -> None:
    """Let somebody come back."""

    async def work(client: Client) -> None:
        await client.unban(await find_room_id(client, room), await _user(client, username))
        out.print(f"[green]✓[/green] {username} is not banned")

    run(work)


def reports(room: Annotated[str | None, typer.Option(help="Of one room, as its moderator.")] = None) -> None:
    """Reports of messages: open ones first, then the newest first."""

    async def work(client: Client) -> None:
        room_id = None if room is None else await find_room_id(client, room)
        table = Table(box=None, pad_edge=False)
        for column in ("At", "Reason", "Resolution", "Room", "Message", "Report"):
            table.add_column(column, overflow="fold", no_wrap=column == "Id")
        cursor: str | None = None
        while True:
            page = await client.reports(room_id, limit=200, cursor=cursor)
            for report in page.items:
                table.add_row(
                    f"{report.at:%Y-%m-%d %H:%M}",
                    escape(report.reason),
                    escape(report.resolution or ""),
                    str(report.room_id),
                    str(report.message_id),
                    str(report.id),
                )
            cursor = page.next
            if cursor is None:
                break
        out.print(table if table.row_count else "No reports.")

    run(work)


def resolve(report: UUID, resolution: list[str]) -> None:
    """Say what was done about a report."""

    async def work(client: Client) -> None:
        await client.resolve_report(report, " ".join(resolution))
        out.print("[green]✓[/green] resolved")

    run(work)


def access(
    room: str,
    reason: list[str],
    minutes: Annotated[int, typer.Option(help="For how long, at most 1440.")] = 30,
) -> None:
    """Read a room by office: for some minutes, and its owners are told why."""

    async def work(client: Client) -> None:
        grant = await client.grant_access(await find_room_id(client, room), " ".join(reason), minutes)
        out.print(f"[green]✓[/green] you may read {grant.room_id} until {grant.until:%Y-%m-%d %H:%M} UTC")

    run(work)


def add_to_rooms(app: typer.Typer) -> None:
    for command in (mute, unmute, kick, ban, unban):
        app.command()(command)


def add_to_admin(app: typer.Typer) -> None:
    for command in (reports, resolve, access):
        app.command()(command)
