"""A durable pull consumer of what messages tells on JetStream, read as it comes.

nats-py's own `fetch` waits for a whole batch or for its timeout once the first message is there, and answers nothing at all where
stream or consumer have been deleted. Here one long request is open at any time; what arrives is handed out soon, and the
server's heartbeats tell whether it is still there.
"""

import asyncio
import time
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from parley_shared.messaging.connection import Bus
from parley_shared.messaging.permissions import EVENT_STREAM

log = structlog.get_logger(__name__)

BATCH: Final = 2_000
GATHER_S: Final = 0.25
"""What arrives so soon after another message is handed out with it. A commit and a question cost as much for one message as for many:
this is what keeps the index cheap for those who send, and an eighth of the time after which a message may be found."""
EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 2.0
SILENT_S: Final = 3 * HEARTBEAT_S
"""Without any sign of the server, the request is lost."""
ACK_WAIT_S: Final = 10.0
"""What a replica took and did not acknowledge goes to another one."""
IN_FLIGHT: Final = 5_000
_NANO: Final = 1_000_000_000


class LostError(ConnectionError):
    """Stream, consumer or request are gone; `open` brings them back."""


class Consumer:
    """Of all replicas together, since they share its name; each message goes to one of them, and again until it is acknowledged."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name
        self._jetstream = bus.client.jetstream(timeout=2)
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._request = 0
        self._left = 0
        self._arrived: list[Msg] = []
        self._wake = asyncio.Event()
        self._heard = 0.0
        self._lost: str | None = None
        bus.restored.append(self._restored)

    def _restored(self) -> None:
        self._lost = "the link was lost"
        self._wake.set()

    async def open(self) -> bool:
        """Be there, whatever was before. Whether the consumer had to be made, so that it has missed what came before.

        Raises nats' errors: NotFoundError where there is no stream.
        """
        made = False
        try:
            await self._jetstream.consumer_info(EVENT_STREAM, self._name)
        except NotFoundError:
            made = True
        await self._jetstream.add_consumer(
            EVENT_STREAM,
            ConsumerConfig(
                name=self._name,
                durable_name=self._name,
                deliver_policy=DeliverPolicy.NEW,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=IN_FLIGHT,
            ),
        )
        if self._subscription is None:
            self._inbox = f"{self._bus.inbox_prefix}.{self._bus.client._nuid.next().decode()}"  # noqa: SLF001 — nats-py's id generator has no public name
            self._subscription = await self._bus.client.subscribe(
                f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
            )
        self._lost = None
        await self._pull()
        return made

    async def take(self) -> list[Msg]:
        """Everything that has arrived, soon after there is anything. Raises LostError."""
        while not self._arrived:
            self._wake.clear()
            if self._lost is not None:
                raise LostError(self._lost)
            if self._left <= 0:
                await self._pull()
            try:
                async with asyncio.timeout(self._heard + SILENT_S - time.monotonic()):
                    await self._wake.wait()
            except TimeoutError:
                # A heartbeat wakes nobody, and gives the server as much time again.
                if time.monotonic() >= self._heard + SILENT_S:
                    raise LostError("nothing was heard of the server") from None
        await asyncio.sleep(GATHER_S)
        arrived, self._arrived = self._arrived, []
        return arrived

    async def waiting(self) -> int:
        """Messages that no replica has acknowledged."""
        info = await self._jetstream.consumer_info(EVENT_STREAM, self._name)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def _pull(self) -> None:
        self._request += 1
        self._left = BATCH
        self._heard = time.monotonic()
        request = {"batch": BATCH, "expires": int(EXPIRES_S * _NANO), "idle_heartbeat": int(HEARTBEAT_S * _NANO)}
        await self._bus.client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{EVENT_STREAM}.{self._name}",
            msgspec.json.encode(request),
            f"{self._inbox}.{self._request}",
        )

    async def _on_message(self, message: Msg) -> None:
        self._heard = time.monotonic()
        status = None if message.data or message.headers is None else message.headers.get("Status")
        if status is None:
            self._left -= 1
            self._arrived.append(message)
        elif message.subject != f"{self._inbox}.{self._request}" or status == "100":
            # A heartbeat, or the end of a request that is not open any more.
            return
        elif status in ("404", "408"):
            self._left = 0
        else:
            self._lost = f"{status} {(message.headers or {}).get('Description', '')}".strip()
        self._wake.set()
