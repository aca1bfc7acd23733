"""`parley audit`: export the audit trail with its proofs, and verify an export without any server."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import Progress

from parley_client.audit import AREAS, NotProvenError, Report, export, verify
from parley_client.client import Client
from parley_client.commands.session import err, out, run

app = typer.Typer(no_args_is_help=True, help="Export the audit trail, and verify exports.")


@app.command("export")
def export_command(
    area: Annotated[str | None, typer.Option(help="accounts or rooms; both otherwise.")] = None,
    room: Annotated[UUID | None, typer.Option(help="Of this room alone, by its id.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From then on (this machine's time).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before then (this machine's time).")] = None,
) -> None:
    """Write the trail to standard output: parley audit export > audit.ndjson"""
    if area is not None and area not in AREAS:
        raise typer.BadParameter("accounts or rooms", param_hint="--area")
    wanted = [area] if area is not None else ["rooms"] if room is not None else None

    async def work(client: Client) -> None:
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("Exporting", total=None)
            count = await export(
                client,
                sys.stdout.buffer.write,
                areas=wanted,
                room_id=room,
                since=None if since is None else since.astimezone(),
                until=None if until is None else until.astimezone(),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        sys.stdout.buffer.flush()
        err.print(f"[green]✓[/green] {count:,} entries, signed by {await client.audit_key()}", soft_wrap=True)

    run(work)


@app.command()
def key() -> None:
    """The public key that exports are signed with. Keep it where nobody who runs the server can change it."""

    async def work(client: Client) -> None:
        out.print(await client.audit_key(), soft_wrap=True)

    run(work)


@app.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    key: Annotated[str | None, typer.Option(help="The public key that you trust, or a file that holds it.")] = None,
) -> None:
    """Find out whether an export is whole and unaltered. Asks no server."""
    trusted = Path(key).read_text().strip() if key is not None and Path(key).is_file() else key
    try:
        with file.open("rb") as lines:
            report = verify(lines, trusted)
    except NotProvenError as error:
        err.print(f"[red]✗[/red] {file}, {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    _tell(report, trusted)


def _tell(report: Report, trusted: str | None) -> None:
    out.print("[green]✓[/green] whole and unaltered", soft_wrap=True)
    for area in report.areas:
        out.print(f"  {area}: {report.entries.get(area, 0):,} entries in {report.chains.get(area, 0):,} chains")
    if report.erased:
        out.print(f"  {report.erased:,} of them erased: that they were there is proven, what they said is gone")
    of_room = "" if report.room_id is None else f" of room {report.room_id}"
    span = f"{report.since or 'the beginning'} until {report.until or report.at}"
    out.print(f"  from {span}{of_room}", soft_wrap=True)
    out.print(f"  signed by {report.key}", soft_wrap=True)
    if trusted is None:
        out.print("  [yellow]which the file itself names[/yellow]: compare it with the one you know, or give --key")
