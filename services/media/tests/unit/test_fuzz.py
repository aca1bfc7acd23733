"""Files that nobody thought of, each decoded in a process behind the walls: it ends by itself, in time, with an answer.

PARLEY_FUZZ_SECONDS says for how long. What is found is made smaller and shown, and belongs among the oddities of `test_hostile.py` then.
"""

import os
import random
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley_media.images import decoder
from parley_media.images.kinds import kind_of
from parley_media.images.sandbox import close_off

from .pictures import opened, png, png_chunks, samples

SECONDS = float(os.environ.get("PARLEY_FUZZ_SECONDS", "40"))
MEMORY = 1 << 30
CPU_SECONDS = 10
CLOCK_SECONDS = 120


def decoded(data: bytes) -> tuple[str, list[bytes]]:
    """As `decoder.main` does it, in a fork of this process. Raises AssertionError if it does not end with an answer."""
    read, write = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(write, 1)
            # The walls bound the time of the processor. What sleeps for ever is ended by the clock.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(CLOCK_SECONDS)
            close_off(memory=MEMORY, seconds=CPU_SECONDS)
            header, parts = decoder.answer(data)
            whole = b"".join((header["outcome"].encode(), b"\0", header.get("detail", "").encode(), b"\0"))
            for part in parts:
                whole += len(part).to_bytes(4, "big") + part
            while whole:
                whole = whole[os.write(1, whole) :]
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended == 0, f"it ended with {signal.Signals(-ended).name if ended < 0 else ended}"
    outcome, detail, rest = answer.split(b"\0", 2)
    assert outcome in (b"done", b"unreadable", b"too_large"), detail.decode()
    parts = []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        parts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return outcome.decode(), parts


def check(data: bytes) -> str:
    """Whatever is made of it can be read, and is of the kind that was sent."""
    if kind_of(data) is None:
        return "unsupported"
    outcome, parts = decoded(data)
    for part in parts:
        opened(part)
    assert not parts or kind_of(parts[0]) == kind_of(data)
    return outcome


# -- ways of spoiling a file


def _bytes(rng: random.Random, data: bytearray) -> None:
    """Single bytes become others, most often at the edges of what a number can be."""
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))


def _numbers(rng: random.Random, data: bytearray) -> None:
    """Two or four bytes that may be a length."""
    size, order = rng.choice((2, 4)), rng.choice("<>")
    at = rng.randrange(max(1, len(data) - size))
    value = rng.choice((0, 1, 2, 255, 256, 32767, 32768, 65535, len(data), 1 << 31, (1 << 32) - 1)) % (1 << 8 * size)
    data[at : at + size] = struct.pack(order + ("H" if size == 2 else "I"), value)


def _cut(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice((1, 2, 8, 100, len(data)))]


def _copied(rng: random.Random, data: bytearray) -> None:
    """A piece comes a second time, or in another place."""
    start, at = rng.randrange(len(data)), rng.randrange(len(data))
    data[at:at] = data[start : start + rng.choice((1, 4, 12, 64, 300))] * rng.choice((1, 1, 2, 50))


def _mixed(rng: random.Random, data: bytearray) -> None:
    """A piece of another file."""
    other = rng.choice(list(samples().values()))
    start, at = rng.randrange(len(other)), rng.randrange(len(data))
    data[at : at + rng.choice((0, 20))] = other[start : start + rng.choice((4, 30, 400))]


def _chunks(rng: random.Random, data: bytearray) -> None:
    """Chunks of a PNG are spoilt, swapped, doubled or left out, and get right checksums."""
    try:
        (_, header), *rest = png_chunks(bytes(data))
    except (ValueError, IndexError):
        return
    rest = [chunk for chunk in rest if chunk[0] != b"IEND"]
    if not rest:
        return
    at = rng.randrange(len(rest))
    kind, content = rest[at]
    choice = rng.randrange(5)
    if choice == 0 and content:
        spoilt = bytearray(content)
        _bytes(rng, spoilt)
        rest[at] = (kind, bytes(spoilt))
    elif choice == 1:
        rest.insert(rng.randrange(len(rest) + 1), rest[at])
    elif choice == 2:
        del rest[at]
    elif choice == 3:
        rest[at] = (
            rng.choice((b"IDAT", b"fdAT", b"fcTL", b"acTL", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"iTXt")),
            content,
        )
    else:
        spoilt = bytearray(header)
        for at in {rng.choice((3, 7, 8, 9, 10, 11, 12))} & {*range(len(spoilt))}:
            spoilt[at] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        header = bytes(spoilt)
    data[:] = png(header, *rest)


def _pixels(rng: random.Random, data: bytearray) -> None:
    """What a PNG's pixels are packed from is spoilt, not what they are packed into."""
    try:
        (_, header), *rest = png_chunks(bytes(data))
        made = []
        for kind, content in rest:
            if kind == b"IDAT":
                raw = bytearray(zlib.decompress(content)) or bytearray(1)
                _bytes(rng, raw)
                content = zlib.compress(bytes(raw[: rng.choice((len(raw), len(raw), 10))]))
            if kind != b"IEND":
                made.append((kind, content))
    except (ValueError, IndexError, zlib.error):
        return
    data[:] = png(header, *made)


WAYS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _bytes,
    _numbers,
    _cut,
    _copied,
    _mixed,
    _chunks,
    _pixels,
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    data = bytearray(samples()[draw(st.sampled_from(sorted(samples())))])
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 4))):
        if data:
            rng.choice(WAYS)(rng, data)
    return bytes(data[:300_000])


@pytest.mark.parametrize("name", samples())
def test_the_files_that_are_spoilt_are_good(name: str) -> None:
    assert check(samples()[name]) == "done"


def test_files_that_nobody_thought_of_are_pictures_or_refused() -> None:
    until = time.monotonic() + SECONDS
    seen: dict[str, int] = {}

    @given(spoilt())
    @settings(
        max_examples=10**9, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    def run(data: bytes) -> None:
        if time.monotonic() > until:
            raise TimeIsUp
        outcome = check(data)
        seen[outcome] = seen.get(outcome, 0) + 1

    with pytest.raises(TimeIsUp):
        run()
    sys.stderr.write(f"\n{sum(seen.values())} files: {seen}\n")
    assert seen["done"]
    assert seen["unreadable"]


class TimeIsUp(BaseException):
    """Not an error of what was tried: hypothesis must not look for a smaller example."""
