"""Reactions: one's own, added and taken away."""

from collections.abc import Callable

from parley_messages.domain.access import Action, demand
from parley_messages.domain.reactions import OPPOSITE, checked_reaction, demand_room_for
from parley_messages.publisher import LivePublisher
from parley_messages.store import Database
from parley_messages.usecases.budget import ChangeBudget
from parley_messages.usecases.conversation import demand_living
from parley_messages.usecases.message_changes import MessageChanges
from parley_messages.usecases.standing import demand_voice, seen, stand
from parley_shared.contracts import conversation as contract
from parley_shared.contracts.base import Empty


class Reactions:
    """A state that exists already costs nothing and writes no event."""

    def __init__(
        self, database: Database, publisher: LivePublisher, budget: ChangeBudget, advanced: Callable[[], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._budget = budget
        self._advanced = advanced

    async def add(self, command: contract.ReactTo) -> Empty:
        """`like` takes the place of one's own `dislike`, and the other way round: removed, then added, as one change.

        Raises Refused: NOT_FOUND, NOT_A_MEMBER, DELETED, MUTED, NOT_REACHABLE, RATE_LIMITED, INVALID for what is no reaction and
        for a twenty-first kind.
        """
        reaction = checked_reaction(command.reaction)
        actor, room_id, message_id = command.actor.user_id, command.room_id, command.message_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, room_id, lock=True)
            demand(standing, Action.REACT)
            demand_living(await seen(store, row, standing, message_id))
            counts = await store.reactions.counts(room_id, message_id, actor)
            count, mine = counts.get(reaction, (0, False))
            changes = MessageChanges(store, actor)
            if not mine:
                await demand_voice(store, row, actor)
                await self._budget.spend(store, actor)
                opposite = OPPOSITE.get(reaction)
                others, have_opposite = counts.get(opposite, (0, False)) if opposite is not None else (0, False)
                if opposite is not None and have_opposite:
                    await changes.unreacted(room_id, message_id, opposite, actor, others - 1)
                if count == 0:
                    demand_room_for(len(counts) - (have_opposite and others == 1))
                await changes.reacted(room_id, message_id, reaction, actor, count + 1)
        await self._tell(changes)
        return Empty()

    async def remove(self, command: contract.ReactTo) -> Empty:
        """Of a deleted message all are gone already. Raises Refused: NOT_FOUND, NOT_A_MEMBER, RATE_LIMITED, INVALID."""
        reaction = checked_reaction(command.reaction)
        actor, room_id, message_id = command.actor.user_id, command.room_id, command.message_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, room_id, lock=True)
            demand(standing, Action.REACT)
            await seen(store, row, standing, message_id)
            counts = await store.reactions.counts(room_id, message_id, actor)
            count, mine = counts.get(reaction, (0, False))
            changes = MessageChanges(store, actor)
            if mine:
                await self._budget.spend(store, actor)
                await changes.unreacted(room_id, message_id, reaction, actor, count - 1)
        await self._tell(changes)
        return Empty()

    async def _tell(self, changes: MessageChanges) -> None:
        self._advanced()
        await changes.publish(self._publisher)
