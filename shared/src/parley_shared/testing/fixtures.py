"""A real PostgreSQL, NATS and S3 for each test process, or those whose addresses are given.

PARLEY_TEST_POSTGRES_URL (a role that may create databases and roles), PARLEY_TEST_NATS_URL (users and passwords as the
fixture's, or none) and PARLEY_TEST_S3_URL (with PARLEY_TEST_S3_ACCESS_KEY and PARLEY_TEST_S3_SECRET_KEY, which may make buckets)
replace the embedded servers.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from parley_shared import embedded, telemetry
from parley_shared.contracts.base import SERVICES
from parley_shared.db.bootstrap import OWNERS, Passwords, bootstrap
from parley_shared.db.migrate import migrate
from parley_shared.messaging.connection import Bus


@dataclass
class Postgres:
    """admin_url: a superuser of this test run's own database."""

    admin_url: str
    passwords: dict[str, Passwords]
    _migrated: set[str] = field(default_factory=set)

    def _as(self, user: str, password: str) -> str:
        parts = urlsplit(self.admin_url)
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))

    def worker_url(self, service: str) -> str:
        """The role that works in the service's schema."""
        return self._as(f"parley_{service}", self.passwords[service].worker)

    def owner_url(self, service: str) -> str:
        """The role that migrates it."""
        return self._as(f"parley_{service}_owner", self.passwords[service].owner)

    async def migrated(self, service: str) -> str:
        """The worker's URL, after the service's migrations have run."""
        if service not in self._migrated:
            await migrate(service, self.owner_url(service))
            self._migrated.add(service)
        return self.worker_url(service)


@dataclass
class Nats:
    """A server with each service's user; `restart` keeps port and users."""

    url: str
    passwords: dict[str, str]
    _start: Callable[[], None] | None = None
    _stop: Callable[[], None] | None = None

    def bus(self, service: str) -> Bus:
        """A connection as that service's user, or as `operator`; not yet connected."""
        return Bus(self.url, name=f"test-{service}", user=service, password=self.passwords[service])

    def stop(self) -> None:
        """Take the server away."""
        if self._stop is None:
            pytest.fail("this NATS server is not ours to stop")
        self._stop()

    def start(self) -> None:
        """Bring it back."""
        if self._start is None:
            pytest.fail("this NATS server is not ours to start")
        self._start()


@dataclass(frozen=True)
class S3:
    """A server with one identity, which may make buckets."""

    url: str
    access_key: str
    secret_key: str


def _run_until_ready(
    command: list[str], ready: Callable[[], bool], log: Path, user: str | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", **embedded.identity(user)
        )
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.03)
    return process


def _stop(process: subprocess.Popen[bytes], sig: signal.Signals) -> None:
    process.send_signal(sig)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def _tracing() -> InMemorySpanExporter:
    """A process has one provider of traces, for ever."""
    exporter = InMemorySpanExporter()
    provider = telemetry.make_provider("test", "0", "test")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(_tracing: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """The spans that end from now on."""
    _tracing.clear()
    yield _tracing
    _tracing.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of this test process's own; schemas and roles are there, migrations run on demand."""
    passwords: dict[str, Passwords] = {
        service: Passwords(secrets.token_hex(8), secrets.token_hex(8)) for service in OWNERS
    }
    given = os.environ.get("PARLEY_TEST_POSTGRES_URL")
    database = f"parley_test_{secrets.token_hex(4)}"
    if given is not None:
        asyncio.run(embedded.make_database(given, database))
        url = urlunsplit(urlsplit(given)._replace(path=f"/{database}"))
        asyncio.run(bootstrap(url, passwords))
        yield Postgres(url, passwords)
        return
    folder = Path(tempfile.mkdtemp(prefix="parley-pg-"))
    try:
        folder.chmod(0o711)
        password = secrets.token_hex(8)
        embedded.prepare_postgres(folder / "data", password)
        port = embedded.free_port()
        admin = embedded.postgres_url(port, password, "postgres")
        process = _run_until_ready(
            embedded.postgres_command(folder / "data", port),
            lambda: asyncio.run(embedded.postgres_answers(admin)),
            folder / "log",
            embedded.postgres_user(),
        )
        try:
            asyncio.run(embedded.make_database(admin, database))
            url = embedded.postgres_url(port, password, database)
            asyncio.run(bootstrap(url, passwords))
            yield Postgres(url, passwords)
        finally:
            _stop(process, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def nats() -> Iterator[Nats]:
    """A server of this test process's own, with the permissions that the contracts give."""
    passwords = {name: secrets.token_hex(8) for name in (*SERVICES, embedded.OPERATOR)}
    given = os.environ.get("PARLEY_TEST_NATS_URL")
    if given is not None:
        yield Nats(given, passwords)
        return
    folder = Path(tempfile.mkdtemp(prefix="parley-nats-"))
    port = embedded.free_port()
    config = folder / "nats.conf"
    config.write_text(
        embedded.nats_config(port=port, monitor_port=embedded.free_port(), store=folder / "store", passwords=passwords)
    )
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(
            _run_until_ready(
                embedded.nats_command(config), lambda: embedded.port_is_taken("127.0.0.1", port), folder / "log", None
            )
        )

    def stop() -> None:
        if running:
            _stop(running.pop(), signal.SIGTERM)

    try:
        start()
        yield Nats(f"nats://127.0.0.1:{port}", passwords, start, stop)
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def _s3_answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True  # it refuses who is not signed in, and so it is there
    except OSError:
        return False


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server of this test process's own, without buckets."""
    given = os.environ.get("PARLEY_TEST_S3_URL")
    if given is not None:
        yield S3(given, os.environ["PARLEY_TEST_S3_ACCESS_KEY"], os.environ["PARLEY_TEST_S3_SECRET_KEY"])
        return
    folder = Path(tempfile.mkdtemp(prefix="parley-s3-"))
    (folder / "data").mkdir()
    found = S3(f"http://127.0.0.1:{embedded.free_port()}", "parley", secrets.token_hex(16))
    config = folder / "s3.json"
    config.write_text(embedded.s3_config(found.access_key, found.secret_key))
    inner = [embedded.free_port() for _ in range(embedded.S3_INNER_PORTS)]
    port = urlsplit(found.url).port
    assert port is not None
    try:
        process = _run_until_ready(
            embedded.s3_command(folder / "data", config, port, inner),
            lambda: _s3_answers(found.url),
            folder / "log",
            None,
        )
        try:
            yield found
        finally:
            # In good order it takes ten seconds, for files that are about to be removed.
            _stop(process, signal.SIGKILL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
