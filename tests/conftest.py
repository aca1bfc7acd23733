"""The whole suite, started as a user starts it, on free ports in a folder of its own."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from parley_shared.embedded import free_port

START_S = 120.0


def free_ports(count: int) -> int:
    """The first of so many consecutive free ports."""
    for _ in range(200):
        first = free_port()
        if first + count < 60000 and all(_is_free(first + offset) for offset in range(count)):
            return first
    raise RuntimeError("no consecutive ports are free")


def _is_free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Suite:
    """One running suite. urls: of the gateways, the first first."""

    def __init__(self, gateways: int, environment: dict[str, str]) -> None:
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
        while self.log.read_text().count("Parley is ready") <= before - (1 if before else 0):
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the suite did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        self.until_ready()

    def until_ready(self, within: float = 30.0) -> None:
        """/readyz answers 200."""
        deadline = time.monotonic() + within
        for url in self.urls:
            while True:
                try:
                    if httpx2.get(f"{url}/readyz", timeout=2).status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                if time.monotonic() > deadline:
                    pytest.fail(f"{url} does not become ready")
                time.sleep(0.1)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> float:
        """Returns how long it took."""
        if self.process is None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(sig)
        self.process.wait(30)
        self.process = None
        return time.monotonic() - began

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


GENEROUS = {
    "PARLEY_MESSAGES_RATE_LIMIT_USER": "1000000",
    "PARLEY_AUTH_REGISTRATIONS_PER_IP": "off",
    "PARLEY_AUTH_LOGINS_PER_IP": "off",
    "PARLEY_GATEWAY_FRAMES_PER_SECOND": "off",
    "PARLEY_AUTH_ERASURE_SETTLE_S": "3",
}


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    """Two gateways, two replicas of messages, one of everything else; limits out of the way."""
    running = Suite(2, {**GENEROUS, "PARLEY_MESSAGES": "2"})
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
