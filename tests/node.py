"""Programs in Node, and what they may ask of the suite."""

import asyncio
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
WITHIN_S = 300.0


async def node(*words: str | Path, cwd: Path, within_s: float = WITHIN_S, **environment: str) -> str:
    """What Node prints, once it has ended with 0."""
    process = await asyncio.create_subprocess_exec(
        BIN / "node",
        *words,
        cwd=cwd,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "NO_COLOR": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(within_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def vitest(config: str, *, cwd: Path, within_s: float = WITHIN_S, **environment: str) -> None:
    """All tests of a configuration; none of them may be missing or left out."""
    program = ROOT / "node_modules" / "vitest" / "vitest.mjs"
    output = await node(program, "run", "--config", config, cwd=cwd, within_s=within_s, **environment)
    assert re.search(r"Tests +\d+ passed \(\d+\)", output), output


def handler(kill: Callable[[str, int], int]) -> type[BaseHTTPRequestHandler]:
    class Control(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            _, verb, name, index = self.path.split("/")
            assert verb == "kill"
            kill(name, int(index))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *given: object) -> None:  # noqa: A002
            """Nobody reads it."""

    return Control
