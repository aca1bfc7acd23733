"""Erasing what is known of an account: its status, and its lines of the connection log."""

from parley_presence.store import Begin
from parley_shared.contracts.erasure import Erase, Erased


class Erasure:
    """The verb `erase`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def erase(self, cmd: Erase) -> Erased:
        """All of it at once. What a socket says at its end comes later, which is why auth asks again."""
        async with self._begin() as store:
            return Erased(done=True, counts=await store.erase(cmd.user_id))
