"""Talking from a terminal: plain text, so that it works in any."""

import asyncio
import contextlib
import sys
from uuid import UUID

import msgspec
from rich.markup import escape

from parley_client.client import Client
from parley_client.commands.session import find_room, out
from parley_client.errors import ApiError
from parley_client.events import Event, Gone, Resync
from parley_client.models import Message

HISTORY = 20
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


class Names:
    """Usernames by id, asked for once each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[UUID, str] = {}

    async def of(self, user_id: UUID) -> str:
        if user_id not in self._known:
            try:
                self._known[user_id] = (await self._client.user(user_id)).username
            except ApiError:
                self._known[user_id] = str(user_id)[:8]
        return self._known[user_id]

    async def learn(self, ids: list[UUID]) -> None:
        """Many at once."""
        wanted = sorted({user_id for user_id in ids if user_id not in self._known})
        for start in range(0, len(wanted), 200):
            for user in (await self._client.users(ids=wanted[start : start + 200])).items:
                self._known[user.id] = user.username


def coloured(name: str) -> str:
    return f"[{COLOURS[sum(name.encode()) % len(COLOURS)]}]{escape(name)}[/]"


async def show_message(names: Names, message: Message) -> None:
    name = await names.of(message.sender_id)
    time = message.created_at.astimezone().strftime("%H:%M")
    body = "[dim](deleted)[/dim]" if message.deleted else escape(message.body or "")
    out.print(f"[dim]{time}[/dim] {coloured(name)}  {body}", soft_wrap=True)


async def show_event(names: Names, event: Event) -> None:
    """One line for what people want to know of; nothing for the rest."""
    message = event.message
    if message is not None:
        await show_message(names, message)
        return
    user = event.data.get("user_id")
    who = coloured(await names.of(UUID(user))) if user is not None else ""
    actor = event.data.get("actor_id")
    by = coloured(await names.of(UUID(actor))) if actor is not None else "the room"
    said = {
        "message.edited": f"{by} edited: {escape(event.data.get('body') or '(deleted)')}",
        "message.deleted": f"{by} deleted a message",
        "message.pinned": f"{by} pinned a message",
        "message.unpinned": f"{by} unpinned a message",
        "reaction.added": f"{who} reacted with {escape(str(event.data.get('reaction')))}",
        "member.joined": f"{who} joined",
        "member.left": f"{who} left",
        "member.removed": f"{who} was removed",
        "member.updated": f"{who} is {event.data.get('role')} now",
        "room.updated": "the room's settings changed",
        "room.deleted": "the room was deleted",
        "room.restored": "the room is back",
    }.get(event.kind)
    if said is not None:
        out.print(f"      [dim]·[/dim] {said}")


async def tail_rooms(client: Client, room: str | None, *, json_lines: bool) -> None:
    """Until interrupted."""
    names = Names(client)
    only = None if room is None else f"room:{(await find_room(client, room)).id}"
    rooms = {f"room:{item.id}": item.name or "(direct)" for item in (await client.rooms(limit=200)).items}
    shown = ""
    async for event in client.events():
        if only is not None and event.stream != only:
            continue
        if json_lines:
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            sys.stdout.flush()
        elif isinstance(event, Event):
            if event.stream.startswith("room:") and event.stream != shown:
                shown = event.stream
                out.print(f"[bold]{escape(rooms.get(shown, shown))}[/bold]")
            await show_event(names, event)
        else:
            out.print(
                f"[dim]{escape(event.stream)}: {'too much was missed' if isinstance(event, Resync) else 'gone'}[/dim]"
            )


async def chat_in(client: Client, name: str) -> None:
    """Read lines and send them; show what happens in between."""
    room = await find_room(client, name)
    names = Names(client)
    ready = await client.connect()
    page = await client.messages(room.id, limit=HISTORY)
    await names.learn([message.sender_id for message in page.items])
    out.print(f"[bold]{escape(room.name or '(direct)')}[/bold]  [dim]{escape(room.topic)}  /quit leaves[/dim]")
    for message in page.items:
        await show_message(names, message)
    last = page.items[-1].seq if page.items else 0
    following = asyncio.create_task(_follow(client, names, f"room:{room.id}", last, ready.user.id))
    watching = asyncio.create_task(_watch(client))
    try:
        while (line := await asyncio.to_thread(sys.stdin.readline)) and line.strip() != "/quit":
            if not line.strip():
                continue
            try:
                ack = await client.send(room.id, line.rstrip("\n"))
            except ApiError as error:
                out.print(f"      [red]not sent:[/red] {escape(error.detail)}")
                continue
            await client.read(room.id, ack.seq)
    finally:
        for task in (following, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _follow(client: Client, names: Names, stream: str, last: int, me: UUID) -> None:
    async for event in client.events():
        if event.stream != stream:
            continue
        if isinstance(event, Resync):
            out.print("      [dim]· much was said while you were away; the newest:[/dim]")
            for missed in (await client.messages(UUID(stream[5:]), limit=HISTORY)).items:
                await show_message(names, missed)
        elif isinstance(event, Gone):
            out.print("      [yellow]you are no longer in this room[/yellow]")
        elif event.seq > last:
            message = event.message
            # One's own line stands above already, as it was typed.
            if message is None or message.sender_id != me or not sys.stdin.isatty():
                await show_event(names, event)


async def _watch(client: Client) -> None:
    """Say when the connection goes and comes back."""
    before = client.state
    while True:
        await asyncio.sleep(0.5)
        state = client.state
        live = state == "live"
        if live != (before == "live"):
            out.print(f"      [dim]· {'connected again' if live else escape(state)}[/dim]")
        before = state
