"""Who may see whether somebody is there, or types. Others ask; nothing is written."""

from parley_messages.store import Database
from parley_shared.contracts.visibility import MaySee, MaySeeAnswer, MayType, MayTypeAnswer
from parley_shared.errors import invalid
from parley_shared.limits import RECIPIENTS_LISTED, WATCH_USERS


class Visibility:
    """The verbs `may_see` and `may_type`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def may_see(self, request: MaySee) -> MaySeeAnswer:
        """People who share a room with the viewer, unless one of them blocked the other. Raises Refused: INVALID above 200."""
        if len(request.user_ids) > WATCH_USERS:
            raise invalid(user_ids=f"at most {WATCH_USERS}")
        async with self._database.begin() as store:
            return MaySeeAnswer(user_ids=await store.visibility.seen(request.viewer, request.user_ids))

    async def may_type(self, request: MayType) -> MayTypeAnswer:
        """Whether typing is told in this room, and to whom not."""
        async with self._database.snapshot() as store:
            if not await store.visibility.may_type(request.room_id, request.user_id, RECIPIENTS_LISTED):
                return MayTypeAnswer(allowed=False, hidden_from=[])
            return MayTypeAnswer(
                allowed=True, hidden_from=await store.visibility.apart(request.room_id, request.user_id)
            )
