"""The configuration that Compose and Kubernetes mount, on the real server: it starts, and everybody may do exactly his own."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from parley_install.files import word
from parley_install.nats import OPERATOR_PASSWORD, password_of, users
from parley_shared.contracts.auth import USER_ROLES, UserIds, UserRoles
from parley_shared.contracts.base import SERVICES
from parley_shared.embedded import free_port, nats_command, port_is_taken
from parley_shared.messaging.connection import Bus
from parley_shared.messaging.rpc import RpcClient, RpcServer

FILES = Path(__file__).resolve().parents[3] / "nats"


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    return {user: word() for user in (*SERVICES, *(f"{service}_2" for service in SERVICES), "operator")}


def environment(passwords: dict[str, str]) -> dict[str, str]:
    given = {password_of(service, end): passwords[service + end] for service in SERVICES for end in ("", "_2")}
    return {**os.environ, **given, OPERATOR_PASSWORD: passwords["operator"]}


@pytest.fixture(scope="module")
def server(passwords: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("nats")
    port = free_port()
    text = (FILES / "server.conf").read_text()
    for ours, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{free_port()}"),
        ("/data", str(folder / "data")),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "server.conf").write_text(text)
    shutil.copy(FILES / "users.conf", folder)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            nats_command(folder / "server.conf"),
            env=environment(passwords),
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 30
        while not port_is_taken("127.0.0.1", port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.03)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_the_file_is_what_the_contracts_say() -> None:
    assert (FILES / "users.conf").read_text() == users(), "run: make docs"


@pytest.mark.parametrize("service", [*SERVICES, "messages_2"])
async def test_every_service_signs_in_with_its_password_and_may_not_speak_for_another(
    server: str, passwords: dict[str, str], service: str
) -> None:
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_error(error: Exception) -> None:
        if not refused.done():
            refused.set_result(str(error))

    client = Client()
    await client.connect(server, user=service, password=passwords[service], error_cb=on_error, allow_reconnect=False)
    try:
        await client.publish("parley.rpc.nobody.v1.user.anything", b"")
        async with asyncio.timeout(10):
            assert "permissions violation" in (await refused).lower()
    finally:
        await client.close()


async def test_both_users_of_a_service_do_the_same_beside_each_other(server: str, passwords: dict[str, str]) -> None:
    """While a password is changed, some replicas are the one and some the other."""
    asked = []
    for user in ("auth", "auth_2"):
        bus = Bus(server, name=user, user=user, password=passwords[user])
        await bus.connect()
        rpc = RpcServer(bus, service="auth", version="0.1.0", outage=lambda _error: False)

        async def roles(request: UserIds, user: str = user) -> UserRoles:
            asked.append(user)
            return UserRoles(roles={})

        rpc.serve(USER_ROLES, roles)
        await rpc.start()
        try:
            for caller in ("messages", "messages_2"):
                peer = Bus(server, name=caller, user=caller, password=passwords[caller])
                await peer.connect()
                client = RpcClient(peer)
                await client.start()
                assert (await client.call(USER_ROLES, UserIds(ids=[]))).roles == {}
                await peer.close()
        finally:
            await rpc.stop()
            await bus.close()
    assert asked == ["auth", "auth", "auth_2", "auth_2"]


async def test_another_password_does_not_do(server: str) -> None:
    client = Client()
    try:
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
            await client.connect(server, user="auth", password="$PARLEY_AUTH_NATS_PASSWORD", allow_reconnect=False)
    finally:
        await client.close()


def test_the_configuration_of_production_is_one(passwords: dict[str, str], tmp_path: Path) -> None:
    """As far as the server checks it without its certificates: a file of another folder stands for each."""
    text = (FILES.parent / "k8s/overlays/production/server.conf").read_text()
    for block in ("tls", "  tls"):
        begin = text.index(f"\n{block} {{")
        text = text[:begin] + text[text.index("}", begin) + 1 :]
    (tmp_path / "server.conf").write_text(text.replace("/data", str(tmp_path)))
    shutil.copy(FILES / "users.conf", tmp_path)
    done = subprocess.run(
        [*nats_command(tmp_path / "server.conf"), "-t"],
        env={**environment(passwords), "SERVER_NAME": "nats-0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
