"""The way of one message, for its sender and for support. What it says is no part of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from parley_messages.domain.access import Action, Standing, demand
from parley_messages.store import Database, Store
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.receipts import Receipts
from parley_messages.usecases.standing import seen, stand
from parley_shared.contracts import journey as contract
from parley_shared.contracts.base import Actor
from parley_shared.contracts.conversation import MessageRecipient
from parley_shared.contracts.messages import MessageRequest
from parley_shared.errors import Code, Refused
from parley_shared.limits import RECIPIENTS_LISTED


class Journeys:
    """A sender learns of others what receipts and mentions tell him anyway; why somebody was not notified is for support."""

    def __init__(self, database: Database, receipts: Receipts) -> None:
        self._database = database
        self._receipts = receipts

    async def journey(self, command: MessageRequest) -> contract.MessageJourney:
        """Support's look is noted in the room's audit trail. Raises Refused: NOT_FOUND, NOT_A_MEMBER, FORBIDDEN, UNAVAILABLE."""
        viewer = command.actor.user_id
        async with self._reading(command.actor) as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=command.actor.role == "admin")
            demand(standing, Action.READ)
            message = await seen(store, row, standing, command.message_id)
            support = _as_support(standing, message)
            committed = contract.JourneyCommit(
                at=message["created_at"],
                seq=message["message_seq"],
                n=message["n"],
                replica=await store.journey.replica(command.room_id, message["message_seq"], message["created_at"]),
            )
            waiting_since = await store.journey.waiting_since(command.room_id, message["message_seq"])
            rows = await store.conversation.recipients(command.room_id, message["message_seq"], message["sender_id"])
            decided = await store.journey.decisions(command.room_id, command.message_id)
            fanning_out = await store.journey.fanning_out(command.room_id, command.message_id)
            blocked = (await store.blocks.of([viewer])).get(viewer, set())
            if support:
                await Changes(store, viewer).audit(command.room_id, "access.journey", command.message_id)
        recipients = (
            [MessageRecipient(user_id=found["user_id"], state=_state(found)) for found in rows]
            if support
            else await self._receipts.as_known_to(viewer, rows, blocked)
        )
        listed = row["member_count"] <= RECIPIENTS_LISTED
        decisions = [
            decision
            for decision in (_decision(found, support=support) for found in decided)
            if support or _may_be_known(decision)
        ]
        return contract.MessageJourney(
            message_id=command.message_id,
            room_id=command.room_id,
            sender_id=message["sender_id"],
            viewer="support" if support else "sender",
            rev=message["rev"],
            edited_at=message["edited_at"],
            deleted_at=message["deleted_at"],
            committed=committed,
            published=contract.JourneyPublication(relayed=waiting_since is None, waiting_since=waiting_since),
            members=len(recipients),
            delivered=sum(recipient.state != "sent" for recipient in recipients),
            read=sum(recipient.state == "read" for recipient in recipients),
            recipients=recipients if listed else None,
            notified=sum(decision.outcome == "notified" for decision in decisions),
            waiting=fanning_out,
            notifications=decisions if listed else None,
        )

    @asynccontextmanager
    async def _reading(self, actor: Actor) -> AsyncIterator[Store]:
        """An admin's look may have to be noted."""
        async with self._database.begin() if actor.role == "admin" else self._database.snapshot() as store:
            yield store


def _as_support(standing: Standing, message: Any) -> bool:
    """False for its sender. Raises Refused: FORBIDDEN for everybody else but admins with access."""
    if message["sender_id"] == standing.user_id:
        return False
    if standing.granted:
        return True
    raise Refused(
        Code.FORBIDDEN, "A message's journey is shown to its sender, and to an admin with access to the room."
    )


def _may_be_known(decision: contract.JourneyDecision) -> bool:
    """To the sender. Who follows a thread and is not notified of it has not told him that he follows it."""
    return decision.rule != "follows_thread" or decision.outcome != "not_notified"


def _state(found: Any) -> Any:
    return "read" if found["read"] else "delivered" if found["delivered"] else "sent"


def _decision(found: Any, *, support: bool) -> contract.JourneyDecision:
    outcome: contract.Outcome
    if found["at"] is not None:
        outcome = "notified"
    elif not support:
        # That it still waits says that nothing holds it up.
        outcome = "waiting" if found["waiting"] and _nothing_against(found) else "not_notified"
    elif not found["member"]:
        outcome = "not_a_member"
    elif found["blocked"]:
        outcome = "blocked"
    elif not found["level"]:
        outcome = "level"
    else:
        outcome = "waiting" if found["waiting"] else "not_notified"
    return contract.JourneyDecision(
        user_id=found["user_id"],
        kind=found["kind"],
        rule=found["rule"],
        outcome=outcome,
        at=found["at"] if support else None,
        read=found["read"] if support and found["at"] is not None else None,
    )


def _nothing_against(found: Any) -> bool:
    return bool(found["member"] and not found["blocked"] and found["level"])
