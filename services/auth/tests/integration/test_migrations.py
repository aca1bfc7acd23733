"""What was noted before the trail was a chain is in the chain, in its order."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from parley_shared import embedded
from parley_shared.audit import ACCOUNTS_CHAIN, broken, entry_of, shown
from parley_shared.db.bootstrap import bootstrap
from parley_shared.db.migrate import _config, migrate
from parley_shared.ids import new_id
from parley_shared.testing.fixtures import Postgres


def _to_first(connection: Connection) -> None:
    config = _config("auth")
    config.attributes["connection"] = connection
    config.attributes["schema"] = "auth"
    command.upgrade(config, "0001")


async def test_entries_of_the_first_revision_become_the_beginning_of_the_chain(postgres: Postgres) -> None:
    name = f"old_{new_id().hex[-12:]}"
    await embedded.make_database(postgres.admin_url, name)
    admin_url = urlunsplit(urlsplit(postgres.admin_url)._replace(path=f"/{name}"))
    await bootstrap(admin_url, postgres.passwords)
    url = Postgres(admin_url, postgres.passwords).owner_url("auth")
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        await connection.run_sync(_to_first)
        await connection.commit()
    await engine.dispose()
    alice = new_id()
    database = await asyncpg.connect(url)
    try:
        for minutes, action, detail in ((3, "account.disabled", None), (5, "account.registered", "user")):
            await database.execute(
                "INSERT INTO auth.audit VALUES ($1, now() - make_interval(mins => $2), $3, $4, $3, $5)",
                new_id(),
                minutes,
                alice,
                action,
                detail,
            )
        await migrate("auth", url)
        rows = await database.fetch("SELECT * FROM auth.audit ORDER BY n")
    finally:
        await database.close()
    assert broken("accounts", ACCOUNTS_CHAIN, [entry_of(row) for row in rows]) is None
    entries = [shown(row, None) for row in rows]
    assert [(entry.n, entry.action, entry.details) for entry in entries] == [
        (1, "account.registered", {"detail": "user"}),
        (2, "account.disabled", {}),
    ]
    assert {(entry.actor_id, entry.target_id) for entry in entries} == {(alice, alice)}
