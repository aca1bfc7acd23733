"""The connection log, for admins."""

from datetime import datetime
from uuid import UUID

from parley_presence.clients import AuthClient
from parley_presence.store import Begin
from parley_shared.contracts.presence import Connections as Page
from parley_shared.contracts.presence import ListConnections
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import Code, Refused, invalid

QUESTION = "connections"


class Connections:
    """The verb `admin_connections`."""

    def __init__(self, begin: Begin, auth: AuthClient) -> None:
        self._begin = begin
        self._auth = auth

    async def list(self, cmd: ListConnections) -> Page:
        """The newest first. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED, INVALID, BAD_CURSOR."""
        if cmd.actor.role != "admin":
            raise Refused(Code.FORBIDDEN, "Only an admin may do this.")
        limit = checked_limit(cmd.limit)
        for name, moment in (("since", cmd.since), ("until", cmd.until)):
            if moment is not None and moment.tzinfo is None:
                raise invalid(**{name: "an instant, with its time zone"})
        after = None if cmd.cursor is None else read_cursor(cmd.cursor, QUESTION, tuple[datetime, UUID])
        if after is not None and after[0].tzinfo is None:
            raise Refused(Code.BAD_CURSOR, "The cursor does not belong to this list; start again without one.")
        await self._auth.demand_admin(cmd)
        async with self._begin() as store:
            rows = await store.log(
                user_id=cmd.user_id,
                connection_id=cmd.connection_id,
                since=cmd.since,
                until=cmd.until,
                after=after,
                limit=limit + 1,
            )
        more = None
        if len(rows) > limit:
            last = rows[limit - 1]
            more = write_cursor(QUESTION, last.opened_at, last.connection_id)
        return Page(items=rows[:limit], next=more)
