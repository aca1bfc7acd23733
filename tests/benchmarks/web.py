"""What the web client feels like: how soon a room is there, how smoothly it scrolls, how soon one sees what one has sent, and whether
its memory stays where it is while others talk.

    .venv/bin/python tests/benchmarks/web.py [--quick] [--only NAME] [--minutes 5] [--json FILE] [--page docs/web.md]

A browser without a screen looks at a whole suite on this machine, and both share its processors: where figures are bad, look at
what else runs. Measured is in the page, by its own clock (web/tests/benchmarks).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.machine import described, put_figures
from tests.conftest import GENEROUS, Suite
from tests.node import ROOT, node

WITHIN_S = 3 * 3600.0
FRAME_MS = 1000 / 60
# Frames come at the beat of the display; the clock that stamps them is a little off it.
ON_TIME_MS = FRAME_MS * 1.1
LONG_MS = 50.0
# What is loaded at first is no growth: a page that has just been opened is left out.
SETTLED = 0.2
PASSED_ON = ("PARLEY_CHROMIUM", "HOME")
TESTS = {"click": "from a click", "scroll": "scrolling", "memory": "memory"}


async def measure(suite: Suite, *, room: int, long: int, minutes: float, only: str | None) -> dict[str, Any]:
    """The figures that web/tests/benchmarks/figures.ts describes, as far as they were measured."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        file = Path(folder) / "figures.json"
        environment = {
            "PARLEY_URLS": ",".join(suite.urls),
            "PARLEY_FIGURES": str(file),
            "PARLEY_BENCH_ROOM": str(room),
            "PARLEY_BENCH_LONG": str(long),
            "PARLEY_BENCH_MINUTES": str(minutes),
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        }
        vitest = ROOT / "node_modules" / "vitest" / "vitest.mjs"
        chosen = ["--testNamePattern", TESTS[only]] if only else []
        words: list[str | Path] = [vitest, "run", "--config", "vitest.bench.config.ts", *chosen]
        print(await node(*words, cwd=ROOT / "web", within_s=WITHIN_S, **environment), file=sys.stderr)
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def table(found: dict[str, Any]) -> str:
    """What was measured, beside what is wanted."""
    lines = [described() + ", a browser without a screen, the whole suite beside it.", ""]
    lines += ["| what | wanted | found |", "|---|---|---|"]
    if "click" in found:
        room = f"{found['room']:,} messages"
        for name, said in (
            ("next", "nothing of it loaded yet, from another room"),
            ("first", "the same, the first messages of the visit"),
            ("unread", "the same, something in it unread"),
            ("again", "seen before in this visit"),
        ):
            lines.append(f"| click to room, {room}, {said} | ≤ 100 ms | {_spread(found['click'][name])} |")
    if "own" in found:
        lines.append(f"| Enter to one's own message in the page | ≤ 16 ms | {_spread(found['own']['drawn'])} |")
        lines.append(f"| Enter to the frame that shows it | the next frame | {_spread(found['own']['painted'])} |")
    for name, said in (("loaded", "through what is loaded"), ("loading", "upwards, read meanwhile")):
        frames = found.get("frames", {}).get(name)
        if frames:
            what = f"3,000 px/s in a room of {found['long']:,}, {said}"
            lines.append(f"| {what} | 60 frames a second | {_frames(frames)} |")
    if "memory" in found:
        lines.append(
            f"| memory, {found['minutes']:g} minutes of 10 messages a second | flat | {_memory(found['memory'])} |"
        )
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"median {median(ordered):.0f} ms, 95% {ordered[int(0.95 * (len(ordered) - 1))]:.0f} ms, most {ordered[-1]:.0f} ms"


def _frames(values: Sequence[float]) -> str:
    on_time = sum(value <= ON_TIME_MS for value in values) / len(values)
    late = sum(value > LONG_MS for value in values)
    seconds = sum(values) / 1000
    return (
        f"{len(values) / seconds:.0f} a second; {on_time:.1%} on time, {late} of {len(values)} later than {LONG_MS:.0f} ms, "
        f"longest {max(values):.0f} ms"
    )


def _memory(samples: Sequence[dict[str, float]]) -> str:
    end = samples[-1]["at"]
    settled = [sample for sample in samples if sample["at"] >= SETTLED * end]
    heap = f"{settled[0]['heap'] / 2**20:.1f} → {settled[-1]['heap'] / 2**20:.1f} MiB"
    nodes = f"{settled[0]['nodes']:,.0f} → {settled[-1]['nodes']:,.0f} nodes"
    hourly = _slope([(sample["at"] / 60, sample["heap"] / 2**20) for sample in settled])
    return f"{heap}, {nodes} ({hourly:+.1f} MiB an hour, if it went on so; {samples[-1]['messages']:,.0f} messages)"


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    square = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / square if square else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter: shows that it works, and not much more"
    )
    parser.add_argument("--only", choices=TESTS, help="one of the loads")
    parser.add_argument("--minutes", type=float, help="of the last load")
    parser.add_argument("--json", type=Path, help="keep what was measured, as it was")
    parser.add_argument("--page", type=Path, help="put the figures into this page")
    chosen = parser.parse_args()
    minutes = chosen.minutes or (1.0 if chosen.quick else 5.0)
    suite = Suite(1, {**GENEROUS, "PARLEY_AUTH_HASH_MEMORY_KIB": "64"})
    try:
        suite.start()
        room, long = (1_000, 2_000) if chosen.quick else (10_000, 50_000)
        found = asyncio.run(measure(suite, room=room, long=long, minutes=minutes, only=chosen.only))
    finally:
        suite.remove()
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found))
    figures = table(found)
    print(figures)
    if chosen.page is not None:
        put_figures(chosen.page, "figures of the web client", figures)


if __name__ == "__main__":
    main()
