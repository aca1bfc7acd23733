"""`parley-local restore`: a home from a backup, as it was at its end or at a moment before.

PostgreSQL replays WAL up to that moment and begins a new timeline there. That is another history, so messages makes a new epoch at its
first connection, and every client and the search index read anew by themselves.
"""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import asyncpg

from parley_local.backup import BASE, OBJECTS, SECRETS, WAL, made_of, whole_sets
from parley_local.bucket import Bucket
from parley_local.home import Home, Unusable, explain
from parley_local.secrets import Secrets
from parley_shared import embedded

LOOK_S: Final = 0.2
START_S: Final = 60.0
RESET: Final = ("restore_command", "recovery_target_time", "recovery_target_action")


@dataclass(frozen=True, slots=True)
class Restored:
    """timeline: of the new history. last: when the last transaction was committed that is in it. objects: of images."""

    timeline: int
    last: datetime | None
    objects: int


def chosen(source: Path, until: datetime | None) -> Path:
    """The newest set that was whole by then. Raises Unusable."""
    sets = whole_sets(source)
    if until is not None:
        sets = [folder for folder in sets if datetime.fromisoformat(made_of(folder).ended) <= until]
    if not sets:
        when = "" if until is None else f" that was whole by {until:%Y-%m-%d %H:%M:%S} UTC"
        raise Unusable(f"{source} has no set{when}.")
    return sets[-1]


def restore(source: Path, home_path: Path, until: datetime | None, said: Callable[[str], None]) -> Restored:
    """home_path: where nothing is yet. Raises Unusable, also if it is in use."""
    folder = chosen(source.absolute(), until)
    home = Home(home_path)
    try:
        for name in ("postgres", "s3"):
            if (home.path / name).exists():
                raise Unusable(
                    f"{home.path / name} is there already. Move {home.path} away first; nothing was changed."
                )
        said(f"from {folder}")
        try:
            return _restored(source.absolute(), folder, home, until, said)
        except OSError as error:
            raise Unusable(explain(error, home.path)) from None
    finally:
        home.release()


def _restored(source: Path, folder: Path, home: Home, until: datetime | None, said: Callable[[str], None]) -> Restored:
    secrets = home.path / "secrets"
    if not secrets.exists():
        shutil.copytree(source / SECRETS, secrets)
    kept = Secrets(secrets)
    data, wal = home.path / "postgres", home.path / "restored-wal"
    shutil.copytree(folder / BASE, data)
    shutil.copytree(folder / WAL, wal)
    _configure(data, wal, until)
    _give_away(data, wal)
    with _postgres(data, home.path / "logs" / "restore.log", kept.get("postgres-admin")) as url:
        timeline, last = anyio.run(_settled, url)
    shutil.rmtree(wal)
    reached = "" if last is None else f"; the last transaction in it is of {last:%Y-%m-%d %H:%M:%S.%f} UTC"
    said(f"PostgreSQL is at the beginning of timeline {timeline}{reached}")
    with _s3(home, kept) as address:
        objects = Bucket.of(address, secrets).put_from(source / OBJECTS)
    said(f"{objects:,} objects of images")
    return Restored(timeline, last, objects)


def _configure(data: Path, wal: Path, until: datetime | None) -> None:
    place = shlex.quote(str(wal)).replace("%", "%%")
    # The segment that was being written has come as far as it had got.
    command = f"cp {place}/%f %p || cp {place}/%f.partial %p"
    lines = [f"restore_command = {_quoted(command)}", "recovery_target_action = 'promote'"]
    if until is not None:
        lines.append(f"recovery_target_time = {_quoted(until.astimezone(UTC).isoformat(sep=' '))}")
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    (data / "recovery.signal").touch()


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _give_away(*folders: Path) -> None:
    """To whom PostgreSQL runs as."""
    user = embedded.postgres_user()
    for folder in folders:
        folder.chmod(0o700)
        if user is None:
            continue
        embedded.open_path(folder)
        account = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


@contextmanager
def _postgres(data: Path, log: Path, password: str) -> Iterator[str]:
    """It runs, and has come to the moment that was asked for. Raises Unusable if it cannot."""
    embedded.open_path(embedded.postgres_bin() / "postgres")
    port = embedded.free_port()
    url = embedded.postgres_url(port, password)
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 — our own binaries
            embedded.postgres_command(data, port),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd="/",
            **embedded.identity(embedded.postgres_user()),
        )
    try:
        while not anyio.run(_promoted, url):
            if process.poll() is not None:
                raise Unusable(f"PostgreSQL cannot be brought there:\n{log.read_text()[-1500:]}")
            threading.Event().wait(LOOK_S)
        yield url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()


async def _promoted(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        return not await connection.fetchval("SELECT pg_is_in_recovery()")
    finally:
        await connection.close()


async def _settled(url: str) -> tuple[int, datetime | None]:
    """Forget that it was a restore. (timeline, when the last transaction in it was committed)."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for name in RESET:
            await connection.execute(f"ALTER SYSTEM RESET {name}")
        row = await connection.fetchrow(
            "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,"
            " pg_last_xact_replay_timestamp()"
        )
        return row[0], row[1]
    finally:
        await connection.close()


@contextmanager
def _s3(home: Home, secrets: Secrets) -> Iterator[str]:
    """An S3 server on the home's folder; its address."""
    data, config = home.path / "s3", home.path / "s3.json"
    data.mkdir(exist_ok=True)
    config.touch(mode=0o600)
    config.write_text(embedded.s3_config("parley", secrets.get("s3")))
    port = embedded.free_port()
    inner = [embedded.free_port() for _ in range(embedded.S3_INNER_PORTS)]
    with (home.path / "logs" / "restore-s3.log").open("w") as output:
        process = subprocess.Popen(  # noqa: S603 — our own binaries
            embedded.s3_command(data, config, port, inner), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        waited = 0.0
        bucket = Bucket.of(f"http://127.0.0.1:{port}", home.path / "secrets")
        while not bucket.answers():
            if process.poll() is not None or waited > START_S:
                raise Unusable(f"The S3 server does not start; see {home.path / 'logs' / 'restore-s3.log'}.")
            threading.Event().wait(LOOK_S)
            waited += LOOK_S
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
