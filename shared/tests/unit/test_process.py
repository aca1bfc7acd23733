"""How a process ends by a bug, and how a job goes on after one."""

import asyncio
import json
import subprocess
import sys

import pytest

from parley_shared import service

CRASHING = """
import asyncio
from parley_shared.process import main
from parley_shared.settings import ServiceSettings

async def run(settings, stop):
    raise ValueError("a bug")

main("shared", ServiceSettings, run)
"""


def test_a_crash_is_one_line_like_every_event() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASHING],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"LOG_FORMAT": "json"},
    )
    assert done.returncode == 70
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["process.starting", "process.crashed"]
    assert "ValueError: a bug" in lines[1]["exception"]


@pytest.mark.parametrize(("seconds", "after_failure"), [(0.0, service.AFTER_FAILURE_S), (5.0, 5.0)])
async def test_a_job_that_fails_is_not_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch, seconds: float, after_failure: float
) -> None:
    pauses: list[float] = []

    async def slept(pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def work() -> None:
        if len(pauses) == 1:
            raise ValueError("once")

    monkeypatch.setattr(service.asyncio, "sleep", slept)
    with pytest.raises(asyncio.CancelledError):
        await service.repeat("a job", seconds, work)
    assert pauses == [seconds, after_failure, seconds]
