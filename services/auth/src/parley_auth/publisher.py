"""Hints to the gateways, after commit. One that is lost costs time, nothing else: gateways also ask by cursor."""

from uuid import UUID

import msgspec
import structlog
from nats.errors import Error as NatsError

from parley_shared.contracts.live import AccountChanged, live_subject
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)


class Publisher:
    """Publishes on `parley.live.account.…`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def account_changed(self, user_id: UUID, cursor: int) -> None:
        """Tell all gateways that this user's revocations have grown to `cursor`. Never raises for want of NATS."""
        try:
            await self._bus.client.publish(
                live_subject("account", user_id),
                msgspec.json.encode(AccountChanged(user_id=user_id, cursor=cursor)),
            )
        except (NatsError, OSError) as error:
            log.warning("hint.lost", cursor=cursor, error=repr(error))
