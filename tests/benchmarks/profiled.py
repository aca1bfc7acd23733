"""One more process of a service, with a sampling profiler inside, and what it saw.

cProfile will not do: it makes small functions dearer than they are, and where uvloop drives coroutines it loses count of who
returned, so that waiting lands on whoever ran last.
"""

import importlib
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import msgspec

from tests.benchmarks import replica

STOP_S = 20.0
LINES = 14
EVERY_S = 0.004  # many kernels tick no faster


class Line(msgspec.Struct):
    """A function and its share of the CPU time in percent: its own, and with everything that it calls."""

    function: str
    own: float
    under: float


class Seen(msgspec.Struct):
    """Samples, and how many of them were in a function or anywhere under it."""

    samples: int
    own: dict[str, int]
    under: dict[str, int]


def start(
    service: str, home: Path, urls: dict[str, str], output: Path, port: int, environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """A replica beside those that the launcher keeps. port: of the gateway's HTTP. Returns when it is ready."""
    command = [sys.executable, "-m", "tests.benchmarks.profiled", service, str(output)]
    return replica.start(service, command, home, urls, port, environment, INSTANCE=f"{service}-profiled")


def finish(process: "subprocess.Popen[bytes]", output: Path) -> list[Line]:
    """Stop it and read what it has seen."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    seen = msgspec.json.decode(output.read_bytes(), type=Seen)
    ordered = sorted(seen.own, key=lambda function: seen.own[function], reverse=True)[:LINES]
    return [
        Line(function, seen.own[function] / seen.samples * 100, seen.under[function] / seen.samples * 100)
        for function in ordered
    ]


class Sampler:
    """Looks where the main thread is whenever the process has used another 4 ms of CPU; waiting does not count.

    What C does (a system call, a parser) is counted for the Python function that called it or, if the event loop called it
    by itself, for the callback that comes next.
    """

    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._under: Counter[CodeType] = Counter()
        self._samples = 0

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def stop(self) -> Seen:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return Seen(self._samples, _named(self._own), _named(self._under))

    def _look(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._samples += 1
        self._own[frame.f_code] += 1
        on_stack = set()
        while frame is not None:
            on_stack.add(frame.f_code)
            frame = frame.f_back
        self._under.update(on_stack)


def _named(counted: "Counter[CodeType]") -> dict[str, int]:
    named: Counter[str] = Counter()
    for code, count in counted.items():
        named[f"{'/'.join(Path(code.co_filename).parts[-2:])} {code.co_qualname}"] += count
    return dict(named)


def main() -> None:
    """`python -m tests.benchmarks.profiled SERVICE FILE`"""
    service, output = sys.argv[1:]
    del sys.argv[1:]
    serve = importlib.import_module(f"parley_{service}.app").main
    sampler = Sampler()
    # The first seconds are spent with getting up and letting people in; the load comes after them.
    signal.signal(signal.SIGUSR1, lambda _number, _frame: sampler.start())
    try:
        serve()
    finally:
        Path(output).write_bytes(msgspec.json.encode(sampler.stop()))


if __name__ == "__main__":
    main()
