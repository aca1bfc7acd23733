"""Each wall around a decoder, tried from inside."""

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from parley_media.images import sandbox

from .pictures import samples

MEMORY = 1 << 30
KILLED = -signal.SIGSYS


def behind_walls(
    attempt: str, *, before: str = "", memory: int = MEMORY, seconds: int = 5
) -> "subprocess.CompletedProcess[str]":
    """before: runs first, outside."""
    code = f"""
import ctypes, mmap, os, resource, signal, socket, subprocess, sys, threading, time
from parley_media.images.sandbox import close_off
libc = ctypes.CDLL(None, use_errno=True)
{before}
close_off(memory={memory}, seconds={seconds})
{attempt}
print("through")
"""
    return subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, env={}, cwd="/", timeout=60, check=False
    )


def test_behind_the_walls_one_can_compute_and_answer() -> None:
    done = behind_walls("x = bytearray(50_000_000); x[::4096] = b'1' * len(x[::4096]); print(len(sys.stdin.read()))")
    assert (done.returncode, done.stdout) == (0, "0\nthrough\n"), done.stderr


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socketpair()",
        "libc.connect(0, b'', 0)",
        "os.execv('/bin/true', ['true'])",
        "os.fork()",
        "subprocess.Popen(['/bin/true'])",
        "threading.Thread(target=print).start(); time.sleep(1)",
        "os.kill(os.getppid(), 0)",
        "libc.ptrace(0, 0, 0, 0)",
        "libc.prctl(4, 1, 0, 0, 0)",
        "resource.setrlimit(resource.RLIMIT_AS, (1, 1))",
        "os.mkdir('/tmp/parley-walls')",
        "os.unlink('/tmp/parley-walls')",
        "os.rename('/tmp/parley-walls', '/tmp/parley')",
        "os.memfd_create('walls')",
        "libc.syscall(0x40000000 + 0)",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "libc.mprotect(ctypes.c_void_p(id(libc) & ~4095), 4096, 7)",
    ],
)
def test_whoever_tries_what_decoding_never_does_is_killed(attempt: str) -> None:
    assert behind_walls(attempt).returncode == KILLED


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/tmp/parley-walls', 'w')",
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "os.listdir('/')",
        "os.stat('/')",
        "import wave",
    ],
)
def test_no_file_can_be_read_or_written(attempt: str) -> None:
    done = behind_walls(attempt)
    assert done.returncode == 1
    assert "PermissionError" in done.stderr or "ModuleNotFoundError" in done.stderr
    assert not Path("/tmp/parley-walls").exists()


def test_what_is_open_already_cannot_grow(tmp_path: Path) -> None:
    file = tmp_path / "file"
    done = behind_walls("os.write(file, b'x')", before=f"file = os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT)")
    assert done.returncode in (1, -signal.SIGXFSZ)
    assert file.read_bytes() == b""


def test_two_gigabytes_are_not_to_be_had() -> None:
    done = behind_walls("bytearray(2 << 30)")
    assert (done.returncode, "MemoryError" in done.stderr) == (1, True)


def test_who_computes_for_too_long_is_killed() -> None:
    assert behind_walls("while True: pass", seconds=1).returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    ignoring = "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert behind_walls(ignoring, seconds=1).returncode == -signal.SIGKILL


def test_no_core_is_dumped_and_nothing_is_started() -> None:
    done = behind_walls("", before="before = resource.getrlimit(resource.RLIMIT_CORE)")
    assert done.returncode == 0
    done = behind_walls("os.abort()")
    assert done.returncode in (KILLED, -signal.SIGABRT, -signal.SIGSEGV)


def test_every_machine_has_the_calls_that_decoding_takes() -> None:
    for machine, (_, numbers) in sandbox._NUMBERS.items():
        assert set(sandbox._ALLOWED) <= numbers.keys(), machine
        assert numbers.keys() <= {*sandbox._ALLOWED, *sandbox._DENIED}, machine
        assert len(set(numbers.values())) == len(numbers), machine
    assert not set(sandbox._ALLOWED) & set(sandbox._DENIED)


def test_a_machine_without_walls_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(sandbox.NoWalls, match="riscv64"):
        sandbox.close_off(memory=1, seconds=1)


def decode(data: bytes, *, memory: int = MEMORY, seconds: int = 20) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-I", "-m", "parley_media.images.decoder", str(memory), str(seconds)]
    return subprocess.run(command, input=data, capture_output=True, env={}, cwd="/", timeout=60, check=False)


@pytest.mark.parametrize("name", samples())
def test_every_kind_is_decoded_behind_the_walls(name: str) -> None:
    done = decode(samples()[name])
    assert (done.returncode, done.stdout[:1]) == (0, b"+"), done.stderr
    assert b'"outcome": "done"' in done.stdout


def test_an_image_that_takes_too_much_memory_is_refused() -> None:
    from PIL import Image

    from .pictures import saved

    large = saved(Image.new("RGB", (5_000, 5_000)), "PNG", compress_level=1)
    assert b'"too_large"' in decode(large, memory=200 << 20).stdout
    assert b'"done"' in decode(large, memory=512 << 20).stdout
