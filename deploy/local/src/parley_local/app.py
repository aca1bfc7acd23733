"""`make run`: everything on one machine, in order, each part ready before the next needs it."""

import argparse
import base64
import hashlib
import hmac
import os
import secrets as random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import asyncpg
import psutil
from pydantic import ValidationError

from parley_local.backup import Backup, Running
from parley_local.checks import given_servers_answer, ports_are_free
from parley_local.home import Home, Unusable, explain
from parley_local.report import LogFollower, Terminal, write_run_file
from parley_local.restore import restore
from parley_local.secrets import Secrets
from parley_local.servers import Servers, start_nats, start_postgres, start_s3
from parley_local.settings import Settings, selection
from parley_local.supervisor import GaveUp, Kept, Program, Supervisor
from parley_shared import embedded
from parley_shared.contracts.base import SERVICES, Service
from parley_shared.db.bootstrap import OWNERS
from parley_shared.db.migrate import migrate

SERVICE_START_S = 60.0
LINK_HOURS = 24
GIVES_WAY = 10
"""How nice search is: on a machine that is fully busy the index may come later, and messages may not."""


class Launcher:
    """One run of the suite."""

    def __init__(self, settings: Settings, services: tuple[Service, ...], home: Home, terminal: Terminal) -> None:
        self._settings = settings
        self._services = services
        self._home = home
        self._terminal = terminal
        self._secrets = Secrets(home.path / "secrets")
        self._servers = Servers()
        self._kept: dict[Service, list[Kept]] = {service: [] for service in SERVICES}
        self._follower = LogFollower(terminal)
        self._supervisor: Supervisor | None = None
        self._began = time.monotonic()

    async def run(self) -> None:
        """Start everything, stay until a signal comes, stop everything. Raises GaveUp, Unusable, OSError."""
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._await_signal, stop)
            supervisor = self._supervisor = Supervisor(group, changed=self._write, said=self._terminal.fault)
            try:
                async with anyio.create_task_group() as starting:
                    starting.start_soon(self._cancel_when, stop, starting.cancel_scope)
                    await self._start(supervisor)
                    starting.cancel_scope.cancel()
                if not stop.is_set():
                    self._announce()
                    group.start_soon(self._follow)
                    await stop.wait()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._stop(supervisor)
                    group.cancel_scope.cancel()

    # -- starting

    async def _start(self, supervisor: Supervisor) -> None:
        settings, servers, home = self._settings, self._servers, self._home.path
        first = not (home / "postgres").exists() and settings.postgres_url is None
        self._terminal.working(
            "Making a database (the first start takes a little longer)" if first else "Starting PostgreSQL, NATS and S3"
        )
        async with anyio.create_task_group() as group:
            group.start_soon(start_postgres, servers, supervisor, home, self._secrets, settings.postgres_url)
            group.start_soon(start_nats, servers, supervisor, home, self._secrets, settings.nats_url)
            group.start_soon(start_s3, servers, supervisor, home, self._secrets, settings.s3_url)
        self._terminal.done("PostgreSQL, NATS and S3")
        self._terminal.working("Bringing the schemas up to date")
        for service in self._services:
            if service in OWNERS:
                await migrate(service, self._database_url(service, owner=True))
        self._terminal.done("Schemas")
        behind = tuple(service for service in self._services if service != "gateway")
        self._terminal.working(f"Starting {', '.join(behind)}")
        async with anyio.create_task_group() as group:
            for service in behind:
                for number in range(self._settings.count(service)):
                    group.start_soon(self._start_service, supervisor, service, number)
        self._terminal.done(", ".join(behind))
        if "gateway" in self._services:
            self._terminal.working("Starting the gateway")
            async with anyio.create_task_group() as group:
                for number in range(self._settings.gateways):
                    group.start_soon(self._start_service, supervisor, "gateway", number)
            await self._until_ready()
            self._terminal.done("gateway")

    async def _start_service(self, supervisor: Supervisor, service: Service, number: int) -> None:
        count = self._settings.count(service)
        name = service if count == 1 else f"{service}-{number + 1}"
        log = self._home.path / "logs" / f"{name}.log"
        internal = embedded.free_port()
        self._follower.add(log)
        public = self._settings.port + number if service == "gateway" else internal

        def answers() -> bool:
            return _answers(f"http://127.0.0.1:{internal}/readyz")

        async def ready() -> bool:
            return await anyio.to_thread.run_sync(answers)

        program = Program(
            name=name,
            command=[str(Path(sys.executable).parent / f"parley-{service}")],
            log=log,
            ready=ready,
            env=self._environment(service, f"{service}-{number + 1}", internal, public),
            port=public,
            internal=internal,
            nice=GIVES_WAY if service == "search" else 0,
        )
        self._kept[service].append(await supervisor.start(program, within=SERVICE_START_S))
        self._write()

    def _database_url(self, service: str, *, owner: bool) -> str:
        passwords = self._secrets.database()[service]
        role = f"parley_{service}_owner" if owner else f"parley_{service}"
        return self._servers.database_url(role, passwords.owner if owner else passwords.worker)

    def _environment(self, service: Service, instance: str, internal: int, public: int) -> dict[str, str]:
        prefix = f"PARLEY_{service.upper()}_"
        own = {
            "NATS_URL": self._servers.nats_url,
            "NATS_USER": service if self._servers.nats_users else "",
            "NATS_PASSWORD": self._secrets.nats()[service] if self._servers.nats_users else "",
            "INTERNAL_PORT": str(internal),
            "INSTANCE": instance,
            "TRACE_FILE": str((self._home.path / "traces" / f"{instance}.jsonl").resolve()),
        }
        if service in OWNERS:
            own["POSTGRES_URL"] = self._database_url(service, owner=False)
        if service == "auth":
            own["OPERATOR_KEY"] = self._secrets.operator_key
            # What signs tokens does not lie in clear in the database, nor in a backup of it.
            own["KEY_SECRET"] = self._secrets.get("auth-key-secret")
        if service in ("auth", "messages"):
            own["AUDIT_KEY"] = str(self._secrets.audit_key)
        if service in ("media", "messages"):
            own["WRAPPING_KEY"] = f"file:{self._secrets.wrapping_key(service).resolve()}"
        if service == "gateway":
            own["PORT"] = str(public)
            own["HOST"] = self._settings.host
            own["WEB_ROOT"] = str(self._settings.web.resolve())
        if service == "media":
            own["S3_URL"] = self._servers.s3_url
            own["S3_ACCESS_KEY"] = self._servers.s3_access_key
            own["S3_SECRET_KEY"] = self._secrets.get("s3")
        # What the user has set for a service wins over what we would tell it.
        return {**{prefix + name: value for name, value in own.items()}, **os.environ}

    async def _until_ready(self) -> None:
        """The public /readyz asks every service."""
        url = f"http://127.0.0.1:{self._settings.port}/readyz"
        deadline = time.monotonic() + SERVICE_START_S
        while not await anyio.to_thread.run_sync(_answers, url):
            if time.monotonic() > deadline:
                raise GaveUp(f"The suite does not become ready; {url} says what is missing.")
            await anyio.sleep(0.1)

    # -- running

    async def _await_signal(self, stop: anyio.Event) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for _ in signals:
                stop.set()

    async def _cancel_when(self, event: anyio.Event, scope: anyio.CancelScope) -> None:
        await event.wait()
        scope.cancel()

    async def _follow(self) -> None:
        while True:
            await anyio.sleep(0.5)
            await anyio.to_thread.run_sync(self._follower.look)

    def _announce(self) -> None:
        self._terminal.quiet()
        seconds = time.monotonic() - self._began
        url = f"http://127.0.0.1:{self._settings.port}"
        if "gateway" not in self._services:
            self._terminal.say(
                f"[bold green]Parley is ready[/bold green] (only {', '.join(self._services)}) after {seconds:.1f} s"
            )
            return
        self._terminal.say(
            f"\n[bold green]Parley is ready[/bold green] at [bold]{url}[/bold] (after {seconds:.1f} s)\n"
        )
        if not (self._settings.web / "index.html").exists():
            self._terminal.say("  Web client         not built; make web builds it")
        self._terminal.say(f"  API reference      {url}/docs")
        self._terminal.say(f"  First admin        {url}/setup#{mint_invite(self._secrets.operator_key, LINK_HOURS)}")
        self._terminal.say(
            "                     (works once, within a day), or: uv run parley admin create --username you"
        )
        self._terminal.say(f"  State and logs     {self._home.path}")
        self._terminal.say("  Ctrl-C stops everything.\n")

    def _write(self) -> None:
        """run.json, as it is at this moment."""
        supervisor = self._supervisor
        if supervisor is None:
            return
        content: dict[str, object] = {
            "launcher": {"pid": os.getpid(), "started": psutil.Process().create_time()},
            "urls": {
                "http": f"http://127.0.0.1:{self._settings.port}",
                "postgres": self._servers.postgres_url,
                "nats": self._servers.nats_url,
                "s3": self._servers.s3_url,
            },
        }
        by_name: dict[str, list[dict[str, object]]] = {service: [] for service in SERVICES}
        for kept in sorted(supervisor.kept, key=lambda kept: kept.program.port):
            entry = _entry(kept)
            kind = kept.program.name.partition("-")[0]
            if kind in by_name:
                by_name[kind].append(entry)
            else:
                content[kind] = entry
        write_run_file(self._home.run_file, {**content, **by_name})
        # For a Prometheus of one's own: file_sd_configs.
        targets = [
            {
                "targets": [f"127.0.0.1:{kept.program.internal}"],
                "labels": {"job": "parley", "service": kept.program.name.partition("-")[0]},
            }
            for kept in supervisor.kept
            if kept.program.internal
        ]
        write_run_file(self._home.path / "prometheus.json", targets)

    # -- stopping

    async def _stop(self, supervisor: Supervisor) -> None:
        self._terminal.quiet()
        self._terminal.say("Stopping …")
        gateways = [kept for kept in supervisor.kept if kept.program.name.startswith("gateway")]
        servers = [kept for kept in supervisor.kept if kept.program.name in ("postgres", "nats", "s3")]
        services = [kept for kept in supervisor.kept if kept not in gateways and kept not in servers]
        # Nobody may come back to a gateway while its clients are being sent elsewhere, and services outlive who asks them.
        for kept in supervisor.kept:
            kept.stopping = True
        await supervisor.stop(gateways, within=7)
        await supervisor.stop(services, within=4)
        await supervisor.stop(servers, within=3)
        self._home.release()
        self._terminal.say("Stopped.")


def _entry(kept: Kept) -> dict[str, object]:
    pid = kept.pid
    started = None
    if pid is not None:
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            started = None
    entry: dict[str, object] = {"pid": pid, "port": kept.program.port, "started": started}
    return {**entry, "internal": kept.program.internal} if kept.program.internal else entry


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 — our own process
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def mint_invite(operator_key: str, hours: float) -> str:
    """A one-time invitation for an admin, which auth verifies with the same key: op1.<nonce>.<expiry>.<HMAC-SHA256>."""
    nonce = random.token_urlsafe(12)
    body = f"op1.{nonce}.{int(time.time() + hours * 3600)}"
    digest = hmac.new(operator_key.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="parley-local", description="Runs the whole suite on this machine.")
    parser.add_argument("--only", metavar="SERVICE", help="this service with what it needs")
    commands = parser.add_subparsers(dest="command")
    backup = commands.add_parser("backup", help="copy what a running suite keeps into a folder")
    backup.add_argument("into", type=Path, metavar="FOLDER")
    backup.add_argument("--follow", action="store_true", help="go on copying whatever comes, until stopped")
    backup.add_argument("--every", type=float, default=24.0, metavar="HOURS", help="a new set, while following (24)")
    backup.add_argument("--keep", type=int, default=7, metavar="SETS", help="how many sets stay (7)")
    restored = commands.add_parser("restore", help="make a home from a backup")
    restored.add_argument("source", type=Path, metavar="FOLDER")
    restored.add_argument(
        "--until", type=datetime.fromisoformat, metavar="INSTANT", help="2026-11-24T18:30:00Z; the end, if absent"
    )
    arguments = parser.parse_args()
    if arguments.command == "backup" and (arguments.keep < 1 or arguments.every <= 0):
        parser.error("--keep is at least 1, and --every more than 0")
    if arguments.command == "restore" and arguments.until is not None and arguments.until.tzinfo is None:
        parser.error("--until needs an offset from UTC, such as 2026-11-24T18:30:00Z")
    return arguments


def _back_up(home: Path, arguments: argparse.Namespace, terminal: Terminal) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    backup = Backup(Running.found(home), arguments.into, keep=arguments.keep, said=terminal.done)
    if arguments.follow:
        backup.follow(stop, every_s=arguments.every * 3600)
    else:
        backup.once()


def main() -> None:
    """`parley-local [--only SERVICE | backup FOLDER | restore FOLDER]`."""
    terminal = Terminal()
    arguments = _arguments()
    try:
        settings = Settings()
        services = selection(arguments.only)
    except ValidationError as error:
        for item in error.errors():
            terminal.fail(f"PARLEY_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}")
        raise SystemExit(78) from None
    except ValueError as error:
        terminal.fail(str(error))
        raise SystemExit(64) from None
    try:
        if arguments.command == "backup":
            _back_up(settings.home, arguments, terminal)
            return
        if arguments.command == "restore":
            restore(arguments.source, settings.home, arguments.until, terminal.done)
            terminal.say("Start it as ever: make run. Then compare everything: parley verify --all")
            return
        home = Home(settings.home)
        left = home.clean_up()
        if left:
            terminal.fault("launcher", f"ended {len(left)} processes that an earlier run had left behind")
        if "gateway" in services:
            ports_are_free(settings)
            embedded.spare(range(settings.port, settings.port + settings.gateways))
        given_servers_answer(settings)
        anyio.run(Launcher(settings, services, home, terminal).run)
    except Unusable as problem:
        terminal.fail(str(problem))
        raise SystemExit(69) from None
    except KeyboardInterrupt:  # Ctrl-C before there was anything to stop
        raise SystemExit(130) from None
    except BaseExceptionGroup as group:
        terminal.fail(_sentence(_first(group), settings))
        raise SystemExit(70) from None
    except (GaveUp, OSError, asyncpg.PostgresError, subprocess.CalledProcessError) as error:
        terminal.fail(_sentence(error, settings))
        raise SystemExit(70) from None


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _sentence(error: BaseException, settings: Settings) -> str:
    if isinstance(error, GaveUp):
        return str(error)
    if isinstance(error, subprocess.CalledProcessError):
        return f"{error.cmd[0]} failed: {(error.stderr or '').strip()[-1500:]}"
    if isinstance(error, OSError):
        return explain(error, settings.home)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
