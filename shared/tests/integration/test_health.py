"""Each process's internal port, and what ends a process whose loop no longer turns."""

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from parley_shared.embedded import free_port
from parley_shared.health import Health, internal_port


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def fine() -> str | None:
    return None


async def missing() -> str | None:
    return "it is away"


async def broken() -> str | None:
    raise ValueError("odd")


async def endless() -> str | None:
    await asyncio.Event().wait()
    return None


def health(**checks: object) -> Health:
    made = Health(service="thing", version="1.2.3", instance="thing-1")
    for name, check in checks.items():
        made.add(name, check)  # type: ignore[arg-type]
    return made


async def test_all_well_is_ready() -> None:
    state = await health(one=fine, two=fine).readiness()
    assert (state.ready, state.reasons) == (True, [])
    assert (state.service, state.version, state.instance) == ("thing", "1.2.3", "thing-1")


async def test_everything_that_is_missing_is_told() -> None:
    state = await health(one=fine, two=missing, three=broken, four=endless).readiness()
    assert not state.ready
    assert state.reasons == ["two: it is away", "three: ValueError('odd')", "four: no answer within a second"]


async def test_who_asks_while_a_check_is_added_hears_of_those_that_were_there() -> None:
    asked = health(one=fine)

    async def another() -> str | None:
        asked.add("two", missing)
        return None

    asked.add("one", another)
    assert (await asked.readiness()).ready
    assert (await asked.readiness()).reasons == ["two: it is away"]


async def test_who_is_draining_is_not_ready() -> None:
    draining = health(one=fine)
    draining.draining = True
    assert (await draining.readiness()).reasons == ["draining"]


async def test_the_internal_port_answers_a_supervisor() -> None:
    port, one = free_port(), health(one=missing)
    async with internal_port(one, host="127.0.0.1", port=port):
        assert await asyncio.to_thread(get, port, "/livez") == (200, "alive\n")
        status, body = await asyncio.to_thread(get, port, "/readyz")
        assert (status, json.loads(body)["reasons"]) == (503, ["one: it is away"])
        one.add("one", fine)
        assert (await asyncio.to_thread(get, port, "/readyz"))[0] == 200
        status, body = await asyncio.to_thread(get, port, "/metrics")
        assert status == 200
        assert "parley_rpc_served_seconds" in body or "python_info" in body
        assert (await asyncio.to_thread(get, port, "/elsewhere"))[0] == 404
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(get, port, "/livez")


FROZEN = """
import asyncio, time
from parley_shared.health import LoopWatchdog
async def main():
    LoopWatchdog(asyncio.get_running_loop(), {patience}).start()
    await asyncio.sleep(0.1)
    {then}
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("patience", "then", "code"), [(1, "time.sleep(60)", 71), (30, "time.sleep(0.5)", 0), (1, "pass", 0)]
)
def test_a_process_whose_loop_is_frozen_ends(patience: int, then: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FROZEN.format(patience=patience, then=then)], capture_output=True, timeout=30
    )
    assert done.returncode == code, done.stderr


def probed(port: int) -> subprocess.CompletedProcess[str]:
    """As a container's health check asks."""
    return subprocess.run(
        [sys.executable, "-c", "from parley_shared.probe import main; main()", str(port)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize(("check", "code", "said"), [(fine, 0, '"ready":true'), (missing, 1, "it is away")])
async def test_a_container_is_as_healthy_as_its_process_is_ready(check: object, code: int, said: str) -> None:
    port = free_port()
    async with internal_port(health(one=check), host="127.0.0.1", port=port):
        done = await asyncio.to_thread(probed, port)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout


def test_where_nothing_listens_nothing_is_healthy() -> None:
    done = probed(free_port())
    assert done.returncode == 1
    assert done.stdout.startswith("nothing answers")
