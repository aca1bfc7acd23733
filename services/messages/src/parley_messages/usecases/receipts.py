"""How far messages have come: what is told of positions, to whom, and the status of one message."""

from typing import Any
from uuid import UUID

import msgspec
import structlog
from nats.errors import Error as NatsError

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand
from parley_messages.store import Database
from parley_messages.usecases.standing import seen, stand
from parley_shared.contracts import conversation as contract
from parley_shared.contracts.frames import Receipt
from parley_shared.contracts.live import HEADER_EXCEPT, HEADER_KIND, LiveKind, live_subject
from parley_shared.contracts.messages import MessageRequest
from parley_shared.errors import Refused
from parley_shared.limits import RECIPIENTS_LISTED
from parley_shared.messaging.connection import Bus

log = structlog.get_logger(__name__)


class Receipts:
    """Who has switched receipts off neither gives any nor gets any; a block hides two people from each other."""

    def __init__(self, database: Database, bus: Bus, auth: AuthClient) -> None:
        self._database = database
        self._bus = bus
        self._auth = auth

    async def tell(self, moved: list[Any]) -> None:
        """Hints of the newest value: to the room, or to one's own other devices alone. Rooms of more than a hundred have counts
        only.

        moved: rows of store.positions.move. Never fails: a receipt that is lost is state that the next `ready` shows.
        """
        rows = [row for row in moved if row["member_count"] <= RECIPIENTS_LISTED]
        if not rows:
            return
        movers = list({row["user_id"] for row in rows})
        async with self._database.snapshot() as store:
            members = await store.members.of_rooms(list({row["room_id"] for row in rows}))
            blocks = await store.blocks.of(movers)
        try:
            quiet = await self._auth.receipts_off(
                list({*movers, *(user for users in members.values() for user in users)})
            )
        except Refused as refusal:
            log.warning("receipts.untold", count=len(rows), code=str(refusal.code))
            return
        # People of one room often read at the same time: what is for the same eyes travels, and is written, together.
        told: dict[tuple[LiveKind, UUID, frozenset[UUID]], list[bytes]] = {}
        for row in rows:
            room_id, user_id = row["room_id"], row["user_id"]
            if user_id in quiet:
                key: tuple[LiveKind, UUID, frozenset[UUID]] = ("user", user_id, frozenset())
            else:
                hidden = (quiet | blocks.get(user_id, set())) & members.get(room_id, set())
                key = ("room", room_id, frozenset(hidden))
            receipt = Receipt(
                room_id=room_id, user_id=user_id, delivered_seq=row["delivered_seq"], read_seq=row["read_seq"]
            )
            told.setdefault(key, []).append(msgspec.json.encode(receipt))
        try:
            for (kind, identifier, hidden_from), receipts in told.items():
                headers = {HEADER_KIND: "receipt"}
                if hidden_from:
                    headers[HEADER_EXCEPT] = ",".join(map(str, sorted(hidden_from)))
                await self._bus.client.publish(live_subject(kind, identifier), b"\n".join(receipts), headers=headers)
        except (NatsError, OSError) as error:
            log.warning("receipt.unpublished", error=repr(error))

    async def status(self, command: MessageRequest) -> contract.MessageStatus:
        """Sent, delivered or read, of those it was sent to. Raises Refused: NOT_FOUND, NOT_A_MEMBER, UNAVAILABLE."""
        viewer = command.actor.user_id
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            message = await seen(store, row, standing, command.message_id)
            demand(standing, Action.LIST_MEMBERS)
            rows = await store.conversation.recipients(command.room_id, message["message_seq"], message["sender_id"])
            blocked = (await store.blocks.of([viewer])).get(viewer, set())
        recipients = await self.as_known_to(viewer, rows, blocked)
        return contract.MessageStatus(
            members=len(recipients),
            delivered=sum(recipient.state != "sent" for recipient in recipients),
            read=sum(recipient.state == "read" for recipient in recipients),
            recipients=recipients if row["member_count"] <= RECIPIENTS_LISTED else None,
        )

    async def as_known_to(self, viewer: UUID, rows: list[Any], blocked: set[UUID]) -> list[contract.MessageRecipient]:
        """rows: of store.conversation.recipients. blocked: with whom there is a block. Raises Refused: UNAVAILABLE."""
        quiet = await self._auth.receipts_off([viewer, *(found["user_id"] for found in rows if found["read"])])
        return [
            contract.MessageRecipient(user_id=found["user_id"], state=_state(found, viewer, quiet, blocked))
            for found in rows
        ]


def _state(found: Any, viewer: UUID, quiet: set[UUID], blocked: set[UUID]) -> contract.ReceiptState:
    """As the viewer may know it; of himself he knows everything."""
    user_id = found["user_id"]
    if user_id in blocked or not found["delivered"]:
        return "sent"
    hidden = user_id != viewer and (user_id in quiet or viewer in quiet)
    return "read" if found["read"] and not hidden else "delivered"
