"""An admin's access to a room's content: for minutes, with a reason, and its owners are told."""

from collections.abc import Callable

from parley_messages.clients import AuthClient
from parley_messages.publisher import LivePublisher
from parley_messages.store import Database
from parley_messages.usecases.changes import Changes, Notice
from parley_shared.contracts import moderation as contract
from parley_shared.errors import invalid, not_found
from parley_shared.ids import new_id
from parley_shared.limits import ACCESS_MINUTES, REASON_CHARS
from parley_shared.text import clean


class Grants:
    """Office opens no content; this does, and ends by itself."""

    def __init__(
        self, database: Database, publisher: LivePublisher, auth: AuthClient, advanced: Callable[[], None]
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._auth = auth
        self._advanced = advanced

    async def grant(self, command: contract.GrantAccess) -> contract.AccessGrant:
        """For the admin who asks. Raises Refused: FORBIDDEN, NOT_FOUND, INVALID, BAD_TOKEN, TOKEN_EXPIRED."""
        await self._auth.demand_admin(command)
        if not 1 <= command.minutes <= ACCESS_MINUTES:
            raise invalid(minutes=f"between 1 and {ACCESS_MINUTES}")
        reason = clean(command.reason, field="reason", least=1, most=REASON_CHARS)
        actor = command.actor.user_id
        async with self._database.begin() as store:
            room = await store.rooms.lock(command.room_id)
            if room is None or room["deleted_at"] is not None:
                raise not_found("room")
            row = await store.grants.add(new_id(), command.room_id, actor, reason, command.minutes)
            changes = Changes(store, actor)
            await changes.audit(command.room_id, "access.granted", actor, reason, minutes=command.minutes)
            # A direct room belongs to everybody in it.
            concerned = (
                (await store.members.of_rooms([command.room_id])).get(command.room_id, set())
                if room["kind"] == "direct"
                else set(await store.members.owners(command.room_id))
            )
            await changes.notify(
                [Notice(user, "access", command.room_id, actor) for user in sorted(concerned - {actor})]
            )
        self._advanced()
        await changes.publish(self._publisher)
        return contract.AccessGrant(**{name: row[name] for name in contract.AccessGrant.__struct_fields__})
