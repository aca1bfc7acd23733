"""`parley verify`: whether log, state, search index, images and unread counts still say the same. For admins; changes nothing."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.progress import Progress

from parley_client.client import Client
from parley_client.commands.session import err, find_room_id, folder, out, run, server
from parley_client.models import Divergence, StoreChecked, Verified

PARTS = ("rooms", "people", "index", "bucket")
"""In this order: what comes later is compared with what came before."""
PAGE = "docs/operations/verify.md"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a verification goes on. found: divergences so far."""

    part: str = PARTS[0]
    cursor: str | None = None
    found: int = 0


class Progressed:
    """The place of a verification of one server, in a file, so that it can go on there. None: it is not remembered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Place:
        """Raises typer.Exit if there is none."""
        try:
            assert self._path is not None  # noqa: S101 — one that is to go on is remembered
            return Place(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            err.print("[red]✗[/red] No verification of this server was broken off. Begin one: parley verify")
            raise typer.Exit(1) from None

    def save(self, place: Place) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(asdict(place)))

    def forget(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def verify(
    room: Annotated[str | None, typer.Option(help="This room alone, by name or id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Go on after the first divergence.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last one was broken off.")] = False,
) -> None:
    """Compare log, state, search index, images and unread counts, room by room, while people talk; exit code 1 if something diverges.

    For admins. It reads only, and ends with the first divergence unless --all is given.
    """
    if resume and room is not None:
        raise typer.BadParameter("is for all rooms", param_hint="--resume")
    progress = Progressed(None if room is not None else folder() / f"verify_{urlsplit(server()).netloc}.json")
    begin = progress.load() if resume else Place()

    async def work(client: Client) -> int:
        room_id = None if room is None else str(await find_room_id(client, room))
        return await _verify(client, begin, progress, room_id, everything=everything)

    try:
        found = run(work)
    except typer.Exit:
        if room is None:
            err.print("What was compared is remembered. Go on with: parley verify --resume")
        raise
    raise typer.Exit(1 if found else 0)


async def _verify(client: Client, begin: Place, progress: Progressed, room_id: str | None, *, everything: bool) -> int:
    """How many divergences there are, of those that were looked for."""
    found = begin.found
    for part in PARTS[PARTS.index(begin.part) :]:
        if room_id is not None and part in ("people", "bucket"):
            continue
        cursor = begin.cursor if part == begin.part else None
        checked: Counter[str] = Counter()
        before = found
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task(part.capitalize(), total=None)
            progress.save(Place(part, cursor, found))
            async for step in _steps(client, part, room_id, cursor):
                checked[part if part != "bucket" else "objects"] += step.streams
                checked.update(step.checked)
                bar.update(task, advance=step.streams, total=step.total)
                for divergence in step.divergences:
                    found += 1
                    _show(divergence)
                    if not everything:
                        err.print(f"The first one; --all goes on. What {divergence.kind} means, and what to do: {PAGE}")
                        return found
                if step.more:
                    out.print("[dim]… and more like these there[/dim]")
                progress.save(Place(part, step.next, found))
        said = ", ".join(f"{number:,} {what}" for what, number in checked.items())
        out.print(f"[green]✓[/green] {said}" if found == before else f"[red]✗[/red] {said}: {found - before:,} diverge")
    progress.forget()
    if found:
        err.print(f"{found:,} divergences. What each means, and what to do: {PAGE}")
    return found


async def _steps(client: Client, part: str, room_id: str | None, cursor: str | None) -> AsyncIterator[Verified]:
    while True:
        if part == "bucket":
            step = _bucket(await client.check_media(cursor))
        else:
            step = await client.verify(part, room_id=room_id, cursor=cursor)
        yield step
        cursor = step.next
        if cursor is None:
            return


def _bucket(step: StoreChecked) -> Verified:
    """As the others say it."""
    names = (
        ("bucket.missing", "it is not in the bucket", step.missing),
        ("bucket.stray", "the bucket alone has it", step.stray),
    )
    return Verified(
        streams=step.objects,
        total=step.total,
        checked={},
        divergences=[
            Divergence(kind=kind, stream=f"object:{name}", detail=detail)
            for kind, detail, found in names
            for name in found
        ],
        next=step.next,
    )


def _show(divergence: Divergence) -> None:
    where = escape(divergence.stream) if divergence.seq is None else f"{escape(divergence.stream)} at {divergence.seq}"
    what = f", message {divergence.message_id}" if divergence.message_id is not None else ""
    who = f", user {divergence.user_id}" if divergence.user_id is not None else ""
    out.print(f"[red]✗[/red] [bold]{divergence.kind}[/bold] {where}{what}{who}: {escape(divergence.detail)}")
