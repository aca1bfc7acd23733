"""Sets of a backup: which are whole, which one a moment is restored from, and what a moment is written as."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from parley_local.backup import MARK, Running, whole_sets
from parley_local.bucket import Bucket
from parley_local.home import Unusable
from parley_local.restore import _configure, chosen

DAY = datetime(2026, 11, 24, 3, tzinfo=UTC)


def make_set(into: Path, day: int, *, whole: bool = True) -> Path:
    began = DAY + timedelta(days=day)
    folder = into / began.strftime("%Y%m%dT%H%M%SZ")
    folder.mkdir(parents=True)
    if whole:
        ended = began + timedelta(minutes=10)
        made = {"began": began.isoformat(), "ended": ended.isoformat(), "postgres": "18"}
        (folder / MARK).write_text(json.dumps(made))
    return folder


def test_a_moment_is_restored_from_the_last_set_that_was_whole_by_then(tmp_path: Path) -> None:
    sets = [make_set(tmp_path, day) for day in range(3)]
    make_set(tmp_path, 3, whole=False)
    (tmp_path / "objects").mkdir()
    assert whole_sets(tmp_path) == sets
    assert chosen(tmp_path, None) == sets[2]
    assert chosen(tmp_path, DAY + timedelta(days=2, minutes=5)) == sets[1]
    assert chosen(tmp_path, DAY + timedelta(days=2, minutes=15)) == sets[2]


def test_what_no_set_reaches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="has no set"):
        chosen(tmp_path, None)
    make_set(tmp_path, 0)
    with pytest.raises(Unusable, match="whole by 2026-11-24 03:05:00 UTC"):
        chosen(tmp_path, DAY + timedelta(minutes=5))


def test_a_backup_is_made_of_a_suite_that_runs(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="No suite runs"):
        Running.found(tmp_path)


def test_recovery_ends_at_the_moment_and_copes_with_any_path(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    wal = Path("/back up/100% 'mine'")
    _configure(data, wal, DAY)
    said = (data / "postgresql.auto.conf").read_text()
    assert "recovery_target_time = '2026-11-24 03:00:00+00:00'" in said
    assert "100%%" in said
    [command] = [line for line in said.splitlines() if line.startswith("restore_command")]
    assert command.count("'") % 2 == 0
    assert (data / "recovery.signal").exists()


def test_objects_that_no_kept_set_can_know_are_forgotten(tmp_path: Path) -> None:
    old, young = tmp_path / "images" / "old", tmp_path / "images" / "young"
    old.parent.mkdir()
    for path, day in ((old, 0), (young, 2)):
        path.touch()
        when = (DAY + timedelta(days=day)).timestamp()
        os.utime(path, (when, when))
    assert Bucket.forget(tmp_path, DAY + timedelta(days=1)) == 1
    assert not old.exists()
    assert young.exists()
