"""Oneself, one's sessions, and other people."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec

from parley_client.errors import IncompleteError
from parley_client.http import Api
from parley_client.models import Erasure, ErasureBegun, Me, Page, Session, User


class Accounts:
    """Each method is one call of the HTTP API. Raises ApiError."""

    api: Api

    async def register(self, username: str, password: str, **more: Any) -> Me:
        """A new account (display_name, invite), and sign in with it."""
        body = {"username": username, "password": password, **more}
        me = await self.api.call("POST", "/auth/register", json=body, shape=Me, signed=False)
        await self.api.login(username, password)
        return me

    async def me(self) -> Me:
        return await self.api.call("GET", "/users/me", shape=Me)

    async def update_me(self, rev: int, **changes: Any) -> Me:
        """display_name, read_receipts."""
        return await self.api.call("PATCH", "/users/me", json={"rev": rev, **changes}, shape=Me)

    async def sessions(self) -> Page[Session]:
        return await self.api.call("GET", "/auth/sessions", shape=Page[Session])

    async def end_session(self, session_id: UUID) -> None:
        await self.api.call("DELETE", f"/auth/sessions/{session_id}")

    async def change_password(self, current: str, new: str) -> None:
        """The other sessions end."""
        await self.api.call("POST", "/auth/password", json={"current_password": current, "new_password": new})

    async def export_me(self) -> AsyncIterator[bytes]:
        """Everything that is kept of oneself, as lines of JSON. Raises IncompleteError if the file does not reach its end."""
        count = 0
        async for line in self.api.lines("/users/me/export"):
            yield line
            found = msgspec.json.decode(line)
            if found["type"] == "end" and found["lines"] == count:
                return
            count += 1
        raise IncompleteError("The export was cut off; try again.")

    async def erase_me(self, password: str) -> ErasureBegun:
        """For good: the account is nobody's from here on. Keep the answer, it is what one can ask `erasure` with."""
        return await self.api.call("DELETE", "/users/me", json={"password": password}, shape=ErasureBegun)

    async def erasure(self, erasure_id: UUID, code: str | None = None) -> Erasure:
        """How far an erasure has come: with its code, or as an admin."""
        headers = None if code is None else {"Parley-Erasure-Code": code}
        path = f"/erasures/{erasure_id}"
        return await self.api.call("GET", path, headers=headers, shape=Erasure, signed=code is None)

    async def user(self, user_id: UUID) -> User:
        return await self.api.call("GET", f"/users/{user_id}", shape=User)

    async def users(
        self, *, ids: list[UUID] | None = None, query: str | None = None, cursor: str | None = None
    ) -> Page[User]:
        joined = None if ids is None else ",".join(map(str, ids))
        return await self.api.call(
            "GET", "/users", params={"ids": joined, "query": query, "cursor": cursor}, shape=Page[User]
        )
