"""Users and roles are changed in the middle of traffic: replicas of before and after work beside each other, and nothing is lost."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import psutil
import pytest

from parley_shared.contracts.base import Service
from parley_shared.db.bootstrap import Passwords, bootstrap
from parley_shared.embedded import free_port
from tests.conftest import GENEROUS, START_S, Suite
from tests.faults.traffic import PEOPLE, Crowd
from tests.protocol_client import Person, close_everything

pytestmark = pytest.mark.fault

MOVED: tuple[Service, ...] = ("auth", "messages", "presence", "search", "media")


@pytest.fixture
def rotated() -> Iterator[Suite]:
    running = Suite(1, dict(GENEROUS))
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
async def crowd(rotated: Suite) -> AsyncIterator[Crowd]:
    people = [await Person(rotated.urls[0], f"u{secrets.token_hex(6)}").register() for _ in range(PEOPLE)]
    yield await Crowd(rotated, people).start()
    await close_everything()


class Successor:
    """A replica of a service as its other user and role, beside the one that runs."""

    def __init__(self, suite: Suite, service: Service, password: str) -> None:
        own = psutil.Process(suite.pids(service)[0]).environ()
        prefix = f"PARLEY_{service.upper()}_"
        url = urlsplit(own[f"{prefix}POSTGRES_URL"])
        place = url.netloc.rpartition("@")[2]
        port = free_port()
        moved = {
            "NATS_USER": f"{service}_2",
            "NATS_PASSWORD": "",
            "NATS_PASSWORD_2": (suite.home / "secrets" / f"nats-{service}_2").read_text().strip(),
            "POSTGRES_URL": urlunsplit(url._replace(netloc=f"parley_{service}_2:{password}@{place}")),
            "INTERNAL_PORT": str(port),
            "INSTANCE": f"{service}-second",
        }
        self._ready = f"http://127.0.0.1:{port}/readyz"
        self.log = suite.home / "logs" / f"{service}-second.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [Path(sys.executable).parent / f"parley-{service}"],
                env={**own, **{prefix + name: value for name, value in moved.items()}},
                stdout=output,
                stderr=output,
            )

    async def until_ready(self) -> None:
        async with asyncio.timeout(START_S), httpx2.AsyncClient() as http:
            while True:
                assert self.process.poll() is None, self.log.read_text()[-2000:]
                try:
                    if (await http.get(self._ready)).status_code == 200:
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.2)


async def test_services_move_to_their_other_users_and_roles_while_people_talk(rotated: Suite, crowd: Crowd) -> None:
    passwords = {service: secrets.token_urlsafe(16) for service in MOVED}
    kept = {service: (rotated.home / "secrets" / f"postgres-{service}-owner").read_text().strip() for service in MOVED}
    sockets = crowd.sockets
    await bootstrap(
        rotated.run_json()["urls"]["postgres"],
        {service: Passwords(kept[service], passwords[service], second=True) for service in MOVED},
    )
    successors = [Successor(rotated, service, passwords[service]) for service in MOVED]
    try:
        for successor in successors:
            await successor.until_ready()
        await crowd.until_more(60, within=30)
        # Those of before go in good order; that they are started again does no harm: their users and roles are good as ever.
        for service in MOVED:
            for pid in rotated.pids(service):
                os.kill(pid, signal.SIGTERM)
        await crowd.remove_the_outsider()
        await crowd.until_more(60, within=30)
        assert await crowd.finish() == []
        assert crowd.sockets == sockets, "sockets did not stay open"
    finally:
        for successor in successors:
            successor.process.send_signal(signal.SIGTERM)
        for successor in successors:
            await asyncio.to_thread(successor.process.wait, 30)
