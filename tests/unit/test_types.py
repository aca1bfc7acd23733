"""The TypeScript types are those of what the gateway serves, and the lock file names no place to get packages from."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_types_are_not_stale() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate_types.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert len(packages) > 50
    for name, entry in packages.items():
        # Only members of the workspace say where they are.
        assert entry.get("link") or "resolved" not in entry, name
        assert entry.get("link") or "integrity" in entry or not name.startswith("node_modules/"), name
