"""Everything that messages keeps of somebody, for himself."""

import msgspec

from parley_messages.store import Database
from parley_messages.store.export import PARTS
from parley_shared.contracts.export import Exported, ExportPage
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused
from parley_shared.limits import PAGE_MAX, REPLY_BYTES

QUESTION = "export"


class Export:
    """Pages are read one after the other; what changes meanwhile may be in it or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, command: ExportPage) -> Exported:
        """The next lines. Raises Refused: BAD_CURSOR."""
        number, after = 0, PARTS[0].start
        if command.cursor is not None:
            number = read_cursor(command.cursor, QUESTION, tuple[int, list[object]])[0]
            if not 0 <= number < len(PARTS):
                raise Refused(Code.BAD_CURSOR, "The cursor does not belong to this list; start again without one.")
            after = read_cursor(command.cursor, QUESTION, PARTS[number].shape)[1]
        items: list[dict[str, object]] = []
        size = 0
        async with self._database.snapshot() as store:
            while number < len(PARTS):
                part = PARTS[number]
                rows = await store.export.rows(part, command.actor.user_id, after, PAGE_MAX)
                for row in rows:
                    line = {"type": part.type, **row}
                    size += len(msgspec.json.encode(line))
                    if items and size > REPLY_BYTES:
                        return Exported(items=items, next=write_cursor(QUESTION, number, after))
                    items.append(line)
                    after = tuple(row[name] for name in part.key)
                if len(rows) == PAGE_MAX:
                    return Exported(items=items, next=write_cursor(QUESTION, number, after))
                number += 1
                if number < len(PARTS):
                    after = PARTS[number].start
        return Exported(items=items)
