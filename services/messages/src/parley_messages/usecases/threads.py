"""Threads: a root, its replies, and who is told of them."""

from typing import Any
from uuid import UUID

from parley_messages.domain.access import Action, Standing, demand
from parley_messages.store import Database, Store
from parley_messages.usecases.conversation import demand_living
from parley_messages.usecases.shown import shown
from parley_messages.usecases.standing import opens_history, seen, stand
from parley_messages.usecases.timeline import MOST_SEQ, fitting
from parley_shared.contracts import conversation as contract
from parley_shared.contracts.base import Empty
from parley_shared.contracts.messages import MessageRequest
from parley_shared.cursors import read_cursor, write_cursor


class Threads:
    """A reply stands for the thread that it is in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, command: contract.GetThread) -> contract.Thread:
        """Replies, ascending, deleted ones included. Raises Refused: NOT_FOUND, NOT_A_MEMBER, BAD_CURSOR."""
        actor = command.actor.user_id
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            root = await self._root(store, row, standing, command.message_id)
            question = f"thread:{root['id']}"
            after = 0 if command.cursor is None else read_cursor(command.cursor, question, tuple[int])[0]
            rows = await store.threads.replies(
                command.room_id,
                opens_history(row, standing),
                actor,
                root["id"],
                min(max(after, 0), MOST_SEQ),
                command.limit + 1,
            )
            [first, *replies] = await shown(store, [root, *rows[: command.limit]], actor)
            following = await self._follows(store, root, actor)
            unread = await store.threads.unread(command.room_id, root["id"], actor)
        items = fitting(replies)
        more = len(items) < len(rows)
        return contract.Thread(
            root=first,
            items=items,
            next=write_cursor(question, items[-1].seq) if more else None,
            following=following,
            unread=unread,
        )

    async def follow(self, command: MessageRequest) -> Empty:
        """From now on replies are told and counted. Raises Refused: NOT_FOUND, NOT_A_MEMBER, DELETED."""
        return await self._choose(command, following=True)

    async def unfollow(self, command: MessageRequest) -> Empty:
        """Until one writes in it again. Raises Refused: NOT_FOUND, NOT_A_MEMBER."""
        return await self._choose(command, following=False)

    async def _choose(self, command: MessageRequest, *, following: bool) -> Empty:
        actor = command.actor.user_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.FOLLOW)
            root = await self._root(store, row, standing, command.message_id)
            if following:
                demand_living(root)
            if await self._follows(store, root, actor) != following:
                await store.threads.follow(command.room_id, root["id"], actor, following=following)
        return Empty()

    async def _root(self, store: Store, row: Any, standing: Standing, message_id: UUID) -> Any:
        message = await seen(store, row, standing, message_id)
        root_id = message["thread_root_id"]
        return message if root_id is None else await seen(store, row, standing, root_id)

    async def _follows(self, store: Store, root: Any, user_id: UUID) -> bool:
        """Who wrote the root follows, unless he chose not to."""
        chosen = await store.threads.following(root["room_id"], root["id"], user_id)
        return bool(root["sender_id"] == user_id if chosen is None else chosen)
