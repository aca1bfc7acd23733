"""How people see each other."""

from parley_presence import domain
from parley_presence.clients import MessagesClient
from parley_presence.publisher import Publisher
from parley_presence.store import Begin
from parley_shared.contracts import presence as contract
from parley_shared.errors import invalid
from parley_shared.limits import PRESENCE_TEXT_CHARS, WATCH_USERS
from parley_shared.text import clean

MOST = 1_000
"""People whose grace ends in one transaction."""


class People:
    """The verbs `get` and `set`, and the end of a grace."""

    def __init__(self, begin: Begin, messages: MessagesClient, publisher: Publisher) -> None:
        self._begin = begin
        self._messages = messages
        self._publisher = publisher

    async def get(self, cmd: contract.GetPresence) -> contract.SeenMany:
        """Whom the actor may see: those he shares a room with, without blocks. Others are absent like unknown ones; oneself is
        shown as one has chosen.

        Raises Refused: INVALID above 200 others, UNAVAILABLE while nobody knows who shares a room.
        """
        me = cmd.actor.user_id
        others = [user_id for user_id in dict.fromkeys(cmd.user_ids) if user_id != me]
        if len(others) > WATCH_USERS:
            raise invalid(user_ids=f"at most {WATCH_USERS}")
        seen = set(await self._messages.may_see(me, others)) if others else set()
        async with self._begin() as store:
            found = await store.get([me, *seen])
        items = []
        for user_id in dict.fromkeys(cmd.user_ids):
            if user_id != me and user_id not in seen:
                continue
            person = found.get(user_id) or domain.Person(user_id)
            presence = domain.own(person) if user_id == me else domain.shown(person)
            items.append(contract.Seen(rev=person.rev, presence=presence))
        return contract.SeenMany(items=items)

    async def set(self, cmd: contract.SetPresence) -> contract.Presence:
        """What the actor wants to be shown as; it counts while he is connected, and stays until he says something else.

        Raises Refused: BAD_TEXT, INVALID for a text of more than 100 characters.
        """
        text = clean((cmd.text or "").strip(), field="text", least=0, most=PRESENCE_TEXT_CHARS)
        me = cmd.actor.user_id
        async with self._begin() as store:
            [before] = await store.lock([me], create=[me])
            after = domain.choose(before, cmd.status, text, await store.now())
            if after != before:
                await store.put([after])
        if after != before:
            await self._publisher.tell([after])
        return domain.own(after)

    async def settle(self) -> bool:
        """Who has been gone for longer than the grace is offline. False if nobody was."""
        async with self._begin() as store:
            before = await store.lock_due(MOST)
            after = [domain.gone(person) for person in before]
            await store.put(after)
        await self._publisher.tell(person for person in after if person.visible)
        return bool(before)
