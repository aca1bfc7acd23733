"""One JSON line an event, whoever logs it; secrets in neither form. In a process of its own, since logging is global."""

import json
import subprocess
import sys

import pytest

PREAMBLE = """
import asyncio, logging, structlog
from pydantic import SecretStr
from parley_shared.logging import configure_logging
configure_logging(service="thing", instance="thing-1", level={level!r}, log_format={form!r})
log = structlog.get_logger("x")
"""


def written(code: str, *, level: str = "info", form: str = "json") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE.format(level=level, form=form) + code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


FAILING = """
def sign_in(password):
    raise ValueError("no luck\\nin two lines")
try:
    sign_in("-".join(["my", "own", "password"]))
except ValueError:
    log.exception("it.failed", secret=SecretStr("-".join(["my", "own", "password"])))
"""


def test_every_line_is_json_with_who_what_and_when() -> None:
    lines = written(
        "log.info('happened', room='a\\nb', count=3); logging.getLogger('asyncio').warning('slow %s', 'loop')"
    )
    ours, theirs = (json.loads(line) for line in lines)
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {"event": "happened", "level": "info", "room": "a\nb", "count": 3, "service": "thing", "instance": "thing-1"}  # fmt: skip
    assert (theirs["event"], theirs["level"], theirs["service"]) == ("slow loop", "warning", "thing")


def test_a_bug_is_one_line_with_its_trace_and_without_values() -> None:
    [line] = written(FAILING)
    entry = json.loads(line)
    assert entry["level"] == "error"
    assert "ValueError: no luck" in entry["exception"]
    assert "my-own-password" not in line


def test_a_trace_on_a_console_shows_no_values_either() -> None:
    lines = written(FAILING, form="console")
    assert any("ValueError" in line for line in lines)
    assert "my-own-password" not in "\n".join(lines)


def test_what_cannot_be_json_is_written_all_the_same() -> None:
    [line] = written("log.info('odd', thing=object(), raw=b'\\xff')")
    assert json.loads(line)["event"] == "odd"


def test_less_than_the_level_is_not_written() -> None:
    assert written("log.info('x'); log.debug('x'); logging.info('x')", level="warning") == []


def test_servers_and_engines_do_not_talk_about_addresses_and_statements() -> None:
    names = ("uvicorn.access", "uvicorn.error", "sqlalchemy.engine", "alembic.runtime.migration")
    assert written("".join(f"logging.getLogger({name!r}).info('203.0.113.9');" for name in names)) == []


ROW = """
import asyncpg
try:
    raise RuntimeError("on top") from asyncpg.NotNullViolationError("null value in column")
except RuntimeError as error:
    error.__cause__.detail = "Failing row contains (1, my own words)."
    log.exception("it.failed")
    logging.getLogger("asyncio").error("never retrieved", exc_info=error)
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_row_that_the_database_refuses_is_not_written_down(form: str) -> None:
    lines = "\n".join(written(ROW, form=form))
    assert lines.count("null value in column") == 2
    assert "my own words" not in lines
