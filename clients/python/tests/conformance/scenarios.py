"""The scenarios of clients/conformance, with their names filled in. Its README says what each step means."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[3] / "conformance"
NAMES: dict[str, str] = json.loads((HOME / "names.json").read_text())

Scenario = dict[str, Any]


def scenarios() -> Iterator[tuple[str, Scenario]]:
    """(file, scenario)"""
    for path in sorted((HOME / "scenarios").iterdir()):
        text = re.sub(r"\$([a-z]+)", lambda found: NAMES.get(found[1], found[0]), path.read_text())
        for scenario in json.loads(text):
            for each in _each_of(scenario):
                yield path.stem, each


def _each_of(scenario: Scenario) -> Iterator[Scenario]:
    """One a value of `for_each`: the string "$CODE" is the value of `code`, with its type."""
    values = scenario.pop("for_each", None)
    if values is None:
        yield scenario
        return
    for name, choices in values.items():
        for choice in choices:
            text = json.dumps(scenario).replace(f'"${name.upper()}"', json.dumps(choice))
            yield {**json.loads(text), "name": f"{scenario['name']}: {json.dumps(choice)}"}
