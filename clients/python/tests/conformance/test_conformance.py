"""The SDK does in every scenario of clients/conformance what it says there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .director import play
from .scenarios import HOME, scenarios
from .virtual_time import run

ALL = [pytest.param(scenario, id=f"{file}: {scenario['name']}") for file, scenario in scenarios()]


@pytest.mark.parametrize("scenario", ALL)
def test_a_scenario(scenario: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(play(scenario, str(tmp_path / "s"), monkeypatch)())


def test_what_is_generated_is_what_its_seed_says() -> None:
    subprocess.run([sys.executable, HOME / "generate.py", "--check"], check=True)
