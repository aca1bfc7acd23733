"""Reading: pages of messages, one message, and events."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec

from parley_messages.domain.access import Action, demand, visible
from parley_messages.rendering import event_frame
from parley_messages.store import Database, Store
from parley_messages.usecases.shown import shown
from parley_messages.usecases.standing import opens_history, seen, stand
from parley_shared.contracts import messages as contract
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, invalid
from parley_shared.ids import room_stream, user_stream
from parley_shared.limits import PAGE_MAX, REPLY_BYTES

Item = TypeVar("Item", bound=msgspec.Struct)

NEWEST = 2**62
MOST_SEQ = 2**62


class Timeline:
    """Content is for present members; what they see of it, `visible` says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, command: contract.Page) -> contract.Messages:
        """Top-level messages, ascending. Raises Refused: NOT_FOUND, NOT_A_MEMBER, INVALID, BAD_CURSOR."""
        given = [name for name in ("before", "after", "around") if getattr(command, name) is not None]
        if len(given) > 1:
            raise invalid(**dict.fromkeys(given, "only one of before, after and around"))
        for name in given:
            if not 0 <= getattr(command, name) <= MOST_SEQ:
                raise invalid(**{name: "a seq, which is not negative"})
        direction, seq = _where(command)
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.READ)
            span = (command.room_id, opens_history(row, standing), command.actor.user_id)
            if direction == "around":
                older = await store.timeline.before(*span, seq, command.limit // 2)
                newer = await store.timeline.after(*span, seq - 1, command.limit - len(older))
                found = [*reversed(older), *newer]
                return contract.Messages(items=fitting(await shown(store, found, command.actor.user_id)))
            if direction == "after":
                rows = await store.timeline.after(*span, seq, command.limit + 1)
            else:
                rows = await store.timeline.before(*span, seq, command.limit + 1)
            items = fitting(await shown(store, rows[: command.limit], command.actor.user_id))
        more = len(items) < len(rows)
        cursor = write_cursor(f"messages:{command.room_id}", direction, items[-1].seq) if more and items else None
        return contract.Messages(items=items if direction == "after" else items[::-1], next=cursor)

    async def get(self, command: contract.MessageRequest) -> contract.Message:
        """Raises Refused: NOT_FOUND, NOT_A_MEMBER."""
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            found = await seen(store, row, standing, command.message_id)
            [answer] = await shown(store, [found], command.actor.user_id)
        return answer

    async def render(self, command: contract.RenderMessages) -> contract.RenderedMessages:
        """What search has found, as the caller sees it now: not at all, perhaps. Raises Refused: INVALID above 200."""
        if len(command.wanted) > PAGE_MAX:
            raise invalid(wanted=f"at most {PAGE_MAX}")
        user_id = command.actor.user_id
        wanted = [(ref.room_id, ref.message_id) for ref in command.wanted]
        async with self._database.snapshot() as store:
            rows = await store.timeline.seen_among(wanted, user_id, admin=command.actor.role == "admin")
            found = {item.id: item for item in await shown(store, rows, user_id) if not item.deleted}
        items: list[contract.Message | None] = []
        size = 0
        for ref in command.wanted:
            item = found.get(ref.message_id)
            size += len(msgspec.json.encode(item))
            if items and size > REPLY_BYTES:
                break
            items.append(item)
        return contract.RenderedMessages(items=items)

    async def room_events(self, command: contract.RoomEvents) -> contract.Events:
        """What changed after a seq. Raises Refused: NOT_FOUND, NOT_A_MEMBER, RESYNC below the log's floor."""
        stream = room_stream(command.room_id)
        async with self._database.snapshot() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.READ)
            _check_floor(command.after, row["floor"])
            rows = await store.streams.events(
                stream, command.room_id, min(command.after, MOST_SEQ), row["head"], command.limit
            )
            intervals = await store.members.intervals(command.room_id, command.actor.user_id)
            granted = standing.granted
        return _events(
            [
                (
                    item["seq"],
                    event_frame(stream, item, row)
                    if granted or visible(row["history"], intervals, item["seq"])
                    else None,
                )
                for item in rows
            ],
            row["head"],
        )

    async def user_events(self, command: contract.UserEvents) -> contract.Events:
        """What changed in the caller's own stream. Raises Refused: RESYNC."""
        stream = user_stream(command.actor.user_id)
        async with self._database.snapshot() as store:
            head, floor = await store.streams.user_head(command.actor.user_id)
            _check_floor(command.after, floor)
            rows = await store.streams.events(stream, None, min(command.after, MOST_SEQ), head, command.limit)
        return _events([(item["seq"], event_frame(stream, item, None)) for item in rows], head)


async def frames_between(
    store: Store, stream: str, room: Any | None, after: int, upto: int, limit: int
) -> list[tuple[int, bytes, Any]]:
    """(seq, frame, row) of a stream's range. room: its row, for a room's stream."""
    room_id: UUID | None = None if room is None else room["id"]
    rows = await store.streams.events(stream, room_id, after, upto, limit)
    return [(row["seq"], event_frame(stream, row, room), row) for row in rows]


def _where(command: contract.Page) -> tuple[str, int]:
    if command.cursor is not None:
        direction, seq = read_cursor(command.cursor, f"messages:{command.room_id}", tuple[str, int])
        if direction not in ("before", "after") or not 0 <= seq <= MOST_SEQ:
            raise Refused(Code.BAD_CURSOR, "The cursor does not belong to this list; start again without one.")
        return direction, seq
    if command.around is not None:
        return "around", command.around
    if command.after is not None:
        return "after", command.after
    return "before", NEWEST if command.before is None else command.before


def fitting(items: list[Item]) -> list[Item]:
    """As many from the beginning as one reply carries."""
    size = 0
    for index, item in enumerate(items):
        size += len(msgspec.json.encode(item))
        if index and size > REPLY_BYTES:
            return items[:index]
    return items


def _check_floor(after: int, floor: int) -> None:
    if after < 0:
        raise invalid(after="a seq, which is not negative")
    if after < floor:
        raise Refused(
            Code.RESYNC, "The log no longer reaches back that far; read the room again and go on from its head."
        )


def _events(items: list[tuple[int, bytes | None]], head: int) -> contract.Events:
    """Frames that fit one reply; None stands for what the caller may not see, which is passed over."""
    frames: list[msgspec.Raw] = []
    size = 0
    last: int | None = None
    for seq, frame in items:
        size += 0 if frame is None else len(frame)
        if frames and size > REPLY_BYTES:
            break
        if frame is not None:
            frames.append(msgspec.Raw(frame))
        last = seq
    return contract.Events(items=frames, head=head, next=str(last) if last is not None and last < head else None)
