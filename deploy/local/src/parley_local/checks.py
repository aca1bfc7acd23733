"""What would only fail later, and worse: seen before anything is started, and said in a sentence."""

import errno
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from parley_local.home import Unusable
from parley_local.settings import Settings

REACH_S = 3.0
S3_KEYS = ("PARLEY_MEDIA_S3_ACCESS_KEY", "PARLEY_MEDIA_S3_SECRET_KEY")
"""Read by media itself."""
DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "nats": 4222, "tls": 4222, "http": 80, "https": 443}


def ports_are_free(settings: Settings) -> None:
    """The gateways' ports can be listened on. Raises Unusable."""
    for port in range(settings.port, settings.port + settings.gateways):
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            # As the gateway's own server does: a port that was closed a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                raise Unusable(_why_not(error, settings.host, port)) from None


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Choose another one: PARLEY_PORT=8100 make run"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} may not be opened by this user. Choose one above 1023: PARLEY_PORT=8100 make run"
    return f"Port {port} of PARLEY_HOST={host} cannot be opened: {error.strerror or error}."


def given_servers_answer(settings: Settings) -> None:
    """Where an address is given, somebody listens; and who is to sign in at a given S3 is said. Raises Unusable."""
    for name in ("postgres_url", "nats_url", "s3_url"):
        given: str | None = getattr(settings, name)
        if given is not None:
            _answers(f"PARLEY_{name.upper()}", given)
    missing = [name for name in S3_KEYS if not os.environ.get(name)]
    if settings.s3_url is not None and missing:
        raise Unusable(f"PARLEY_S3_URL is given, but not who may write there: {' and '.join(missing)}.")


def _answers(name: str, given: str) -> None:
    # Passwords in the address are nobody's business: only host and port are told.
    places = list(_places(given))
    for host, port in places:
        try:
            socket.create_connection((host, port), timeout=REACH_S).close()
        except OSError:
            continue
        return
    if places:
        told = ", ".join(f"{host}:{port}" for host, port in places)
        raise Unusable(f"{name} is given, but nobody answers at {told}.")


def _places(given: str) -> Iterator[tuple[str, int]]:
    """Host and port of each server that an address names; PostgreSQL and NATS may name several. None for a Unix socket."""
    default = DEFAULT_PORTS.get(urlsplit(given).scheme, 0)
    for part in given.split(","):
        netloc = urlsplit(part).netloc if "://" in part else part.partition("/")[0]
        host, colon, port = netloc.rpartition("@")[2].rpartition(":")
        if not colon:
            host, port = port, ""
        if host:
            yield host.strip("[]"), int(port) if port.isdigit() else default
