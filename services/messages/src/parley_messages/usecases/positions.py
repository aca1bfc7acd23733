"""Delivered and read positions."""

from prometheus_client import Counter

from parley_messages.domain.access import Action, demand
from parley_messages.rendering import my_room
from parley_messages.store import Database
from parley_messages.usecases.receipts import Receipts
from parley_messages.usecases.standing import stand
from parley_shared.contracts import messages as contract
from parley_shared.contracts.base import Empty
from parley_shared.errors import invalid

MOST = 1_000

_moved = Counter("parley_positions_moved", "Positions of people in rooms that have grown")


class Positions:
    """Positions only grow; one beyond the head means the head."""

    def __init__(self, database: Database, receipts: Receipts) -> None:
        self._database = database
        self._receipts = receipts

    async def mark_read(self, command: contract.MarkRead) -> contract.ReadState:
        """Raises Refused: NOT_FOUND, NOT_A_MEMBER, INVALID."""
        if not 0 <= command.seq < 2**62:
            raise invalid(seq="a seq, which is not negative")
        user_id = command.actor.user_id
        async with self._database.begin() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.FOLLOW)
            moved = await store.positions.move([command.room_id], [user_id], [command.seq], [command.seq])
            state = my_room(await store.rooms.mine(user_id, command.room_id))
        _moved.inc(len(moved))
        await self._receipts.tell(moved)
        return contract.ReadState(read_seq=state.read_seq, unread=state.unread, mentions=state.mentions)

    async def flush(self, command: contract.FlushPositions) -> Empty:
        """What a gateway has gathered in a second. Raises Refused: INVALID above 1,000."""
        positions = command.positions
        if len(positions) > MOST:
            raise invalid(positions=f"at most {MOST}")
        async with self._database.begin() as store:
            moved = await store.positions.move(
                [position.room_id for position in positions],
                [position.user_id for position in positions],
                [min(max(position.delivered_seq, 0), 2**62) for position in positions],
                [min(max(position.read_seq, 0), 2**62) for position in positions],
            )
        _moved.inc(len(moved))
        await self._receipts.tell(moved)
        return Empty()
