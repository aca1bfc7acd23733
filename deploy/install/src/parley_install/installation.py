"""Which secrets there are, and in which file each of them lies."""

from dataclasses import dataclass
from pathlib import Path

from parley_install.files import EnvFile, keep_private, word, write_private
from parley_install.nats import OPERATOR_PASSWORD, password_of, user_of
from parley_shared.audit import new_key
from parley_shared.contracts.base import SERVICES
from parley_shared.crypto.wrapping import new_line
from parley_shared.db.bootstrap import OWNERS
from parley_shared.settings import SECOND

KEYS = {"audit-key": new_key, "wrapping-key-media": new_line, "wrapping-key-messages": new_line}
"""Keys that services read from files, and how each is made."""


@dataclass(frozen=True, slots=True)
class Report:
    """made: names of what is new. missing: names of what somebody else must fill in, with the file."""

    made: list[str]
    missing: list[tuple[Path, str]]


def _database(env: EnvFile, name: str, role: str, host: str) -> None:
    env.get(name, lambda: f"postgresql://{role}:{word()}@{host}/parley")


def _service(env: EnvFile, service: str, host: str, *, s3: bool) -> None:
    """What a service alone needs to know."""
    prefix = f"PARLEY_{service.upper()}_"
    env.get(user_of(service), lambda: service)
    env.get(password_of(service))
    env.get(password_of(service, SECOND))
    if service in OWNERS:
        _database(env, f"{prefix}POSTGRES_URL", f"parley_{service}", host)
    if service == "auth":
        env.get(f"{prefix}OPERATOR_KEY")
        env.get(f"{prefix}KEY_SECRET")
    if service == "media":
        env.get(f"{prefix}S3_ACCESS_KEY", (lambda: "parley") if s3 else str)
        env.get(f"{prefix}S3_SECRET_KEY", word if s3 else str)


def _migration(env: EnvFile, service: str, host: str) -> None:
    _database(env, f"PARLEY_{service.upper()}_MIGRATE_URL", f"parley_{service}_owner", host)


def keep_operator_key(folder: Path, env: EnvFile) -> None:
    """`parley admin create --home` looks for the operator's key in `secrets/operator-key`, as `make run` keeps it."""
    write_private(folder / "operator-key", env.get("PARLEY_AUTH_OPERATOR_KEY"))


def compose(env_file: Path, keys: Path) -> Report:
    """One `.env` for everything, and the keys that are files.

    Containers run as other users than whoever made the files, and Compose hands files over as they are: what keeps these from
    others is their folder, which its owner alone may enter.
    """
    env = EnvFile(env_file)
    env.comment("Secrets of this installation; what is here stays when it is written again.")
    env.get("POSTGRES_PASSWORD")
    env.get(OPERATOR_PASSWORD)
    env.get("GRAFANA_PASSWORD")
    for service in SERVICES:
        _service(env, service, "postgres:5432", s3=True)
    for service in OWNERS:
        _migration(env, service, "postgres:5432")
    env.write()
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys.chmod(0o700)
    made = [name for name, make in KEYS.items() if keep_private(keys / name, make, 0o444)]
    keep_operator_key(keys, env)
    return Report(env.added + made, [(env_file, name) for name in env.empty])


def kubernetes(folder: Path, database: str, *, own_servers: bool) -> Report:
    """A file for each Secret of an overlay, which kustomize reads. own_servers: PostgreSQL and S3 are the overlay's own."""
    files: list[EnvFile] = []

    def file(name: str) -> EnvFile:
        files.append(EnvFile(folder / f"{name}.env"))
        return files[-1]

    for service in SERVICES:
        _service(file(service), service, database, s3=own_servers)
    for service in OWNERS:
        _migration(file(f"{service}-migrate"), service, database)
    file("nats").get(OPERATOR_PASSWORD)
    if own_servers:
        file("postgres").get("POSTGRES_PASSWORD")
    for env in files:
        env.write()
    keys = KEYS if own_servers else {"audit-key": new_key}
    made = [name for name, make in keys.items() if keep_private(folder / name, make)]
    keep_operator_key(folder, next(env for env in files if env.path.stem == "auth"))
    return Report(
        [name for env in files for name in env.added] + made, [(env.path, name) for env in files for name in env.empty]
    )
