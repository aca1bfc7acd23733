"""The process's connection to NATS, with the settings that measured faults taught us."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import structlog
from nats.aio.client import Client
from nats.errors import SlowConsumerError
from prometheus_client import Counter

from parley_shared.settings import SECOND

log = structlog.get_logger(__name__)

_reconnects = Counter("parley_nats_reconnects", "Times that the link to NATS came back")
_dropped = Counter(
    "parley_nats_dropped", "Times that nats-py threw messages away, since they were not taken fast enough"
)


class Bus:
    """A NATS client that reconnects for ever, and tells whoever asks when the link goes, comes back or drops messages.

    ca: certificates that the server's must be signed by. TLS is then spoken from the first byte on, which the server must expect
    (`handshake_first`). None leaves it to the server whether TLS is spoken, and to the system whom to trust. lost, restored, dropped: lists of callbacks; `dropped` gets the subscription's subject, since a slow
    subscriber loses messages silently and its owner must treat that as a gap.
    """

    def __init__(self, url: str, *, name: str, user: str, password: str, ca: Path | None = None) -> None:
        self.client = Client()
        self.lost: list[Callable[[], None]] = []
        self.restored: list[Callable[[], None]] = []
        self.dropped: list[Callable[[str], None]] = []
        self._options: dict[str, Any] = {  # Any: nats.connect's own signature
            "servers": url.split(","),
            "name": name,
            "user": user or None,
            "password": password or None,
            # A prefix of its own, since a shared _INBOX.> would let every service read all replies.
            # It is the service's, whichever of its two users this is.
            "inbox_prefix": f"_INBOX_{user.removesuffix(SECOND) or 'parley'}".encode(),
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.25,
            # The default pings find a dead link after four minutes, these after ten to fifteen seconds.
            "ping_interval": 5,
            "max_outstanding_pings": 2,
            "pending_size": 16 * 1024 * 1024,
            "disconnected_cb": self._on_lost,
            "reconnected_cb": self._on_restored,
            "error_cb": self._on_error,
            "closed_cb": self._on_closed,
        }
        if ca is not None:
            self._options["tls"] = ssl.create_default_context(cafile=ca)
            # Otherwise nats-py asks in clear whether to speak TLS, also of `tls://`, and tells its password to whoever says no.
            self._options["tls_handshake_first"] = True
        self._closing = False
        self._said: set[str] = set()

    @property
    def connected(self) -> bool:
        return bool(self.client.is_connected)

    @property
    def inbox_prefix(self) -> str:
        return bytes(self._options["inbox_prefix"]).decode()

    async def connect(self) -> None:
        """Connect; waits as long as the server is away."""
        await self.client.connect(**self._options)
        self._said.clear()

    async def close(self) -> None:
        """Send what is waiting and close; used when the process ends."""
        self._closing = True
        # Where the link goes in the middle of it, what waits can no longer be sent; a process that ends need not fail for that.
        for step in (self.client.drain, self.client.close) if self.client.is_connected else (self.client.close,):
            try:
                await step()
            except (OSError, nats.errors.Error) as error:
                log.warning("nats.unsent", error=repr(error))

    async def _on_lost(self) -> None:
        if not self._closing:
            log.warning("nats.lost")
        for callback in self.lost:
            callback()

    async def _on_restored(self) -> None:
        _reconnects.inc()
        self._said.clear()
        log.info("nats.restored")
        for callback in self.restored:
            callback()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            _dropped.inc()
            log.warning("nats.dropped", subject=error.subject)
            for callback in self.dropped:
                callback(error.subject)
            return
        # What keeps it from connecting comes four times a second: a server that is away, a certificate that is not good. Each is said once.
        if isinstance(
            error, (OSError, nats.errors.StaleConnectionError, nats.errors.UnexpectedEOF, nats.errors.NoServersError)
        ):
            if repr(error) not in self._said:
                self._said.add(repr(error))
                log.warning("nats.unreachable", error=repr(error))
        else:
            log.error("nats.error", error=repr(error))

    async def _on_closed(self) -> None:
        if self._closing:
            return
        # nats-py has given up for good (a bug or an authorisation that was taken away). A process without its bus is of
        # no use, and a supervisor starts a fresh one; staying would only look alive.
        log.critical("nats.closed")
        os._exit(70)
