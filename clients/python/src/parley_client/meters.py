"""How much processor time each service has used so far: of this machine's processes, or by Prometheus."""

import json
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import httpx2
import msgspec

from parley_client.errors import ParleyError
from parley_client.sizing import SERVICES

QUERY = 'sum by (service) (label_replace(process_cpu_seconds_total{%s}, "service", "$1", "pod", "(auth|messages|presence|media|search|gateway)-.*"))'


class Meter(Protocol):
    """settle_s: seconds that a figure may be old, so that a load is waited for so long before it is read."""

    settle_s: float

    async def read(self) -> dict[str, float]:
        """CPU seconds by service, of all replicas. Raises ParleyError."""


class Processes:
    """Those that `make run` has on this machine, by its run.json."""

    settle_s = 0.5

    def __init__(self, home: Path) -> None:
        self._home = home
        self._tick = os.sysconf("SC_CLK_TCK")

    async def read(self) -> dict[str, float]:
        try:
            run = json.loads((self._home / "run.json").read_text())
            return {
                service: sum(self._of(entry["pid"]) for entry in run.get(service, ()) if entry["pid"])
                for service in SERVICES
            }
        except (OSError, ValueError, KeyError) as error:
            raise ParleyError(
                f"{self._home} has no suite that runs on this machine ({error}); elsewhere give --prometheus."
            ) from None

    def _of(self, pid: int) -> float:
        # After the last parenthesis: the name in between may have any. Fields 14 and 15 are user and system time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self._tick


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Result(msgspec.Struct):
    result: list[_Sample]


class _Answer(msgspec.Struct):
    data: _Result


class Prometheus:
    """By its HTTP API. matching: labels that name this installation, such as `namespace="parley"`."""

    settle_s = 35.0
    """Two intervals between scrapes, and some."""

    def __init__(self, url: str, matching: str) -> None:
        self._url = url.rstrip("/")
        self._query = QUERY % matching

    async def read(self) -> dict[str, float]:
        try:
            async with httpx2.AsyncClient(timeout=10) as http:
                answer = await http.get(f"{self._url}/api/v1/query?{urlencode({'query': self._query})}")
                answer.raise_for_status()
            found = msgspec.json.decode(answer.content, type=_Answer).data.result
        except (httpx2.HTTPError, msgspec.MsgspecError) as error:
            raise ParleyError(f"{self._url} does not answer as Prometheus does: {error}") from None
        used = {sample.metric.get("service", ""): float(sample.value[1]) for sample in found}
        if not set(SERVICES) <= used.keys():
            missing = ", ".join(sorted(set(SERVICES) - used.keys()))
            raise ParleyError(f"{self._url} has no figures of {missing}; does --matching name this installation?")
        return {service: used[service] for service in SERVICES}
