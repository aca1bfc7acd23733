"""The whole suite, started as a user starts it, on free ports in a folder of its own; or one that runs already, elsewhere.

PARLEY_TEST_URLS gives the addresses of the gateways of such a one (commas between them), PARLEY_TEST_OPERATOR_KEY its operator's
key. Whatever a test would do to the launcher, its processes or its files then cannot be done, and the test is skipped, saying so.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import psutil
import pytest

from parley_shared.embedded import free_port
from tests.node import handler

START_S = 240.0
STOP_S = 60.0
GIVEN_URLS = [url.rstrip("/") for url in os.environ.get("PARLEY_TEST_URLS", "").split(",") if url]


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell that starts tests in the background has them ignore SIGINT, and so would everything that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def free_ports(count: int) -> int:
    """The first of so many consecutive free ports."""
    while True:
        first, *others = [free_port() for _ in range(count)]
        if others == list(range(first + 1, first + count)):
            return first


class Suite:
    """One running suite. urls: of the gateways, the first first. home: the launcher's folder."""

    def __init__(self, gateways: int, environment: dict[str, str]) -> None:
        if GIVEN_URLS:
            pytest.skip("it starts a suite of its own")
        self.home = Path(tempfile.mkdtemp(prefix="parley-suite-"))
        self.home.chmod(0o711)
        self.port = free_ports(gateways)
        self.urls = [f"http://127.0.0.1:{self.port + number}" for number in range(gateways)]
        self.environment = {
            **os.environ,
            "PARLEY_HOME": str(self.home),
            "PARLEY_PORT": str(self.port),
            "PARLEY_GATEWAYS": str(gateways),
            **environment,
        }
        self.process: subprocess.Popen[str] | None = None
        self.log = self.home / "launcher.out"

    def start(self) -> None:
        """Until it says that it is ready."""
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [Path(sys.executable).parent / "parley-local"],
                env=self.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        before = self.log.read_text().count("Parley is ready")
        while self.log.read_text().count("Parley is ready") <= before:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the suite did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        self.until_ready()

    def until_ready(self, within: float = START_S) -> None:
        """/readyz answers 200."""
        deadline = time.monotonic() + within
        with httpx2.Client(timeout=2) as http:
            for url in self.urls:
                while not self._ready(http, url):
                    if time.monotonic() > deadline:
                        pytest.fail(f"{url} does not become ready")
                    time.sleep(0.1)

    def _ready(self, http: httpx2.Client, url: str) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return http.get(f"{url}/readyz").status_code == 200
        return False

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(sig)
        self.process.wait(STOP_S)
        self.process = None

    def kept(self, name: str) -> Path:
        """What the launcher keeps in its home."""
        return self.home / name

    def seen_from(self, _found: str) -> str:
        """The network from which gateways see us come."""
        return "127.0.0.0/24"

    def instance(self, gateway: int, _found: str) -> str:
        """The name of a gateway in logs."""
        return f"gateway-{gateway + 1}"

    def two_gateways(self) -> None:
        """The test is about what reaches both of them."""

    def run_json(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "run.json").read_text()))

    def pids(self, name: str) -> list[int]:
        """Of a service's replicas, or of one server."""
        found = self.run_json()[name]
        return [entry["pid"] for entry in found] if isinstance(found, list) else [found["pid"]]

    def kill(self, name: str, index: int = 0, sig: signal.Signals = signal.SIGKILL) -> int:
        pid = self.pids(name)[index]
        os.kill(pid, sig)
        return pid

    def logs(self, name: str) -> list[dict[str, Any]]:
        """The JSON lines of one process's log."""
        lines = (self.home / "logs" / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class GivenSuite(Suite):
    """One that somebody else has started, in containers or in a cluster. home: a folder with what `parley admin` reads there."""

    def __init__(self, urls: list[str], operator_key: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="parley-given-"))
        self.urls = urls
        self.environment = {**os.environ, "PARLEY_HOME": str(self.home)}
        self.process = None
        (self.home / "secrets").mkdir()
        (self.home / "secrets" / "operator-key").write_text(operator_key)
        (self.home / "run.json").write_text(json.dumps({"urls": {"http": urls[0]}}))

    def start(self) -> None:
        self.until_ready()

    def kept(self, name: str) -> Path:
        pytest.skip(f"it reads what the launcher keeps in {name}")

    def seen_from(self, found: str) -> str:
        return found  # proxies and bridges stand between

    def instance(self, gateway: int, found: str) -> str:
        return found  # chance, behind one address

    def two_gateways(self) -> None:
        if len(set(self.urls)) == 1:
            pytest.skip("its gateways stand behind one address")

    def run_json(self) -> dict[str, Any]:
        pytest.skip("it reads the launcher's run.json")

    def logs(self, name: str) -> list[dict[str, Any]]:
        pytest.skip(f"it reads the log of {name}")


GENEROUS = {
    "PARLEY_MESSAGES_RATE_LIMIT_USER": "1000000",
    "PARLEY_MESSAGES_CHANGES_PER_MINUTE": "off",
    "PARLEY_AUTH_REGISTRATIONS_PER_IP": "off",
    "PARLEY_AUTH_LOGINS_PER_IP": "off",
    "PARLEY_GATEWAY_FRAMES_PER_SECOND": "off",
    "PARLEY_AUTH_ERASURE_SETTLE_S": "3",
    "PARLEY_MEDIA_UPLOADS_PER_HOUR": "off",
}


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    """Two gateways, two replicas of messages, media and search, one of everything else; limits out of the way. Or the one that is given."""
    if GIVEN_URLS:
        # The tests speak to a first and to a second gateway; behind one address it is chance which answers.
        given = GivenSuite((GIVEN_URLS * 2)[: max(2, len(GIVEN_URLS))], os.environ["PARLEY_TEST_OPERATOR_KEY"])
        given.start()
        yield given
        given.remove()
        return
    running = Suite(2, {**GENEROUS, "PARLEY_MESSAGES": "2", "PARLEY_MEDIA": "2", "PARLEY_SEARCH": "2"})
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()
        left = [process.pid for process in psutil.process_iter() if _belongs(process, running.home)]
        running.remove()
        assert not left, f"processes were left behind: {left}"


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        return any(str(home) in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture
def name() -> str:
    """A username that nobody has."""
    return f"u{secrets.token_hex(6)}"


@pytest.fixture
async def control(suite: Suite) -> AsyncIterator[str]:
    """The address at which tests in another process have parts of the suite killed; the launcher starts them again."""
    suite.run_json()  # there is a launcher
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(suite.kill))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    await asyncio.get_running_loop().run_in_executor(None, suite.until_ready)
