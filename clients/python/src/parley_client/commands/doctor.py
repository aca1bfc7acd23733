"""`parley doctor`: what runs, which versions, what is wrong."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import msgspec
import websockets
from websockets.asyncio.client import connect

from parley_client.commands.session import out
from parley_client.errors import ParleyError
from parley_client.http import Api
from parley_client.tokens import TokenStore

SKEW_S = 5.0


async def examine(url: str, store: TokenStore) -> int:
    """Print the findings; 0 if all is well, 1 if something is wrong."""
    findings = Findings()
    api = Api(url, store)
    try:
        await _readiness(api, findings)
        await _socket(url, findings)
        await _account(api, findings)
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
            findings.bad(f"{name}: {'; '.join(service['reasons']) or 'not ready'}")
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
        findings.bad(f"the clocks differ by {skew:.0f} s; tokens may seem expired")


async def _account(api: Api, findings: Findings) -> None:
    if not api.signed_in:
        findings.note("nobody is signed in here (parley login)")
        return
    try:
        me = await api.call("GET", "/users/me", shape=dict[str, object])
    except (ParleyError, httpx2.HTTPError) as error:
        findings.bad(f"the stored session does not work: {error}")
        return
    findings.good(f"signed in as {me['username']} ({me['role']})")


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
