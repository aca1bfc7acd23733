"""Roles, schemas and migrations on a real PostgreSQL, for a service that exists in this file alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text

from parley_shared.db.bootstrap import OWNERS, Passwords, bootstrap
from parley_shared.db.engine import invalidate_on_outage, is_outage, make_engine
from parley_shared.db.migrate import head_revision, migrate
from parley_shared.ids import new_id
from parley_shared.testing.fixtures import Postgres

ENVIRONMENT = """
from sqlalchemy import MetaData
from parley_shared.db.environment import run_migrations
run_migrations(MetaData(schema="{name}"))
"""
FIRST = """
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.execute("CREATE TABLE {name}.things (id int PRIMARY KEY)")
    op.execute("CREATE FUNCTION {name}.one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    op.execute("SELECT pg_sleep(0.3)")
"""
SECOND = """
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.execute("ALTER TABLE {name}.things ADD COLUMN label text")
    op.execute("CREATE SEQUENCE {name}.numbers")
"""


class Thing:
    """A service called `name`, with two migrations."""

    def __init__(self, name: str, postgres: Postgres) -> None:
        self.name = name
        self.admin_url = postgres.admin_url
        self.passwords = Passwords("of the owner, it's", "of the 'worker'")
        self._place = postgres.admin_url.rpartition("@")[2]

    @property
    def worker_url(self) -> str:
        return f"postgresql://parley_{self.name}:{quote(self.passwords.worker)}@{self._place}"

    @property
    def owner_url(self) -> str:
        return f"postgresql://parley_{self.name}_owner:{quote(self.passwords.owner)}@{self._place}"

    async def bootstrap(self) -> None:
        await bootstrap(self.admin_url, {self.name: self.passwords})


@pytest.fixture
def thing(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Thing:
    name = f"thing{new_id().hex[-10:]}"
    folder = tmp_path / f"parley_{name}" / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "env.py").write_text(ENVIRONMENT.format(name=name))
    (folder / "versions" / "first.py").write_text(FIRST.format(name=name))
    (folder / "versions" / "second.py").write_text(SECOND.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    return Thing(name, postgres)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_replicas_that_start_together_migrate_once(thing: Thing) -> None:
    await thing.bootstrap()
    await asyncio.gather(*(migrate(thing.name, thing.owner_url) for _ in range(4)))
    async with connected(thing.worker_url) as worker:
        assert await worker.fetchval(f"SELECT version_num FROM {thing.name}.alembic_version") == "0002"
    assert head_revision(thing.name) == "0002"


async def test_a_migration_that_has_run_runs_no_more(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    async with connected(thing.worker_url) as worker:
        await worker.execute(f"INSERT INTO {thing.name}.things VALUES (1)")
        await migrate(thing.name, thing.owner_url)
        assert await worker.fetchval(f"SELECT count(*) FROM {thing.name}.things") == 1


async def test_the_working_role_works_and_changes_no_tables(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    async with connected(thing.worker_url) as worker:
        await worker.execute(f"INSERT INTO {thing.name}.things VALUES (nextval('{thing.name}.numbers'))")
        await worker.execute(f"UPDATE {thing.name}.things SET label = 'x'")
        assert await worker.fetchval(f"SELECT {thing.name}.one()") == 1
        await worker.execute(f"DELETE FROM {thing.name}.things")
        for statement in (
            f"CREATE TABLE {thing.name}.mine ()",
            f"TRUNCATE {thing.name}.things",
            f"DROP TABLE {thing.name}.things",
            f"ALTER TABLE {thing.name}.things DROP COLUMN label",
            "CREATE TABLE public.mine ()",
            "CREATE TEMPORARY TABLE mine ()",
            f"SET ROLE parley_{thing.name}_owner",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await worker.execute(statement)


async def test_a_role_cannot_call_what_another_service_has_defined(thing: Thing, postgres: Postgres) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    for service in OWNERS:
        for url in (postgres.worker_url(service), postgres.owner_url(service)):
            async with connected(url) as other:
                for statement in (f"SELECT {thing.name}.one()", f"SELECT FROM {thing.name}.things"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await other.execute(statement)


async def test_roles_are_made_once_and_their_passwords_corrected(thing: Thing) -> None:
    await asyncio.gather(*(thing.bootstrap() for _ in range(3)))
    old = thing.worker_url
    thing.passwords = Passwords("another", "one more")
    await thing.bootstrap()
    async with connected(thing.worker_url):
        pass
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(old)


async def test_an_engine_is_found_dead_once_and_works_again(thing: Thing) -> None:
    await thing.bootstrap()
    engine = make_engine(thing.worker_url, application_name=f"test-{thing.name}", pool_size=2)
    invalidate_on_outage(engine)
    try:
        async with engine.connect() as connection, connected(thing.admin_url) as admin:
            assert await connection.scalar(text("SHOW application_name")) == f"test-{thing.name}"
            assert await connection.scalar(text("SHOW timezone")) == "UTC"
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                f"test-{thing.name}",
            )
            with pytest.raises(Exception) as caught:
                await connection.scalar(text("SELECT 1"))
            assert is_outage(caught.value)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    finally:
        await engine.dispose()


@pytest.mark.parametrize("url", ["postgresql://me:x@127.0.0.1:1/x"])
async def test_a_database_that_is_away_is_an_outage(url: str) -> None:
    engine = make_engine(url, application_name="test", pool_size=1)
    with pytest.raises(Exception) as caught:
        async with engine.connect():
            pass
    assert is_outage(caught.value)
    await engine.dispose()


async def test_a_wrong_statement_is_a_bug_and_no_outage(thing: Thing) -> None:
    await thing.bootstrap()
    engine = make_engine(thing.worker_url, application_name="test", pool_size=1)
    try:
        for statement in ("SELECT nothing", "SELECT 1/0", "SELECT FROM auth.users"):
            with pytest.raises(Exception) as caught:
                async with engine.connect() as connection:
                    await connection.execute(text(statement))
            assert not is_outage(caught.value)
    finally:
        await engine.dispose()
