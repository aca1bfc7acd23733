"""`parley connections`: why somebody was disconnected."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from parley_client.client import Client
from parley_client.commands.admin import find_account
from parley_client.commands.session import out, run
from parley_client.models import LoggedConnection

FORMATS = ["%H:%M", "%H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
Moment = Annotated[datetime | None, typer.Option(formats=FORMATS, help="This machine's time; without a date, today.")]


def connections(
    username: Annotated[str, typer.Argument(help="Of this user; everybody's, if absent.")] = "",
    since: Moment = None,
    until: Moment = None,
    connection: Annotated[UUID | None, typer.Option("--id", help="This connection alone: everything about it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
) -> None:
    """How sockets came and went, the newest last; for admins."""

    async def work(client: Client) -> None:
        user_id = await find_account(client, username) if username else None
        page = await client.admin_connections(
            user_id=user_id, connection_id=connection, since=_instant(since), until=_instant(until), limit=limit
        )
        if not page.items:
            out.print("No connections.")
        elif connection is not None:
            _show(page.items[0])
        else:
            _list(page.items)
            if page.next is not None:
                out.print(f"[dim]Older ones are left out; narrow it down, or raise --limit {limit}.[/dim]")

    run(work)


def _instant(moment: datetime | None) -> datetime | None:
    """Without a date it is read as 1900."""
    if moment is None:
        return None
    if moment.year == 1900:
        moment = datetime.combine(datetime.now().astimezone().date(), moment.time())
    return moment.astimezone()


def _list(items: list[LoggedConnection]) -> None:
    days = {item.opened_at.astimezone().date() for item in items}
    shape = "%H:%M:%S" if len(days) == 1 else "%m-%d %H:%M:%S"
    table = Table(box=None, pad_edge=False)
    for column in ("Opened", "Closed", "How it ended", "Gateway", "Client", "Network", "Began with", "Before", "Id"):
        table.add_column(column, overflow="fold", no_wrap=column == "Id")
    for item in reversed(items):
        table.add_row(
            item.opened_at.astimezone().strftime(shape),
            "" if item.closed_at is None else item.closed_at.astimezone().strftime(shape),
            _end(item),
            item.gateway,
            item.client or item.user_agent,
            item.ip_prefix,
            "a fresh start" if item.resume == "none" else f"a resume: {item.resume}",
            "" if item.last_close_code is None else f"client saw {item.last_close_code}",
            str(item.connection_id),
        )
    out.print(table)


def _end(item: LoggedConnection) -> str:
    if item.side is None:
        return "open"
    if item.side == "gateway lost":
        return "its gateway was lost"
    reason = f": {item.reason}" if item.reason else ""
    return f"{item.code} by the {item.side}{reason}"


def _show(item: LoggedConnection) -> None:
    seconds = "" if item.closed_at is None else f"  ({(item.closed_at - item.opened_at).total_seconds():.1f} s)"
    rows = {
        "connection": item.connection_id,
        "user": item.user_id,
        "session": item.session_id,
        "device": item.device_id,
        "client": item.client,
        "agent": item.user_agent,
        "network": item.ip_prefix,
        "gateway": item.gateway,
        "opened": item.opened_at.isoformat(),
        "closed": "still open" if item.closed_at is None else f"{item.closed_at.isoformat()}{seconds}",
        "ended": _end(item),
        "began with": "a fresh start" if item.resume == "none" else f"a resume: {item.resume}",
        "before": ""
        if item.last_close_code is None
        else f"the client saw {item.last_close_code} {item.last_close_reason or ''}".rstrip(),
        "bytes": "" if item.bytes_in is None else f"{item.bytes_in:,} in, {item.bytes_out:,} out",
        "queue": "" if item.queue_peak is None else f"{item.queue_peak:,} bytes waited at most",
    }
    for name, value in rows.items():
        if value:
            out.print(f"{name:>11}  {value}", markup=False, soft_wrap=True)
