"""Delivered and read positions, and the receipts that tell of them."""

from typing import Any

import msgspec
import structlog
from nats.errors import Error as NatsError

from parley_messages.domain.access import Action, demand
from parley_messages.rendering import my_room
from parley_messages.store import Database
from parley_messages.usecases.standing import stand
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.frames import Receipt
from parley_shared.contracts.live import HEADER_KIND, live_subject
from parley_shared.errors import invalid
from parley_shared.limits import RECIPIENTS_LISTED
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)

MOST = 1_000


class Positions:
    """Positions only grow; one beyond the head means the head."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def mark_read(self, command: contract.MarkRead) -> contract.ReadState:
        """Raises Refused: NOT_FOUND, NOT_A_MEMBER, INVALID."""
        if not 0 <= command.seq < 2**62:
            raise invalid(seq="a seq, which is not negative")
        user_id = command.actor.user_id
        async with self._database.begin() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.FOLLOW)
            moved = await store.positions.move([command.room_id], [user_id], [command.seq], [command.seq])
            state = my_room(await store.rooms.mine(user_id, command.room_id))
        await self._tell(moved)
        return contract.ReadState(read_seq=state.read_seq, unread=state.unread, mentions=state.mentions)

    async def flush(self, command: contract.FlushPositions) -> Empty:
        """What a gateway has gathered in a second. Raises Refused: INVALID above 1,000."""
        positions = command.positions
        if len(positions) > MOST:
            raise invalid(positions=f"at most {MOST}")
        async with self._database.begin() as store:
            moved = await store.positions.move(
                [position.room_id for position in positions],
                [position.user_id for position in positions],
                [min(max(position.delivered_seq, 0), 2**62) for position in positions],
                [min(max(position.read_seq, 0), 2**62) for position in positions],
            )
        await self._tell(moved)
        return Empty()

    async def _tell(self, moved: list[Any]) -> None:
        """Receipts are hints of the newest value; rooms of more than a hundred have counts only."""
        for row in moved:
            if row["member_count"] > RECIPIENTS_LISTED:
                continue
            receipt = Receipt(
                room_id=row["room_id"],
                user_id=row["user_id"],
                delivered_seq=row["delivered_seq"],
                read_seq=row["read_seq"],
            )
            try:
                await self._bus.client.publish(
                    live_subject("room", row["room_id"]), msgspec.json.encode(receipt), headers={HEADER_KIND: "receipt"}
                )
            except (NatsError, OSError) as error:
                log.warning("receipt.unpublished", error=repr(error))
                return
