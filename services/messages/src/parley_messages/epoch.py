"""The suite's epoch: one random value for as long as the history is the same one.

A restored backup or an unsafe failover brings another system identifier or timeline, or an older `meta` row beside a newer
identity; clients and indexes that hold another epoch start again from a fresh read.
"""

import secrets
from collections.abc import Callable

import asyncpg
import structlog

log = structlog.get_logger(__name__)

# The first eight digits of a WAL file's name are the timeline that is being written now; pg_control_checkpoint() would
# tell that of the last checkpoint, which may be older for minutes after a promotion.
IDENTITY = """
    SELECT (SELECT system_identifier::text FROM pg_control_system()),
           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
"""
KEEP_OR_MAKE = """
    INSERT INTO messages.meta (epoch, system_identifier, timeline, changed_at)
    VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (singleton) DO UPDATE
    SET epoch = excluded.epoch, system_identifier = excluded.system_identifier, timeline = excluded.timeline,
        changed_at = excluded.changed_at
    WHERE (meta.system_identifier, meta.timeline) IS DISTINCT FROM (excluded.system_identifier, excluded.timeline)
"""


class Epoch:
    """`value` is "" until the first check. changed: called when it has become another one."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.value = ""
        self._changed = changed

    async def check(self, connection: asyncpg.Connection) -> None:
        """Compare the database's identity with the stored one; a changed one makes a new epoch. Before the first write of
        every connection that was lost."""
        system, timeline = await connection.fetchrow(IDENTITY)
        await connection.execute(KEEP_OR_MAKE, secrets.token_hex(8), system, timeline)
        found = str(await connection.fetchval("SELECT epoch FROM messages.meta"))
        if self.value and self.value != found:
            log.warning("epoch.changed", before=self.value, now=found)
            self._changed()
        self.value = found
