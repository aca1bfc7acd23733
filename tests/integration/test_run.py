"""`make run` as a user sees it: what it promises about ports, state, restarts, endings and errors."""

import asyncio
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from parley_shared import embedded
from parley_shared.contracts.base import SERVICES
from tests.conftest import GENEROUS, GIVEN_URLS, START_S, Suite, free_ports
from tests.protocol_client import PASSWORD, Person

pytestmark = pytest.mark.skipif(bool(GIVEN_URLS), reason="it is about the launcher")

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(sys.executable).parent
SERVERS = ("nats", "postgres", "s3")
STOP_S = 45.0
# As a user's shell: what the developer has set for himself must not leak in.
SHELL = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}


def until(what: str, question: Callable[[], object], within: float) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + within
    while not question():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:.0f} s: {what}")
        time.sleep(0.05)


def answer(url: str) -> tuple[int, dict[str, Any]]:
    """Of /readyz: status and body; 0 where nobody listens."""
    try:
        got = httpx2.get(f"{url}/readyz", timeout=3)
    except httpx2.HTTPError:
        return 0, {}
    return got.status_code, got.json()


def run_file(home: Path) -> dict[str, Any]:
    return dict(json.loads((home / "run.json").read_text()))


def entries(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Every process but the launcher."""
    found = [run[name] for name in SERVERS if name in run]
    return found + [entry for service in SERVICES for entry in run[service]]


class Run:
    """One launcher and all that it has started."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**SHELL, "PARLEY_HOME": str(home), "PARLEY_PORT": str(self.port), **settings}
        self.output = home.parent / f"{home.name}.out"
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: list[psutil.Process] = []

    def start(self, *command: str, cwd: Path | None = None, user: str | None = None) -> None:
        """In a process group of its own, as a terminal starts it; until /readyz answers 200."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command or (str(BINARIES / "parley-local"),),
                env=self.environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                **embedded.identity(user),
            )
        until("ready", self._ready, START_S)
        self._seen = self._processes()

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"it does not start:\n{self.output.read_text()[-3000:]}")
        return answer(self.url)[0] == 200

    def _processes(self) -> list[psutil.Process]:
        """The launcher, what run.json names, and their children."""
        run = run_file(self.home)
        roots = [psutil.Process(entry["pid"]) for entry in (run["launcher"], *entries(run))]
        return list({process.pid: process for root in roots for process in (root, *root.children(True))}.values())

    def end(self, sig: signal.Signals) -> int:
        """Signal the process group, as a terminal does; returns the exit code."""
        assert self.process is not None
        os.killpg(self.process.pid, sig)
        code = self.process.wait(STOP_S)
        self.nothing_is_left()
        assert not (self.home / "run.json").exists()
        return code

    def nothing_is_left(self, within: float = 1.0, besides: int | None = None) -> None:
        """No process of the last start, and nobody on the port."""
        until(
            "nothing is left",
            lambda: not [one for one in self._seen if one.is_running() and one.pid != besides and _alive(one)],
            within,
        )
        assert not embedded.port_is_taken("127.0.0.1", self.port)

    def close(self) -> None:
        """Whatever a failed test has left."""
        for process in self._seen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's own, whose folders are closed to the user that PostgreSQL runs as here, and closed again by any other run."""
    folder = Path(tempfile.mkdtemp(prefix="parley-run-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@contextlib.contextmanager
def launched(home: Path, **settings: str) -> Iterator[Run]:
    run = Run(home, **settings)
    try:
        yield run
    finally:
        run.close()


# -- while it runs


def test_run_json_names_every_process(suite: Suite) -> None:
    run = suite.run_json()
    counts = {service: len(run[service]) for service in SERVICES}
    assert counts == {"auth": 1, "messages": 2, "presence": 1, "media": 2, "search": 2, "gateway": 2}
    for service in SERVICES:
        for entry in run[service]:
            assert any(word.endswith(f"parley-{service}") for word in psutil.Process(entry["pid"]).cmdline())
            assert embedded.port_is_taken("127.0.0.1", entry["port"])
    for name, binary in zip(SERVERS, ("nats-server", "postgres", "weed"), strict=True):
        assert psutil.Process(run[name]["pid"]).cmdline()[0].endswith(binary)
        assert embedded.port_is_taken("127.0.0.1", run[name]["port"])
    assert [entry["port"] for entry in run["gateway"]] == [suite.port, suite.port + 1]
    assert set(run["urls"]) == {"http", "postgres", "nats", "s3"}
    assert run["urls"]["http"] == suite.urls[0]
    for name in SERVERS:
        assert run["urls"][name].partition("://")[2].rpartition("@")[2].startswith(f"127.0.0.1:{run[name]['port']}")


def test_only_its_owner_reads_what_holds_passwords(suite: Suite) -> None:
    secret = [suite.home / name for name in ("run.json", "nats.conf", "s3.json")]
    secret += [*(suite.home / "secrets").iterdir(), suite.home / "secrets", suite.home / "postgres"]
    assert not [path.name for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077]


async def test_the_addresses_of_run_json_work(suite: Suite) -> None:
    urls = suite.run_json()["urls"]
    assert await embedded.postgres_answers(urls["postgres"])
    async with httpx2.AsyncClient(timeout=5) as http:
        assert (await http.get(urls["s3"])).status_code in (200, 403)


def test_readyz_says_what_is_missing_and_when_it_is_back(suite: Suite) -> None:
    [pid] = suite.pids("presence")
    os.kill(pid, signal.SIGSTOP)
    try:
        until("not ready", lambda: all(answer(url)[0] == 503 for url in suite.urls), 15)
        assert "presence" in json.dumps(answer(suite.urls[0])[1])
    finally:
        os.kill(pid, signal.SIGCONT)
    suite.until_ready()


@pytest.mark.parametrize(("service", "index"), [("media", 0), ("gateway", 1)])
def test_a_process_that_dies_is_restarted_within_two_seconds(suite: Suite, service: str, index: int) -> None:
    before = suite.run_json()[service][index]
    suite.kill(service, index)
    until(f"a new {service}", lambda: suite.pids(service)[index] != before["pid"], 2.0)
    assert suite.run_json()[service][index]["port"] == before["port"]
    suite.until_ready()


def test_an_admin_is_made_while_it_runs(suite: Suite, name: str) -> None:
    done = subprocess.run(
        [BINARIES / "parley", "admin", "create", "--username", name, "--password-stdin"],
        env={**SHELL, "PARLEY_HOME": str(suite.home)},
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tokens = httpx2.post(f"{suite.urls[0]}/api/v1/auth/token", data={"username": name, "password": PASSWORD}).json()
    me = httpx2.get(
        f"{suite.urls[0]}/api/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}
    ).json()
    assert (me["username"], me["role"]) == (name, "admin")


async def test_logs_are_lines_of_json_without_secrets(suite: Suite, name: str) -> None:
    person = await Person(suite.urls[0], name).register()
    await person.call("POST", "/auth/token", 401, data={"username": name, "password": f"{PASSWORD} not"})
    await person.call("POST", "/auth/refresh", 401, json={"refresh_token": f"{person.refresh_token}x"})
    await person.http.aclose()
    logs = {path.stem: path.read_text() for path in (suite.home / "logs").glob("*.log")}
    names = {f"{service}-{number}" for service in ("messages", "media", "search", "gateway") for number in (1, 2)}
    assert set(logs) == {*SERVERS, "auth", "presence", *names}
    for service in set(logs) - set(SERVERS):
        lines = [json.loads(line) for line in logs[service].splitlines()]
        assert lines, service
        assert {line["service"] for line in lines} == {service.partition("-")[0]}
        assert all({"event", "level", "timestamp", "instance"} <= set(line) for line in lines)
    secrets = [path.read_text().strip() for path in (suite.home / "secrets").iterdir()]
    secrets += [PASSWORD, person.token, person.refresh_token]
    everything = "".join(logs.values()) + suite.log.read_text()
    assert not [secret[:4] for secret in secrets if secret in everything]
    assert not re.search(r"eyJ[\w-]+\.eyJ", everything), "a JSON Web Token"


# -- one clear sentence


def refused(environment: dict[str, str], user: str | None = None) -> str:
    """What it says when it cannot start: one line, no traceback, and a code that is not zero."""
    done = subprocess.run(
        [BINARIES / "parley-local"],
        env={**SHELL, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        **embedded.identity(user),
    )
    assert done.returncode > 0
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_second_run_on_the_same_home_says_who_holds_it(suite: Suite) -> None:
    said = refused({"PARLEY_HOME": str(suite.home), "PARLEY_PORT": str(free_ports(1))})
    assert str(suite.run_json()["launcher"]["pid"]) in said
    assert str(suite.home) in said
    assert answer(suite.urls[0])[0] == 200


def test_a_taken_port_is_named(home: Path) -> None:
    first = free_ports(2)
    with socket.create_server(("127.0.0.1", first + 1)):
        said = refused({"PARLEY_HOME": str(home), "PARLEY_PORT": str(first), "PARLEY_GATEWAYS": "2"})
    assert f"Port {first + 1} is taken" in said


def test_a_port_that_it_may_not_open_is_named(home: Path) -> None:
    """Held by somebody who does not answer, so that only binding to it tells."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        said = refused({"PARLEY_HOME": str(home), "PARLEY_PORT": str(port)})
    assert f"Port {port}" in said


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of 4 MiB; where nobody lets us mount one, a home with a file that can never be written."""
    home = tmp_path / "disk"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "parley-test", home], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        (home / "nats.conf").symlink_to("/dev/full")
    try:
        yield home
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", home], check=True)


def test_a_full_disk_is_named(full_disk: Path) -> None:
    said = refused({"PARLEY_HOME": str(full_disk), "PARLEY_PORT": str(free_ports(1))})
    assert "The disk of" in said
    assert "is full" in said


def test_a_disk_that_fills_during_the_start_is_named(home: Path) -> None:
    """/dev/full takes no byte, whoever writes, and so does the configuration that points to it."""
    home.mkdir()
    (home / "nats.conf").symlink_to("/dev/full")
    said = refused({"PARLEY_HOME": str(home), "PARLEY_PORT": str(free_ports(1))})
    assert "The disk of" in said
    assert "is full" in said
    assert not [process for process in psutil.process_iter() if _mentions(process, str(home))]


def _mentions(process: psutil.Process, what: str) -> bool:
    try:
        return any(what in word for word in process.cmdline())
    except psutil.Error:
        return False


def test_an_unwritable_home_is_named(tmp_path: Path, ordinary: str | None) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    home = folder / "below" / "home"
    said = refused({"PARLEY_HOME": str(home), "PARLEY_PORT": str(free_ports(1))}, user=ordinary)
    assert f"{home} cannot be written to by this user" in said


def test_a_setting_that_makes_no_sense_is_named(home: Path) -> None:
    assert "PARLEY_PORT: " in refused({"PARLEY_HOME": str(home), "PARLEY_PORT": "eight"})


def test_a_given_address_where_nobody_answers_is_named(home: Path) -> None:
    address = f"127.0.0.1:{free_ports(1)}"
    said = refused(
        {
            "PARLEY_HOME": str(home),
            "PARLEY_PORT": str(free_ports(1)),
            "PARLEY_POSTGRES_URL": f"postgresql://me:a-secret@{address}/parley",
        }
    )
    assert said.endswith(f"PARLEY_POSTGRES_URL is given, but nobody answers at {address}.")


# -- from start to end


def test_a_killed_launcher_leaves_nothing_running_and_the_next_start_cleans_up(home: Path, name: str) -> None:
    with launched(home, **GENEROUS) as run:
        run.start()
        httpx2.post(f"{run.url}/api/v1/auth/register", json={"username": name, "password": PASSWORD}).raise_for_status()
        stuck = run_file(home)["search"][0]["pid"]
        os.kill(stuck, signal.SIGSTOP)
        assert run.process is not None
        run.process.kill()
        run.process.wait()
        run.nothing_is_left(within=STOP_S, besides=stuck)
        assert psutil.pid_exists(stuck)
        run.start()
        assert not psutil.pid_exists(stuck)
        assert "that an earlier run had left behind" in run.output.read_text().replace("\n", " ")
        signed_in = httpx2.post(f"{run.url}/api/v1/auth/token", data={"username": name, "password": PASSWORD})
        assert signed_in.status_code == 200, "what was stored is still there"
        assert run.end(signal.SIGTERM) == 0


@contextlib.contextmanager
def passable(*paths: Path) -> Iterator[None]:
    """Let others pass through the folders above, as long as it lasts."""
    folders = {folder for path in paths for folder in path.parents}
    before = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    try:
        for folder, mode in before.items():
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
        yield
    finally:
        for folder, mode in before.items():
            if not mode & stat.S_IXOTH:
                folder.chmod(mode)


@pytest.fixture
def ordinary(tmp_path: Path) -> Iterator[str | None]:
    """Somebody without rights, who can reach the interpreter and `tmp_path`; None where we are such a one ourselves."""
    if os.geteuid() != 0:
        yield None
        return
    with passable(ROOT / "Makefile", Path(sys.executable), Path(sys.executable).resolve(), tmp_path / "any"):
        yield "nobody"


def test_an_ordinary_user_runs_it_with_make_and_ctrl_c_leaves_nothing_behind(home: Path, ordinary: str | None) -> None:
    home.mkdir()
    if ordinary is not None:
        account = pwd.getpwnam(ordinary)
        os.chown(home, account.pw_uid, account.pw_gid)
    with launched(home, PARLEY_MESSAGES="2") as run:
        # The environment is the one that runs this test: nothing may be installed into it or removed from it meanwhile.
        run.start("make", "run", "UV=true", cwd=ROOT, user=ordinary)
        assert len(run_file(home)["messages"]) == 2
        assert {psutil.Process(entry["pid"]).uids().real for entry in entries(run_file(home))} == {home.stat().st_uid}
        run.end(signal.SIGINT)
        assert "Parley is ready" in run.output.read_text()
        assert "Traceback" not in run.output.read_text()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """PostgreSQL, NATS and S3 that somebody else runs; the addresses by setting."""
    folder = tmp_path / "servers"
    folder.mkdir()
    postgres, nats, s3 = (embedded.free_port() for _ in range(3))
    (folder / "s3").mkdir()
    (folder / "s3.json").write_text(embedded.s3_config("somebody", "a secret of S3"))
    inner = [embedded.free_port() for _ in range(embedded.S3_INNER_PORTS)]
    embedded.prepare_postgres(folder / "postgres", "secret-of-postgres")
    commands: list[tuple[list[str], str | None]] = [
        (embedded.postgres_command(folder / "postgres", postgres), embedded.postgres_user()),
        ([str(BINARIES / "nats-server"), "-a", "127.0.0.1", "-p", str(nats), "-js", "-sd", str(folder)], None),
        (embedded.s3_command(folder / "s3", folder / "s3.json", s3, inner), None),
    ]
    running = []
    try:
        for command, user in commands:
            running.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    **embedded.identity(user),
                )
            )
        admin = embedded.postgres_url(postgres, "secret-of-postgres", "postgres")
        until("PostgreSQL answers", lambda: asyncio.run(embedded.postgres_answers(admin)), 30)
        asyncio.run(embedded.make_database(admin, "chat"))
        for port in (nats, s3):
            until(f"{port} listens", lambda port=port: embedded.port_is_taken("127.0.0.1", port), 30)
        yield {
            "PARLEY_POSTGRES_URL": embedded.postgres_url(postgres, "secret-of-postgres", "chat"),
            "PARLEY_NATS_URL": f"nats://127.0.0.1:{nats}",
            "PARLEY_S3_URL": f"http://127.0.0.1:{s3}",
            "PARLEY_MEDIA_S3_ACCESS_KEY": "somebody",
            "PARLEY_MEDIA_S3_SECRET_KEY": "a secret of S3",
        }
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait(15)


def test_given_addresses_replace_the_embedded_servers(home: Path, servers: dict[str, str], name: str) -> None:
    with launched(home, **servers) as run:
        run.start()
        found = run_file(home)
        assert not set(SERVERS) & set(found)
        assert {found["urls"][name] for name in SERVERS} <= set(servers.values())
        assert not [name for name in ("postgres", "jetstream", "s3") if (home / name).exists()]
        made = httpx2.post(f"{run.url}/api/v1/auth/register", json={"username": name, "password": PASSWORD})
        assert made.status_code == 201, made.text
        assert run.end(signal.SIGTERM) == 0
    for address in (servers[f"PARLEY_{name.upper()}_URL"] for name in SERVERS):
        assert embedded.port_is_taken("127.0.0.1", int(address.rpartition(":")[2].partition("/")[0]))
