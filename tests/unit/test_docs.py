"""The documentation says what is so: its tables are today's, its links lead somewhere, and what it names exists."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
from pydantic_settings import BaseSettings

from parley_auth.settings import Settings as Auth
from parley_client.commands.main import app
from parley_gateway.settings import Settings as Gateway
from parley_local.settings import Settings as Launcher
from parley_media.settings import Settings as Media
from parley_messages.settings import Settings as Messages
from parley_presence.settings import Settings as Presence
from parley_search.settings import Settings as Search

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SETTING = re.compile(r"\bPARLEY_[A-Z0-9_]+")
OTHERS = {"PARLEY_URL", "PARLEY_CONFIG", "PARLEY_CHROMIUM"}
"""What the parley command reads besides PARLEY_HOME, and the tests in a browser."""


def pages() -> list[Path]:
    found = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if not name.startswith(".") and name != "node_modules"]
        found += [Path(folder) / name for name in files if name.endswith(".md")]
    return sorted(found)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shell_lines(page: Path) -> list[str]:
    """What somebody could type: the lines of code blocks, indented ones too, and the spans of code in the prose."""
    text = page.read_text()
    blocks = [line for block in CODE.findall(text) for line in block.splitlines()]
    prose = CODE.sub("", text)
    return [*blocks, *(line for line in prose.splitlines() if line.startswith("    ")), *SPAN.findall(prose)]


def settings() -> set[str]:
    models: list[type[BaseSettings]] = [Launcher, Auth, Gateway, Media, Messages, Presence, Search]
    return {
        f"{model.model_config.get('env_prefix', '')}{name.upper()}" for model in models for name in model.model_fields
    }


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub writes them in links."""
    prose = CODE.sub("", page.read_text())
    titles = re.findall(r"^#+ +(.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-") for title in titles}


def test_generated_tables_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/generate_docs.py", "--check"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_there_are_pages_with_generated_tables() -> None:
    """Else the test above proves nothing."""
    with_tables = {named(page) for page in pages() if "<!-- generated: " in page.read_text()}
    assert with_tables >= {
        "docs/access.md",
        "docs/limits.md",
        "docs/operations.md",
        "docs/protocol.md",
        "services/gateway/README.md",
    }


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = settings() | OTHERS
    for name in SETTING.findall(page.read_text()):
        if name.endswith("_"):  # PARLEY_AUTH_, or PARLEY_<SERVICE>_
            assert any(setting.startswith(name) for setting in known), name
        elif name not in known:
            # JetStream's stream has a name of the same kind.
            assert name == "PARLEY_MESSAGES", name


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in shell_lines(page):
        found = re.match(r"\s*(?:[A-Z_]+=\S+ )*make ([a-z0-9-]+)", line)
        if found:
            assert found[1] in targets, line


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_parley_command_that_a_page_names_exists(page: Path) -> None:
    for line in shell_lines(page):
        found = re.match(r"\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?parley +(.+)", line)
        if found:
            assert_is_command(found[1].split("#")[0].split(), line)


def assert_is_command(words: list[str], line: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in words:
        inner: dict[str, click.Command] | None = getattr(command, "commands", None)
        if inner is None:
            break
        if word not in inner:
            words = getattr(command, "takes_words", None)
            if words is not None:
                command = inner[words]
                break
            # A group that does something by itself takes no word that is not a command of its own.
            assert word.startswith("-"), line
            break
        command = inner[word]
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert any(option in parameter.opts for parameter in command.params), line
