"""The whole run: start the suite in a temporary home, measure one load after the other, tell, leave nothing behind."""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import asyncpg
import httpx2
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from parley_shared.embedded import OPERATOR, free_port, port_is_taken
from tests.benchmarks import load, people, profiled, replica, report, textbook
from tests.benchmarks.load import Announcement, Everything, Measured, Plan
from tests.benchmarks.people import Room, User
from tests.conftest import GENEROUS, Suite

LOADS = ("one", "hot", "many", "fanout", "everything", "mentions", "sealed", "indexed", "traced", "idle")
IN_FLIGHT = 64
FEW_IN_FLIGHT = 8
ANNOUNCED_EVERY_S = 1.0
IDLE_WARM_UP_S = 5.0
START_S = 30.0
HANGING_S = 90.0
INDEXED_S = 300.0
FRESH_S = 2.0
TRACE_ASKED_EVERY = 50
"""Messages, of which one asks to be traced: some seventy a second, of which ten are."""
# The rate limiter stays in the path and is set high. Hashing is not what is measured: a thousand users would take minutes to
# log in with real parameters, so passwords of these accounts are hashed cheaply, and their tokens last as long as the run.
ENVIRONMENT = {**GENEROUS, "PARLEY_AUTH_HASH_MEMORY_KIB": "64", "PARLEY_AUTH_ACCESS_LIFETIME_S": "7200"}

# A log has no width, and a table folded to 80 columns cannot be read.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 170)


class Bench:
    """One run against one suite. users: how many in `many` and in the fan-out."""

    def __init__(self, suite: Suite, *, quick: bool) -> None:
        self.suite = suite
        self.run = report.new_run(quick)
        self.users = 300 if quick else 1000
        self.seconds = 3.0 if quick else 10.0
        self.warm_up = 1.0 if quick else 2.0
        self.idle_seconds = 15.0 if quick else 60.0
        self._users: list[User] = []

    # -- the suite

    def conversation(self, name: str) -> None:
        """`one`, `hot` or `many`: the suite, then the textbook variant."""
        users, rooms = self._people(name)
        in_flight = 1 if name == "one" else IN_FLIGHT
        plan = self._plan(users, rooms, in_flight=in_flight)
        self._measure("parley", name, plan)
        with self._textbook(users, rooms) as (url, watch):
            them = [user.id for user in users]
            places = [(room.id, room.members) for room in rooms]
            self._measure(
                "textbook", name, msgspec.structs.replace(plan, url=url, tokens=them, rooms=places, watch=watch)
            )

    def fanout(self) -> None:
        """To everybody in one room, one at a time and 16; then the bare `send_text` loop with frames of the same size."""
        users, rooms = self._people("fanout")
        size = 0
        for in_flight in (1, 16):
            plan = self._plan(users, rooms, in_flight=in_flight, rounds=True)
            size = self._measure("parley", f"fanout-{in_flight}", plan).event_bytes
        with self._bare(size) as (url, watch):
            for in_flight in (1, 16):
                plan = self._plan(users, rooms, in_flight=in_flight, rounds=True)
                plan = msgspec.structs.replace(plan, url=url, watch=watch)
                self._measure("send_text", f"fanout-{in_flight}", plan)

    def everything(self) -> None:
        """`many` alone, and once more with all that people do besides: in one run, so that the ratio means something."""
        users, rooms = self._people("many")
        plan = self._plan(users, rooms, in_flight=IN_FLIGHT)
        self._measure("parley", "alone", plan)
        plan.everything = Everything([user.id for user in users], [user.username for user in users])
        self._measure("parley", "everything", plan)

    def mentions(self) -> None:
        """What a message to everybody does to other rooms: one that names nobody, and one that names all."""
        users, rooms = self._people("many")
        _, [large] = self._people("fanout")
        plan = self._plan(users, rooms, in_flight=FEW_IN_FLIGHT)
        for name, body in (("announced", "for everybody"), ("mentioned", "@all for everybody")):
            plan.announcement = Announcement(large.id, 0, body, ANNOUNCED_EVERY_S)
            self._measure("parley", name, plan)

    def sealed(self) -> None:
        """`many` in plain rooms and in sealed ones, by turns, so that the machine's moods fall on both. Search stands still, since it
        indexes the plain ones alone."""
        users, plain = self._people("many")
        sealed = asyncio.run(people.fill(self.suite.urls[0], users, len(plain), "sealed"))
        with self._frozen("search"):
            for turn in report.TURNS:
                for name, rooms in (("plain", plain), ("sealed", sealed)):
                    self._measure("parley", f"{name}-{turn}", self._plan(users, rooms, in_flight=IN_FLIGHT))

    def indexed(self) -> None:
        """`many` while search stands still and while it follows, by turns. Before it follows it has caught up. Then a load that
        leaves it time: how soon it has found what is said."""
        users, rooms = self._people("many")
        plan = self._plan(users, rooms, in_flight=IN_FLIGHT)
        for turn in report.TURNS:
            with self._frozen("search"):
                self._measure("parley", f"unindexed-{turn}", plan)
            asyncio.run(_until_indexed(self.suite))
            self._measure("parley", f"indexed-{turn}", plan)
            asyncio.run(_until_indexed(self.suite))
        before = _found_within(self.suite, FRESH_S)
        self._measure("parley", "fresh", self._plan(users, rooms, in_flight=1))
        asyncio.run(_until_indexed(self.suite))
        fresh, of = (now - then for now, then in zip(_found_within(self.suite, FRESH_S), before, strict=True))
        self.run.found_in_time = fresh / of

    def traced(self) -> None:
        """`many` through a gateway that records nothing, and through one that records as it is set, with more traces asked for than it
        gives; by turns."""
        users, rooms = self._people("many")
        off = {"TRACE_RATIO": "0", "TRACES_ASKED_PER_SECOND": "0"}
        on = {"TRACE_FILE": str(self.suite.home / "traces" / "gateway-traced.jsonl")}
        with self._gateway("untraced", off) as untraced, self._gateway("traced", on) as traced:
            for turn in report.TURNS:
                for name, (url, pid), every in (("untraced", untraced, 0), ("traced", traced, TRACE_ASKED_EVERY)):
                    plan = self._plan(users, rooms, in_flight=IN_FLIGHT)
                    watch = {**plan.watch, "gateway": [pid]}
                    plan = msgspec.structs.replace(plan, url=url, watch=watch, trace_every=every)
                    self._measure("parley", f"{name}-{turn}", plan)

    @contextlib.contextmanager
    def _gateway(self, name: str, settings: dict[str, str]) -> Iterator[tuple[str, int]]:
        """One more, set so: its address, and its process."""
        port = free_port()
        command = [str(Path(sys.executable).parent / "parley-gateway")]
        urls = self.suite.run_json()["urls"]
        process = replica.start(
            "gateway", command, self.suite.home, urls, port, self.suite.environment, INSTANCE=name, **settings
        )
        try:
            yield _socket_url(port), process.pid
        finally:
            process.terminate()
            process.wait(20)

    @contextlib.contextmanager
    def _frozen(self, service: str) -> Iterator[None]:
        pids = self.suite.pids(service)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def idle(self) -> None:
        """People who are there and say nothing: what a minute of one costs, and how many transactions it takes."""
        users, rooms = self._people("many")
        plan = self._plan(users, rooms, in_flight=0)
        plan.everything = Everything([user.id for user in users], [user.username for user in users])
        plan.warm_up_s, plan.seconds = IDLE_WARM_UP_S, self.idle_seconds
        time.sleep(IDLE_WARM_UP_S)
        before = asyncio.run(_transactions(self.suite))
        time.sleep(self.idle_seconds)
        quiet = asyncio.run(_transactions(self.suite)) - before
        counted: list[int] = []

        def at_start() -> None:
            # After the sockets have opened, which does cost SQL.
            time.sleep(IDLE_WARM_UP_S)
            counted.append(asyncio.run(_transactions(self.suite)))
            time.sleep(self.idle_seconds)
            counted.append(asyncio.run(_transactions(self.suite)))

        self._measure("parley", "idle", plan, at_start=at_start)
        self.run.idle_transactions = (self.idle_seconds, quiet, counted[1] - counted[0])

    def profile(self, service: str) -> None:
        """`many` once more, with one more replica that is watched; a gateway gets all of the load, messages about half."""
        users, rooms = self._people("many")
        output = self.suite.home / f"{service}.profile"
        port = free_port()
        console.print(f"Profiling a {service} under many …")
        urls = self.suite.run_json()["urls"]
        process = profiled.start(service, self.suite.home, urls, output, port, self.suite.environment)
        try:
            plan = self._plan(users, rooms, in_flight=IN_FLIGHT)
            if service == "gateway":
                plan = msgspec.structs.replace(plan, url=_socket_url(port))
            _load(plan, at_start=lambda: process.send_signal(signal.SIGUSR1))
            self.run.profile[service] = profiled.finish(process, output)
        finally:
            if process.poll() is None:
                process.kill()

    def _people(self, name: str) -> tuple[list[User], list[Room]]:
        count = {"one": 2, "hot": 10}.get(name, self.users)
        if len(self._users) < count:
            more = asyncio.run(people.register(self.suite.urls[0], count - len(self._users)))
            self._users += more
        users = self._users[:count]
        return users, asyncio.run(people.fill(self.suite.urls[0], users, count // 10 if name == "many" else 1))

    def _plan(self, users: list[User], rooms: list[Room], *, in_flight: int, rounds: bool = False) -> Plan:
        return Plan(
            url=_socket_url(self.suite.port),
            tokens=[user.token for user in users],
            rooms=[(room.id, room.members) for room in rooms],
            in_flight=in_flight,
            rounds=rounds,
            warm_up_s=self.warm_up,
            seconds=self.seconds,
            watch={name: self.suite.pids(name) for name in ("gateway", "messages", "presence", "nats", "postgres")},
        )

    def _measure(self, stack: str, name: str, plan: Plan, at_start: Callable[[], None] | None = None) -> Measured:
        users, rooms = len(plan.tokens), len(plan.rooms)
        title = report.TITLES[name].format(users=users, rooms=rooms)
        console.print(f"{report.STACKS[stack]}, {title} …", end=" ")
        measured = _load(plan, at_start)
        console.print(f"{measured.rate:,.0f} msg/s, p50 {measured.p50_ms:.2f} ms, p99 {measured.p99_ms:.2f} ms")
        self.run.results.append(report.Result(stack, name, users, rooms, measured))
        return measured

    # -- what it is compared with

    @contextlib.contextmanager
    def _textbook(self, users: list[User], rooms: list[Room]) -> Iterator[tuple[str, dict[str, list[int]]]]:
        """The textbook variant on the same PostgreSQL, in a schema of its own, and on the same NATS."""
        urls = self.suite.run_json()["urls"]
        place = textbook.Place(
            postgres_url=urls["postgres"],
            nats_url=urls["nats"],
            nats_user=OPERATOR,
            nats_password=(self.suite.home / "secrets" / f"nats-{OPERATOR}").read_text().strip(),
        )
        members = [(room.id, [users[who].id for who in room.members]) for room in rooms]
        asyncio.run(textbook.prepare(place.postgres_url, members))
        environment = {textbook.ENVIRONMENT: place.model_dump_json()}
        port = free_port()
        try:
            with (
                _process("textbook", "service", environment=environment) as service,
                _process("textbook", "gateway", str(port), environment=environment, port=port) as gateway,
            ):
                watch = {"gateway": [gateway], "messages": [service]}
                watch |= {name: self.suite.pids(name) for name in ("nats", "postgres")}
                yield f"ws://127.0.0.1:{port}/ws", watch
        finally:
            asyncio.run(textbook.remove(place.postgres_url))

    @contextlib.contextmanager
    def _bare(self, event_bytes: int) -> Iterator[tuple[str, dict[str, list[int]]]]:
        port = free_port()
        with _process("fanout", str(port), str(event_bytes), environment={}, port=port) as gateway:
            yield f"ws://127.0.0.1:{port}/ws", {"gateway": [gateway]}


async def _transactions(suite: Suite) -> int:
    """Committed in the suite's database so far, by whomever."""
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return int(
            await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        )
    finally:
        await connection.close()


async def _until_indexed(suite: Suite) -> None:
    """Search has read every room to its end."""
    connection = await asyncpg.connect(suite.run_json()["urls"]["postgres"])
    try:
        async with asyncio.timeout(INDEXED_S):
            while await connection.fetchval(
                "SELECT EXISTS (SELECT FROM messages.rooms r LEFT JOIN search.rooms s ON s.room_id = r.id"
                " WHERE r.head > coalesce(s.cursor, 0) AND r.encryption = 'plain')"
            ):
                await asyncio.sleep(0.5)
    finally:
        await connection.close()


def _found_within(suite: Suite, seconds: float) -> tuple[float, float]:
    """How many messages search has found so soon after they were accepted, and how many in all."""
    figures = httpx2.get(f"http://127.0.0.1:{suite.run_json()['search'][0]['port']}/metrics").text
    name = "parley_search_lag_seconds"
    values = {
        sample.labels.get("le"): sample.value
        for family in text_string_to_metric_families(figures)
        if family.name == name
        for sample in family.samples
        if sample.name == f"{name}_bucket"
    }
    return values[str(seconds)], values["+Inf"]


def _socket_url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/api/v1/ws"


def _load(plan: Plan, at_start: Callable[[], None] | None = None) -> Measured:
    """In a process of its own. at_start: called when all sockets are live and the load begins."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(plan.warm_up_s + plan.seconds + HANGING_S, process.kill)
        watchdog.start()
        try:
            process.stdin.write(msgspec.json.encode(plan))
            process.stdin.close()
            if process.stdout.readline() == load.LIVE and at_start is not None:
                at_start()
            measured = process.stdout.read()
            if process.wait() != 0:
                raise RuntimeError("the load failed; it has said why above")
            return msgspec.json.decode(measured, type=Measured)
        finally:
            watchdog.cancel()
            process.kill()


@contextlib.contextmanager
def _process(module: str, *arguments: str, environment: dict[str, str], port: int | None = None) -> Iterator[int]:
    """Its pid, once it answers on its port or, without one, has said so."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE if port is None else subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdout is not None:
            process.stdout.readline()
        deadline = time.monotonic() + START_S
        while port is not None and not port_is_taken("127.0.0.1", port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not start")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/benchmarks/run.py", description="Measure Parley's hot path.")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: does it work, roughly how fast")
    parser.add_argument("--only", choices=LOADS, help="one load, with what it is compared with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--no-profile", action="store_true", help="leave the two profiles of `many` out")
    return parser.parse_args()


def _stopped(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    options = _arguments()
    signal.signal(signal.SIGTERM, _stopped)
    chosen = (options.only,) if options.only else LOADS
    began = time.monotonic()
    suite = Suite(1, ENVIRONMENT)
    try:
        console.print(f"Starting the suite in {suite.home} …")
        suite.start()
        bench = Bench(suite, quick=options.quick)
        console.print(bench.run.machine)
        for name in chosen:
            if name in ("one", "hot", "many"):
                bench.conversation(name)
            else:
                getattr(bench, name)()
        if "many" in chosen and not options.no_profile:
            for service in ("gateway", "messages"):
                bench.profile(service)
        report.show(bench.run, console)
        if options.json is not None:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(bench.run), indent=1) + b"\n")
            console.print(
                f"Figures: {options.json}; as Markdown: .venv/bin/python -m tests.benchmarks.report {options.json}"
            )
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise SystemExit(130) from None
    finally:
        console.print("Stopping the suite …")
        suite.remove()
        console.print(f"Done after {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
