"""Files of secrets: what is in them stays, what is missing is added, and their owner alone reads them."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def word() -> str:
    """A password of 192 bits that no format needs to quote.

    It begins with a letter: NATS reads a word that begins with a digit as a number.
    """
    return f"p{secrets.token_hex(24)}"


class EnvFile:
    """Lines of `NAME=value`, as Compose and kustomize read them. Comments and order are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = path.read_text() if path.exists() else ""
        self._values = dict(
            line.split("=", 1)
            for line in self._text.splitlines()
            if line.strip() and not line.startswith("#") and "=" in line
        )
        self.added: list[str] = []

    def get(self, name: str, make: Callable[[], str] = word) -> str:
        """The value of that name; it is made where there is none."""
        if name not in self._values:
            self._values[name] = make()
            self._text += f"{name}={self._values[name]}\n"
            self.added.append(name)
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def set(self, name: str, value: str) -> None:
        """Another value, in the line where the old one is; at the end if there was none."""
        if name not in self._values:
            self.get(name, lambda: value)
            return
        self._values[name] = value
        lines = self._text.splitlines()
        self._text = "".join(f"{name}={value}\n" if line.startswith(f"{name}=") else f"{line}\n" for line in lines)

    def comment(self, text: str) -> None:
        """A line for whoever opens the file, unless it is there."""
        if f"# {text}\n" not in self._text:
            self._text += f"# {text}\n"

    @property
    def empty(self) -> list[str]:
        """Names whose values somebody else must fill in."""
        return [name for name, value in self._values.items() if not value.strip()]

    def write(self) -> None:
        write_private(self.path, self._text)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.chmod(mode)  # whatever the umask took
    new.replace(path)


def keep_private(path: Path, make: Callable[[], str], mode: int = 0o600) -> bool:
    """Make it where it is not there yet. Returns whether it was made."""
    if path.exists():
        return False
    write_private(path, make(), mode)
    return True
