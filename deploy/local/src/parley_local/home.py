"""The folder that holds everything: one launcher at a time, and nothing left of the one before."""

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil

LEAST_FREE_BYTES = 512 * 1024 * 1024


class Unusable(Exception):  # noqa: N818 — told to the user as it is
    """The home cannot be used; the message says why and what to do."""


class Home:
    """Held for the life of the launcher. Raises Unusable."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run_file = self.path / "run.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in ("logs", "traces"):
                (self.path / folder).mkdir(exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unusable(explain(error, self.path)) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode().strip() or "another process"
            raise Unusable(
                f"{self.path} is in use by process {holder}, another `make run`. Stop it, or choose another PARLEY_HOME."
            ) from None
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise Unusable(
                f"The disk of {self.path} is full: {free // 1024**2} MiB are free, {LEAST_FREE_BYTES // 1024**2} MiB are needed."
            )
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        except OSError as error:
            raise Unusable(explain(error, self.path)) from None

    def clean_up(self) -> list[int]:
        """End what a launcher that was killed has left behind. Returns the pids."""
        try:
            found = json.loads(self.run_file.read_text())
        except (OSError, ValueError):
            found = {}
        left = []
        for pid, started in _processes(found):
            try:
                process = psutil.Process(pid)
                # The number may be somebody else's by now.
                if abs(process.create_time() - started) < 1 and _runs(process):
                    left.append(process)
            except psutil.NoSuchProcess:
                continue
        for process in left:
            _quietly(process.terminate)
            _quietly(process.resume)  # a stopped one does not hear it otherwise
        for process in _still_there(left, within=5):
            for child in _children(process):
                _quietly(child.kill)
            _quietly(process.kill)
        _still_there(left, within=5)
        return [process.pid for process in left]

    def release(self) -> None:
        """The suite is down: run.json would only mislead."""
        self.run_file.unlink(missing_ok=True)
        os.close(self._lock)


def _processes(run: object) -> list[tuple[int, float]]:
    entries: list[object] = []
    if not isinstance(run, dict):
        return []
    for value in run.values():
        entries += value if isinstance(value, list) else [value]
    return [
        (entry["pid"], entry["started"])
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("pid"), int) and isinstance(entry.get("started"), float)
    ]


def _runs(process: psutil.Process) -> bool:
    """A zombie does not: it only waits for somebody to ask how it ended, which may take PID 1 of a container for ever."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _still_there(processes: list[psutil.Process], within: float) -> list[psutil.Process]:
    """Those that have not ended after so many seconds."""
    deadline = time.monotonic() + within
    while (alive := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        # They are not our children, so nothing tells when they end; psutil.wait_procs would wait for zombies, too.
        time.sleep(0.02)
    return alive


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return


def explain(error: OSError, path: Path) -> str:
    """An error of the file system in a sentence that helps."""
    if error.errno == errno.ENOSPC:
        return f"The disk of {path} is full. Free some space, or choose another PARLEY_HOME."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written to by this user. Choose another PARLEY_HOME, or change its owner."
    return f"{path} cannot be used: {error.strerror or error}."
