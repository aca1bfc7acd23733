"""Every line that a service may log, read from its code: `log.<level>("<subject>.<what>", key=…)`."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("shared/src", "services/*/src")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EXPANDED = "**"
"""The key of what is spelled out nowhere."""


@dataclass(frozen=True)
class Call:
    """where: file and line. process: whose code it is, or `all`. event: None if it is not a text that stands there."""

    where: str
    process: str
    level: str
    event: str | None
    keys: tuple[str, ...]


def calls() -> Iterator[Call]:
    for pattern in SOURCES:
        for folder in sorted(ROOT.glob(pattern)):
            for path in sorted(folder.rglob("*.py")):
                if "testing" not in path.parts:
                    yield from _of(path)


def _of(path: Path) -> Iterator[Call]:
    relative = path.relative_to(ROOT)
    process = relative.parts[1] if relative.parts[0] == "services" else "all"
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
                first = node.args[0] if len(node.args) == 1 else None
                event = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
                keys = tuple(keyword.arg or EXPANDED for keyword in node.keywords)
                yield Call(f"{relative}:{node.lineno}", process, level, event, keys)
