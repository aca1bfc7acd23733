"""The migrations and tables.py describe the same schema; the working role can do no more than work."""

import asyncpg
import pytest
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import create_async_engine

from parley_messages.tables import metadata


async def test_the_migrations_make_what_the_tables_say(postgres) -> None:
    await postgres.migrated("messages")
    engine = create_async_engine(postgres.admin_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:

        def look(sync):
            inspector = inspect(sync)
            return {
                name: (
                    {
                        column["name"]: (column["type"].compile(sync.dialect), column["nullable"])
                        for column in inspector.get_columns(name, "messages")
                    },
                    inspector.get_pk_constraint(name, "messages")["constrained_columns"],
                )
                for name in inspector.get_table_names("messages")
            }

        found = await connection.run_sync(look)
        dialect = connection.dialect
    await engine.dispose()
    for table in metadata.sorted_tables:
        columns, key = found[table.name]
        assert columns == {
            column.name: (column.type.compile(dialect), bool(column.nullable)) for column in table.columns
        }, table.name
        assert key == [column.name for column in table.primary_key.columns], table.name
    partitions = ("events_", "messages_", "message_revisions_", "reactions_")
    assert {name for name in found if not name.startswith(partitions)} == {
        table.name for table in metadata.sorted_tables
    } | {"alembic_version"}


async def test_the_working_role_makes_and_drops_nothing_but_partitions_of_the_log(postgres) -> None:
    connection = await asyncpg.connect(await postgres.migrated("messages"))
    try:
        for statement in (
            "CREATE TABLE messages.mine ()",
            "DROP TABLE messages.outbox",
            "TRUNCATE messages.events",
            "ALTER TABLE messages.rooms ADD COLUMN mine text",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        assert await connection.fetchval("SELECT messages.make_log_partitions(4)") == 0
        for other in ("auth", "presence", "media", "search"):
            assert not await connection.fetchval("SELECT has_schema_privilege($1, 'USAGE')", other)
    finally:
        await connection.close()


async def test_no_tree_holds_what_every_send_changes_of_a_room(suite) -> None:
    """Otherwise each send would write to an index as well, instead of staying HOT."""
    indexed = await suite.database.fetchval(
        "SELECT array_agg(DISTINCT a.attname::text) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam AND m.amname <> 'brin'"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indrelid = 'messages.rooms'::regclass"
    )
    assert not {"head", "n", "last_at", "member_count", "floor"} & set(indexed)
