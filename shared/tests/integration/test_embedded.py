"""The servers as they come in wheels: safe by their settings, closed to strangers, and stopped in good order."""

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from parley_shared import embedded
from parley_shared.testing.fixtures import Postgres


def until(question: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_free_port_is_free_and_a_taken_one_is_taken() -> None:
    port = embedded.free_port()
    assert not embedded.port_is_taken("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert embedded.port_is_taken("127.0.0.1", port)
        assert embedded.port_is_taken("0.0.0.0", port)
    assert not embedded.port_is_taken("127.0.0.1", port)


def test_no_two_who_ask_get_the_same_port() -> None:
    """Nobody listens on any of them yet, and they come from several processes at once."""
    ask = "from parley_shared import embedded; print(*[embedded.free_port() for _ in range(40)], flush=True); input()"
    askers = [
        subprocess.Popen([sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    given = [embedded.free_port() for _ in range(40)]
    for asker in askers:
        assert asker.stdout is not None
        given += map(int, asker.stdout.readline().split())
    for asker in askers:
        asker.communicate("\n")
    assert len(given) == len(set(given)) == 200


def test_what_somebody_else_will_listen_on_is_not_given_out() -> None:
    ask = (
        "from parley_shared import embedded; embedded.spare(set(embedded.PORTS) - set(range(12_000, 12_400)));"
        " print(embedded.free_port())"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert int(done.stdout) in range(12_000, 12_400)


def test_no_port_is_given_out_at_which_somebody_elses_s3_has_left_its_sockets() -> None:
    """A folder stands for what we may not remove, whoever runs this."""
    first = embedded.free_port() + 1
    ours = {port: Path(f"/tmp/seaweedfs-s3-{port}.sock") for port in range(first, first + 10, 2)}
    theirs = {port: Path(f"/tmp/seaweedfs-filer-grpc-{port}.sock") for port in range(first + 1, first + 11, 2)}
    try:
        for left in ours.values():
            left.touch()
        for left in theirs.values():
            left.mkdir()
        given = {embedded.free_port() for _ in range(5)}
        assert given.isdisjoint(theirs)
        assert not any(ours[port].exists() for port in given & ours.keys())
    finally:
        for left in ours.values():
            left.unlink(missing_ok=True)
        for left in theirs.values():
            left.rmdir()


def test_only_folders_above_are_opened_and_only_for_passing(tmp_path: Path) -> None:
    above, below = tmp_path / "above", tmp_path / "above" / "below"
    below.mkdir(parents=True)
    for folder in (above, below):
        folder.chmod(0o700)
    embedded.open_path(below)
    assert stat.S_IMODE(above.stat().st_mode) == 0o701
    assert stat.S_IMODE(below.stat().st_mode) == 0o700


def test_a_process_of_another_user_has_none_of_our_groups() -> None:
    assert embedded.identity(None) == {}
    nobody = pwd.getpwnam("nobody")
    assert embedded.identity("nobody") == {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


async def test_postgresql_keeps_what_it_acknowledges_and_asks_for_passwords(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.admin_url)
    try:
        settings = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        assert {name: await connection.fetchval(f"SHOW {name}") for name in settings} == dict.fromkeys(settings, "on")
        assert await connection.fetchval("SHOW password_encryption") == "scram-sha-256"
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        assert int(await connection.fetchval("SHOW server_version_num")) >= 180000
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.admin_url.replace("postgres:", "postgres:not-"))


async def test_a_server_that_is_there_answers_and_one_that_is_not_does_not(postgres: Postgres) -> None:
    assert await embedded.postgres_answers(postgres.admin_url)
    assert await embedded.postgres_answers(postgres.admin_url.rpartition("/")[0] + "/no_such_database")
    assert not await embedded.postgres_answers("postgresql://me:x@127.0.0.1:1/parley")


async def test_a_database_is_made_once(postgres: Postgres) -> None:
    for _ in range(2):
        await embedded.make_database(postgres.admin_url, "made_once")
    assert await embedded.postgres_answers(postgres.admin_url.rpartition("/")[0] + "/made_once")


def test_a_cluster_is_made_once_and_belongs_to_who_runs_it(tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres"
    data.parent.mkdir()
    embedded.prepare_postgres(data, "a password")
    made = (data / "PG_VERSION").stat().st_mtime_ns
    embedded.prepare_postgres(data, "another password")
    assert (data / "PG_VERSION").stat().st_mtime_ns == made
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    owner = embedded.postgres_user()
    assert data.stat().st_uid == (os.geteuid() if owner is None else pwd.getpwnam(owner).pw_uid)
    assert [path.name for path in data.parent.iterdir()] == ["postgres"], "the password's file is gone"


def listening(pid: int) -> set[int]:
    """TCP ports on which a process listens."""
    mine = {
        os.readlink(f"/proc/{pid}/fd/{fd}").removeprefix("socket:[").removesuffix("]")
        for fd in os.listdir(f"/proc/{pid}/fd")
    }
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in mine}


def test_s3_starts_refuses_strangers_and_stops(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    config = tmp_path / "s3.json"
    config.write_text(embedded.s3_config("parley", "a secret key"))
    port = embedded.free_port()
    inner = [embedded.free_port() for _ in range(embedded.S3_INNER_PORTS)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            embedded.s3_command(tmp_path / "data", config, port, inner), stdout=log, stderr=log, cwd="/"
        )

    def refuses() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        try:
            urllib.request.urlopen(request, timeout=2)
        except urllib.error.HTTPError as error:
            return error.code == 403
        except OSError:
            return False
        pytest.fail("a stranger has made a bucket")

    try:
        until(refuses)
        assert listening(process.pid) <= {port, *inner}, "a second one on this machine would find its ports taken"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert not embedded.port_is_taken("127.0.0.1", port)
