"""The TypeScript SDK against the suite: its own tests in Node, and the program of its README."""

import re

from tests.conftest import Suite
from tests.node import ROOT, node, vitest

SDK = ROOT / "clients" / "typescript"


async def test_the_typescript_sdk_loses_and_doubles_nothing(suite: Suite, control: str) -> None:
    addresses = {"PARLEY_URLS": ",".join(suite.urls), "PARLEY_CONTROL": control}
    await vitest("vitest.integration.config.ts", cwd=SDK, **addresses)


async def test_the_programs_in_its_readme_run_one_after_the_other(suite: Suite) -> None:
    text = (SDK / "README.md").read_text().replace("http://127.0.0.1:8000", suite.urls[0])
    programs = re.findall(r"```ts\n(.*?)```", text, re.DOTALL)
    # As an application has it: the package by its name, here from its source.
    flags = ["--conditions=source", "--input-type=module-typescript", "--eval"]
    outputs = [await node(*flags, program, cwd=ROOT) for program in programs]
    start, events, outbox, errors = outputs
    assert re.fullmatch(r"committed as 2 at \S+Z\n", start)
    assert "2: Hello!" in events
    assert outbox.splitlines() == ["waiting: Later.", "committed: Later."]
    assert errors == "rev_conflict warm\n"
