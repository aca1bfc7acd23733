"""`parley bench --here`: what a message costs on this installation, and what it needs for so many people, as a kustomize patch.

Bounded: some people of its own, a room of all of them and one of two, as many messages as each may send in a minute. What it makes it
removes, also after Ctrl-C.
"""

import asyncio
import contextlib
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Annotated

import typer
from rich.table import Table

from parley_client.client import Client
from parley_client.commands.session import err, out, run, server
from parley_client.errors import ApiError
from parley_client.meters import Meter, Processes, Prometheus
from parley_client.models import Room
from parley_client.sizing import Plan, Target, component, costs_from, plan
from parley_client.tokens import MemoryStore

PEOPLE = 10
MESSAGES = 10
"""Of each: what anybody may send in a minute unless it is set otherwise."""
WINDOW_S = 61.0
BODY = "x" * 200
FILE = "kustomization.yaml"

Load = tuple[int, int, dict[str, float]]


class Bench:
    """The people and rooms of one measurement. waits: whether the limit of a minute is waited for between two loads."""

    def __init__(self, admin: Client, meter: Meter, url: str) -> None:
        self._admin = admin
        self._meter = meter
        self._url = url
        self._people: list[Client] = []
        self._password = secrets.token_urlsafe(18)
        self._rooms: list[tuple[Client, Room]] = []
        self.latencies: list[float] = []

    async def begin(self, count: int) -> None:
        """So many people, by invitations, connected."""
        for _ in range(count):
            invite = (await self._admin.admin_invite()).code
            client = Client(self._url, store=MemoryStore(), client_name="parley-bench")
            self._people.append(client)
            await client.register(f"bench{secrets.token_hex(6)}", self._password, invite=invite)
            await client.connect()

    async def load(self, size: int) -> Load:
        """Everybody sends into rooms of so many of them. (messages, deliveries, CPU seconds beyond those of doing nothing)."""
        groups = [self._people[start : start + size] for start in range(0, len(self._people) - size + 1, size)]
        rooms = [await self._room(group) for group in groups]
        await asyncio.sleep(self._meter.settle_s)
        idle_before, began = await self._meter.read(), time.monotonic()
        await asyncio.sleep(max(5.0, self._meter.settle_s))
        before, idle_s = await self._meter.read(), time.monotonic() - began
        began = time.monotonic()
        counts = await asyncio.gather(
            *(self._talk(client, room) for group, room in zip(groups, rooms, strict=True) for client in group)
        )
        await asyncio.sleep(self._meter.settle_s)
        after, busy_s = await self._meter.read(), time.monotonic() - began
        messages = sum(counts)
        used = {
            service: max(
                0.0, after[service] - before[service] - (before[service] - idle_before[service]) * busy_s / idle_s
            )
            for service in after
        }
        return messages, messages * size, used

    async def _room(self, group: list[Client]) -> Room:
        owner, *others = group
        room = await owner.create_room(f"bench {secrets.token_hex(4)}", visibility="private")
        self._rooms.append((owner, room))
        for other in others:
            await owner.add_member(room.id, (await other.me()).id)
        return room

    async def _talk(self, client: Client, room: Room) -> int:
        """How many were accepted."""
        for number in range(MESSAGES):
            began = time.perf_counter()
            try:
                await client.post(room.id, BODY)
            except ApiError as error:
                if error.code == "rate_limited":
                    return number
                raise
            self.latencies.append(time.perf_counter() - began)
        return MESSAGES

    async def end(self) -> int:
        """Remove all of it. How many accounts could not be."""
        left = 0
        for owner, room in self._rooms:
            with contextlib.suppress(ApiError):  # it goes with its owner otherwise
                await owner.delete_room(room.id)
        for client in self._people:
            try:
                await client.erase_me(self._password)
            except ApiError:
                left += 1
            await client.close()
        return left


def bench(
    here: Annotated[
        bool, typer.Option("--here", help="Measure this installation, with people and rooms of its own.")
    ] = False,
    online: Annotated[int, typer.Option(min=1, help="People connected at a time.")] = 1_000,
    rate: Annotated[
        float, typer.Option(min=0, help="Messages a second, of all of them; one each in five minutes otherwise.")
    ] = 0,
    heard_by: Annotated[float, typer.Option(min=1, help="People online in a room, on average.")] = 10,
    max_connections: Annotated[int, typer.Option(min=20, help="Of PostgreSQL.")] = 400,
    prometheus: Annotated[
        str | None, typer.Option(help="Where figures are, if the suite is not on this machine.")
    ] = None,
    matching: Annotated[str, typer.Option(help="Labels that name the installation there.")] = 'namespace="parley"',
    home: Annotated[Path, typer.Option(envvar="PARLEY_HOME", help="Of the suite on this machine.")] = Path(".parley"),
    write: Annotated[Path | None, typer.Option(file_okay=False, help="A folder for the kustomize Component.")] = None,
) -> None:
    """What a message costs here, and what so many people need: replicas, thresholds, pools. For admins; takes three minutes."""
    if not here:
        err.print("parley bench --here measures this installation; in a checkout, make bench measures the project.")
        raise typer.Exit(64)
    target = Target(online, rate or online / 300, heard_by, max_connections)
    meter: Meter = Prometheus(prometheus, matching) if prometheus else Processes(home)

    async def work(admin: Client) -> Plan:
        measured = Bench(admin, meter, server())
        try:
            await meter.read()
            err.print(f"[dim]{PEOPLE} people of its own come, and go again[/dim]")
            await measured.begin(PEOPLE)
            few = await measured.load(2)
            err.print("[dim]rooms of two are measured; a minute for the limit of messages[/dim]")
            await asyncio.sleep(WINDOW_S)
            many = await measured.load(PEOPLE)
        finally:
            left = await measured.end()
            if left:
                err.print(
                    f"[yellow]{left} accounts named bench… could not be erased; disable them: parley admin users bench[/yellow]"
                )
        costs = costs_from([few, many])
        _show_costs(few, many, costs.message, costs.delivery, measured.latencies)
        made = plan(costs, target)
        _show_plan(made, target)
        return made

    try:
        made = run(work)
    except ValueError as error:
        err.print(f"[red]✗[/red] {error}")
        raise typer.Exit(1) from None
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        said = (
            f"Written by parley bench --here at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC for {target.online:,} people online,\n"
            f"{target.rate:,.1f} messages a second, {target.heard_by:g} people online in a room. Add it to an overlay:\n"
            f"components: [{write.name}]"
        )
        (write / FILE).write_text(component(made, said))
        out.print(f"[green]✓[/green] {write / FILE}: add it to an overlay's kustomization.yaml as a component")


def _show_costs(few: Load, many: Load, message: dict[str, float], delivery: float, latencies: list[float]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("CPU µs", "a message", "a delivery"):
        table.add_column(column)
    for service, cost in sorted(message.items(), key=lambda item: -item[1]):
        table.add_row(service, f"{cost:,.0f}", f"{delivery:,.1f}" if service == "gateway" else "")
    out.print(table)
    if len(latencies) > 1:
        cuts = quantiles(sorted(latencies), n=100)
        out.print(
            f"{few[0] + many[0]:,} messages; from sending to the answer over HTTP {1000 * cuts[49]:.1f} ms (p50),"
            f" {1000 * cuts[94]:.1f} ms (p95)"
        )
    out.print("[dim]Few messages in a batch cost more than many: a busy installation is cheaper than this.[/dim]")


def _show_plan(made: Plan, target: Target) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "cores", "replicas", "at most", "request", "pool"):
        table.add_column(column, justify="right" if column else "left")
    for name, size in made.sizes.items():
        table.add_row(
            name,
            f"{size.cores:.2f}",
            str(size.least),
            str(size.most),
            f"{size.cpu_m} m",
            "" if size.pool is None else str(size.pool),
        )
    out.print(f"\nFor {target.online:,} people online and {target.rate:,.1f} messages a second:")
    out.print(table)
    out.print(
        f"another gateway at {made.sockets:,} sockets each; {made.connections} of {target.max_connections} connections"
    )
    for note in made.notes:
        out.print(f"[yellow]{note}[/yellow]")
