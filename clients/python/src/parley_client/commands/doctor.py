"""`parley doctor`: what runs, which versions, what is wrong."""

import asyncio
import json
import os
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec
import websockets
from websockets.asyncio.client import connect

from parley_client.client import Client
from parley_client.commands.session import out
from parley_client.errors import ParleyError
from parley_client.http import Api
from parley_client.models import Replica
from parley_client.tokens import TokenStore

SKEW_S = 5.0
BEHIND = 10
"""Rooms that the search index may be behind in at any moment while people talk."""
CERTIFICATE_DAYS = 14
LOCAL = ("127.0.0.1", "localhost", "::1")
TROUBLE = "docs/operations/troubleshooting.md"


async def examine(url: str, store: TokenStore) -> int:
    """Print the findings; 0 if all is well, 1 if something is wrong."""
    findings = Findings()
    api = Api(url, store)
    try:
        await _readiness(api, findings)
        await _socket(url, findings)
        if await _account(api, findings) == "admin":
            await _office(url, store, findings)
        await _certificate(url, findings)
    finally:
        await api.close()
    _local(url, findings)
    out.print("[green]All is well.[/green]" if not findings.wrong else f"[red]{findings.wrong} things are wrong.[/red]")
    return 1 if findings.wrong else 0


class Findings:
    """Prints each as it is made, and counts what is wrong."""

    def __init__(self) -> None:
        self.wrong = 0

    def good(self, what: str) -> None:
        out.print(f"[green]✓[/green] {what}")

    def bad(self, what: str) -> None:
        self.wrong += 1
        out.print(f"[red]✗[/red] {what}", soft_wrap=True)

    def note(self, what: str) -> None:
        out.print(f"[dim]·[/dim] {what}")


async def _readiness(api: Api, findings: Findings) -> None:
    try:
        answer = await api.get_plain("/readyz")
        state = answer.json()
        services = state["services"]
    except httpx2.HTTPError as error:
        findings.bad(f"{api.base_url} cannot be reached ({type(error).__name__}). Is it running? Try: make run")
        return
    except (ValueError, KeyError):
        findings.bad(f"{api.base_url}/readyz does not answer as Parley does.")
        return
    for name, service in services.items():
        if service["ready"]:
            findings.good(f"{name} {service['version']}")
        else:
            findings.bad(f"{name}: {'; '.join(service['reasons']) or 'not ready'}. What to do: {TROUBLE}")
    versions = {service["version"] for service in services.values() if service["version"]}
    if len(versions) > 1:
        findings.note(f"several versions run together: {', '.join(sorted(versions))}")


async def _socket(url: str, findings: Findings) -> None:
    began = time.perf_counter()
    try:
        async with connect(f"{url.replace('http', 'ws', 1)}/api/v1/ws", open_timeout=5) as socket:
            hello = msgspec.json.decode(await socket.recv())
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        findings.bad(f"the WebSocket does not open ({type(error).__name__}: {error})")
        return
    findings.good(f"WebSocket, protocol {hello['protocol']}, {1000 * (time.perf_counter() - began):.0f} ms to hello")
    skew = (datetime.now(UTC) - datetime.fromisoformat(hello["server_time"])).total_seconds()
    if abs(skew) > SKEW_S:
        findings.bad(f"the clocks differ by {skew:.0f} s; tokens may seem expired. Let both machines follow NTP")


async def _account(api: Api, findings: Findings) -> str | None:
    """The role of whoever is signed in."""
    if not api.signed_in:
        findings.note("nobody is signed in here (parley login); an admin is told more")
        return None
    try:
        me = await api.call("GET", "/users/me", shape=dict[str, object])
    except (ParleyError, httpx2.HTTPError) as error:
        findings.bad(f"the stored session does not work: {error}. Sign in again: parley login")
        return None
    findings.good(f"signed in as {me['username']} ({me['role']})")
    return str(me["role"])


async def _office(url: str, store: TokenStore, findings: Findings) -> None:
    """What only an admin is told. Each question stands alone: one that cannot be answered does not keep the others."""
    async with Client(url, store=store, client_name="parley-command") as client:
        for ask in (_replicas, _index, _bucket, _keys):
            try:
                await ask(client, findings)
            except (ParleyError, httpx2.HTTPError) as error:
                findings.bad(f"{ask.__name__.removeprefix('_')}: {error}")


async def _replicas(client: Client, findings: Findings) -> None:
    cluster = await client.cluster()
    by_service: dict[str, list[Replica]] = {}
    for replica in cluster.replicas:
        by_service.setdefault(replica.service, []).append(replica)
    alone = [name for name, found in by_service.items() if len(found) == 1]
    for name in cluster.services:
        found = by_service.get(name, [])
        versions = sorted({replica.version for replica in found})
        said = f"{name}: {len(found)} running, {', '.join(versions)}"
        if not found:
            findings.bad(
                f"{name}: nobody answers on the bus. Its pods' state and logs say why: kubectl -n parley get pods"
            )
        elif len(versions) > 1:
            findings.note(
                f"{said}: a release is being rolled out; if not, kubectl -n parley rollout status deployment/{name}"
            )
        elif len(found) == 1 and len(alone) < len(by_service):
            findings.bad(f"{said}: a release or a lost node takes it away. Let its autoscaler keep two: minReplicas: 2")
        else:
            findings.good(said)
    for replica in cluster.replicas:
        if replica.ready is False:
            findings.bad(f"{replica.instance}: {'; '.join(replica.reasons)}. What to do: {TROUBLE}")
        elif replica.ready is None:
            findings.bad(f"{replica.instance}: did not say in time whether it is well. Its log says why: {TROUBLE}")
    if len(alone) == len(by_service) > 0:
        findings.note("there is one of each: whatever ends takes everybody's connection or sends with it, for seconds")


async def _index(client: Client, findings: Findings) -> None:
    index = await client.index_state()
    findings.note(f"epoch {index.epoch}, by which clients notice a restore")
    if index.rebuilding is not None:
        findings.note(f"the search index is being built anew: {index.done:,} of {index.total:,} rooms")
    elif index.rooms_behind > BEHIND:
        findings.bad(
            f"the search index is behind in {index.rooms_behind:,} of {index.rooms:,} rooms. If it does not catch up within"
            f" minutes: {TROUBLE}, nothing is found"
        )
    else:
        findings.good(
            f"search index: {index.messages:,} messages, {index.rooms_behind:,} of {index.rooms:,} rooms behind"
        )


async def _bucket(client: Client, findings: Findings) -> None:
    step = await client.check_media()
    if step.missing or step.stray:
        findings.bad(
            f"the bucket and the database do not match in {len(step.missing) + len(step.stray):,} of the first"
            f" {step.objects:,} objects. All of them: parley media check"
        )
    else:
        findings.good(f"bucket: the first {step.objects:,} of {step.total:,} objects are there")


async def _keys(client: Client, findings: Findings) -> None:
    keys = await client.keys(limit=1)
    images = {} if keys.images is None else keys.images.counts
    today = {keys.current, None if keys.images is None else keys.images.current}
    old = sum(count for name, count in (*keys.counts.items(), *images.items()) if name not in today)
    if old:
        findings.note(
            f"{old:,} keys are wrapped under an older wrapping key. To wrap them under today's: parley keys rotate"
        )
    else:
        findings.good("all keys are wrapped under today's wrapping key")


async def _certificate(url: str, findings: Findings) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https":
        if parts.hostname not in LOCAL:
            findings.bad(f"{url} is not encrypted: passwords and messages can be read on the way. Put TLS before it")
        return
    try:
        until = await asyncio.to_thread(_expires, parts.hostname or "", parts.port or 443)
    except (OSError, ValueError) as error:
        findings.bad(f"the certificate of {parts.hostname} is not good: {error}")
        return
    days = (until - datetime.now(UTC)).days
    if days < CERTIFICATE_DAYS:
        findings.bad(
            f"the certificate of {parts.hostname} ends in {days} days. Renew it: kubectl -n parley get certificate"
        )
    else:
        findings.good(f"the certificate of {parts.hostname} is good for {days} days")


def _expires(host: str, port: int) -> datetime:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        found = tls.getpeercert()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str((found or {})["notAfter"])), UTC)


def _local(url: str, findings: Findings) -> None:
    """What the launcher of this machine says, if it is this server's."""
    home = Path(os.environ.get("PARLEY_HOME", ".parley"))
    try:
        run = json.loads((home / "run.json").read_text())
    except (OSError, ValueError):
        return
    if run["urls"]["http"].rpartition(":")[2] != url.rpartition(":")[2]:
        return
    processes = [
        (name, entry)
        for name, entries in run.items()
        if name != "urls"
        for entry in (entries if isinstance(entries, list) else [entries])
    ]
    dead = [name for name, entry in processes if not _lives(entry.get("pid"))]
    if dead:
        findings.bad(f"run.json names processes that do not run: {', '.join(dead)}; see {home / 'logs'}")
    else:
        findings.good(f"all processes of {home} run")


def _lives(pid: int | None) -> bool:
    if pid is None:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
