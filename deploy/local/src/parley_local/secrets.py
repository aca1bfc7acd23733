"""Passwords and keys of one installation: made once, kept in files that only their owner can read."""

import secrets
from collections.abc import Callable
from pathlib import Path

from parley_shared import embedded
from parley_shared.audit import new_key
from parley_shared.contracts.base import SERVICES
from parley_shared.crypto.wrapping import new_line
from parley_shared.db.bootstrap import OWNERS, Passwords
from parley_shared.settings import SECOND


class Secrets:
    """One file a secret under `<home>/secrets`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def get(self, name: str) -> str:
        """The secret of that name; it is made at the first call."""
        return self._file(name, lambda: secrets.token_urlsafe(24)).read_text().strip()

    def _file(self, name: str, make: Callable[[], str]) -> Path:
        path = self._folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(make())
        return path

    @property
    def audit_key(self) -> Path:
        """The file of the private key that signs exports of the audit trail."""
        return self._file("audit-key", new_key)

    def wrapping_key(self, service: str) -> Path:
        """The file of the keys under which a service wraps those that it keeps in the database."""
        return self._file(f"wrapping-key-{service}", new_line)

    @property
    def operator_key(self) -> str:
        """With it one-time invitations for admins are minted (see `parley admin create`)."""
        return self.get("operator-key")

    def nats(self) -> dict[str, str]:
        """Of both users of each service; the second one is for whoever rotates."""
        second = (service + SECOND for service in SERVICES)
        return {name: self.get(f"nats-{name}") for name in (*SERVICES, *second, embedded.OPERATOR)}

    def database(self) -> dict[str, Passwords]:
        return {name: Passwords(self.get(f"postgres-{name}-owner"), self.get(f"postgres-{name}")) for name in OWNERS}
