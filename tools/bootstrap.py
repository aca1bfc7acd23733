"""Print the path of a usable uv, fetching it first if there is none.

It needs nothing but Python: the wheel for this machine is found in uv.lock, fetched from the address there, and checked
against the hash there. So the tool's version is pinned like everything else, and a machine without pip will do.
"""

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRIVATE = ROOT / ".tools" / "uv"
LEAST = (0, 8)


def fail(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(1)


def new_enough(path: str) -> bool:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.search(r"(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= LEAST


def wheel() -> dict[str, str]:
    """The entry of this machine's wheel: url, hash, size."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    package = next(package for package in lock["package"] if package["name"] == "uv")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        wanted = ["macosx", "arm64" if machine == "aarch64" else machine]
    else:
        wanted = ["musllinux" if platform.libc_ver()[0] == "" else "manylinux", machine]
    for entry in package["wheels"]:
        if all(part in entry["url"].rpartition("/")[2] for part in wanted):
            return entry
    fail(f"There is no uv for this machine ({sys.platform}, {machine}); install uv by hand and try again.")
    raise AssertionError


def fetch(entry: dict[str, str]) -> bytes:
    try:
        with urllib.request.urlopen(entry["url"], timeout=60) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            data = bytearray()
            while chunk := answer.read(256 * 1024):
                data += chunk
                if size and sys.stderr.isatty():
                    sys.stderr.write(f"\rFetching uv … {100 * len(data) // size} %")
    except (urllib.error.URLError, OSError) as error:
        fail(f"uv could not be fetched ({error}). Is this machine online? An installed uv would do as well.")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    algorithm, _, digest = entry["hash"].partition(":")
    if hashlib.new(algorithm, data).hexdigest() != digest:
        fail("What was fetched as uv is not what uv.lock promises; nothing was installed.")
    return bytes(data)


def install() -> None:
    if not sys.stderr.isatty():
        sys.stderr.write("Fetching uv …\n")
    archive = zipfile.ZipFile(io.BytesIO(fetch(wheel())))
    name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
    PRIVATE.parent.mkdir(exist_ok=True)
    temporary = PRIVATE.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(archive.read(name))
    temporary.chmod(0o755)
    temporary.replace(PRIVATE)


def main() -> None:
    if sys.version_info < (3, 11):
        fail(f"Parley needs Python 3.11 or later; this is {platform.python_version()}.")
    found = shutil.which("uv")
    if found is not None and new_enough(found):
        sys.stdout.write(found)
        return
    if not PRIVATE.exists():
        install()
    sys.stdout.write(str(PRIVATE))


if __name__ == "__main__":
    main()
