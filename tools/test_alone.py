"""Run every package's own tests, each in an environment that holds nothing but what the package itself declares.

A shared environment hides imports that nobody declared. Three packages at a time, on any machine: they wait for servers more than
they compute.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Those that take longest first: what begins last should not be what everybody waits for.
RUNS = (
    ("parley-media", "services/media/tests/integration"),
    ("parley-gateway", "services/gateway/tests"),
    ("parley-media", "services/media/tests/unit"),
    ("parley-messages", "services/messages/tests"),
    ("parley-search", "services/search/tests"),
    ("parley-shared", "shared/tests"),
    ("parley-auth", "services/auth/tests"),
    ("parley-client", "clients/python/tests"),
    ("parley-presence", "services/presence/tests"),
    ("parley-install", "deploy/install/tests"),
    ("parley-local", "deploy/local/tests"),
)
AT_ONCE = 3
LIMIT_S = 1_500
"""Long after this, on any machine, something hangs that pytest's own limit for a single test did not end."""


def run(uv: str, package: str, tests: str) -> tuple[int, str, float]:
    """The exit code, what pytest said, and the seconds that it took."""
    began = time.monotonic()
    command = [uv, "run", "--frozen", "--isolated", "--package", package]
    if package == "parley-shared":
        command += ["--extra", "testing"]
    # Into a file: a pipe would be waited for until the last process that a test forgot has let go of it.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*command, "pytest", "-q", "-rfE", "-p", "no:cacheprovider", tests],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            code = 1
            output.write(f"\nIt has not ended within {LIMIT_S} s.\n")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read(), time.monotonic() - began


def main() -> None:
    uv = sys.argv[1]
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(lambda one: run(uv, *one), RUNS)
        for (_, tests), (code, output, seconds) in zip(RUNS, done, strict=True):
            last = next((line for line in reversed(output.splitlines()) if "passed" in line or "failed" in line), "")
            sys.stdout.write(f"{'✓' if code == 0 else '✗'} {tests:32} {seconds:5.1f} s  {last}\n")
            sys.stdout.flush()
            if code != 0:
                failed.append(tests)
                sys.stdout.write(output[-20_000:] + "\n")
    if failed:
        sys.stdout.write(f"Failed: {', '.join(failed)}\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
