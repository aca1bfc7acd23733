"""`make test-compose`: the integration tests against the suite in containers.

    run.py [--before COMMIT] [pytest's arguments]

It builds the images, starts a project of its own (`parley-test`, so that nobody's volumes are touched) with the secrets of `.env`,
waits until everything is healthy, runs the tests, asks the real Prometheus every query of every dashboard, and removes containers
and volumes. What a test would do to the launcher's processes or files cannot be done here; such tests are skipped and listed with
the reason.

--before: one of the two replicas of each service is of that commit, after the migrations of this one: as while a release replaces
the one before it. The tests are that commit's, since they say what it has promised.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from parley_shared.contracts.base import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PORTS = (18000, 18001)
PROMETHEUS_PORT = 19090
FILES = ("docker-compose.yml", "tests/compose/docker-compose.test.yml")
MIXED = "tests/compose/docker-compose.mixed.yml"


def env_file() -> dict[str, str]:
    lines = (ROOT / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@contextlib.contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The files of a commit, and its images under the tag `before`."""
    with tempfile.TemporaryDirectory(prefix="parley-before-") as name:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", name], input=archive, check=True)
        for service in SERVICES:
            build = [
                "docker",
                "build",
                "--quiet",
                "-f",
                f"services/{service}/Dockerfile",
                "-t",
                f"parley-{service}:before",
            ]
            subprocess.run([*build, "."], cwd=name, check=True, stdout=subprocess.DEVNULL)
        for installed in (".venv", "node_modules"):
            (Path(name) / installed).symlink_to(ROOT / installed)
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py")
    parser.add_argument("--before", metavar="COMMIT")
    given, pytest = parser.parse_known_args()
    with checkout(given.before) if given.before else contextlib.nullcontext(ROOT) as tests:
        raise SystemExit(run(tests, (*FILES, MIXED) if given.before else FILES, pytest))


def run(tests: Path, files: tuple[str, ...], arguments: list[str]) -> int:
    """The tests' exit code."""
    command = ["docker", "compose", "--project-name", "parley-test"]
    for file in files:
        command += ["-f", str(ROOT / file)]
    environment = {
        **os.environ,
        "PARLEY_PORT": str(PORTS[0]),
        "PARLEY_PORT_2": str(PORTS[1]),
        "PROMETHEUS_PORT": str(PROMETHEUS_PORT),
    }

    def compose(*words: str, check: bool = True) -> None:
        subprocess.run([*command, *words], cwd=ROOT, env=environment, check=check)

    compose("build", "--quiet")
    try:
        compose("up", "--detach", "--wait", "--wait-timeout", "180", "--quiet-pull")
        # Not the whole profile: its other images take no part in a test.
        compose("up", "--detach", "--wait", "--no-deps", "prometheus")
        addresses = {
            "PARLEY_TEST_URLS": ",".join(f"http://127.0.0.1:{port}" for port in PORTS),
            "PARLEY_TEST_OPERATOR_KEY": env_file()["PARLEY_AUTH_OPERATOR_KEY"],
            "PARLEY_TEST_PROMETHEUS": f"http://127.0.0.1:{PROMETHEUS_PORT}",
        }
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "-rs", "-n", "2", "--dist", "loadfile",
                *(arguments or ("tests/integration", "tests/compose")),
            ],
            cwd=tests, env={**os.environ, **addresses}, check=False,
        )  # fmt: skip
        if done.returncode:
            compose("ps", "--all", check=False)
            compose("logs", "--tail", "30", check=False)
        return done.returncode
    finally:
        compose("--profile", "observability", "down", "--volumes", "--timeout", "10", check=False)


if __name__ == "__main__":
    main()
