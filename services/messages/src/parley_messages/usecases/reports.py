"""Reports of messages, and an admin's access to a room's content."""

from typing import Any
from uuid import UUID

from parley_messages.clients import AuthClient
from parley_messages.domain.access import Action, demand, may
from parley_messages.store import Database
from parley_messages.usecases.budget import ChangeBudget
from parley_messages.usecases.changes import Changes
from parley_messages.usecases.standing import opens_history, stand
from parley_shared.contracts import moderation as contract
from parley_shared.cursors import read_cursor, write_cursor
from parley_shared.errors import Code, Refused, not_found
from parley_shared.ids import new_id
from parley_shared.limits import REASON_CHARS
from parley_shared.text import clean


class Reports:
    """A report opens no content: it says which message, and what the reporter thinks of it."""

    def __init__(self, database: Database, auth: AuthClient, budget: ChangeBudget) -> None:
        self._database = database
        self._auth = auth
        self._budget = budget

    async def report(self, command: contract.ReportMessage) -> contract.Reported:
        """Who may see a message may report it; as long as that report is open, again is the same report.

        Raises Refused: NOT_FOUND, NOT_A_MEMBER, DELETED, INVALID, RATE_LIMITED.
        """
        reason = clean(command.reason, field="reason", least=1, most=REASON_CHARS)
        report_id = new_id()
        actor = command.actor.user_id
        async with self._database.begin() as store:
            row, standing = await stand(store, command.actor, command.room_id, lock=True)
            demand(standing, Action.REPORT)
            message = await store.timeline.get(command.room_id, opens_history(row, standing), actor, command.message_id)
            if message is None:
                raise not_found("message")
            if message["deleted_at"] is not None:
                raise Refused(Code.DELETED, "The message has been deleted already.")
            found = await store.reports.add(report_id, command.room_id, command.message_id, actor, reason)
            if found == report_id:
                await self._budget.spend(store, actor)
                await Changes(store, actor).audit(command.room_id, "message.reported", command.message_id)
        return contract.Reported(id=found, created=found == report_id)

    async def of_room(self, command: contract.ListRoomReports) -> contract.Reports:
        """For its moderators. Raises Refused: FORBIDDEN, NOT_FOUND, BAD_CURSOR."""
        scope = f"reports:{command.room_id}"
        last = _last(command.cursor, scope)
        async with self._database.snapshot() as store:
            _, standing = await stand(store, command.actor, command.room_id, lock=False)
            demand(standing, Action.SEE_REPORTS)
            rows = await store.reports.of_room(command.room_id, command.limit + 1, last)
        return _page(rows, command.limit, scope)

    async def of_all(self, command: contract.ListReports) -> contract.Reports:
        """For admins; for global moderators those of public rooms. Raises Refused: FORBIDDEN, BAD_TOKEN, TOKEN_EXPIRED."""
        role = await self._auth.confirm(command.actor, command.token)
        if role == "user":
            raise Refused(Code.FORBIDDEN, "Only admins and moderators may do this.")
        last = _last(command.cursor, "reports")
        async with self._database.snapshot() as store:
            rows = await store.reports.of_all(public_only=role != "admin", limit=command.limit + 1, last=last)
        return _page(rows, command.limit, "reports")

    async def resolve(self, command: contract.ResolveReport) -> contract.Report:
        """By whoever may see it: moderators of its room, and by office. A second time it replaces what was said.

        Raises Refused: NOT_FOUND, INVALID, BAD_TOKEN, TOKEN_EXPIRED.
        """
        resolution = clean(command.resolution, field="resolution", least=1, most=REASON_CHARS)
        await self._auth.confirm(command.actor, command.token)
        async with self._database.begin() as store:
            found = await store.reports.get(command.report_id)
            if found is None:
                raise not_found("report")
            row, standing = await stand(store, command.actor, found["room_id"], lock=True)
            if not may(standing, Action.SEE_REPORTS):
                raise not_found("report")
            if found["resolution"] != resolution:
                actor = command.actor.user_id
                await store.reports.resolve(found, resolution, actor)
                # The trail is not sealed, and what is said of a sealed message may quote it.
                told = None if row["key_version"] else resolution
                await Changes(store, actor).audit(found["room_id"], "report.resolved", found["message_id"], told)
                found = await store.reports.get(command.report_id)
        return _report(found)


def _last(cursor: str | None, scope: str) -> tuple[bool, UUID] | None:
    return None if cursor is None else read_cursor(cursor, scope, tuple[bool, UUID])


def _page(rows: list[Any], limit: int, scope: str) -> contract.Reports:
    items = [_report(row) for row in rows[:limit]]
    more = len(rows) > limit
    return contract.Reports(
        items=items, next=write_cursor(scope, items[-1].resolved_at is not None, items[-1].id) if more else None
    )


def _report(row: Any) -> contract.Report:
    return contract.Report(**{name: row[name] for name in contract.Report.__struct_fields__})
