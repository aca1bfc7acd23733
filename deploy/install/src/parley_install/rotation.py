"""New secrets in the place of old ones, in such an order that nobody is without one that works.

A service has two users of NATS and two roles of PostgreSQL with the same rights. Rotating gives the one that is not in use a new password
and names it in the service's settings; who has not been replaced yet goes on with the other.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from parley_install.files import EnvFile, word
from parley_install.nats import password_of, user_of
from parley_shared.contracts.base import SERVICES
from parley_shared.db.bootstrap import OWNERS
from parley_shared.settings import SECOND

KEY_SECRET: Final = "PARLEY_AUTH_KEY_SECRET"  # noqa: S105 — a name
OPERATOR_KEY: Final = "PARLEY_AUTH_OPERATOR_KEY"


def _other(name: str) -> str:
    return name.removesuffix(SECOND) if name.endswith(SECOND) else name + SECOND


def _nats(env: EnvFile) -> list[str]:
    changed = []
    for service in SERVICES:
        if password_of(service) not in env or user_of(service) not in env:
            continue
        user = _other(env.get(user_of(service)))
        end = SECOND if user.endswith(SECOND) else ""
        env.set(password_of(service, end), word())
        env.set(user_of(service), user)
        changed.append(f"{service} is {user} of NATS")
    return changed


def _database(env: EnvFile) -> list[str]:
    changed = []
    for service in OWNERS:
        worker, owner = f"PARLEY_{service.upper()}_POSTGRES_URL", f"PARLEY_{service.upper()}_MIGRATE_URL"
        if worker in env:
            role = _other(urlsplit(env.get(worker)).username or "")
            env.set(worker, _signing_in(env.get(worker), role))
            changed.append(f"{service} is {role} of PostgreSQL")
        if owner in env:
            # Whoever migrates signs in once, with the password of that moment.
            env.set(owner, _signing_in(env.get(owner), urlsplit(env.get(owner)).username or ""))
            changed.append(f"the owner of the schema {service} has another password")
    return changed


def _signing_in(url: str, role: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{word()}@{place}"))


def _key_secret(env: EnvFile) -> list[str]:
    """First both, then the new one alone: what is sealed under the old one is sealed anew while both are there."""
    if KEY_SECRET not in env:
        return []
    new, comma, _ = env.get(KEY_SECRET).partition(",")
    if comma:
        env.set(KEY_SECRET, new)
        return ["auth has the new secret alone"]
    env.set(KEY_SECRET, f"{word()},{new}")
    return ["auth has a new secret beside the old one. Once it has been applied, and a minute later, rotate it again"]


def _operator(env: EnvFile) -> list[str]:
    if OPERATOR_KEY not in env:
        return []
    env.set(OPERATOR_KEY, word())
    return ["there is another operator's key; invitations that were minted with the old one are void"]


ROTATIONS: Final[dict[str, Callable[[EnvFile], list[str]]]] = {
    "nats": _nats,
    "database": _database,
    "signing-secret": _key_secret,
    "operator-key": _operator,
}


def rotate(what: str, files: list[Path]) -> list[str]:
    """Change one kind of secret in these files, each of which is replaced as a whole. What was changed, in sentences."""
    said: list[str] = []
    for path in files:
        env = EnvFile(path)
        changed = ROTATIONS[what](env)
        if changed:
            env.write()
            said += changed
    return said
