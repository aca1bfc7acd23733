"""Processes that are kept alive: started, watched, started again, stopped."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import psutil

from parley_shared import embedded

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
STEADY_S = 20.0
"""A process that lived so long starts again at once when it dies."""
POLL_S = 0.05
LOG_BYTES = 50 * 1024 * 1024

_PR_SET_PDEATHSIG = 1


class GaveUp(Exception):  # noqa: N818 — an ending, told in its sentence
    """A process did not become ready."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and how to tell that it works. stop_with: the signal that makes it end in good order. internal: the port of
    /livez, /readyz and /metrics, if it has one. nice: above 0 it gives way to the others when the processors are busy, as soon as it is
    ready: whoever waits for its start does not wait longer for it."""

    name: str
    command: list[str]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] | None = None
    user: str | None = None
    stop_with: signal.Signals = signal.SIGTERM
    port: int = 0
    internal: int = 0
    nice: int = 0


@dataclass(slots=True)
class Kept:
    """One program and its process of the moment."""

    program: Program
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    stopping: bool = False
    deaths: int = 0

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid


def _in_child(program: Program) -> Callable[[], None]:
    """Linux: the kernel signals the child when the launcher is killed, so that nothing is left behind."""
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        if hasattr(libc, "prctl"):
            libc.prctl(_PR_SET_PDEATHSIG, int(program.stop_with))

    return prepare


class Supervisor:
    """changed: called after every start, with all that is kept; said: told of deaths and restarts."""

    def __init__(
        self, group: anyio.abc.TaskGroup, *, changed: Callable[[], None], said: Callable[[str, str], None]
    ) -> None:
        self._group = group
        self._changed = changed
        self._said = said
        self.kept: list[Kept] = []

    async def start(self, program: Program, *, within: float) -> Kept:
        """Start it and wait until it is ready. Raises GaveUp with the end of its log."""
        kept = Kept(program)
        self.kept.append(kept)
        await self._spawn(kept)
        self._changed()
        self._group.start_soon(self._keep, kept)
        deadline = time.monotonic() + within
        while not await program.ready():
            if kept.deaths >= 3 or time.monotonic() > deadline:
                raise GaveUp(f"{program.name} does not start. The end of {program.log}:\n{_tail(program.log)}")
            await anyio.sleep(POLL_S)
        return kept

    async def _spawn(self, kept: Kept) -> None:
        program = kept.program
        kept.started = time.monotonic()
        if program.log.exists() and program.log.stat().st_size > LOG_BYTES:
            program.log.replace(program.log.with_suffix(".log.old"))
        # Shielded: cancelled halfway there would be a process that nobody knows of and nobody stops.
        with program.log.open("ab") as log, anyio.CancelScope(shield=True):
            # anyio's own open_process has no way to run something in the child before the program.
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=program.env,
                **embedded.identity(program.user),
                cwd="/" if program.user is not None else None,
                # A group of its own: Ctrl-C reaches the launcher alone, which stops everything in order.
                start_new_session=True,
                preexec_fn=_in_child(program),
            )
            kept.process = process
        if program.nice:
            self._group.start_soon(self._give_way, kept, process)

    async def _give_way(self, kept: Kept, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None and not kept.stopping:
            if await kept.program.ready():
                give_way(process.pid, kept.program.nice)
                break
            await anyio.sleep(POLL_S)

    async def _keep(self, kept: Kept) -> None:
        pause = FIRST_PAUSE_S
        while kept.process is not None:
            code = await kept.process.wait()
            if kept.stopping:
                break
            kept.deaths += 1
            lived = time.monotonic() - kept.started
            pause = pause_after(pause, lived, first=kept.deaths == 1)
            self._said(kept.program.name, f"ended with {_ending(code)}; it starts again in {pause:.1f} s")
            await anyio.sleep(pause)
            if kept.stopping:
                break
            # No memory, no descriptors, a full disk: that may pass, and giving up would outlast it.
            try:
                await self._spawn(kept)
            except OSError as error:
                self._said(kept.program.name, f"cannot be started: {error}")
                continue
            try:
                self._changed()
            except OSError as error:
                self._said("run.json", f"cannot be written: {error}")

    async def stop(self, chosen: list[Kept], *, within: float) -> None:
        """Ask them to end, and kill what has not after `within` seconds."""
        for kept in chosen:
            kept.stopping = True
            if kept.process is not None and kept.process.returncode is None:
                kept.process.send_signal(kept.program.stop_with)
        with anyio.move_on_after(within):
            for kept in chosen:
                if kept.process is not None:
                    await kept.process.wait()
        for kept in chosen:
            if kept.process is not None and kept.process.returncode is None:
                self._said(kept.program.name, "did not stop in time and is killed")
                kill_tree(kept.process.pid)
                await kept.process.wait()


def give_way(pid: int, nice: int) -> None:
    """From now on, with all of its threads. Linux; elsewhere it is only the process that is known by its pid."""
    with contextlib.suppress(OSError):
        # Where the kernel shares time among sessions first, this is what counts, and nice within the session alone.
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))
    with contextlib.suppress(psutil.NoSuchProcess):
        for thread in psutil.Process(pid).threads():
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, thread.id, nice)


def pause_after(pause: float, lived: float, *, first: bool) -> float:
    """Seconds until the next start: doubled while it keeps dying, back to the shortest after a steady life."""
    return FIRST_PAUSE_S if first or lived > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all that it started."""
    try:
        parent = psutil.Process(pid)
        processes = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tail(log: Path, lines: int = 12) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(it wrote nothing)"
