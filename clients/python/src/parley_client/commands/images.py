"""Images from a terminal: `parley upload`, `parley image`, and for admins `parley media check`."""

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from parley_client.calls.images import Progress as Progressing
from parley_client.calls.images import copy
from parley_client.client import Client
from parley_client.commands.session import err, find_room, out, run
from parley_client.errors import ParleyError
from parley_client.models import Image

MOST_IN_A_MESSAGE = 10
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}

media = typer.Typer(no_args_is_help=True, help="What is stored of images, for admins.")


def _bar() -> Progress:
    """On standard error, and gone when it is done: what is worth keeping is on standard output."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=err,
        transient=True,
    )


def _shown(bar: Progress, task: TaskID) -> Progressing:
    return lambda done, total: bar.update(task, completed=done, total=total)


def upload(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    room: Annotated[str | None, typer.Option(help="Send them there, in one message.")] = None,
    text: Annotated[str | None, typer.Option(help="What that message says; the files' names, if absent.")] = None,
) -> None:
    """Upload images, and send them with --room. Without it, what is in no message after 48 hours is gone."""
    if text is not None and room is None:
        raise typer.BadParameter("is for --room", param_hint="--text")
    if room is not None and len(files) > MOST_IN_A_MESSAGE:
        raise typer.BadParameter(f"a message takes {MOST_IN_A_MESSAGE} images", param_hint="--room")

    async def work(client: Client) -> None:
        found = None if room is None else await find_room(client, room)
        images: list[Image] = []
        with _bar() as bar:
            for file in files:
                task = bar.add_task(file.name, total=None)
                image = await client.upload(file, progress=_shown(bar, task))
                images.append(image)
                bar.remove_task(task)
                size = f"{image.width}×{image.height}, {image.bytes:,} bytes"
                out.print(f"[green]✓[/green] {image.id}  [dim]{image.content_type}, {size}[/dim]")
        if found is not None:
            said = text or " ".join(file.name for file in files)
            message = await client.post(found.id, said, media_ids=[image.id for image in images])
            out.print(f"[green]✓[/green] {found.name} #{message.n}")

    run(work)


def image(
    image_id: Annotated[UUID, typer.Argument(metavar="ID")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file, or - for standard output.")] = None,
    size: Annotated[int | None, typer.Option(help="The thumbnail of that size: 64, 320 or 1280.")] = None,
) -> None:
    """Save an image that one may see: as its id in this folder, unless -o says otherwise."""

    async def work(client: Client) -> None:
        async with client.open_image(image_id, size=size) as body:
            if output == Path("-"):
                await copy(body, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                return
            path = output or Path(f"{image_id}.{EXTENSIONS.get(body.content_type, 'bin')}")
            # Beside it until it is whole: what breaks off leaves nothing that looks like an image.
            part = path.with_name(f".{path.name}.part")
            try:
                with part.open("wb") as file, _bar() as bar:
                    task = bar.add_task(path.name)
                    written = await copy(body, file, _shown(bar, task))
                part.replace(path)
            except OSError as error:
                raise ParleyError(f"{path} cannot be written: {error.strerror}.") from None
            finally:
                part.unlink(missing_ok=True)
        out.print(f"[green]✓[/green] {path}  [dim]{written:,} bytes[/dim]")

    run(work)


@media.command()
def check() -> None:
    """Compare what the database knows with what lies in the bucket; exit code 1 if they differ."""

    async def work(client: Client) -> int:
        missing: list[str] = []
        stray: list[str] = []
        looked = unfinished = 0
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("Comparing", total=None)
            cursor: str | None = None
            while True:
                step = await client.check_media(cursor)
                looked, unfinished = looked + step.objects, unfinished + step.unfinished
                missing += step.missing
                stray += step.stray
                bar.update(task, completed=looked, total=max(step.total, looked))
                cursor = step.next
                if cursor is None:
                    break
        for title, names in (("missing from the bucket", missing), ("in the bucket alone", stray)):
            for name in names:
                out.print(f"[red]✗[/red] {title}: {name}", soft_wrap=True)
        found = len(missing) + len(stray)
        said = f"{looked:,} objects, {unfinished:,} on their way in or out"
        out.print(f"[red]✗[/red] {said}: {found:,} do not match" if found else f"[green]✓[/green] {said}: all match")
        return 1 if found else 0

    raise typer.Exit(run(work))
