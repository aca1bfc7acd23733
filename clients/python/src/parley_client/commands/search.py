"""`parley search WORDS…`, and for admins `parley search rebuild`.

`rebuild` alone is the command. With another word beside it, or after `--`, it is a word to search for.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core
from rich.progress import Progress
from rich.text import Text

from parley_client.client import Client
from parley_client.commands.chat import Names
from parley_client.commands.session import confirm, err, find_room_id, out, run
from parley_client.models import FoundMessage, IndexState

PAGE = 20
BEFORE, LENGTH = 60, 300
"""Characters that are shown before the first hit in a long message, and in all."""
POLL_S = 0.5

WORDS = "for"
SYNTAX = 'words, "phrases", -not, from:username, in:room, before: or after: a day, has:image.'


class Words(typer.core.TyperGroup):
    """A group whose first argument is a command of its own only where nothing else can be meant; all else are words."""

    takes_words = WORDS

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Any: typer's copy of click has no public name
        if args and not self._is_command(args) and args[0] not in ctx.help_option_names:
            args = [WORDS, *args]
        return super().parse_args(ctx, args)

    def _is_command(self, args: Sequence[str]) -> bool:
        return args[0] == "rebuild" and all(word.startswith("-") for word in args[1:])


app = typer.Typer(
    cls=Words,
    no_args_is_help=True,
    subcommand_metavar="WORD...",
    help=f"""Search what one may read, the newest first: {SYNTAX}

--room ROOM searches this one alone; --all shows everything, not the newest {PAGE}.

parley search rebuild builds the index anew, for admins; parley search -- rebuild searches for that word.""",
)


@app.command(WORDS, hidden=True, context_settings={"ignore_unknown_options": True})
def search_for(
    words: Annotated[list[str], typer.Argument(metavar="WORD", help=SYNTAX)],
    room: Annotated[str | None, typer.Option(help="In this room alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"All of them, not the newest {PAGE} alone.")] = False,
) -> None:
    """Search what one may read, the newest first."""

    async def work(client: Client) -> None:
        room_id = None if room is None else await find_room_id(client, room)
        names = Names(client)
        rooms = {item.id: item.name or "(direct)" for item in (await client.rooms(limit=200)).items}
        shown = 0
        async for page in client.search_pages(" ".join(words), room_id=room_id, limit=PAGE):
            await names.learn([found.message.sender_id for found in page.items])
            for found in page.items:
                message = found.message
                head = Text(f"{message.created_at.astimezone():%Y-%m-%d %H:%M} ", style="dim")
                head.append(rooms.get(message.room_id, str(message.room_id)), style="bold")
                head.append(f" {await names.of(message.sender_id)}  ", style="cyan")
                out.print(head.append_text(excerpt(found)), soft_wrap=True)
                shown += 1
            if page.next is not None and not everything and shown:
                out.print("[dim]There may be more: --all[/dim]")
                return
        if not shown:
            out.print("Nothing found.")

    run(work)


def excerpt(found: FoundMessage) -> Text:
    """A message in one line, with what was found highlighted; of a long one, what is around the first hit."""
    body = found.message.body or ""
    first = found.highlights[0][0] if found.highlights else 0
    start = max(0, first - BEFORE) if len(body) > LENGTH else 0
    text = Text("".join("⏎" if character == "\n" else character for character in body[start : start + LENGTH]))
    for begin, end in found.highlights:
        text.stylize("bold yellow", max(0, begin - start), max(0, end - start))
    images = f"  [{len(found.message.media)} images]" if found.message.media else ""
    return Text.assemble("…" if start else "", text, "…" if len(body) > start + LENGTH else "", (images, "dim"))


@app.command()
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only tell how the index stands.")] = False,
) -> None:
    """Build the index anew, and show how far it is. Ctrl-C ends the showing; it goes on. Searching works meanwhile."""
    if not status:
        confirm("Build the whole index anew?", yes)

    async def work(client: Client) -> None:
        state = await (client.index_state if status else client.rebuild_index)()
        if not status:
            state = await _follow(client, state)
        building = "" if state.rebuilding is None else f", being built anew: {state.done:,} of {state.total:,} rooms"
        out.print(
            f"[green]✓[/green] {state.messages:,} messages of {state.rooms:,} rooms, {state.rooms_behind:,} rooms behind{building}"
        )

    try:
        run(work)
    except typer.Exit as stopped:
        if stopped.exit_code == 130:
            err.print("It goes on by itself; parley search rebuild --status says how far it is.")
        raise


async def _follow(client: Client, state: IndexState) -> IndexState:
    """Until it is done."""
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("Rebuilding", total=None)
        while state.rebuilding is not None:
            bar.update(task, completed=state.done, total=state.total or None)
            await asyncio.sleep(POLL_S)
            state = await client.index_state()
    return state
