"""One more process of a service, beside those that the launcher keeps: watched, or set otherwise."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from parley_local.secrets import Secrets
from parley_shared.embedded import free_port

START_S = 30.0


def start(
    service: str,
    command: list[str],
    home: Path,
    urls: dict[str, str],
    port: int,
    environment: dict[str, str],
    **settings: str,
) -> "subprocess.Popen[bytes]":
    """port: of a gateway's HTTP. settings: without the service's prefix. Returns when it is ready."""
    secrets = Secrets(home / "secrets")
    internal = free_port()
    prefix = f"PARLEY_{service.upper()}_"
    known = {
        "NATS_URL": urls["nats"],
        "NATS_USER": service,
        "NATS_PASSWORD": secrets.nats()[service],
        "INTERNAL_PORT": str(internal),
    }
    if service == "gateway":
        known |= {"PORT": str(port), "HOST": "127.0.0.1"}
    else:
        server = urls["postgres"].rpartition("@")[2]
        password = secrets.get(f"postgres-{service}")
        known["POSTGRES_URL"] = f"postgresql://parley_{service}:{password}@{server}"
    process = subprocess.Popen(
        command,
        env={**environment, **{prefix + name: value for name, value in {**known, **settings}.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{internal}/readyz", timeout=2):
                return process
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"one more {service} does not start") from None
            time.sleep(0.1)
