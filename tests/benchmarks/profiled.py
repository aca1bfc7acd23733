"""One more process of a service, with cProfile around it, and what its profile says.

cProfile counts calls of Python and makes them dearer than they are, work inside C libraries less so: it shows where to look,
not what would be saved.
"""

import cProfile
import importlib
import os
import pstats
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from parley_local.secrets import Secrets
from parley_shared.embedded import free_port

START_S = 30.0
STOP_S = 20.0
LINES = 14


class Line(msgspec.Struct):
    """A function, its share of all time in percent (without what it calls), and its calls per message."""

    function: str
    percent: float
    calls: float


def start(service: str, home: Path, urls: dict[str, str], output: Path, port: int) -> "subprocess.Popen[bytes]":
    """A replica beside those that the launcher keeps. port: of the gateway's HTTP. Returns when it is ready."""
    secrets = Secrets(home / "secrets")
    internal = free_port()
    prefix = f"PARLEY_{service.upper()}_"
    settings = {
        "NATS_URL": urls["nats"],
        "NATS_USER": service,
        "NATS_PASSWORD": secrets.nats()[service],
        "INTERNAL_PORT": str(internal),
        "INSTANCE": f"{service}-profiled",
    }
    if service == "gateway":
        settings |= {"PORT": str(port), "HOST": "127.0.0.1"}
    else:
        server = urls["postgres"].rpartition("@")[2]
        password = secrets.get(f"postgres-{service}")
        settings["POSTGRES_URL"] = f"postgresql://parley_{service}:{password}@{server}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.profiled", service, str(output)],
        env={**os.environ, **{prefix + name: value for name, value in settings.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{internal}/readyz", timeout=2):
                return process
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"the profiled {service} does not start") from None
            time.sleep(0.1)


def finish(process: "subprocess.Popen[bytes]", output: Path, messages: int) -> list[Line]:
    """Stop it and read its profile. messages: how many it has had, warm-up included or not, for the calls of each."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    stats = pstats.Stats(str(output)).stats  # type: ignore[attr-defined]  # the one way to the numbers
    # The loop's own run is where it waits, and the imports are over before the first message.
    rows = [(name, calls, own) for name, (_, calls, own, _, _) in stats.items() if not _idle(name)]
    total = sum(own for _, _, own in rows)
    rows.sort(key=lambda row: row[2], reverse=True)
    return [Line(_shown(name), own / total * 100, calls / messages) for name, calls, own in rows[:LINES]]


def _idle(name: tuple[str, int, str]) -> bool:
    file, _, function = name
    return (
        "importlib" in file
        or "run_until_complete" in function
        or function
        in (
            "<built-in method builtins.compile>",
            "<built-in method marshal.loads>",
            "<built-in method builtins.exec>",
            "<built-in method _imp.create_dynamic>",
            "<built-in method posix.stat>",
        )
    )


def _shown(name: tuple[str, int, str]) -> str:
    file, line, function = name
    if file == "~":
        return function.strip("<>")
    parts = Path(file).parts
    return f"{'/'.join(parts[-2:])}:{line} {function}"


def main() -> None:
    """`python -m tests.benchmarks.profiled SERVICE FILE`"""
    service, output = sys.argv[1:]
    del sys.argv[1:]
    serve = importlib.import_module(f"parley_{service}.app").main
    profile = cProfile.Profile()
    try:
        profile.runcall(serve)
    finally:
        profile.dump_stats(output)


if __name__ == "__main__":
    main()
