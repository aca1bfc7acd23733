"""Roles, schemas and migrations on a real PostgreSQL, for a service that exists in this file alone."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from parley_shared.db.bootstrap import OWNERS, Passwords, bootstrap, given
from parley_shared.db.engine import invalidate_on_outage, make_engine
from parley_shared.db.migrate import migrate, wait
from parley_shared.db.outage import is_outage
from parley_shared.db.pool import make_pool, migrated
from parley_shared.db.revisions import head_revision, shortcoming
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
    (folder / "versions" / "0001_first.py").write_text(FIRST.format(name=name))
    (folder / "versions" / "0002_second.py").write_text(SECOND.format(name=name))
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


async def test_a_newer_schema_will_do_and_an_older_one_will_not(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    assert shortcoming(thing.name, "0002") is None
    # Of the next release, which has migrated already while this one's replicas are being replaced.
    assert shortcoming(thing.name, "0003") is None
    assert shortcoming(thing.name, "0001") == "the schema is at 0001, this code needs 0002"
    assert shortcoming(thing.name, None) == "the schema is at None, this code needs 0002"


async def test_a_service_stays_ready_while_the_next_release_has_migrated(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    pool = await make_pool(thing.owner_url, "test", application_name="test", size=1)
    check = migrated(thing.name, pool)
    assert await check() is None
    await pool.execute(f"UPDATE {thing.name}.alembic_version SET version_num = '0003'")
    assert await check() is None
    await pool.execute(f"UPDATE {thing.name}.alembic_version SET version_num = '0001'")
    assert await check() == "the schema is at 0001, this code needs 0002"
    await pool.close()


async def test_who_waits_for_a_schema_goes_on_once_it_is_there(thing: Thing) -> None:
    waiting = asyncio.create_task(wait(thing.name, thing.worker_url))  # the role is not there either
    await thing.bootstrap()
    async with connected(thing.worker_url):
        assert not waiting.done()
    await migrate(thing.name, thing.owner_url)
    async with asyncio.timeout(20):
        await waiting


def addresses() -> dict[str, str]:
    """What the bootstrap is given for all services."""
    return {
        f"PARLEY_{service.upper()}_{setting}": f"postgresql://{role}:{quote(f'secret/{role}', safe='')}@somewhere:5432/parley"
        for service in OWNERS
        for setting, role in (("POSTGRES_URL", f"parley_{service}"), ("MIGRATE_URL", f"parley_{service}_owner"))
    }


def test_passwords_are_taken_from_the_addresses_that_services_use() -> None:
    assert given(addresses()) == {
        service: Passwords(f"secret/parley_{service}_owner", f"secret/parley_{service}") for service in OWNERS
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "postgresql://somewhere/parley",
        "postgresql://parley_auth@somewhere/parley",
        "postgresql://auth:x@somewhere/parley",
    ],
)
def test_an_address_that_is_missing_or_another_roles_is_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="PARLEY_AUTH_POSTGRES_URL"):
        given({**addresses(), "PARLEY_AUTH_POSTGRES_URL": wrong})


async def test_no_error_of_an_engine_tells_a_row(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    engine = make_engine(thing.worker_url, application_name="test", pool_size=1)
    secret = "what\nsomebody wrote"
    async with engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO {thing.name}.things (id, label) VALUES (1, 'x')"))
    with pytest.raises(DBAPIError) as failed:
        async with engine.begin() as connection:
            await connection.execute(
                text(f"INSERT INTO {thing.name}.things (id, label) VALUES (CAST(:id AS int), CAST(:label AS text))"),
                {"id": None, "label": secret},
            )
    await engine.dispose()
    told = "".join(traceback.format_exception(failed.value)) + repr(failed.value)
    assert "null value in column" in told
    assert "somebody wrote" not in told


async def test_the_worker_has_a_second_role_that_does_the_same_while_the_first_goes_on(thing: Thing) -> None:
    await thing.bootstrap()
    await migrate(thing.name, thing.owner_url)
    first_url, first = thing.worker_url, thing.passwords
    async with connected(first_url) as before:
        thing.passwords = Passwords(first.owner, "another one", second=True)
        await thing.bootstrap()
        second_url = thing.worker_url.replace(f"parley_{thing.name}:", f"parley_{thing.name}_2:")
        async with connected(second_url) as after, connected(first_url) as still:
            for number, worker in enumerate((before, after, still)):
                await worker.execute(f"INSERT INTO {thing.name}.things (id) VALUES ({number})")
                assert await worker.fetchval(f"SELECT {thing.name}.one()") == 1
                assert await worker.fetchval(f"SELECT nextval('{thing.name}.numbers')") == number + 1
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await worker.execute(f"CREATE TABLE {thing.name}.more (id int)")
        # And back: the first gets a new password, the second goes on.
        thing.passwords = Passwords(first.owner, "a third one")
        await thing.bootstrap()
        async with connected(second_url), connected(thing.worker_url):
            pass
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(first_url)


def test_a_service_signs_in_as_either_of_its_roles_and_as_no_other() -> None:
    place = "localhost/parley"
    environment = {
        f"PARLEY_{service.upper()}_{setting}": f"postgresql://parley_{service}{end}:secret@{place}"
        for service in OWNERS
        for setting, end in (("POSTGRES_URL", "_2"), ("MIGRATE_URL", "_owner"))
    }
    assert all(passwords.second for passwords in given(environment).values())
    environment["PARLEY_AUTH_POSTGRES_URL"] = f"postgresql://parley_auth_3:secret@{place}"
    with pytest.raises(ValueError, match="parley_auth or parley_auth_2"):
        given(environment)
