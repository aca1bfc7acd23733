"""`parley`: sign in, talk, look after a server."""

import asyncio
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from parley_client.client import Client
from parley_client.commands import account, admin, audit, doctor, images, keys, message, moderation, search
from parley_client.commands.bench import bench
from parley_client.commands.chat import chat_in, tail_rooms
from parley_client.commands.connections import connections
from parley_client.commands.journey import journey
from parley_client.commands.session import (
    find_room,
    find_room_id,
    out,
    password_from,
    remember_server,
    run,
    server,
    store,
)
from parley_client.commands.trace import trace
from parley_client.commands.verify import verify

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Talk on a Parley server, and look after one.")
rooms_app = typer.Typer(invoke_without_command=True, help="My rooms; create, join, leave, browse.")
app.add_typer(rooms_app, name="rooms")
app.add_typer(message.app, name="message")
app.add_typer(account.app, name="account")
app.add_typer(admin.app, name="admin")
app.add_typer(audit.app, name="audit")
app.add_typer(search.app, name="search")
app.add_typer(keys.app, name="keys")
app.add_typer(images.media, name="media")

Server = Annotated[str | None, typer.Option("--server", help="Address; PARLEY_URL, or the last one, otherwise.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the passphrase from standard input.")]


@app.command()
def login(
    username: Annotated[str, typer.Argument()] = "", server_url: Server = None, password_stdin: FromStdin = False
) -> None:
    """Sign in and stay signed in."""
    url = (server_url or server()).rstrip("/")
    name = username or typer.prompt("Username")
    password = password_from(password_stdin)

    async def work(client: Client) -> None:
        await client.api.login(name, password)
        me = await client.me()
        remember_server(url)
        out.print(f"[green]✓[/green] signed in at {url} as [bold]{me.username}[/bold] ({me.role})")

    run(work, url=url)


@app.command()
def register(
    username: Annotated[str, typer.Argument()] = "",
    server_url: Server = None,
    invite: Annotated[str | None, typer.Option(help="Where registration is by invitation.")] = None,
    password_stdin: FromStdin = False,
) -> None:
    """A new account, and sign in with it."""
    url = (server_url or server()).rstrip("/")
    name = username or typer.prompt("Username")
    password = password_from(password_stdin)

    async def work(client: Client) -> None:
        more = {} if invite is None else {"invite": invite}
        me = await client.register(name, password, **more)
        remember_server(url)
        out.print(f"[green]✓[/green] registered at {url} as [bold]{me.username}[/bold]")

    run(work, url=url)


@app.command()
def logout() -> None:
    """End this session, here and at the server."""

    async def work(client: Client) -> None:
        await client.api.logout()
        out.print("[green]✓[/green] signed out")

    run(work)


@app.command()
def whoami() -> None:
    """Who is signed in, and where."""

    async def work(client: Client) -> None:
        me = await client.me()
        out.print(f"{me.username} ({me.display_name}), {me.role}, at {server()}")

    run(work)


@rooms_app.callback()
def list_rooms(context: typer.Context) -> None:
    """My rooms, most recently active first."""
    if context.invoked_subcommand is not None:
        return

    async def work(client: Client) -> None:
        page = await client.rooms(limit=200)
        table = Table(box=None, pad_edge=False)
        for column in ("Room", "Unread", "Members", "Role", "Visibility", "Id"):
            table.add_column(column, overflow="fold", no_wrap=column == "Id")
        for room in page.items:
            name = room.name or "(direct)"
            table.add_row(
                name, str(room.unread or ""), str(room.member_count), room.role or "", room.visibility, str(room.id)
            )
        out.print(table if page.items else "No rooms yet: parley rooms create NAME, or parley rooms directory")

    run(work)


@rooms_app.command("create")
def create_room(
    name: str,
    private: Annotated[bool, typer.Option("--private", help="Only for whom you add.")] = False,
    topic: str = "",
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Encrypted at rest, and not searched; see: parley rooms privacy.")
    ] = False,
) -> None:
    """A new room, which is yours."""

    async def work(client: Client) -> None:
        visibility, encryption = "private" if private else "public", "sealed" if sealed else "plain"
        room = await client.create_room(name, topic=topic, visibility=visibility, encryption=encryption)
        out.print(f"[green]✓[/green] {room.name}  {room.id}")

    run(work)


@rooms_app.command("join")
def join_room(name: str) -> None:
    """Join a public room, by name or id."""

    async def work(client: Client) -> None:
        room = await find_room(client, name)
        joined = await client.join(room.id)
        out.print(f"[green]✓[/green] you are in {joined.name}")

    run(work)


@rooms_app.command("leave")
def leave_room(name: str) -> None:
    """Leave a room, by name or id."""

    async def work(client: Client) -> None:
        room = await find_room(client, name)
        await client.leave(room.id)
        out.print(f"[green]✓[/green] you have left {room.name}")

    run(work)


@rooms_app.command("privacy")
def privacy(name: str) -> None:
    """Who can read what in a room, by name or id."""

    async def work(client: Client) -> None:
        found = await client.room_privacy(await find_room_id(client, name))
        out.print(f"[bold]{escape(found.summary)}[/bold]")
        for title, sentences in (
            ("Can read it", found.can_read),
            ("Cannot read it", found.cannot_read),
            ("Not protected", found.not_protected),
        ):
            if sentences:
                out.print(f"\n{title}:")
                for sentence in sentences:
                    out.print(f"  · {escape(sentence)}")
        if found.key_version is not None and found.key_since is not None:
            out.print(f"\n[dim]Key {found.key_version}, since {found.key_since:%Y-%m-%d %H:%M} UTC[/dim]")

    run(work)


@rooms_app.command("directory")
def directory(query: Annotated[str, typer.Argument()] = "") -> None:
    """Public rooms."""

    async def work(client: Client) -> None:
        for room in (await client.directory(query or None, limit=200)).items:
            out.print(
                f"{'●' if room.joined else '○'} {room.name}  [dim]{room.member_count} members  {room.topic}[/dim]"
            )

    run(work)


moderation.add_to_rooms(rooms_app)
moderation.add_to_admin(admin.app)


@app.command()
def send(
    room: str, text: Annotated[list[str] | None, typer.Argument(help="Standard input, if absent.")] = None
) -> None:
    """Send a message; returns when it is committed."""
    body = " ".join(text) if text else sys.stdin.read().rstrip("\n")

    async def work(client: Client) -> None:
        found = await find_room(client, room)
        message = await client.post(found.id, body)
        out.print(f"[green]✓[/green] {found.name} #{message.n}  [dim]{message.id}[/dim]")

    run(work)


@app.command()
def tail(
    room: Annotated[str | None, typer.Argument(help="All rooms, if absent.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One event a line.")] = False,
) -> None:
    """Follow what happens, without gaps, until Ctrl-C."""
    run(lambda client: tail_rooms(client, room, json_lines=json_lines))


@app.command()
def chat(room: str) -> None:
    """Talk in a room: history, what is said now, and a line to write in. /quit leaves."""
    run(lambda client: chat_in(client, room))


@app.command("notifications")
def list_notifications(
    everything: Annotated[bool, typer.Option("--all", help="Those that were read, too.")] = False,
    read: Annotated[bool, typer.Option("--read", help="And mark them as read.")] = False,
) -> None:
    """What I was told: mentions, direct messages, replies, invitations."""

    async def work(client: Client) -> None:
        page = await client.notifications(unread=None if everything else True, limit=200)
        people = {item.actor_id for item in page.items if item.actor_id is not None}
        names = {user.id: user.username for user in (await client.users(ids=list(people))).items} if people else {}
        for item in reversed(page.items):
            text = "" if item.message is None else item.message.body or "(deleted)"
            who = "" if item.actor_id is None else names.get(item.actor_id, "")
            out.print(
                f"[dim]{item.created_at:%Y-%m-%d %H:%M}[/dim] {item.kind:10} [bold]{escape(who)}[/bold] {escape(text)}"
            )
        if not page.items:
            out.print("Nothing new.")
        elif read:
            await client.read_notifications(page.items[0].id)

    run(work)


@app.command()
def status(
    chosen: Annotated[str, typer.Argument(metavar="STATUS", help="online, away, busy or invisible.")],
    text: Annotated[list[str] | None, typer.Argument(help="What to show beside it.")] = None,
) -> None:
    """What others see of me while I am connected."""

    async def work(client: Client) -> None:
        now = await client.set_presence(chosen, " ".join(text) if text else None)
        out.print(f"[green]✓[/green] {now.status}{'' if now.text is None else f': {escape(now.text)}'}")

    run(work)


app.command()(images.upload)
app.command()(images.image)
app.command()(connections)
app.command()(trace)
app.command()(verify)
app.command()(bench)
app.command()(journey)


@app.command("doctor")
def doctor_command(server_url: Server = None) -> None:
    """What runs, which versions, what is wrong; exit code 1 if something is."""
    url = (server_url or server()).rstrip("/")
    raise typer.Exit(asyncio.run(doctor.examine(url, store(url))))


def main() -> None:
    """The `parley` command."""
    app()
