"""What a run found: its JSON form, its tables, and the goals beside the figures."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks.load import Measured
from tests.benchmarks.machine import described, put_figures
from tests.benchmarks.profiled import Line

PROCESSES = ("gateway", "messages", "presence", "nats", "postgres", "load")
TURNS = (1, 2, 3, 4)
"""Of what is compared within a run: fewer, and the machine's moods are greater than what is looked for."""
TITLES = {
    "one": "one in flight, 2 members",
    "hot": "hot: 1 room of 10, 64 in flight",
    "many": "many: {users} in {rooms} rooms, 64 in flight",
    "fanout-1": "fan-out to {users}, 1 in flight",
    "fanout-16": "fan-out to {users}, 16 in flight",
    "alone": "many, once more",
    "everything": "many, with receipts, presence, one mention in ten",
    "announced": "8 in flight, beside a message to {users} each second",
    "mentioned": "8 in flight, beside one that mentions {users}",
    **{f"{kind}-{turn}": f"many, in {kind} rooms ({turn})" for turn in TURNS for kind in ("plain", "sealed")},
    **{f"unindexed-{turn}": f"many, search standing still ({turn})" for turn in TURNS},
    **{f"indexed-{turn}": f"many, search following ({turn})" for turn in TURNS},
    "fresh": "1 in flight, search following",
    **{f"untraced-{turn}": f"many, nothing traced ({turn})" for turn in TURNS},
    **{f"traced-{turn}": f"many, traced as set ({turn})" for turn in TURNS},
    "idle": "{users} users who say nothing (µs per user and minute)",
}
STACKS = {"parley": "Parley", "textbook": "textbook", "send_text": "FastAPI `send_text`"}


class Result(msgspec.Struct):
    stack: str
    load: str
    users: int
    rooms: int
    measured: Measured


class Run(msgspec.Struct):
    """quick: smaller and shorter, so its figures say that the benchmark works and not much more.

    idle_transactions: seconds, and how many there were in them with nobody there and with everybody. found_in_time: the share
    of messages that search found within two seconds.
    """

    at: str
    quick: bool
    machine: str
    results: list[Result] = []
    profile: dict[str, list[Line]] = {}
    idle_transactions: tuple[float, int, int] | None = None
    found_in_time: float | None = None

    def find(self, stack: str, load: str) -> Measured | None:
        for result in self.results:
            if (result.stack, result.load) == (stack, load):
                return result.measured
        return None


class Goal(msgspec.Struct):
    what: str
    wanted: str
    found: str
    met: bool


def new_run(quick: bool) -> Run:
    return Run(
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        quick=quick,
        machine=f"{described()}; load, servers and services together on it",
    )


def goals(run: Run) -> list[Goal]:
    """Those for which this run has figures."""
    found: list[Goal] = []

    def at_least(what: str, value: float, wanted: float, unit: str = "") -> None:
        found.append(Goal(what, f"≥ {wanted:,.0f}{unit}", f"{value:,.1f}{unit}", value >= wanted))

    def at_most(what: str, value: float, wanted: float, unit: str = "") -> None:
        found.append(Goal(what, f"≤ {wanted:g}{unit}", f"{value:.2f}{unit}", value <= wanted))

    for load, wanted in (("hot", 8000), ("many", 3600)):
        ours, theirs = run.find("parley", load), run.find("textbook", load)
        if ours is not None:
            at_least(f"{load}: rate", ours.rate, wanted, " msg/s")
        if ours is not None and theirs is not None:
            at_least(f"{load}: times the textbook variant's rate", ours.rate / theirs.rate, 10)
    one = run.find("parley", "one")
    if one is not None:
        at_most("one in flight: p50", one.p50_ms, 1.6, " ms")
    for in_flight, most in ((1, 0.65), (16, 0.15)):
        ours, theirs = run.find("parley", f"fanout-{in_flight}"), run.find("send_text", f"fanout-{in_flight}")
        if ours is not None and theirs is not None:
            ratio = per_delivery(ours) / per_delivery(theirs)
            at_most(f"fan-out, {in_flight} in flight: gateway's CPU against `send_text`", ratio, most)
    alone, everything = run.find("parley", "alone"), run.find("parley", "everything")
    if alone is not None and everything is not None:
        ratio = everything.rate / alone.rate
        found.append(Goal("sends with everything on, times sends alone", "≥ 0.7", f"{ratio:.2f}", ratio >= 0.7))
    announced, mentioned = run.find("parley", "announced"), run.find("parley", "mentioned")
    if announced is not None and mentioned is not None:
        at_most("p99 of other rooms beside a message that mentions all", mentioned.p99_ms / announced.p99_ms, 1.2)
    for what, without, with_it, least in (
        ("sends to sealed rooms, times those to plain ones", "plain", "sealed", 0.9),
        ("sends while search follows, times those while it stands still", "unindexed", "indexed", 0.95),
    ):
        ratio = _by_turns(run, without, with_it)
        if ratio is not None:
            found.append(Goal(what, f"≥ {least}", f"{ratio:.2f}", ratio >= least))
    if run.found_in_time is not None:
        share = run.found_in_time
        found.append(Goal("found by search within 2 s, one in flight", "≥ 99 %", f"{share:.2%}", share >= 0.99))
    off, on = (_cost(run, load) for load in ("untraced", "traced"))
    if off is not None and on is not None:
        at_most("CPU of a message with tracing, times that without", on / off, 1.1)
    return found


def _cost(run: Run, load: str) -> float | None:
    """µs of CPU for each message, of all processes but the load's, over the turns."""
    turns = [measured for turn in TURNS if (measured := run.find("parley", f"{load}-{turn}")) is not None]
    spent = [sum(us for name, us in measured.cpu_us.items() if name != "load") for measured in turns]
    return sum(spent) / len(spent) if spent else None


def _by_turns(run: Run, without: str, with_it: str) -> float | None:
    """How many times the rate of the one the other has, over the turns of both."""
    turns = [(run.find("parley", f"{without}-{turn}"), run.find("parley", f"{with_it}-{turn}")) for turn in TURNS]
    pairs = [(first, second) for first, second in turns if first is not None and second is not None]
    return sum(second.rate for _, second in pairs) / sum(first.rate for first, _ in pairs) if pairs else None


def per_delivery(measured: Measured) -> float:
    """µs of the gateway's CPU for each message handed to each member."""
    return measured.cpu_us["gateway"] * measured.messages / measured.deliveries


def _header() -> list[str]:
    return ["load", "stack", "msg/s", "p50 ms", "p99 ms", *PROCESSES, "all but load", "gateway µs/delivery"]


def _row(result: Result) -> list[str]:
    measured = result.measured
    cpu = measured.cpu_us
    return [
        TITLES[result.load].format(users=f"{result.users:,}", rooms=result.rooms),
        STACKS[result.stack],
        f"{measured.rate:,.0f}",
        f"{measured.p50_ms:.2f}",
        f"{measured.p99_ms:.2f}",
        *(f"{cpu[name]:,.0f}" if name in cpu else "–" for name in PROCESSES),
        f"{sum(spent for name, spent in cpu.items() if name != 'load'):,.0f}",
        f"{per_delivery(measured):.2f}" if measured.deliveries else "–",
    ]


def _ordered(run: Run) -> list[Result]:
    order = list(TITLES)
    return sorted(run.results, key=lambda result: (order.index(result.load), list(STACKS).index(result.stack)))


def show(run: Run, console: Console) -> None:
    """On the terminal."""
    table = Table(title="CPU in µs per message, by process", title_justify="left")
    for number, name in enumerate(_header()):
        table.add_column(name, justify="left" if number < 2 else "right", no_wrap=number < 2)
    for result in _ordered(run):
        table.add_row(*_row(result))
    console.print(table)
    for service, lines in run.profile.items():
        console.print(f"\nWhere the {service} spends its time (many; samples of CPU time):")
        for line in lines:
            console.print(f"  {line.own:5.1f} % own  {line.under:5.1f} % with callees  {line.function}", markup=False)
    listed = Table(
        title="Goals" + (" (set for a full run; this one was quick)" if run.quick else ""), title_justify="left"
    )
    for name in ("goal", "wanted", "found", ""):
        listed.add_column(name)
    for goal in goals(run):
        listed.add_row(goal.what, goal.wanted, goal.found, "[green]met[/green]" if goal.met else "[red]missed[/red]")
    console.print(listed)
    if run.idle_transactions is not None:
        console.print(_idle(run.idle_transactions))
    for result in run.results:
        if result.measured.missing or result.measured.errors:
            console.print(
                f"[red]{STACKS[result.stack]}, {result.load}: {result.measured.missing} deliveries are missing, "
                f"{result.measured.errors} errors[/red]"
            )


def _idle(counted: tuple[float, int, int]) -> str:
    seconds, quiet, there = counted
    return (
        f"Transactions of the database in {seconds:.0f} idle s: {quiet:,} with nobody there, {there:,} with everybody."
    )


def markdown(run: Run) -> str:
    """For docs/performance.md."""
    header = _header()
    lines = [
        f"Measured {run.at}{', quick' if run.quick else ''}: {run.machine}.",
        "",
        "| goal | wanted | found | |",
        "|---|--:|--:|---|",
        *(
            f"| {goal.what} | {goal.wanted} | {goal.found} | {'met' if goal.met else '**missed**'} |"
            for goal in goals(run)
        ),
        "",
        f"| {' | '.join(header)} |",
        f"|---|---|{'--:|' * (len(header) - 2)}",
        *(f"| {' | '.join(_row(result))} |" for result in _ordered(run)),
    ]
    if run.idle_transactions is not None:
        lines += ["", _idle(run.idle_transactions)]
    for service, profile in run.profile.items():
        lines += ["", f"| {service}, many: function | CPU, own | with callees |", "|---|--:|--:|"]
        lines += [f"| `{line.function}` | {line.own:.1f} % | {line.under:.1f} % |" for line in profile]
    return "\n".join(lines) + "\n"


def main() -> None:
    """`python -m tests.benchmarks.report FILE [PAGE]`: the Markdown of what `--json FILE` has written, into PAGE if given."""
    figures = markdown(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Run))
    if len(sys.argv) == 2:
        sys.stdout.write(figures)
        return
    put_figures(Path(sys.argv[2]), "figures", figures)


if __name__ == "__main__":
    main()
