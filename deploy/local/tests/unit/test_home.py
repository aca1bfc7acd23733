"""The home: one launcher at a time, nothing left of the one before, and sentences where it cannot be used."""

import errno
import json
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from parley_local.home import Home, Unusable, explain
from parley_local.report import write_run_file
from parley_local.secrets import Secrets


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def run_of(process: subprocess.Popen[bytes], seconds: float = 0.0) -> dict[str, object]:
    return {"search": [{"pid": process.pid, "port": 1, "started": psutil.Process(process.pid).create_time() + seconds}]}


@pytest.mark.parametrize("frozen", [False, True])
def test_what_a_killed_launcher_left_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes], frozen: bool) -> None:
    home = Home(tmp_path)
    write_run_file(home.run_file, run_of(sleeper))
    if frozen:
        sleeper.send_signal(signal.SIGSTOP)
    assert home.clean_up() == [sleeper.pid]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert home.clean_up() == []


def test_a_stranger_with_the_same_number_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = Home(tmp_path)
    write_run_file(home.run_file, run_of(sleeper, seconds=-100))
    assert home.clean_up() == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"search": [{"pid": null}], "urls": {"http": "x"}}', "\x00"])
def test_a_damaged_run_json_harms_nobody(tmp_path: Path, content: str) -> None:
    home = Home(tmp_path)
    home.run_file.write_text(content)
    assert home.clean_up() == []


def test_a_second_launcher_is_told_who_holds_it(tmp_path: Path) -> None:
    import os

    first = Home(tmp_path)
    with pytest.raises(Unusable, match=f"in use by process {os.getpid()}"):
        Home(tmp_path)
    first.release()
    Home(tmp_path).release()


def test_too_little_space_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=3 * 1024**2))
    with pytest.raises(Unusable, match="is full: 3 MiB are free, 512 MiB are needed"):
        Home(tmp_path / "home")


def test_errors_of_the_file_system_become_sentences(tmp_path: Path) -> None:
    assert "is full" in explain(OSError(errno.ENOSPC, "x"), tmp_path)
    for code in (errno.EACCES, errno.EPERM, errno.EROFS):
        assert "cannot be written to by this user" in explain(OSError(code, "x"), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="cannot be used: "):
        Home(tmp_path / "file" / "home")


def test_run_json_is_whole_or_not_there_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run_file(path, {"a": 1})
    held = path.open()
    write_run_file(path, {"a": 2})
    assert json.load(held) == {"a": 1}, "who was reading reads on"
    held.close()
    with pytest.raises(TypeError):
        write_run_file(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    first = Secrets(tmp_path / "secrets").get("operator-key")
    assert Secrets(tmp_path / "secrets").get("operator-key") == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "operator-key").stat().st_mode) == 0o600
    assert len({*Secrets(tmp_path / "secrets").nats().values()}) == 13
