"""What the terminal shows of the logs: what matters, each line once."""

import json
from pathlib import Path

import pytest

from parley_local.report import LogFollower, Terminal


def line(level: str, event: str, **more: object) -> str:
    return json.dumps({"event": event, "level": level, "service": "auth", "timestamp": "t", **more}) + "\n"


def test_warnings_and_errors_are_shown_once_and_the_rest_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "auth.log"
    log.write_text(line("error", "old.news"))
    follower = LogFollower(Terminal())
    follower.add(log)
    with log.open("a") as file:
        file.write(line("info", "all.well") + line("error", "it.broke", job="[red]x") + "no json\n[1]\n" + line("warning", "half")[:10])  # fmt: skip
    follower.look()
    follower.look()
    with log.open("a") as file:
        file.write(line("warning", "half")[10:])
    follower.look()
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["! auth it.broke job=[red]x", "! auth half "]


def test_a_log_that_was_put_aside_is_read_from_its_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "auth.log"
    log.write_text(line("info", "x") * 100)
    follower = LogFollower(Terminal())
    follower.add(log)
    log.replace(tmp_path / "auth.log.old")
    follower.look()
    log.write_text(line("error", "new.one"))
    follower.look()
    assert "new.one" in capsys.readouterr().out


def test_a_sentence_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().fail("word " * 100 + "[end]")
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
