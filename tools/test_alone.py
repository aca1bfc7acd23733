"""Run every package's own tests, each in an environment that holds nothing but what the package itself declares.

A shared environment hides imports that nobody declared. Two packages at a time: they wait for servers more than they compute.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "parley-shared": "shared",
    "parley-auth": "services/auth",
    "parley-messages": "services/messages",
    "parley-gateway": "services/gateway",
    "parley-presence": "services/presence",
    "parley-media": "services/media",
    "parley-search": "services/search",
    "parley-client": "clients/python",
    "parley-local": "deploy/local",
}
AT_ONCE = 2


def run(uv: str, package: str, folder: str) -> tuple[str, int, str, float]:
    began = time.monotonic()
    command = [uv, "run", "--frozen", "--isolated", "--package", package]
    if package == "parley-shared":
        command += ["--extra", "testing"]
    done = subprocess.run(
        [*command, "pytest", "-q", "-p", "no:cacheprovider", f"{folder}/tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return package, done.returncode, done.stdout + done.stderr, time.monotonic() - began


def main() -> None:
    uv = sys.argv[1]
    chosen = {name: folder for name, folder in PACKAGES.items() if (ROOT / folder / "tests").exists()}
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for package, code, output, seconds in pool.map(lambda item: run(uv, *item), chosen.items()):
            last = next((line for line in reversed(output.splitlines()) if "passed" in line or "failed" in line), "")
            sys.stdout.write(f"{'✓' if code == 0 else '✗'} {package:18} {seconds:5.1f} s  {last}\n")
            sys.stdout.flush()
            if code != 0:
                failed.append(package)
                sys.stdout.write(output[-20_000:] + "\n")
    if failed:
        sys.stdout.write(f"Failed: {', '.join(failed)}\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
