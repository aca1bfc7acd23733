"""How much work waits in the database: for JetStream, for people, for media. Read now and then, whoever's turn the work is.

It is read apart from that work, so that it is known also when the work stands still.
"""

from typing import Final

from prometheus_client import Gauge

from parley_messages.store import Database

READ_EVERY_S: Final = 10.0
MOST: Final = 100_000
"""Rows that are counted; whether there are more does not matter any more."""

_BACKLOG = """
    SELECT (SELECT count(*) FROM (SELECT FROM messages.outbox LIMIT $1) o),
           (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM messages.outbox ORDER BY id LIMIT 1),
           (SELECT count(*) FROM (SELECT FROM messages.fanout LIMIT $1) f),
           (SELECT count(*) FROM (SELECT FROM messages.message_images WHERE NOT live LIMIT $1) i)
"""

_outbox = Gauge("parley_outbox_rows", "Rows that wait to be told to JetStream; the same in every replica")
_age = Gauge("parley_outbox_age_seconds", "Age of the oldest of them; the same in every replica")
_fanout = Gauge("parley_fanout_rows", "Messages of which people are still to be notified; the same in every replica")
_images = Gauge(
    "parley_images_unreleased", "Images of deleted messages that media is to erase; the same in every replica"
)


class BacklogJob:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        async with self._database.connection() as connection:
            rows, age, fanout, images = await connection.fetchrow(_BACKLOG, MOST)
        _outbox.set(rows)
        _age.set(age or 0.0)
        _fanout.set(fanout)
        _images.set(images)
