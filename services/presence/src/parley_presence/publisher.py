"""Telling gateways what has changed, after the commit. A hint may be lost: who watches asks again every half minute."""

from collections.abc import Iterable

import msgspec
import structlog
from nats.errors import Error as NatsError
from prometheus_client import Counter

from parley_presence.domain import Person, changed
from parley_shared.contracts.live import live_subject
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)

_told = Counter("parley_presence_published", "Changes of people's presence that gateways were told of")

_encode = msgspec.json.Encoder().encode


class Publisher:
    """Publishes on `parley.live.presence.…`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, people: Iterable[Person]) -> None:
        """How they are seen from now on."""
        for person in people:
            if not self._bus.connected:
                # What is kept for a later time would be told when it is no longer true.
                return
            try:
                await self._bus.client.publish(live_subject("presence", person.user_id), _encode(changed(person)))
                _told.inc()
            except (NatsError, OSError) as error:
                log.warning("presence.untold", error=repr(error))
                return
