"""What gateways need to judge a token by themselves: the public keys, and what was revoked."""

from datetime import timedelta

from parley_auth.keyring import Keyring
from parley_auth.store import Begin
from parley_shared.contracts.auth import Jwks, Revocation, Revocations, RevokedSince
from parley_shared.contracts.base import Empty

PAGE = 1000


class Trust:
    """The verbs `jwks` and `revoked_since`. memory: how long a revocation can matter, two lifetimes of an access token."""

    def __init__(self, begin: Begin, keyring: Keyring, *, memory: timedelta) -> None:
        self._begin = begin
        self._keyring = keyring
        self._memory = memory

    async def jwks(self, _cmd: Empty) -> Jwks:
        """Previous, current and next key."""
        return Jwks(keys=await self._keyring.published())

    async def revoked_since(self, cmd: RevokedSince) -> Revocations:
        """What came after the cursor, oldest first, a page at a time; what no living token can be touched by is left out.

        A cursor beyond the head is one of another life of this database: the answer begins again.
        """
        async with self._begin() as store:
            # The head is read before the rows, so that the cursor of an empty page never jumps over one.
            head = await store.revocations.head()
            after = cmd.cursor if 0 <= cmd.cursor <= head else 0
            since = await store.now() - self._memory
            rows = await store.revocations.after(after, since=since, limit=PAGE + 1)
        items = rows[:PAGE]
        return Revocations(
            items=[
                Revocation(
                    cursor=row.cursor,
                    user_id=row.user_id,
                    session_id=row.session_id,
                    min_ver=row.min_ver,
                    kind=row.kind,
                )
                for row in items
            ],
            cursor=items[-1].cursor if items else head,
            more=len(rows) > PAGE,
        )
