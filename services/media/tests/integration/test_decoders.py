"""Decoders: a process an image, as many as there are turns, and nothing that comes back from one is believed unseen."""

import asyncio
import json
import os
import signal
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from parley_media import decoders as module
from parley_media.decoders import Decoders
from parley_media.images.protocol import OUTPUT_BYTES
from parley_media.settings import Settings
from parley_shared.errors import Code

from .harness import picture, refused

PICTURE = picture("JPEG")


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if "decoder" in " ".join(child.cmdline())}


async def decode(decoders: Decoders, data: bytes = PICTURE, kind: Any = "JPEG", seconds: float = 60) -> Any:
    return await decoders.decode(data, kind, asyncio.get_running_loop().time() + seconds)


@pytest.fixture
async def decoders() -> Any:
    found = Decoders(Settings(decoders=2))
    yield found
    await found.stop()
    assert children() == set()


async def test_some_stand_ready_and_each_takes_one_image(decoders: Decoders) -> None:
    assert await decoders.check() is not None, "none has started"
    await decoders.start()
    assert await decoders.check() is None
    seen: set[int] = set()
    for _ in range(3):
        before = children()
        found = await decode(decoders)
        assert [part.name for part in found.parts] == ["original", "1280", "320", "64"]
        seen |= before
    assert len(seen) >= 4, "none was used twice"


async def test_one_that_died_while_it_stood_ready_is_replaced(decoders: Decoders) -> None:
    await decoders.start()
    await asyncio.gather(*decoders._spare)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.2)
    assert (await decode(decoders)).animated is False


async def test_one_that_is_killed_at_its_work_is_no_fault_of_the_image(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module._exchange

    async def killed(process: Any, data: bytes) -> Any:
        process.kill()
        return await original(process, data)

    monkeypatch.setattr(module, "_exchange", killed)
    with refused(Code.UNAVAILABLE):
        await decode(decoders)


async def test_one_that_crashes_takes_nothing_with_it(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    original = module._exchange

    async def crashing(process: Any, data: bytes) -> Any:
        process.send_signal(signal.SIGSEGV)
        return await original(process, data)

    with monkeypatch.context() as patched:
        patched.setattr(module, "_exchange", crashing)
        with refused(Code.BAD_IMAGE):
            await decode(decoders)
    assert await decode(decoders)


async def test_one_that_is_not_done_in_time_is_ended(decoders: Decoders) -> None:
    await decoders.start()
    with refused(Code.UNAVAILABLE):
        await decode(decoders, seconds=0.0)
    assert len(children()) <= decoders.count


@pytest.mark.parametrize("limit", [{"decoder_memory_mib": 256}, {"decoder_seconds": 1}])
async def test_an_image_that_takes_too_much_time_or_memory_is_refused(limit: dict[str, int]) -> None:
    file = BytesIO()
    # Noise takes longest to be written again.
    Image.effect_noise((4_900, 5_000), 90).convert("RGBA").save(file, "PNG", compress_level=1)
    decoders = Decoders(Settings(decoders=1, **limit))  # type: ignore[arg-type]  # numbers all of them
    with refused(Code.TOO_LARGE):
        await decode(decoders, file.getvalue(), "PNG")
    await decoders.stop()


async def test_without_walls_nothing_is_decoded_and_readiness_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is none of those that a filter is known for."""
    code = "import platform, runpy, sys; platform.machine = lambda: 'riscv64'; sys.argv[1:] = sys.argv[1:]; "
    code += f"runpy.run_module({module._MODULE!r}, run_name='__main__')"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 3\nexec {module.sys.executable} -I -c "{code}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(python))
    decoders = Decoders(Settings(decoders=1))
    await decoders.start()
    reason = await decoders.check()
    assert reason is not None
    assert "riscv64" in reason
    with refused(Code.UNAVAILABLE):
        await decode(decoders)
    monkeypatch.undo()
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    await decoders.check()
    await asyncio.gather(*decoders._spare)
    assert await decoders.check() is None, "it tries again by itself"
    await decoders.stop()


async def test_a_python_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", "/no/such/python")
    decoders = Decoders(Settings(decoders=1))
    await decoders.start()
    assert "No such file" in str(await decoders.check())
    await decoders.stop()


GOOD = {
    "outcome": "done", "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "animated": False,
    "parts": [
        {"name": name, "content_type": kind, "width": 1, "height": 1, "bytes": 12}
        for name, kind in (("original", "image/jpeg"), ("64", "image/webp"), ("320", "image/webp"), ("1280", "image/webp"))
    ],
}  # fmt: skip
FILES = [b"\xff\xd8\xff" + bytes(9), *[b"RIFF....WEBP"] * 3]


def changed(**fields: Any) -> dict[str, Any]:
    return {**GOOD, **fields}


def part(number: int, **fields: Any) -> dict[str, Any]:
    parts: list[Any] = [*GOOD["parts"]]  # type: ignore[misc]  # a list
    parts[number] = {**parts[number], **fields}
    return changed(parts=parts)


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\x05{not}",
        b"\0\0\0\x02{}",
        *[
            len(encoded).to_bytes(4, "big") + encoded + b"".join(FILES)
            for encoded in (
                json.dumps(header).encode()
                for header in (
                    changed(outcome="another"),
                    changed(blurhash="<script>"),
                    changed(blurhash=""),
                    changed(parts=[]),
                    changed(parts=GOOD["parts"][:3]),  # type: ignore[index]  # a list
                    part(0, content_type="text/html"),
                    part(0, content_type="image/png"),
                    part(0, width=0),
                    part(0, width=100_000, height=100_000),
                    part(0, bytes=OUTPUT_BYTES + 1),
                    part(1, name="../64"),
                    part(1, bytes=5),
                    part(1, name="original"),
                )
            )
        ],
    ],
)
async def test_what_a_decoder_that_was_taken_over_may_say_is_not_believed(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    original = module._exchange

    async def lying(process: Any, data: bytes) -> Any:
        stream = asyncio.StreamReader()
        stream.feed_data(answer)
        stream.feed_eof()
        monkeypatch.setattr(process, "stdout", stream)
        process.stdin.close()
        return await original(_Lying(process, stream), data)

    class _Lying:
        def __init__(self, process: Any, stream: asyncio.StreamReader) -> None:
            self.stdin, self.stdout, self.wait = process.stdin, stream, process.wait

    monkeypatch.setattr(module, "_exchange", lying)
    with refused(Code.BAD_IMAGE):
        await decode(decoders)
