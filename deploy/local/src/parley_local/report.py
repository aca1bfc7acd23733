"""What people and tests see: the terminal, and run.json."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

LOOK_BYTES = 1024 * 1024
WARNING = {"warning", "error", "critical"}


class Terminal:
    """Progress while it works, and the important lines of all logs; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=False, highlight=False)
        self._status: Status | None = None

    def working(self, what: str) -> None:
        """What is being done at this moment."""
        if not self._console.is_terminal:
            self._print(f"… {what}")
        elif self._status is None:
            self._status = self._console.status(escape(what))
            self._status.start()
        else:
            self._status.update(escape(what))

    def done(self, what: str) -> None:
        self._print(f"[green]✓[/green] {escape(what)}")

    def quiet(self) -> None:
        """No more progress: something final follows."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def say(self, text: str) -> None:
        """With rich's markup."""
        self._print(text)

    def fault(self, who: str, what: str) -> None:
        self._print(f"[yellow]! {escape(who)}[/yellow] {escape(what)}")

    def fail(self, text: str) -> None:
        self.quiet()
        sys.stdout.flush()
        Console(stderr=True, highlight=False).print(f"[red]✗[/red] {escape(text)}", soft_wrap=True)

    def log_line(self, process: str, line: str) -> None:
        """A line of a service's log, if it is important."""
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if not isinstance(entry, dict) or entry.get("level") not in WARNING:
            return
        hidden = {"event", "level", "timestamp", "service", "instance", "exception"}
        rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in hidden)
        colour = "yellow" if entry["level"] == "warning" else "red"
        self._print(f"[{colour}]! {escape(process)}[/{colour}] {escape(str(entry.get('event')))} {escape(rest)[:300]}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)
        sys.stdout.flush()


class LogFollower:
    """Reads what was appended to the services' logs since the last look."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._at: dict[Path, int] = {}

    def add(self, log: Path) -> None:
        self._at[log] = log.stat().st_size if log.exists() else 0

    def look(self) -> None:
        for log, position in self._at.items():
            try:
                size = log.stat().st_size
                if size < position:
                    position = 0
                if size == position:
                    continue
                with log.open("rb") as file:
                    file.seek(position)
                    data = file.read(LOOK_BYTES)
            except OSError:
                continue
            complete = data.rfind(b"\n") + 1
            # Half a line is read when it is whole; one that never ends is passed over.
            self._at[log] = position + (complete or (len(data) if len(data) == LOOK_BYTES else 0))
            for line in data[:complete].decode(errors="replace").splitlines():
                self._terminal.log_line(log.stem, line)


def write_run_file(path: Path, content: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Whole or not at all: readers never see half a file. It holds addresses with passwords, so it is its owner's alone."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)
