"""`parley-local backup`: PostgreSQL, images and secrets of a running suite, into a folder; once, or followed from then on.

A *set* is a base backup and the WAL that was written since it began, so that it can be brought to any moment from its end on. Images
and secrets lie beside the sets: an object never changes, and each is copied once.
"""

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import anyio
import asyncpg

from parley_local.bucket import Bucket
from parley_local.home import Unusable, explain
from parley_shared import embedded

STAMP: Final = "%Y%m%dT%H%M%SZ"
BASE, WAL, OBJECTS, SECRETS = "base", "wal", "objects", "secrets"
MARK: Final = "set.json"
"""Written last: a set without it is none."""
SYNC_S: Final = 10.0
"""Between two looks at the bucket while WAL is followed."""
RETRIES, RETRY_S = 20, 3.0
"""How often, and after what pause, a server is asked again that is away."""
BEGIN_S: Final = 60.0
STOP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Made:
    """A set. began, ended: of the base backup, in RFC 3339; it can be restored to `ended` and whatever its WAL reaches."""

    began: str
    ended: str
    postgres: str


@dataclass(frozen=True, slots=True)
class Running:
    """What run.json says of a suite that runs, and the keys of its bucket."""

    postgres_url: str
    s3_url: str
    home: Path

    @classmethod
    def found(cls, home: Path) -> "Running":
        """Raises Unusable if none runs there."""
        try:
            urls = json.loads((home / "run.json").read_text())["urls"]
            return cls(urls["postgres"], urls["s3"], home)
        except (OSError, ValueError, KeyError):
            raise Unusable(f"No suite runs in {home}: a backup is made of one that does. Start it: make run") from None

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    def bucket(self) -> Bucket:
        return Bucket.of(self.s3_url, self.secrets)


class Backup:
    """into: the folder of all sets. keep: how many of them stay. said: told what was done, in a sentence."""

    def __init__(self, running: Running, into: Path, *, keep: int, said: Callable[[str], None]) -> None:
        self._running = running
        self._into = into.absolute()
        self._keep = keep
        self._said = said
        self._receiver: subprocess.Popen[bytes] | None = None

    def once(self) -> Path:
        """One set, with all that was committed and uploaded when it ends. Raises Unusable."""
        made = self._begin()
        try:
            self._until_received(made)
        finally:
            self._end_receiving()
        self._copy_objects()
        self._prune()
        return made

    def follow(self, stop: threading.Event, *, every_s: float) -> None:
        """Sets, one every so many seconds, and all WAL and images in between, until told to stop. Raises Unusable."""
        while not stop.is_set():
            before, self._receiver = self._receiver, None
            # The set before is followed until the next one is whole, so that no moment is without.
            try:
                folder = self._begin()
            except Unusable as problem:
                self._said(f"{problem}; tried again")
                self._end_receiving()
                self._receiver = before
                stop.wait(SYNC_S)
                continue
            _end(before)
            self._prune()
            left = every_s
            while left > 0 and not stop.wait(min(SYNC_S, left)):
                left -= SYNC_S
                if not self._goes_on(folder / WAL, stop):
                    self._said(
                        "PostgreSQL was away for too long, or its WAL does not reach back so far; a new set begins"
                    )
                    break
        self._end_receiving()
        self._try_to_copy_objects()

    def _goes_on(self, folder: Path, stop: threading.Event) -> bool:
        """Copy what is new, and see to it that WAL comes. A server that was started anew is asked for where it was left off."""
        self._try_to_copy_objects()
        for _ in range(RETRIES):
            if self._receiver is None or self._receiver.poll() is None or stop.is_set():
                return True
            self._start_receiver(folder)
            stop.wait(RETRY_S)
        return False

    def _try_to_copy_objects(self) -> None:
        try:
            self._copy_objects()
        except Unusable as problem:
            self._said(f"{problem}; tried again")

    # -- one set

    def _begin(self) -> Path:
        """A base backup whose WAL is being received from then on."""
        began = datetime.now(UTC)
        folder = self._into / began.strftime(STAMP)
        try:
            for part in (self._into, folder, folder / WAL):
                part.mkdir(mode=0o700, exist_ok=True, parents=True)
        except OSError as error:
            raise Unusable(explain(error, self._into)) from None
        self._copy_secrets()
        self._receive(folder / WAL)
        options = ("--wal-method=fetch", "--checkpoint=fast", "--manifest-checksums=SHA256")
        self._tool("pg_basebackup", "--pgdata", folder / BASE, *options)
        self._verify(folder / BASE)
        if self._receiver is None or self._receiver.poll() is not None:
            raise Unusable(
                "WAL was recycled before it was received: the machine is too busy, or wal_keep_size too small"
            )
        self._copy_objects()
        ended = datetime.now(UTC)
        version = (folder / BASE / "PG_VERSION").read_text().strip()
        made = Made(began.isoformat(), ended.isoformat(), version)
        (folder / MARK).write_text(json.dumps(asdict(made), indent=2))
        self._said(
            f"{folder} is whole: it can be restored to {ended:%Y-%m-%d %H:%M:%S} UTC, and later as its WAL grows"
        )
        return folder

    def _receive(self, folder: Path) -> None:
        receiver = self._start_receiver(folder)
        deadline = _Deadline(BEGIN_S)
        # It asks for the segment that is being written, from its beginning; once that is there, nothing is missed.
        while not any(folder.iterdir()):
            if receiver.poll() is not None or deadline.passed():
                raise Unusable("PostgreSQL does not hand out its WAL; its log says why.")
            deadline.pause()

    def _start_receiver(self, folder: Path) -> subprocess.Popen[bytes]:
        command, environment = self._command("pg_receivewal", "--directory", folder, "--status-interval=1", "--no-loop")
        self._receiver = subprocess.Popen(  # noqa: S603 — our own binaries
            command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        return self._receiver

    def _until_received(self, folder: Path) -> None:
        """All that is committed now is in the set."""
        segment = anyio.run(switched, self._running.postgres_url)
        deadline = _Deadline(BEGIN_S)
        while not (folder / WAL / segment).exists():
            if deadline.passed():
                raise Unusable(f"{folder / WAL / segment} did not come within {BEGIN_S:.0f} s.")
            deadline.pause()

    def _end_receiving(self) -> None:
        _end(self._receiver)
        self._receiver = None

    def _copy_secrets(self) -> None:
        """They are what makes the rest readable: whoever keeps them elsewhere takes them away from here."""
        target = self._into / SECRETS
        shutil.copytree(self._running.secrets, target, dirs_exist_ok=True)
        target.chmod(0o700)

    def _copy_objects(self) -> None:
        """What the bucket has and the folder has not."""
        copied = self._running.bucket().copy_into(self._into / OBJECTS)
        if copied:
            self._said(f"{copied:,} objects copied")

    def _prune(self) -> None:
        sets = whole_sets(self._into)
        for folder in sets[: -self._keep]:
            shutil.rmtree(folder)
            self._said(f"{folder} was removed: {self._keep} newer ones are there")
        kept = sets[-self._keep :]
        if kept:
            began = datetime.fromisoformat(made_of(kept[0]).began)
            forgotten = Bucket.forget(self._into / OBJECTS, began)
            if forgotten:
                self._said(f"{forgotten:,} objects were removed: no set that is kept knows them")

    def _verify(self, base: Path) -> None:
        """Every file by its checksum, and that the WAL which it needs is there and whole. Raises Unusable.

        As pg_verifybackup does, which the wheel ships in a form that does not run.
        """
        manifest = json.loads((base / "backup_manifest").read_text())
        for entry in manifest["Files"]:
            name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode()
            with (base / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != entry["Checksum"]:
                raise Unusable(f"{base / name} is not what PostgreSQL sent. Is the disk sound?")
        for part in manifest["WAL-Ranges"]:
            where = ("--path", base / "pg_wal", "--timeline", str(part["Timeline"]))
            limits = ("--start", part["Start-LSN"], "--end", part["End-LSN"])
            self._run(embedded.postgres_bin() / "pg_waldump", "--quiet", *where, *limits)

    # -- PostgreSQL's own tools

    def _command(self, tool: str, *words: str | Path) -> tuple[list[str], dict[str, str]]:
        parts = urlsplit(self._running.postgres_url)
        where = ["--host", parts.hostname or "", "--port", str(parts.port or 5432), "--username", parts.username or ""]
        command = [str(embedded.postgres_bin() / tool), *where, "--no-password", *map(str, words)]
        # A password in the arguments would be read by everybody on the machine.
        return command, {**os.environ, "PGPASSWORD": unquote(parts.password or "")}

    def _tool(self, tool: str, *words: str | Path) -> None:
        command, environment = self._command(tool, *words)
        self._run(*command, environment=environment)

    def _run(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        done = subprocess.run(  # noqa: S603 — our own binaries
            [str(word) for word in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unusable(f"{Path(command[0]).name}: {done.stderr.strip()[-1500:]}")


class _Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def passed(self) -> bool:
        return self._left <= 0

    def pause(self) -> None:
        threading.Event().wait(0.1)
        self._left -= 0.1


async def switched(url: str) -> str:
    """The name of the segment that holds the end of all WAL until now, and will have no more in it."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        # Where nothing was written since the last one ended none is ended: then it is the one before, and not the empty one.
        return str(await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal() - 1::numeric)"))
    finally:
        await connection.close()


def _end(receiver: subprocess.Popen[bytes] | None) -> None:
    if receiver is None or receiver.poll() is not None:
        return
    receiver.terminate()
    try:
        receiver.wait(STOP_S)
    except subprocess.TimeoutExpired:
        receiver.kill()
        receiver.wait()


def whole_sets(into: Path) -> list[Path]:
    """The oldest first."""
    return sorted(mark.parent for mark in into.glob(f"*/{MARK}"))


def made_of(folder: Path) -> Made:
    return Made(**json.loads((folder / MARK).read_text()))
