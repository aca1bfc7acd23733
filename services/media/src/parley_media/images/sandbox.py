"""Walls around a process that is about to read a hostile file. Behind them it can compute, read what it was given, and answer.

Limits of the kernel bound memory, time, files and processes. A seccomp filter
(https://docs.kernel.org/userspace-api/seccomp_filter.html) lets through the few system calls that decoding takes; a process that tries
another one is killed, or, where a library merely looks around, told that it may not. Linux alone has such filters.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

# Filters are programs of the classic BPF: (operation, jump if true, jump if false, operand).
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _DENY, _KILL = 0x7FFF_0000, 0x0005_0000 | 1, 0x8000_0000
"""_DENY answers EPERM."""
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32
"""Where they lie in what a filter sees of a call (struct seccomp_data), little-endian."""
_PROT_EXEC: Final = 4
_X32: Final = 0x4000_0000
"""Numbers from here on are x86_64's second set of calls."""

_ALLOWED: Final = (
    "read", "write", "close", "lseek", "fstat", "mmap", "mprotect", "munmap", "mremap", "madvise", "brk", "futex", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group", "clock_gettime", "gettimeofday", "getrandom", "sched_yield",
    "restart_syscall", "getpid", "gettid",
)  # fmt: skip
_DENIED: Final = (
    "open", "openat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "readlink", "readlinkat", "getcwd", "ioctl", "uname",
    "sysinfo", "getrusage", "sched_getaffinity", "getdents64", "fcntl", "getuid", "geteuid",
)  # fmt: skip
_WITHOUT_CODE: Final = ("mmap", "mprotect")
"""Allowed as long as they do not ask for memory that can be run."""

_NUMBERS: Final[dict[str, tuple[int, dict[str, int]]]] = {
    "x86_64": (
        0xC000_003E,
        {
            "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9, "mprotect": 10,
            "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16, "access": 21,
            "sched_yield": 24, "mremap": 25, "madvise": 28, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79,
            "readlink": 89, "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "getuid": 102, "geteuid": 107, "sigaltstack": 131,
            "gettid": 186, "futex": 202, "sched_getaffinity": 204, "getdents64": 217, "restart_syscall": 219, "clock_gettime": 228,
            "exit_group": 231, "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269, "getrandom": 318, "statx": 332,
        },
    ),
    "aarch64": (
        0xC000_00B7,
        {
            "getcwd": 17, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56, "close": 57, "getdents64": 61, "lseek": 62, "read": 63,
            "write": 64, "readlinkat": 78, "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
            "clock_gettime": 113, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "sigaltstack": 132,
            "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "uname": 160, "getrusage": 165, "gettimeofday": 169,
            "getpid": 172, "getuid": 174, "geteuid": 175, "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216,
            "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278, "statx": 291,
        },
    ),
}  # fmt: skip


class NoWalls(RuntimeError):  # noqa: N818 — told as it is
    """This machine cannot close a process off; the message says why."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def close_off(*, memory: int, seconds: int) -> None:
    """From now on the process has so many bytes of address space and so many seconds of processor, and nothing else.

    Whatever it will need must be imported before. Raises NoWalls.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _NUMBERS:
        raise NoWalls(f"there is no filter of system calls for {sys.platform} on {machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    # Whoever started it has died: nobody waits for the answer.
    _control(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit(memory, seconds)
    program = _filter(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    found = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _control(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _control(libc, _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(found))


def _control(libc: ctypes.CDLL, option: int, *arguments: object) -> None:
    padded = (*arguments, 0, 0, 0)[:4]
    if libc.prctl(option, *(ctypes.c_ulong(item) if isinstance(item, int) else item for item in padded)):
        raise NoWalls(f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def _limit(memory: int, seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds += int(used.ru_utime + used.ru_stime) + 1
    for limit, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        # At the first it is told by a signal that kills it unless it is caught, a second later by one that cannot be.
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 3, 3),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        resource.setrlimit(limit, (soft, hard))


def _filter(machine: str) -> bytes:
    architecture, numbers = _NUMBERS[machine]
    program: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for name in _WITHOUT_CODE:
        program += [
            (_EQUAL, 0, 4, numbers[name]),
            (_LOAD, 0, 0, _THIRD_ARGUMENT),
            (_ANY_BIT, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _KILL),
            (_RETURN, 0, 0, _ALLOW),
        ]
    for names, verdict in ((_ALLOWED, _ALLOW), (_DENIED, _DENY)):
        for name in names:
            if name in numbers and name not in _WITHOUT_CODE:
                program += [(_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, verdict)]
    program.append((_RETURN, 0, 0, _KILL))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
