"""Real processes, kept alive: started again with growing pauses, stopped in good order or by force."""

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import psutil
import pytest

from parley_local import supervisor as module
from parley_local.supervisor import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, GaveUp, Program, Supervisor, pause_after


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


def program(tmp_path: Path, code: str, ready: Callable[[], Awaitable[bool]] = at_once) -> Program:
    return Program(name="thing", command=[sys.executable, "-c", code], log=tmp_path / "thing.log", ready=ready)


async def until(question: Callable[[], bool]) -> None:
    with anyio.fail_after(15):
        while not question():
            await anyio.sleep(0.02)


def test_pauses_grow_while_it_keeps_dying_and_start_over_after_a_steady_life() -> None:
    pauses = [pause_after(FIRST_PAUSE_S, 0.0, first=True)]
    for _ in range(10):
        pauses.append(pause_after(pauses[-1], 0.1, first=False))
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pause_after(LONGEST_PAUSE_S, STEADY_S + 1, first=False) == FIRST_PAUSE_S


async def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    changes: list[int] = []
    said: list[str] = []
    async with anyio.create_task_group() as group:
        keeper = Supervisor(group, changed=lambda: changes.append(1), said=lambda _, what: said.append(what))
        kept = await keeper.start(program(tmp_path, "import time; time.sleep(60)"), within=10)
        first = kept.pid
        assert first is not None
        psutil.Process(first).kill()
        await until(lambda: kept.pid != first)
        assert kept.pid is not None
        assert psutil.pid_exists(kept.pid)
        assert len(changes) == 2
        assert said == ["ended with signal SIGKILL; it starts again in 0.2 s"]
        await keeper.stop([kept], within=5)
        assert not psutil.pid_exists(kept.pid)


async def test_what_gives_way_does_so_once_it_is_ready_and_again_after_a_death(tmp_path: Path) -> None:
    async with anyio.create_task_group() as group:
        keeper = Supervisor(group, changed=lambda: None, said=lambda _who, _what: None)
        sleeping = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)"
        usual = await keeper.start(program(tmp_path, sleeping), within=10)
        kept = await keeper.start(replace(program(tmp_path, sleeping), nice=10), within=10)
        await until(lambda: gives_way(kept.pid))
        assert not gives_way(usual.pid)
        first = kept.pid
        assert first is not None
        psutil.Process(first).kill()
        await until(lambda: kept.pid != first and gives_way(kept.pid))
        await keeper.stop(keeper.kept, within=5)


def gives_way(pid: int | None) -> bool:
    """All of its threads."""
    assert pid is not None
    try:
        nice = {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in psutil.Process(pid).threads()}
        group = Path(f"/proc/{pid}/autogroup")
        return nice == {10} and (not group.exists() or group.read_text().endswith("nice 10\n"))
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False


async def test_what_never_becomes_ready_is_given_up_with_the_end_of_its_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            keeper = Supervisor(group, changed=lambda: None, said=lambda _who, _what: None)
            try:
                await keeper.start(program(tmp_path, "raise SystemExit('no luck')", never), within=20)
            finally:
                await keeper.stop(keeper.kept, within=1)
                group.cancel_scope.cancel()

    with pytest.raises(BaseExceptionGroup) as caught:
        await scenario()
    [error] = caught.value.exceptions
    assert isinstance(error, GaveUp)
    assert "no luck" in str(error)


async def test_who_does_not_stop_in_time_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('set', flush=True); time.sleep(60)"
    )
    async with anyio.create_task_group() as group:
        keeper = Supervisor(group, changed=lambda: None, said=lambda _who, _what: None)
        kept = await keeper.start(program(tmp_path, stubborn), within=10)
        await until(lambda: "set" in (tmp_path / "thing.log").read_text())
        assert kept.pid is not None
        family = [psutil.Process(kept.pid), *psutil.Process(kept.pid).children(recursive=True)]
        assert len(family) == 2
        await keeper.stop([kept], within=0.2)
        await until(lambda: not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE])


async def test_a_start_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptors, no memory: that passes."""
    said: list[str] = []
    async with anyio.create_task_group() as group:
        keeper = Supervisor(group, changed=lambda: None, said=lambda _, what: said.append(what))
        kept = await keeper.start(program(tmp_path, "import time; time.sleep(60)"), within=10)
        first, spawn = kept.pid, keeper._spawn
        failures = iter([OSError(24, "Too many open files")])

        async def failing(which: module.Kept) -> None:
            for failure in failures:
                raise failure
            await spawn(which)

        monkeypatch.setattr(keeper, "_spawn", failing)
        assert first is not None
        psutil.Process(first).kill()
        await until(lambda: kept.pid != first)
        assert any("cannot be started" in line for line in said)
        await keeper.stop([kept], within=5)
