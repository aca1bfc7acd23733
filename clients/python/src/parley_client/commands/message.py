"""One message from a terminal: `parley message … ROOM MESSAGE`, where MESSAGE is its id or its number, like #12."""

from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from parley_client.client import Client
from parley_client.commands.chat import Names, show_message
from parley_client.commands.session import find_room, out, run
from parley_client.errors import ParleyError
from parley_client.models import Message

app = typer.Typer(
    no_args_is_help=True, help="One message, by its id or its number (#12): edit, delete, react, reply, report."
)

Which = Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id, or its number: #12.")]
PAGE = 200


async def find_message(client: Client, room: str, which: str) -> Message:
    """By id or by number. Raises ParleyError, ApiError."""
    room_id = (await find_room(client, room)).id
    number = which.removeprefix("#")
    if not number.isdecimal():
        try:
            return await client.message(room_id, UUID(which))
        except ValueError:
            raise ParleyError(f"{which} is neither a message's id nor its number.") from None
    cursor: str | None = None
    while True:
        page = await client.messages(room_id, limit=PAGE, cursor=cursor)
        for message in page.items:
            if message.n == int(number):
                return message
        # Numbers only fall from page to page.
        if page.next is None or any((message.n or 0) < int(number) for message in page.items):
            raise ParleyError(f"There is no message #{number} in {room}.")
        cursor = page.next


@app.command()
def edit(room: str, message: Which, text: list[str]) -> None:
    """Another text for one's own message."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        edited = await client.edit(found.room_id, found.id, found.rev, " ".join(text))
        out.print(f"[green]✓[/green] edited, version {edited.rev}")

    run(work)


@app.command()
def delete(
    room: str, message: Which, reason: Annotated[str | None, typer.Option(help="Of a moderator.")] = None
) -> None:
    """Delete one's own, or as a moderator."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await client.delete_message(found.room_id, found.id, reason)
        out.print("[green]✓[/green] deleted")

    run(work)


@app.command()
def report(room: str, message: Which, reason: list[str]) -> None:
    """Tell moderators of a message."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await client.report(found.room_id, found.id, " ".join(reason))
        out.print("[green]✓[/green] reported")

    run(work)


@app.command()
def react(
    room: str, message: Which, reaction: str, off: Annotated[bool, typer.Option("--off", help="Take it back.")] = False
) -> None:
    """like, dislike, or one emoji."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await (client.unreact if off else client.react)(found.room_id, found.id, reaction)
        await _show(client, await client.message(found.room_id, found.id))

    run(work)


@app.command()
def pin(room: str, message: Which, off: Annotated[bool, typer.Option("--off", help="Unpin it.")] = False) -> None:
    """Pin it for everybody in the room."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await (client.unpin if off else client.pin)(found.room_id, found.id)
        out.print("[green]✓[/green] unpinned" if off else "[green]✓[/green] pinned")

    run(work)


@app.command()
def reply(room: str, message: Which, text: list[str]) -> None:
    """Write in its thread."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await client.post(found.room_id, " ".join(text), thread_root_id=found.id)
        out.print("[green]✓[/green] replied")

    run(work)


@app.command()
def thread(room: str, message: Which) -> None:
    """It, and its replies."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        cursor: str | None = None
        while True:
            page = await client.thread(found.room_id, found.id, limit=PAGE, cursor=cursor)
            if cursor is None:
                await _show(client, page.root)
            for item in page.items:
                await _show(client, item)
            cursor = page.next
            if cursor is None:
                break
        following = "you follow this thread" if page.following else "you do not follow this thread"
        out.print(f"[dim]{page.root.reply_count} replies, {page.unread} unread; {following}[/dim]")

    run(work)


@app.command()
def follow(room: str, message: Which, off: Annotated[bool, typer.Option("--off", help="No more.")] = False) -> None:
    """Be told of replies in its thread."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        await (client.unfollow_thread if off else client.follow_thread)(found.room_id, found.id)
        out.print("[green]✓[/green] you follow it no more" if off else "[green]✓[/green] you follow it")

    run(work)


@app.command()
def revisions(room: str, message: Which) -> None:
    """What it said before; for its author and moderators."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        names = Names(client)
        cursor: str | None = None
        while True:
            page = await client.revisions(found.room_id, found.id, limit=PAGE, cursor=cursor)
            for version in page.items:
                said = "(deleted)" if version.body is None else version.body
                why = "" if version.reason is None else f": {version.reason}"
                who = await names.of(version.actor_id)
                out.print(f"[dim]{version.rev}  {version.at:%Y-%m-%d %H:%M} {who}[/dim]  {escape(said + why)}")
            cursor = page.next
            if cursor is None:
                break

    run(work)


@app.command()
def status(room: str, message: Which) -> None:
    """Who has it, and who has read it."""

    async def work(client: Client) -> None:
        found = await find_message(client, room, message)
        answer = await client.message_status(found.room_id, found.id)
        out.print(f"{answer.members} members, delivered to {answer.delivered}, read by {answer.read}")
        if answer.recipients is not None:
            names = Names(client)
            await names.learn([recipient.user_id for recipient in answer.recipients])
            for recipient in answer.recipients:
                out.print(f"  {recipient.state:<9}  {escape(await names.of(recipient.user_id))}")

    run(work)


async def _show(client: Client, message: Message) -> None:
    await show_message(Names(client), message)
    if message.reactions:
        out.print("       " + "  ".join(f"{item.reaction} {item.count}" for item in message.reactions))
