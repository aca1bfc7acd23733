"""The audit trail of accounts, for admins: pages to read, and exports with proof."""

from parley_auth.store import Begin
from parley_auth.usecases.office import Office
from parley_shared.audit import ACCOUNTS_CHAIN, Signer, exported, heads, shown
from parley_shared.contracts import audit as contract
from parley_shared.contracts.base import Empty
from parley_shared.cursors import checked_limit, read_cursor, write_cursor
from parley_shared.errors import unavailable


class Audit:
    """The verbs `audit`, `audit_heads`, `audit_entries`, `audit_key`. signer: None where no key was given; then there are no
    exports."""

    def __init__(self, begin: Begin, office: Office, signer: Signer | None) -> None:
        self._begin = begin
        self._office = office
        self._signer = signer

    async def page(self, cmd: contract.ListAudit) -> contract.AuditEntries:
        """The newest entries first. Raises Refused: BAD_CURSOR, INVALID, and as `Office.demand`."""
        limit = checked_limit(cmd.limit)
        scope = f"audit:{cmd.user_id}:{cmd.action}"
        below = None if cmd.cursor is None else read_cursor(cmd.cursor, scope, tuple[int])[0]
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            rows = await store.journal.page(
                user_id=cmd.user_id,
                action=cmd.action,
                since=cmd.since,
                until=cmd.until,
                below=below,
                limit=limit + 1,
            )
        more = write_cursor(scope, rows[limit - 1]["n"]) if len(rows) > limit else None
        return contract.AuditEntries(items=[shown(row, None) for row in rows[:limit]], next=more)

    async def heads(self, cmd: contract.AuditHeads) -> contract.SignedHeads:
        """The signed statement on where the chain ends. Raises Refused: UNAVAILABLE, and as `Office.demand`."""
        signer = self._demand_signer()
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            at = await store.now()
            ends = await store.journal.ends(cmd.since, cmd.until)
        rows = []
        if ends is not None:
            first, last = ends
            rows = [
                {
                    "chain": ACCOUNTS_CHAIN,
                    "first": first["n"],
                    "prev_hash": first["prev_hash"],
                    "n": last["n"],
                    "hash": last["hash"],
                }
            ]
        return contract.SignedHeads(items=[signer.signed(heads(cmd, "accounts", rows, after=None, upto=None, at=at))])

    async def entries(self, cmd: contract.AuditRequest) -> contract.ExportedEntries:
        """A page of entries as they stand in an export. Raises Refused: BAD_CURSOR, INVALID, and as `Office.demand`."""
        limit = checked_limit(cmd.limit)
        after = 0 if cmd.cursor is None else read_cursor(cmd.cursor, "entries", tuple[int])[0]
        await self._office.prepare()
        async with self._begin() as store:
            await self._office.demand(store, cmd)
            rows = await store.journal.run(cmd.since, cmd.until, after, limit + 1)
        more = write_cursor("entries", rows[limit - 1]["n"]) if len(rows) > limit else None
        return contract.ExportedEntries(
            items=[exported("accounts", ACCOUNTS_CHAIN, row) for row in rows[:limit]], next=more
        )

    async def key(self, _cmd: Empty) -> contract.AuditKey:
        """The public half of the key that signs. Raises Refused: UNAVAILABLE."""
        return contract.AuditKey(algorithm="Ed25519", public_key=self._demand_signer().public_key)

    def _demand_signer(self) -> Signer:
        if self._signer is None:
            raise unavailable("This installation has no key to sign exports with: PARLEY_AUTH_AUDIT_KEY.")
        return self._signer
